"""`scaffold burn` and `scaffold remove`: a component starts again from its protos, or goes. What is the user's is kept."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from scaffold import __version__
from scaffold.core import settings as settings_module
from scaffold.core import tomltext
from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError
from scaffold.core.plan import Wishes
from scaffold.core.recorded import component_folders
from scaffold.core.settings import Adapter, Unit
from scaffold.run.up import DATA
from scaffold.shell import memory
from scaffold.shell.workspace import SETTINGS, Workspace
from scaffold.verbs.generate import memory_of, open_workspace, plan_of, wanted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from scaffold.core.attic import Entry
    from scaffold.core.plan import Plan
    from scaffold.core.settings import Settings

# Where layers lie, and how one is called beside a component of the same name.
_LAYER = "acl/"


@dataclass(frozen=True)
class Clearing:
    """What burning or removing a component comes to: the plan, the attic's entry, and the files that stay."""

    verb: Literal["burn", "remove"]
    unit: Unit | Adapter
    plan: Plan
    entry: Entry
    stays: tuple[str, ...]

    @property
    def shown(self) -> str:
        """What a person calls it: a layer may have the name of the component that takes its place."""
        return f"{_LAYER}{self.unit.name}" if self.unit.kind == "acl" else self.unit.name

    @property
    def empty(self) -> bool:
        """Whether there is nothing to do: a burnt component is as it is generated."""
        return self.verb == "burn" and not self.plan.writes


@dataclass(frozen=True)
class Outcome:
    """What was to be done, and whether it was: not where something has to be decided first, nor where the answer was no."""

    clearing: Clearing
    written: bool


def burn(start: Path, name: str, confirm: Callable[[Clearing], bool], *, keep_handlers: bool = False) -> Outcome:
    """Start a component again from its protos.

    What the user wrote in files that scaffold made goes to the attic, handlers too unless they are kept. ``confirm`` is
    asked before anything is written, and sees exactly what will be done. Raises ScaffoldError.
    """
    workspace, configuration = open_workspace(start)
    unit = _unit(name, configuration)
    if unit.external:
        raise ScaffoldError(_external(unit))
    with workspace.locked():
        known = memory_of(workspace)
        what = wanted(workspace, configuration, memory=known, fresh=unit.name)
        wishes = Wishes(
            vacate=unit.path, keep_handlers=keep_handlers, verb="burn", name=name, command=f"scaffold burn {name}"
        )
        clearing = _clearing("burn", unit, plan_of(workspace, what, wishes), workspace, configuration)
        outcome = _carry_out(clearing, workspace, None, confirm)
        if outcome.written:
            known.keep(what.components)
        return outcome


def remove(start: Path, name: str, confirm: Callable[[Clearing], bool]) -> Outcome:
    """Take a component out of the workspace: its table, and the files that scaffold made for it.

    Also one whose table is gone already and whose files are still there. ``acl/NAME`` is an anti-corruption layer. Raises
    ScaffoldError, for one: while another component uses it.
    """
    workspace, configuration = open_workspace(start)
    unit = _layer(name, workspace, configuration) or _left_behind(name, workspace, configuration)
    unit = unit or _unit(name, configuration)
    if unit.kind != "acl":
        ScaffoldError.raise_if(_users(name, configuration, workspace.text))
    with workspace.locked():
        text, table = tomltext.without(workspace.text, unit.kind, unit.name)
        what = wanted(Workspace(workspace.root, text), settings_module.load(text, __version__))
        wishes = Wishes(vacate=unit.path, verb="remove", name=unit.name, command=f"scaffold remove {name}", table=table)
        clearing = _clearing("remove", unit, plan_of(workspace, what, wishes), workspace, configuration)
        return _carry_out(clearing, workspace, text if table else None, confirm)


def _clearing(
    verb: Literal["burn", "remove"], unit: Unit | Adapter, plan: Plan, workspace: Workspace, configuration: Settings
) -> Clearing:
    databases = [] if unit.kind == "acl" else sorted((workspace.root / DATA).glob(f"{unit.name}.db*"))
    protos = [] if verb == "burn" else [f for proto in unit.protos for f in _protos(proto, configuration, workspace)]
    files = (f.relative_to(workspace.root).as_posix() for f in (*databases, *protos))
    return Clearing(verb, unit, plan, workspace.entry_for(plan), (*_strangers(unit, workspace), *files))


def _protos(proto: str, configuration: Settings, workspace: Workspace) -> Iterator[Path]:
    """The API of a component, where it is in the workspace: others may have it, too."""
    for root in configuration.protos.roots:
        if (workspace.root / root / proto).is_file():
            yield workspace.root / root / proto
            return


def _strangers(unit: Unit | Adapter, workspace: Workspace) -> tuple[str, ...]:
    return () if unit.kind != "acl" and unit.external else workspace.strangers(unit.path)


def _carry_out(
    clearing: Clearing, workspace: Workspace, text: str | None, confirm: Callable[[Clearing], bool]
) -> Outcome:
    if clearing.empty or clearing.plan.blocked or not confirm(clearing):
        return Outcome(clearing, written=False)
    workspace.apply(clearing.plan, text)
    memory.forget(workspace.root)
    return Outcome(clearing, written=True)


def _unit(name: str, configuration: Settings) -> Unit:
    units = {unit.name: unit for unit in configuration.components()}
    if name not in units:
        layers = {f"{_LAYER}{adapter.name}" for adapter in configuration.adapters()}
        raise ScaffoldError(settings_module.unknown_component(name, {*units, *layers}, Location(SETTINGS)))
    return units[name]


def _layer(name: str, workspace: Workspace, configuration: Settings) -> Adapter | None:
    """The layer of that name, ``acl/cart``: in scaffold.toml, or with files that are left; None where there is none."""
    if not name.startswith(_LAYER):
        return None
    own = name.removeprefix(_LAYER)
    found = next((adapter for adapter in configuration.adapters() if adapter.name == own), None)
    if found or name not in component_folders(workspace.listed()):
        return found
    return Adapter(own, f"{own}_acl", path=name, orm="django", models=(), snapshot="", protos=())


def _left_behind(name: str, workspace: Workspace, configuration: Settings) -> Unit | None:
    """A component without a table, of which files are left; None where there is no such thing."""
    units = configuration.components()
    folders = component_folders(workspace.listed()) - {unit.path for unit in units}
    folders = frozenset(folder for folder in folders if not folder.startswith(_LAYER))
    path = next((folder for folder in sorted(folders) if folder.rpartition("/")[2] == name), "")
    if not path or name in {unit.name for unit in units}:
        return None
    package = configuration.python.package.replace("{name}", name)
    return Unit(name=name, kind="store", package=package, path=path, protos=())


def _users(name: str, configuration: Settings, text: str) -> Iterator[Diagnostic]:
    for user, process in configuration.processes.items():
        if name in process.uses:
            yield Diagnostic(
                "still-used",
                f'"{user}" uses "{name}"',
                settings_module.place(text, "processes", user, "uses"),
                f'take "{name}" out of its `uses` first, and what calls it out of its handlers',
            )


def _external(unit: Unit) -> Diagnostic:
    return Diagnostic(
        "external-component",
        f'"{unit.name}" is external: nothing of it is made here',
        Location(SETTINGS),
        "burn the components that use it, or `scaffold remove` it",
    )
