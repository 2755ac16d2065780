"""What every generating verb shares: from settings and protos to the artifacts that should exist, and their plan."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache, cached_property
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from scaffold import __version__
from scaffold.core import markers, settings, stamp, usages
from scaffold.core.analyse import FileSet
from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError, Severity
from scaffold.core.files import component_files
from scaffold.core.plan import Plan, Wishes, make_plan
from scaffold.core.recorded import HANDLERS, NOTHING, address, component_folders, handler_names, recorded
from scaffold.core.render import Artifact, Renderer
from scaffold.shell import data, protoc, skeleton, templates
from scaffold.shell.memory import Made, Memory
from scaffold.shell.workspace import SETTINGS, Workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from scaffold.core.api import Api
    from scaffold.core.plan import Snapshot
    from scaffold.core.recorded import HandlerNames, Recorded
    from scaffold.core.settings import Adapter, Settings, Unit
    from scaffold.core.view import ComponentFiles


@dataclass(frozen=True)
class Wanted:
    """What should exist, component by component, and the files that this was read from."""

    settings: Settings
    files: FileSet
    components: Mapping[str, Made]
    notes: tuple[Diagnostic, ...]
    inputs: tuple[Path, ...]
    recorded: Mapping[str, Recorded]

    @cached_property
    def artifacts(self) -> tuple[Artifact, ...]:
        """Every file that should exist."""
        return tuple(artifact for made in self.components.values() for artifact in made.artifacts)

    def api_of(self, unit: Unit | Adapter) -> Api:
        """What the protos of a component or a layer mean, with all that they import."""
        return self.files.api(unit.protos)


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
    *,
    memory: Memory | None = None,
    fresh: str = "",
    formerly: Unit | Adapter | None = None,
) -> Wanted:
    """Compile the protos of every component and say what should exist. Nothing is written.

    A component that ``memory`` knows to stand as it should is not rendered again; without one, everything is. ``fresh`` is
    the address of what needs its skeleton as it would be made today; those of others are only made where they never were.
    ``formerly`` is what that was before it got its name.
    """
    roots = (*workspace.roots(configuration.protos.roots), *extra_roots)
    files = _compile(roots, [p for each in configuration.described() for p in each.protos])
    listed = workspace.listed()
    lines = [(entry.path, entry.rpc) for entry in listed.values() if entry.rpc]
    roots_of_handlers = {u.name: u.root for u in configuration.own()} | ({fresh: formerly.root} if formerly else {})
    known = {name: recorded(root, lines) for name, root in roots_of_handlers.items()}
    units = [with_services(unit, files, known.get(unit.name, NOTHING)) for unit in configuration.components()]
    ScaffoldError.raise_if([problem for unit in units for problem in _missing_services(unit, files, workspace, roots)])
    configuration = configuration.with_services({unit.name: unit.services for unit in units})
    configuration = _with_layers(configuration, files)
    maker = _Maker(workspace, configuration, files, known, frozenset(listed), memory)
    components = {unit.name: maker.made(unit, fresh=unit.name == fresh) for unit in units if not unit.external}
    components |= {a.address: maker.layer(a, fresh=a.address == fresh) for a in configuration.adapters()}
    notes = (*settings.notes(configuration, text=workspace.text), *protoc.shadowed(roots))
    notes += tuple(protoc.markers_left(roots, files.names))
    return Wanted(
        configuration, files, components, notes, tuple(_inputs(workspace, configuration, roots, files)), known
    )


class _Maker:
    """Makes components one by one; what they share is read once."""

    def __init__(
        self,
        workspace: Workspace,
        configuration: Settings,
        files: FileSet,
        known: Mapping[str, Recorded],
        listed: frozenset[str],
        memory: Memory | None,
    ) -> None:
        self._workspace = workspace
        self._settings = configuration
        self._files = files
        self._known = known
        self._listed = listed
        self._memory = memory
        self._units = {unit.name: unit for unit in configuration.components()}
        self._templates = data.folder("templates")
        self._renderer = Renderer(templates.loader(self._templates), templates.Compiled())
        self._runtimes: dict[str, dict[str, str]] = {}
        self._names: dict[str, HandlerNames] = {}

    def made(self, unit: Unit, *, fresh: bool) -> Made:
        """A component's artifacts: from memory where all that they depend on is as it was, else rendered.

        What they depend on is what ``component_files`` gets to see, and nothing else.
        """
        near = (unit.name, *unit.uses)
        names = self._files.closure(proto for name in near for proto in self._units[name].protos)
        visible = self._settings.concerning(unit)
        known = {name: self._known[name] for name in near if name in self._known}
        handlers = [self._handlers(self._units[name]) for name in near]
        inputs = sha256(f"{unit}{visible}{handlers}{self._files.digest(names)}".encode()).hexdigest()
        if self._memory and not fresh and (standing := self._memory.standing(unit.name, inputs, self._listed)):
            return Made(inputs, standing)
        if unit.kind not in self._runtimes:
            self._runtimes[unit.kind] = templates.runtime(self._templates, unit.kind)
        component = component_files(
            unit, self._files.api(names), visible, self._files.serialized(names), self._runtimes[unit.kind], known
        )
        return Made(inputs, (*map(self._renderer.artifact, component.files), *self._skeleton(component, fresh)))

    def layer(self, adapter: Adapter, *, fresh: bool) -> Made:
        """An anti-corruption layer's artifacts, in the same way; its models come from the snapshot."""
        from scaffold.acl.facts import facts  # what layers need is imported where there are some
        from scaffold.acl.snapshot import read as read_snapshot
        from scaffold.core.adapter import adapter_files

        snapshot = read_snapshot(self._workspace.root / adapter.snapshot, adapter.snapshot)
        models = facts(snapshot, adapter.models, adapter.snapshot)
        names = self._files.closure(adapter.protos)
        inputs = sha256(f"{adapter}{models}{self._files.digest(names)}".encode()).hexdigest()
        if self._memory and not fresh and (standing := self._memory.standing(adapter.address, inputs, self._listed)):
            return Made(inputs, standing)
        runtime = templates.runtime(self._templates, adapter.kind)
        component = adapter_files(adapter, self._files.api(names), self._files.serialized(names), models, runtime)
        made = (*map(self._renderer.artifact, component.files), *self._skeleton(component, fresh))
        return Made(inputs, made)

    def _handlers(self, unit: Unit) -> HandlerNames:
        """What the handlers of a component are called: of the list, all that its files and those of its users depend on."""
        if unit.name not in self._names:
            services = self._files.outline(unit.services)
            self._names[unit.name] = handler_names(services, self._known.get(unit.name, NOTHING))
        return self._names[unit.name]

    def _skeleton(self, component: ComponentFiles, fresh: bool) -> Iterator[Artifact]:
        """The skeleton's files; cookiecutter runs only where one of them was never made, or for a ``fresh`` component."""
        unit, template = component.unit, self._templates / component.unit.kind
        names = skeleton.paths(template, unit.package)
        paths = [f"{unit.path}/{name}" for name in names]
        if not fresh and all(path in self._listed or self._workspace.exists(path) for path in paths):
            made = dict.fromkeys(names, b"")
        else:
            made = skeleton.make(template, component.skeleton.context)
        for name, content in made.items():
            yield Artifact(f"{unit.path}/{name}", content, "yours", f"templates/{unit.kind}")


