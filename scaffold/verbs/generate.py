"""What every generating verb shares: from settings and protos to the artifacts that should exist, and their plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from scaffold import __version__
from scaffold.acl.facts import facts
from scaffold.acl.snapshot import read as read_snapshot
from scaffold.core import analyse, settings
from scaffold.core.adapter import adapter_files, adapter_problems
from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError
from scaffold.core.files import component_files
from scaffold.core.plan import Plan, make_plan
from scaffold.core.render import Artifact, Renderer
from scaffold.shell import data, protoc, skeleton, templates
from scaffold.shell.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from scaffold.core.api import Api
    from scaffold.core.settings import Adapter, Settings, Unit
    from scaffold.core.view import ComponentFiles


@dataclass(frozen=True)
class Wanted:
    """What should exist, and the files that this was read from."""

    settings: Settings
    api: Api
    artifacts: tuple[Artifact, ...]
    notes: tuple[Diagnostic, ...]
    inputs: tuple[Path, ...]


def open_workspace(start: Path) -> tuple[Workspace, Settings]:
    """The workspace around a folder, and its settings. Raises ScaffoldError with every mistake in them."""
    workspace = Workspace.find(start)
    return workspace, settings.load(workspace.text, __version__)


def wanted(workspace: Workspace, configuration: Settings, extra_roots: Sequence[tuple[str, Path]] = ()) -> Wanted:
    """Compile the protos of every component and render what should exist. Nothing is written."""
    roots = (*workspace.roots(configuration.protos.roots), *extra_roots)
    described: tuple[Unit | Adapter, ...] = (*configuration.components(), *configuration.adapters())
    api, serialized = compile_api(roots, [p for each in described for p in each.protos])
    units = [with_services(unit, api) for unit in configuration.components()]
    ScaffoldError.raise_if([problem for unit in units for problem in _missing_services(unit, api)])
    configuration = _with_services(configuration, units, [_with_services_of(a, api) for a in configuration.adapters()])
    ScaffoldError.raise_if([p for each in configuration.adapters() for p in _adapter_problems(each, api)])
    folder = data.folder("templates")
    own = [unit for unit in units if not unit.external]
    adapters = configuration.adapters()
    kinds = sorted({unit.kind for unit in own} | {adapter.kind for adapter in adapters})
    runtimes = {kind: templates.runtime(folder, kind) for kind in kinds}
    components = [component_files(u, api, configuration, serialized, runtimes[u.kind]) for u in own]
    components += [_adapter(workspace, each, api, serialized, runtimes[each.kind]) for each in adapters]
    renderer = Renderer(templates.loader(folder))
    artifacts: list[Artifact] = []
    for component in components:
        artifacts += map(renderer.artifact, component.files)
        artifacts += _skeleton(workspace, component, folder / component.unit.kind)
    notes = (*settings.notes(configuration, text=workspace.text), *protoc.shadowed(roots))
    return Wanted(
        configuration, api, tuple(artifacts), notes, tuple(_inputs(workspace, configuration, roots, api, folder))
    )


def plan_of(workspace: Workspace, what: Wanted) -> Plan:
    """The changes between what should exist and what is on disk."""
    return make_plan(what.artifacts, workspace.snapshot(a.path for a in what.artifacts), what.notes)


def compile_api(roots: Sequence[tuple[str, Path]], protos: Sequence[str]) -> tuple[Api, dict[str, bytes]]:
    """Compile protos to the Api and to their serialized files, without source info, by name."""
    descriptor_set = protoc.compile_protos(roots, sorted(set(protos)))
    api = analyse.analyse(descriptor_set)
    return api, dict(analyse.serialized_files(descriptor_set, [f.name for f in api.files]))


def with_services(unit: Unit, api: Api) -> Unit:
    """The unit with its services: those named in settings, else every one of its files, in their order."""
    if unit.services:
        return unit
    return replace(unit, services=services_in(unit.protos, api))


def services_in(protos: Sequence[str], api: Api) -> tuple[str, ...]:
    """The services of these files, in their order."""
    return tuple(s.full_name for p in protos for s in api.services if s.file == p)


def _with_services_of(adapter: Adapter, api: Api) -> Adapter:
    """The layer with its services: those that are named, else every one of its files."""
    if adapter.services:
        return adapter
    return replace(adapter, services=services_in(adapter.protos, api))


def _adapter_problems(adapter: Adapter, api: Api) -> Iterator[Diagnostic]:
    missing = _missing_services(adapter, api)
    yield from missing or adapter_problems(adapter, api)


def _adapter(
    workspace: Workspace, adapter: Adapter, api: Api, serialized: Mapping[str, bytes], runtime: Mapping[str, str]
) -> ComponentFiles:
    snapshot = read_snapshot(workspace.root / adapter.snapshot, adapter.snapshot)
    return adapter_files(adapter, api, serialized, facts(snapshot, adapter.models, adapter.snapshot), runtime)


def _with_services(configuration: Settings, units: Sequence[Unit], adapters: Sequence[Adapter]) -> Settings:
    """Settings in which every component, and every layer, names its services."""
    layers = {a.name: {"services": list(a.services)} for a in adapters}
    acls = {n: a.model_copy(update=layers[n]) for n, a in configuration.acls.items()}
    services = {unit.name: {"services": list(unit.services)} for unit in units}
    stores = {n: s.model_copy(update=services[n]) for n, s in configuration.stores.items()}
    processes = {n: p.model_copy(update=services[n]) for n, p in configuration.processes.items()}
    return configuration.model_copy(update={"stores": stores, "processes": processes, "acls": acls})


def _missing_services(unit: Unit | Adapter, api: Api) -> list[Diagnostic]:
    """A service that is named and is not in the component's files."""
    here = [s.full_name for s in api.services if s.file in unit.protos]
    return [service_not_found(name, here, unit.protos) for name in unit.services if name not in here]


