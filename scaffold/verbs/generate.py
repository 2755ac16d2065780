"""What every generating verb shares: from settings and protos to the artifacts that should exist, and their plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from scaffold import __version__
from scaffold.core import settings
from scaffold.core.analyse import FileSet
from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError
from scaffold.core.files import component_files
from scaffold.core.plan import Plan, make_plan
from scaffold.core.render import Artifact, Renderer
from scaffold.shell import data, protoc, skeleton, templates
from scaffold.shell.memory import Made, Memory
from scaffold.shell.workspace import SETTINGS, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from scaffold.core.api import Api
    from scaffold.core.settings import Settings, Unit
    from scaffold.core.view import ComponentFiles


@dataclass(frozen=True)
class Wanted:
    """What should exist, component by component, and the files that this was read from."""

    settings: Settings
    files: FileSet
    components: Mapping[str, Made]
    notes: tuple[Diagnostic, ...]
    inputs: tuple[Path, ...]

    @property
    def artifacts(self) -> tuple[Artifact, ...]:
        """Every file that should exist."""
        return tuple(artifact for made in self.components.values() for artifact in made.artifacts)

    @cached_property
    def api(self) -> Api:
        """What all the protos mean."""
        return self.files.api()


def open_workspace(start: Path) -> tuple[Workspace, Settings]:
    """The workspace around a folder, and its settings. Raises ScaffoldError with every mistake in them."""
    workspace = Workspace.find(start)
    return workspace, settings.load(workspace.text, __version__)


def memory_of(workspace: Workspace) -> Memory:
    """What the last run left behind."""
    return Memory(workspace.root, __version__, _generator())


def wanted(
    workspace: Workspace,
    configuration: Settings,
    extra_roots: Sequence[tuple[str, Path]] = (),
    memory: Memory | None = None,
) -> Wanted:
    """Compile the protos of every component and say what should exist. Nothing is written.

    A component that ``memory`` knows to stand as it should is not rendered again; without one, everything is.
    """
    roots = (*workspace.roots(configuration.protos.roots), *extra_roots)
    files = _compile(roots, [p for unit in configuration.components() for p in unit.protos])
    units = [with_services(unit, files) for unit in configuration.components()]
    ScaffoldError.raise_if([problem for unit in units for problem in _missing_services(unit, files)])
    configuration = _with_services(configuration, units)
    maker = _Maker(workspace, configuration, files, memory)
    components = {unit.name: maker.made(unit) for unit in units if not unit.external}
    notes = (*settings.notes(configuration, text=workspace.text), *protoc.shadowed(roots))
    return Wanted(configuration, files, components, notes, tuple(_inputs(workspace, roots, files)))


class _Maker:
    """Makes components one by one; what they share is read once."""

    def __init__(self, workspace: Workspace, configuration: Settings, files: FileSet, memory: Memory | None) -> None:
        self._workspace = workspace
        self._settings = configuration
        self._files = files
        self._memory = memory
        self._units = {unit.name: unit for unit in configuration.components()}
        self._listed = workspace.listed()
        self._templates = data.folder("templates")
        self._renderer = Renderer(templates.loader(self._templates), templates.Compiled())
        self._runtimes: dict[str, dict[str, str]] = {}

    def made(self, unit: Unit) -> Made:
        """A component's artifacts: from memory where all that they depend on is as it was, else rendered.

        What it depends on is what it gets to see: nothing else may go into ``component_files``.
        """
        names = self._files.closure(p for name in (unit.name, *unit.uses) for p in self._units[name].protos)
        visible = self._settings.concerning(unit)
        inputs = sha256(f"{unit}{visible}{self._files.digest(names)}".encode()).hexdigest()
        standing = self._memory.standing(unit.name, inputs, self._listed) if self._memory else ()
        return Made(inputs, standing or tuple(self._rendered(unit, names, visible)))

    def _rendered(self, unit: Unit, names: Sequence[str], visible: Settings) -> Iterator[Artifact]:
        if unit.kind not in self._runtimes:
            self._runtimes[unit.kind] = templates.runtime(self._templates, unit.kind)
        component = component_files(
            unit, self._files.api(names), visible, self._files.serialized(names), self._runtimes[unit.kind]
        )
        yield from map(self._renderer.artifact, component.files)
        yield from self._skeleton(component)

    def _skeleton(self, component: ComponentFiles) -> Iterator[Artifact]:
        """The skeleton's files; cookiecutter runs only where one of them was never made."""
        unit, template = component.unit, self._templates / component.unit.kind
        names = skeleton.paths(template, unit.package)
        paths = [f"{unit.path}/{name}" for name in names]
        if all(path in self._listed or self._workspace.exists(path) for path in paths):
            made = dict.fromkeys(names, b"")
        else:
            made = skeleton.make(template, component.skeleton.context)
        for name, content in made.items():
            yield Artifact(f"{unit.path}/{name}", content, "yours", f"templates/{unit.kind}")


def plan_of(workspace: Workspace, what: Wanted) -> Plan:
    """The changes between what should exist and what is on disk."""
    paths = (a.path for a in what.artifacts if a.content is not None)
    standing = {a.path for a in what.artifacts if a.content is None}
    return make_plan(what.artifacts, workspace.snapshot(paths, standing), what.notes)


def _compile(roots: Sequence[tuple[str, Path]], protos: Sequence[str]) -> FileSet:
    return FileSet(protoc.compile_protos(roots, sorted(set(protos))))


def compile_api(roots: Sequence[tuple[str, Path]], protos: Sequence[str]) -> tuple[Api, dict[str, bytes]]:
    """Compile protos to the Api and to their serialized files, without source info, by name."""
    files = _compile(roots, protos)
    return files.api(), files.serialized(files.names)


def with_services(unit: Unit, api: Api | FileSet) -> Unit:
    """The unit with its services: those named in settings, else every one of its files, in their order."""
    if unit.services:
        return unit
    return replace(unit, services=tuple(name for proto in unit.protos for name in api.services_of(proto)))


def _with_services(configuration: Settings, units: Sequence[Unit]) -> Settings:
    """Settings in which every component names its services."""
    services = {unit.name: unit.services for unit in units}
    stores = {name: replace(store, services=services[name]) for name, store in configuration.stores.items()}
    processes = {name: replace(process, services=services[name]) for name, process in configuration.processes.items()}
    return replace(configuration, stores=stores, processes=processes)


def _missing_services(unit: Unit, files: FileSet) -> list[Diagnostic]:
    """A service that is named and is not in the component's files."""
    here = [name for file in files.names if file in unit.protos for name in files.services_of(file)]
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


def _inputs(workspace: Workspace, roots: Sequence[tuple[str, Path]], files: FileSet) -> list[Path]:
    """Every file that decides what is generated, and those that would if they came to exist."""
    protos = [folder / name for name in files.names for _, folder in roots]
    return [workspace.root / SETTINGS, *protos, *_generator(), *(disk for _, disk in protoc.installed())]


@cache
def _generator() -> tuple[Path, ...]:
    """The generator's own files: in an editable install they change under the same version."""
    here = Path(__file__)
    code = (file for room in ("core", "shell") for file in here.parent.parent.joinpath(room).glob("*.py"))
    own = (f for f in data.folder("templates").rglob("*") if f.is_file() and "__pycache__" not in f.parts)
    return (here, *code, *own)