def _with_layers(configuration: Settings, files: FileSet) -> Settings:
    """The settings in which every layer names its services. Raises ScaffoldError where one names what is not there."""
    if not configuration.adapters():
        return configuration
    from scaffold.core.adapter import adapter_problems

    found, problems = {}, []
    for adapter in configuration.adapters():
        here = services_in(adapter.protos, files)
        found[adapter.name] = adapter.services or here
        named = replace(adapter, services=found[adapter.name])
        missing = [service_not_found(name, here, adapter.protos) for name in named.services if name not in here]
        problems += missing or list(adapter_problems(named, files.api(adapter.protos)))
    ScaffoldError.raise_if(problems)
    return configuration.with_layers(found)


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
    notes = (*_left_behind(plan, what.settings), *_markers(plan, snapshot), *_other_models(plan, what.settings))
    plan = replace(plan, notes=(*plan.notes, *notes))
    ScaffoldError.raise_if(_not_python(plan, snapshot, workspace, strict=not what.settings.python.interpreter))
    if all(c.action in ("keep", "create") for c in plan.changes) and not (wishes.renames or wishes.no_renames):
        return plan
    from scaffold.verbs.evolution import evolution  # only where something is there that was made of another API

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
    wanted = {*(a.path for a in what.artifacts), *moves}
    standing = {a.path for a in what.artifacts if a.content is None and a.owner == "generated"}
    snapshot = workspace.snapshot(wanted, standing)
    living = {a.origin.partition("#")[2] for a in what.artifacts if a.rpc}
    strays = workspace.strays({*wanted, *snapshot.listed}, living)
    if not strays:
        return snapshot
    files, listed = {**snapshot.files, **workspace.read(strays)}, {**snapshot.listed, **strays}
    return replace(snapshot, files=files, listed=listed)