def service_not_found(name: str, here: Sequence[str], protos: Sequence[str]) -> Diagnostic:
    """There is no service of that full name in the files."""
    from difflib import get_close_matches

    close = get_close_matches(name, here, n=1, cutoff=0.4)
    remedy = f'did you mean "{close[0]}"?' if close else f"services there: {', '.join(here) or 'none'}"
    message = f'there is no service "{name}" in {", ".join(protos)}'
    return Diagnostic(
        "unknown-service", message, Location("scaffold.toml"), f"{remedy} See `services` of the component."
    )


def _skeleton(workspace: Workspace, component: ComponentFiles, template: Path) -> list[Artifact]:
    """The skeleton's files; cookiecutter runs only where one of them was never made."""
    unit = component.unit
    names = skeleton.paths(template, unit.package)
    listed = workspace.listed()
    if all(f"{unit.path}/{n}" in listed or workspace.exists(f"{unit.path}/{n}") for n in names):
        made = dict.fromkeys(names, b"")
    else:
        made = skeleton.make(template, component.skeleton.context)
    return [
        Artifact(f"{unit.path}/{name}", content, "yours", f"templates/{unit.kind}") for name, content in made.items()
    ]


def _inputs(
    workspace: Workspace, configuration: Settings, roots: Sequence[tuple[str, Path]], api: Api, templates_folder: Path
) -> list[Path]:
    """Every file that decides what is generated, and those that would if they came to exist."""
    # The generator itself too: in an editable install it changes under the same version.
    core, shell = Path(settings.__file__).parent, Path(protoc.__file__).parent
    files = [workspace.root / "scaffold.toml", Path(__file__), *core.glob("*.py"), *shell.glob("*.py")]
    for file in api.files:
        files += [folder / file.name for _, folder in roots]
    files += [workspace.root / adapter.snapshot for adapter in configuration.adapters()]
    files += [f for f in templates_folder.rglob("*") if f.is_file() and "__pycache__" not in f.parts]
    files += [disk for _, disk in protoc.installed()]
    return files
