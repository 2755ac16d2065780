"""`scaffold burn` and `scaffold remove`: a component or a layer starts again, or goes. What is the user's is kept."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from scaffold import __version__
from scaffold.core import settings as settings_module
from scaffold.core import tomltext
from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError
from scaffold.core.plan import Wishes
from scaffold.core.recorded import address, component_folders
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


@dataclass(frozen=True)
class Clearing:
    """What burning or removing a component, or a layer, comes to: the plan, the attic's entry, and the files that stay."""

    verb: Literal["burn", "remove"]
    unit: Unit | Adapter
    plan: Plan
    entry: Entry
    stays: tuple[str, ...]

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
    """Start a component, or a layer (``acl/cart``), again from its protos.

    What the user wrote in files that scaffold made goes to the attic, handlers too unless they are kept. ``confirm`` is
    asked before anything is written, and sees exactly what will be done. Raises ScaffoldError, for one: a layer has no
    handlers to keep.
    """
    workspace, configuration = open_workspace(start)
    unit = _unit(name, configuration)
    if unit.external:
        raise ScaffoldError(_external(unit))
    if keep_handlers and unit.kind == "acl":
        raise ScaffoldError(_no_handlers(unit))
    with workspace.locked():
        known = memory_of(workspace)
        what = wanted(workspace, configuration, memory=known, fresh=unit.address)
        wishes = Wishes(
            vacate=unit.path,
            keep_handlers=keep_handlers,
            verb="burn",
            name=_label(unit),
            command=f"scaffold burn {name}",
        )
        clearing = _clearing("burn", unit, plan_of(workspace, what, wishes), workspace, configuration)
        outcome = _carry_out(clearing, workspace, None, confirm)
        if outcome.written:
            known.keep(what.components)
        return outcome


def remove(start: Path, name: str, confirm: Callable[[Clearing], bool]) -> Outcome:
    """Take a component, or a layer (``acl/cart``), out of the workspace: its table, and the files that scaffold made for it.

    Also one whose table is gone already and whose files are still there. Raises ScaffoldError, for one: while another
    component uses it, or a layer has its protos from it.
    """
    workspace, configuration = open_workspace(start)
    unit = _left_behind(name, workspace, configuration) or _unit(name, configuration)
    ScaffoldError.raise_if(_users(name, configuration, workspace.text))
    with workspace.locked():
        text, table = tomltext.without(workspace.text, unit.kind, unit.name)
        what = wanted(Workspace(workspace.root, text), settings_module.load(text, __version__))
        wishes = Wishes(
            vacate=unit.path, verb="remove", name=_label(unit), command=f"scaffold remove {name}", table=table
        )
        clearing = _clearing("remove", unit, plan_of(workspace, what, wishes), workspace, configuration)
        return _carry_out(clearing, workspace, text if table else None, confirm)


def _clearing(
    verb: Literal["burn", "remove"], unit: Unit | Adapter, plan: Plan, workspace: Workspace, configuration: Settings
) -> Clearing:
    # A layer's data are the monolith's; the snapshot says what that is, whatever becomes of the layer.
    data = [] if isinstance(unit, Adapter) else sorted((workspace.root / DATA).glob(f"{unit.name}.db*"))
    kept = [workspace.root / unit.snapshot] if isinstance(unit, Adapter) and unit.snapshot else []
    protos = [] if verb == "burn" else [f for proto in unit.protos for f in _protos(proto, configuration, workspace)]
    files = (f.relative_to(workspace.root).as_posix() for f in (*data, *kept, *protos))
    return Clearing(verb, unit, plan, workspace.entry_for(plan), (*_strangers(unit, workspace), *files))


def _protos(proto: str, configuration: Settings, workspace: Workspace) -> Iterator[Path]:
    """The API of a component, where it is in the workspace: others may have it, too."""
    for root in configuration.protos.roots:
        if (workspace.root / root / proto).is_file():
            yield workspace.root / root / proto
            return


def _strangers(unit: Unit | Adapter, workspace: Workspace) -> tuple[str, ...]:
    return () if unit.external else workspace.strangers(unit.path)


def _carry_out(
    clearing: Clearing, workspace: Workspace, text: str | None, confirm: Callable[[Clearing], bool]
) -> Outcome:
    if clearing.empty or clearing.plan.blocked or not confirm(clearing):
        return Outcome(clearing, written=False)
    workspace.apply(clearing.plan, text)
    memory.forget(workspace.root)
    return Outcome(clearing, written=True)


def _label(unit: Unit | Adapter) -> str:
    """What an entry of the attic calls it: one folder's name."""
    return unit.address.replace("/", "-")


def _unit(name: str, configuration: Settings) -> Unit | Adapter:
    units = {unit.address: unit for unit in configuration.described()}
    if name not in units:
        raise ScaffoldError(settings_module.unknown_component(name, set(units), Location(SETTINGS)))
    return units[name]


def _left_behind(name: str, workspace: Workspace, configuration: Settings) -> Unit | Adapter | None:
    """A component or a layer without a table, of which files are left; None where there is no such thing."""
    units = configuration.described()
    folders = component_folders(workspace.listed()) - {unit.path for unit in units}
    path = next((folder for folder in sorted(folders) if address(folder) == name), "")
    if not path or name in {unit.address for unit in units}:
        return None
    if name.startswith("acl/"):
        short = name.removeprefix("acl/")
        return Adapter(short, f"{short}_acl", path, "django", models=(), snapshot="", protos=())
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
    for adapter in configuration.adapters():
        if adapter.name == name and not adapter.own_protos:
            yield of_a_layer(adapter, text)


def of_a_layer(adapter: Adapter, text: str) -> Diagnostic:
    """A component that is to go, or to get another name, has a layer that is called after it."""
    own = adapter.protos[0] if len(adapter.protos) == 1 else list(adapter.protos)
    return Diagnostic(
        "still-used",
        f'the layer "{adapter.address}" has its protos from "{adapter.name}"',
        settings_module.place(text, "acls", adapter.name),
        f"`scaffold remove {adapter.address}` first; or, where it stays, write proto = {json.dumps(own)} in its table",
    )


def _no_handlers(unit: Unit | Adapter) -> Diagnostic:
    return Diagnostic(
        "no-handlers",
        f'"{unit.address}" is a layer: there are no handlers to keep',
        None,
        f"leave out --keep-handlers; `scaffold restore` brings back single files of what `scaffold burn {unit.address}` takes",
    )


def _external(unit: Unit | Adapter) -> Diagnostic:
    return Diagnostic(
        "external-component",
        f'"{unit.name}" is external: nothing of it is made here',
        Location(SETTINGS),
        "burn the components that use it, or `scaffold remove` it",
    )