def _left_behind(plan: Plan, configuration: Settings) -> Iterator[Diagnostic]:
    """What is still there of components that scaffold.toml does not name any more."""
    paths = [c.path for c in plan.changes if c.action in ("keep", "orphan", "conflict")]
    there = {unit.path for unit in configuration.made()}
    for folder in sorted(component_folders(paths) - there):
        name = address(folder)
        table = f"acls.{folder.rpartition('/')[2]}" if name.startswith("acl/") else f"stores.{name}"
        yield Diagnostic(
            "left-behind",
            f"{sum(path.startswith(f'{folder}/') for path in paths)} files are left of a component that {settings.FILE} "
            "does not name",
            Location(folder),
            f"`scaffold remove {name}` takes them to the attic; or put its table back; or, where it has another name now, "
            f"`scaffold regen --rename {table}=NEW`",
            Severity.WARNING,
        )


def _other_models(plan: Plan, configuration: Settings) -> Iterator[Diagnostic]:
    """Layers whose snapshot has other facts of their models by now; what a proto changes, the evolution says line by line."""
    changes = {change.path: change for change in plan.changes if change.action == "update"}
    for adapter in configuration.adapters():
        change = changes.get(f"{adapter.root}/gen/facts.py")
        if change is not None and _models(change.before) != _models(change.after):
            yield Diagnostic(
                "models-changed",
                f"the models behind {adapter.name} are not what its mappings were checked against",
                Location(adapter.snapshot),
                f"after `scaffold regen`, `scaffold acl check {adapter.name}` names the lines to look at",
                Severity.NOTE,
            )


def _models(facts: bytes | None) -> bytes:
    """The models' part of a layer's ``gen/facts.py``; the rest is the API's."""
    return (facts or b"").partition(b"\nMODELS = ")[2]


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


def _markers(plan: Plan, snapshot: Snapshot) -> Iterator[Diagnostic]:
    """Files of the user's that stay, and have a merge's markers where they do not keep Python from reading it."""
    for change in plan.changes:
        content = snapshot.files.get(change.path)
        if change.owner == "generated" or change.action not in ("keep", "orphan", "move") or not content:
            continue
        if found := markers.left(change.path, content.decode(errors="replace")):
            yield found


def _not_python(plan: Plan, snapshot: Snapshot, workspace: Workspace, *, strict: bool) -> Iterator[Diagnostic]:
    """Handlers with code of the user's that nobody could import; of one that is a link out of the workspace, nothing is known.

    Not ``strict``: services run in another Python than this one, which may know more; no Python knows a merge's markers.
    """
    for change in plan.changes:
        content = snapshot.files.get(change.path)
        if (
            change.owner == "stub"
            and change.action == "keep"
            and content
            and stamp.of(content) is not stamp.Mark.INTACT
        ):
            found = usages.problem(change.path, content)
            if found and (strict or found.slug == "merge-marker") and not workspace.leads_out(change.path):
                yield found


def _compile(roots: Sequence[tuple[str, Path]], protos: Sequence[str]) -> FileSet:
    return FileSet(protoc.compile_protos(roots, sorted(set(protos))))


def compile_api(roots: Sequence[tuple[str, Path]], protos: Sequence[str]) -> tuple[Api, dict[str, bytes]]:
    """Compile protos to the Api and to their serialized files, without source info, by name."""
    files = _compile(roots, protos)
    return files.api(), files.serialized(files.names)


