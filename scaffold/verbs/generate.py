"""What every generating verb shares: from settings and protos to the artifacts that should exist, and their plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from scaffold import __version__
from scaffold.core import analyse, settings, usages
from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError, Severity
from scaffold.core.files import component_files
from scaffold.core.plan import Plan, Wishes, make_plan
from scaffold.core.recorded import HANDLERS, NOTHING, component_folders, recorded
from scaffold.core.render import Artifact, Renderer
from scaffold.shell import data, protoc, skeleton, templates
from scaffold.shell.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from scaffold.core.api import Api
    from scaffold.core.plan import Snapshot
    from scaffold.core.recorded import Recorded
    from scaffold.core.settings import Settings, Unit
    from scaffold.core.view import ComponentFiles


@dataclass(frozen=True)
class Wanted:
    """What should exist, and the files that this was read from."""

    settings: Settings
    api: Api
    artifacts: tuple[Artifact, ...]
    notes: tuple[Diagnostic, ...]
    inputs: tuple[Path, ...]
    recorded: Mapping[str, Recorded]


def open_workspace(start: Path) -> tuple[Workspace, Settings]:
    """The workspace around a folder, and its settings. Raises ScaffoldError with every mistake in them."""
    workspace = Workspace.find(start)
    return workspace, settings.load(workspace.text, __version__)


def wanted(
    workspace: Workspace,
    configuration: Settings,
    extra_roots: Sequence[tuple[str, Path]] = (),
    *,
    fresh: str = "",
    formerly: Unit | None = None,
) -> Wanted:
    """Compile the protos of every component and render what should exist. Nothing is written.

    ``fresh`` is a component whose skeleton is needed as it would be made today; those of others are only made where they
    never were. ``formerly`` is what that component was before it got its name.
    """
    roots = (*workspace.roots(configuration.protos.roots), *extra_roots)
    api, serialized = compile_api(roots, [p for unit in configuration.components() for p in unit.protos])
    listed = [(entry.path, entry.rpc) for entry in workspace.listed().values()]
    roots_of_handlers = {u.name: u.root for u in configuration.own()} | ({fresh: formerly.root} if formerly else {})
    known = {name: recorded(root, listed) for name, root in roots_of_handlers.items()}
    units = [with_services(unit, api, known.get(unit.name, NOTHING)) for unit in configuration.components()]
    ScaffoldError.raise_if([problem for unit in units for problem in _missing_services(unit, api, workspace)])
    configuration = _with_services(configuration, units)
    folder = data.folder("templates")
    own = [unit for unit in units if not unit.external]
    runtimes = {kind: templates.runtime(folder, kind) for kind in sorted({unit.kind for unit in own})}
    components = [component_files(u, api, configuration, serialized, runtimes[u.kind], known) for u in own]
    renderer = Renderer(templates.loader(folder))
    artifacts: list[Artifact] = []
    for component in components:
        artifacts += map(renderer.artifact, component.files)
        artifacts += _skeleton(workspace, component, folder / component.unit.kind, fresh=fresh)
    notes = (*settings.notes(configuration, text=workspace.text), *protoc.shadowed(roots))
    return Wanted(configuration, api, tuple(artifacts), notes, tuple(_inputs(workspace, roots, api, folder)), known)


def plan_of(
    workspace: Workspace,
    what: Wanted,
    wishes: Wishes | None = None,
    *,
    moves: Mapping[str, str] | None = None,
    made: Mapping[str, bytes] | None = None,
    strangers: frozenset[str] = frozenset(),
) -> Plan:
    """The changes between what should exist and what is on disk, with what the user asked for.

    ``moves``, ``made`` and the ``strangers`` that they may name are those of a component that gets another name. Raises
    ScaffoldError for a handler that is no Python, and for wishes that name what is not there.
    """
    wishes = wishes or Wishes()
    moves = dict(moves or {})
    snapshot = replace(_snapshot(workspace, what, moves), strangers=strangers)
    ScaffoldError.raise_if(_conflicts(snapshot, "" if wishes.keep_handlers else wishes.vacate))
    plan = make_plan(what.artifacts, snapshot, what.notes, wishes=wishes, moves=moves, made=made)
    plan = replace(plan, notes=(*plan.notes, *_left_behind(plan, what.settings)))
    ScaffoldError.raise_if(_not_python(plan, strict=not what.settings.python.interpreter))
    if all(change.action == "keep" for change in plan.changes) and not (wishes.renames or wishes.no_renames):
        return plan
    from scaffold.verbs.evolution import evolution  # only where something changed

    found = evolution(workspace, what, plan, snapshot, wishes)
    if found.moves or found.decisions:
        moves |= found.moves
        plan = make_plan(
            what.artifacts, snapshot, plan.notes, wishes=wishes, moves=moves, made=made, decisions=found.decisions
        )
    undecided = {path for move in found.pending for path in (move.source, move.target)}
    # Until somebody has decided, nothing is said of either file: what happens to both is the question.
    changes = tuple(c for c in plan.changes if c.path not in undecided or c.action == "keep")
    return replace(plan, changes=changes, evolution=found)


def _snapshot(workspace: Workspace, what: Wanted, moves: Mapping[str, str]) -> Snapshot:
    """What is on disk at the paths that matter, and what is ours although the list has lost it."""
    snapshot = workspace.snapshot([*(a.path for a in what.artifacts), *moves])
    living = {a.origin.partition("#")[2] for a in what.artifacts if a.rpc}
    strays = workspace.strays(snapshot.files.keys(), living)
    if not strays:
        return snapshot
    files, listed = {**snapshot.files, **workspace.read(strays)}, {**snapshot.listed, **strays}
    return replace(snapshot, files=files, listed=listed)


def _left_behind(plan: Plan, configuration: Settings) -> Iterator[Diagnostic]:
    """What is still there of components that scaffold.toml does not name any more."""
    paths = [c.path for c in plan.changes if c.action in ("keep", "orphan", "conflict")]
    for folder in sorted(component_folders(paths) - {unit.path for unit in configuration.own()}):
        name = folder.rpartition("/")[2]
        yield Diagnostic(
            "left-behind",
            f"{sum(path.startswith(f'{folder}/') for path in paths)} files are left of a component that {settings.FILE} "
            "does not name",
            Location(folder),
            f"`scaffold remove {name}` takes them to the attic; or put its table back; or, where it has another name now, "
            f"`scaffold regen --rename stores.{name}=NEW`",
            Severity.WARNING,
        )


def _conflicts(snapshot: Snapshot, vacated: str) -> Iterator[Diagnostic]:
    """Python of the user's in which a merge has left its markers, but for what is to go to the attic."""
    for path, content in snapshot.files.items():
        generated = (entry := snapshot.listed.get(path)) is not None and entry.owner == "generated"
        if generated or (vacated and path.startswith(f"{vacated}/")):
            continue
        if content and path.endswith(".py") and (b"<<<<<<< " in content or b">>>>>>> " in content):
            found = usages.problem(path, content)
            if found and found.slug == "merge-marker":
                yield found