def with_services(unit: Unit, api: Api | FileSet, known: Recorded = NOTHING) -> Unit:
    """The unit with its services: those named in settings, else every one of its files, in their order.

    Then the first is the one that has been the first so far: it is the one that has ``handlers/`` and ``Client``.
    """
    if unit.services:
        return unit
    found = services_in(unit.protos, api)
    return replace(unit, services=tuple(sorted(found, key=lambda name: known.folders.get(name) != HANDLERS)))


def services_in(protos: Sequence[str], api: Api | FileSet) -> tuple[str, ...]:
    """The services of these files, in their order."""
    return tuple(name for proto in protos for name in api.services_of(proto))


def _missing_services(
    unit: Unit, files: FileSet, workspace: Workspace, roots: Sequence[tuple[str, Path]]
) -> Iterator[Diagnostic]:
    """A service that is named and is not in the component's files."""
    here = [name for file in unit.protos for name in files.services_of(file)]
    missing = [name for name in unit.services if name not in here]
    came = [name for name in here if name not in unit.services]
    was_made = workspace.exists(f"{unit.root}/gen")
    for name in missing:
        same = [other for other in came if other.rpartition(".")[2] == name.rpartition(".")[2]]
        new = next(iter(same or (came if len(missing) == 1 else [])), "")
        if new and was_made:
            found = _service_renamed(name, new, unit.protos)
        elif file := protoc.declaring(name, roots):
            found = _service_elsewhere(name, file, unit.protos)
        else:
            found = service_not_found(name, here, unit.protos)
        yield replace(found, where=_services_place(unit, workspace))


def _services_place(unit: Unit, workspace: Workspace) -> Location:
    """Where a component's services are written; the file alone where `new` is about to write them."""
    table = "stores" if unit.kind == "store" else "processes"
    is_written = f"[{table}.{unit.name}]" in workspace.text
    return settings.place(workspace.text, table, unit.name, "services") if is_written else Location(settings.FILE)


def _service_renamed(name: str, new: str, protos: Sequence[str]) -> Diagnostic:
    """A service that was generated is gone, and another one came: perhaps it has a new name, or a new version."""
    return Diagnostic(
        "unknown-service",
        f'there is no service "{name}" in {", ".join(protos)} any more',
        None,
        f'if it is "{new}" now, write that in its place: its handlers stay where they are, '
        "and `scaffold plan` says what else changed; if it is gone, take it out",
    )


def _service_elsewhere(name: str, file: str, protos: Sequence[str]) -> Diagnostic:
    """A service has moved to another file."""
    return Diagnostic(
        "unknown-service",
        f'there is no service "{name}" in {", ".join(protos)}',
        None,
        f'it is declared in "{file}": add that to `proto` of the component',
    )


def service_not_found(name: str, here: Sequence[str], protos: Sequence[str]) -> Diagnostic:
    """There is no service of that full name in the files."""
    from difflib import get_close_matches

    close = get_close_matches(name, here, n=1, cutoff=0.4)
    remedy = f'did you mean "{close[0]}"?' if close else f"services there: {', '.join(here) or 'none'}."
    message = f'there is no service "{name}" in {", ".join(protos)}'
    return Diagnostic(
        "unknown-service", message, Location("scaffold.toml"), f"{remedy} See `services` of the component."
    )


def _inputs(
    workspace: Workspace, configuration: Settings, roots: Sequence[tuple[str, Path]], files: FileSet
) -> list[Path]:
    """Every file that decides what is generated, and those that would if they came to exist."""
    protos = [folder / name for name in files.names for _, folder in roots]
    snapshots = [workspace.root / adapter.snapshot for adapter in configuration.adapters()]
    return [workspace.root / SETTINGS, *protos, *snapshots, *_generator(), *(disk for _, disk in protoc.installed())]


@cache
def _generator() -> tuple[Path, ...]:
    """The generator's own files: in an editable install they change under the same version."""
    here = Path(__file__)
    code = (file for room in ("acl", "core", "shell") for file in here.parent.parent.joinpath(room).glob("*.py"))
    own = (f for f in data.folder("templates").rglob("*") if f.is_file() and "__pycache__" not in f.parts)
    return (here, *code, *own)