def _not_python(plan: Plan, *, strict: bool) -> Iterator[Diagnostic]:
    """Handlers with code of the user's that nobody could import.

    Not ``strict``: services run in another Python than this one, which may know more; no Python knows a merge's markers.
    """
    for change in plan.changes:
        if change.owner == "stub" and change.action == "keep" and change.before not in (None, change.after):
            assert change.before is not None
            found = usages.problem(change.path, change.before)
            if found and (strict or found.slug == "merge-marker"):
                yield found


def compile_api(roots: Sequence[tuple[str, Path]], protos: Sequence[str]) -> tuple[Api, dict[str, bytes]]:
    """Compile protos to the Api and to their serialized files, without source info, by name."""
    descriptor_set = protoc.compile_protos(roots, sorted(set(protos)))
    api = analyse.analyse(descriptor_set)
    return api, dict(analyse.serialized_files(descriptor_set, [f.name for f in api.files]))


def with_services(unit: Unit, api: Api, known: Recorded = NOTHING) -> Unit:
    """The unit with its services: those named in settings, else every one of its files, in their order.

    Then the first is the one that has been the first so far: it is the one that has ``handlers/`` and ``Client``.
    """
    if unit.services:
        return unit
    found = [s.full_name for p in unit.protos for s in api.services if s.file == p]
    return replace(unit, services=tuple(sorted(found, key=lambda name: known.folders.get(name) != HANDLERS)))


def _with_services(configuration: Settings, units: Sequence[Unit]) -> Settings:
    """Settings in which every component names its services."""
    services = {unit.name: {"services": list(unit.services)} for unit in units}
    stores = {n: s.model_copy(update=services[n]) for n, s in configuration.stores.items()}
    processes = {n: p.model_copy(update=services[n]) for n, p in configuration.processes.items()}
    return configuration.model_copy(update={"stores": stores, "processes": processes})


def _missing_services(unit: Unit, api: Api, workspace: Workspace) -> list[Diagnostic]:
    """A service that is named and is not in the component's files."""
    here = [s.full_name for s in api.services if s.file in unit.protos]
    missing = [name for name in unit.services if name not in here]
    came = [name for name in here if name not in unit.services]
    table = "stores" if unit.kind == "store" else "processes"
    is_written = f"[{table}.{unit.name}]" in workspace.text  # not where `new` is about to write it
    where = settings.place(workspace.text, table, unit.name, "services") if is_written else Location(settings.FILE)
    if len(missing) == 1 and came and workspace.exists(f"{unit.root}/gen"):
        return [_service_renamed(missing[0], came, unit, where)]
    return [replace(service_not_found(name, here, unit.protos), where=where) for name in missing]


def _service_renamed(name: str, came: Sequence[str], unit: Unit, where: Location) -> Diagnostic:
    """A service that was generated is gone, and another one came: perhaps it has a new name, or a new version."""
    same = [other for other in came if other.rpartition(".")[2] == name.rpartition(".")[2]]
    new = (same or list(came))[0]
    return Diagnostic(
        "unknown-service",
        f'there is no service "{name}" in {", ".join(unit.protos)} any more',
        where,
        f'if it is "{new}" now, write that in its place: its handlers stay where they are, '
        "and `scaffold plan` says what else changed; if it is gone, take it out",
    )


def service_not_found(name: str, here: Sequence[str], protos: Sequence[str]) -> Diagnostic:
    """There is no service of that full name in the files."""
    from difflib import get_close_matches

    close = get_close_matches(name, here, n=1, cutoff=0.4)
    remedy = f'did you mean "{close[0]}"?' if close else f"services there: {', '.join(here) or 'none'}"
    message = f'there is no service "{name}" in {", ".join(protos)}'
    return Diagnostic(
        "unknown-service", message, Location("scaffold.toml"), f"{remedy} See `services` of the component."
    )


def _skeleton(workspace: Workspace, component: ComponentFiles, template: Path, *, fresh: str) -> list[Artifact]:
    """The skeleton's files; cookiecutter runs only where one of them was never made."""
    unit = component.unit
    names = skeleton.paths(template, unit.package)
    listed = workspace.listed()
    if unit.name != fresh and all(f"{unit.path}/{n}" in listed or workspace.exists(f"{unit.path}/{n}") for n in names):
        made = dict.fromkeys(names, b"")
    else:
        made = skeleton.make(template, component.skeleton.context)
    return [
        Artifact(f"{unit.path}/{name}", content, "yours", f"templates/{unit.kind}") for name, content in made.items()
    ]


def _inputs(workspace: Workspace, roots: Sequence[tuple[str, Path]], api: Api, templates_folder: Path) -> list[Path]:
    """Every file that decides what is generated, and those that would if they came to exist."""
    # The generator itself too: in an editable install it changes under the same version.
    core, shell = Path(settings.__file__).parent, Path(protoc.__file__).parent
    files = [workspace.root / "scaffold.toml", Path(__file__), *core.glob("*.py"), *shell.glob("*.py")]
    for file in api.files:
        files += [folder / file.name for _, folder in roots]
    files += [f for f in templates_folder.rglob("*") if f.is_file() and "__pycache__" not in f.parts]
    files += [disk for _, disk in protoc.installed()]
    return files
