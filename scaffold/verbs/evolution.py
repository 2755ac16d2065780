"""What changed since the last regeneration: the previous Api of each component beside the one that is wanted now."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from scaffold.core import analyse, stamp, usages
from scaffold.core.adapter import adapter_vocabulary
from scaffold.core.diagnostics import ScaffoldError
from scaffold.core.differences import Side
from scaffold.core.evolve import Evolution, evolve
from scaffold.core.files import OPTIONS, is_installed, vocabulary
from scaffold.core.lines import Part
from scaffold.core.settings import SECTIONS
from scaffold.shell import descriptors, protoc

if TYPE_CHECKING:
    from collections.abc import Iterable

    from scaffold.core.api import Api
    from scaffold.core.plan import Change, Plan, Snapshot, Wishes
    from scaffold.core.settings import Adapter, Settings, Unit
    from scaffold.core.usages import Source, Vocabulary
    from scaffold.shell.workspace import Workspace
    from scaffold.verbs.generate import Wanted


def evolution(workspace: Workspace, what: Wanted, plan: Plan, snapshot: Snapshot, wishes: Wishes) -> Evolution:
    """Compare what every component was generated from with what it is to be generated from.

    Raises ScaffoldError for renames of what is not there.
    """
    renames = {old: new for old, new in wishes.renames.items() if not old.startswith(SECTIONS)}
    everything = bool(renames or wishes.no_renames)
    # Of handlers that are to go to the attic anyway, nobody is asked where they belong.
    gone = "" if wishes.keep_handlers else wishes.vacate
    parts = [p for p in _Parts(workspace, what, plan, snapshot, everything).parts() if p.unit.path != gone]
    roots = workspace.roots(what.settings.protos.roots)
    places = {name: protoc.written(name, roots) for name in what.files.names}
    return evolve(parts, renames, wishes.no_renames, places)


class _Parts:
    """Gathers what `evolve` has to know, and no more than that: files are read where the API changed."""

    def __init__(self, workspace: Workspace, what: Wanted, plan: Plan, snapshot: Snapshot, everything: bool) -> None:
        self._workspace = workspace
        self._what = what
        self._written = plan.writes
        self._snapshot = snapshot
        self._everything = everything
        self._changes = {change.path: change for change in plan.changes}
        self._units = what.settings.components()
        self._layers = what.settings.adapters()
        self._told: dict[str, tuple[str, ...]] = {}  # components with something to say, and their protos

    def parts(self) -> Iterable[Part]:
        """A part for every component that changed, that uses one which did, or whose comments changed."""
        described = self._what.settings.described()
        before = {u.address: read for u in described if self._has_changed(u) and (read := self._read(u))}
        self._told = {u.name: u.protos for u in self._units if u.name in before}
        for unit in self._units:
            if unit.external:
                users: list[Unit | Adapter] = [u for u in self._units if unit.name in u.uses]
                users += [a for a in self._layers if unit.name in self._beside(a)]
                if known := [before[u.address] for u in users if u.address in before]:
                    yield self._external(unit, known[0][0])
            elif unit.name in before:
                yield self._part(unit, *before[unit.name])
            elif (comments := self._comments(unit)) is not None:
                yield Part(unit, comments=comments)
        for adapter in self._layers:
            if adapter.address in before:
                yield self._layer(adapter, *before[adapter.address])

    def _beside(self, adapter: Adapter) -> frozenset[str]:
        """The components whose API a layer has: what changed is said of them."""
        return frozenset(u.name for u in self._units if not set(u.protos).isdisjoint(adapter.protos))

    def _layer(self, adapter: Adapter, api: Api, services: tuple[str, ...]) -> Part:
        words = adapter_vocabulary(replace(adapter, services=services), api)
        sources, beside = tuple(self._sources(adapter)), self._beside(adapter)
        if beside:
            return Part(adapter, words=words, sources=sources, knows=beside, told=api)
        before, after = (
            self._side(adapter, a, s) for a, s in ((api, services), (self._what.api_of(adapter), adapter.services))
        )
        return Part(adapter, before, after, words=words, sources=sources)

    def _has_changed(self, unit: Unit | Adapter) -> bool:
        """Whether the component's descriptors are to be replaced: its own API's, or those of what it uses."""
        change = self._changes.get(f"{unit.root}/gen/descriptors.py")
        return change is not None and change.action != "create" and (self._everything or change.action == "update")

    def _read(self, unit: Unit | Adapter) -> tuple[Api, tuple[str, ...]] | None:
        """The Api that a component was generated from, and its services; None where that cannot be read."""
        path = f"{unit.root}/gen/descriptors.py"
        try:
            found = descriptors.read(self._workspace.root / path, path)
            api = analyse.analyse(analyse.join([data for _, data in found.complete()]))
        except (ScaffoldError, ImportError, KeyError, ValueError, analyse.DecodeError):
            return None
        return api, tuple(s for s in found.services if s in api.service_by_name)

    def _external(self, unit: Unit, api: Api) -> Part:
        """Another team's component: what its API was is known to those who use it."""
        services = tuple(s for s in unit.services if s in api.service_by_name)
        return Part(unit, self._side(unit, api, services), self._side(unit, self._what.api_of(unit), unit.services))

    def _part(self, unit: Unit, api: Api, services: tuple[str, ...]) -> Part:
        handlers = {
            entry.rpc: entry.path
            for entry in self._snapshot.listed.values()
            if entry.rpc and entry.path.startswith(f"{unit.root}/") and self._snapshot.files.get(entry.path) is not None
        }
        targets = {a.rpc: a.path for a in self._what.artifacts if a.rpc and a.path.startswith(f"{unit.root}/")}
        return Part(
            unit,
            self._side(unit, api, services),
            self._side(unit, self._what.api_of(unit), unit.services),
            handlers,
            frozenset(path for path in handlers.values() if not self._is_ours(path)),
            targets,
            frozenset(path for path in targets.values() if self._is_ours(path)),
            self._vocabulary(unit, api, services),
            tuple(self._sources(unit)),
            self._known(unit),
        )

    def _known(self, unit: Unit) -> frozenset[str]:
        """The other components whose messages a component has."""
        files = set(self._what.files.closure(unit.protos))
        importing = {u.name for u in self._units if u.name != unit.name and not files.isdisjoint(u.protos)}
        return frozenset({*unit.uses, *importing})

    def _side(self, unit: Unit | Adapter, api: Api, services: tuple[str, ...]) -> Side:
        """A component's API; of what it imports from another one, there is a word in that one's section."""
        others = {proto for name, protos in self._told.items() if name != unit.name for proto in protos}
        names = dict.fromkeys([*unit.protos, *(api.service_by_name[s].file for s in services)])
        own = {f.name for f in api.closure(tuple(names))}
        files = {name for name in own - others if not name.startswith(OPTIONS) and not is_installed(name)}
        return Side(api, services, frozenset(files | (own & set(unit.protos))))

    def _is_ours(self, path: str) -> bool:
        """Whether nothing of the user's stands at a path: nothing at all, or what we made and nobody edited."""
        content = self._snapshot.files.get(path)
        return content is None or _untouched(content)

    def _vocabulary(self, unit: Unit, api: Api, services: tuple[str, ...]) -> Vocabulary:
        """What names stand for in the API as it was."""
        there = _narrowed(self._what.settings, api)
        old = next(u for u in there.components() if u.name == unit.name)
        return vocabulary(replace(old, services=services), api, there, self._what.recorded)

    def _sources(self, unit: Unit | Adapter) -> Iterable[Source]:
        """The user's own files of a component. One that is no Python names nothing that could be seen."""
        for path, content in self._workspace.python_files(unit.path).items():
            entry = self._snapshot.listed.get(path)
            if (entry is not None and entry.owner == "generated") or _untouched(content):
                continue
            inside = path.startswith(f"{unit.source}/")
            module = (
                path.removeprefix(f"{unit.source}/").removesuffix(".py").removesuffix("/__init__") if inside else ""
            )
            try:
                yield usages.read(path, content, module.replace("/", "."))
            except ScaffoldError:
                continue

    def _comments(self, unit: Unit) -> tuple[str, ...] | None:
        """The RPCs whose untouched stubs follow, where only comments changed; None where something else, or nothing, did."""
        changed = [c for c in self._written if c.path.startswith(f"{unit.path}/")]
        descriptors_kept = self._changes.get(f"{unit.root}/gen/descriptors.py")
        if not changed or descriptors_kept is None or descriptors_kept.action != "keep":
            return None
        if not all(_says_comments(c, unit) for c in changed):
            return None
        return tuple(c.rpc for c in changed if c.rpc)


def _says_comments(change: Change, unit: Unit) -> bool:
    """Whether a file has comments of the protos in it, and changes."""
    gen = f"{unit.root}/gen"
    documented = change.path.startswith((f"{gen}/messages/", f"{gen}/clients/"))
    return change.action == "update" and (documented or change.owner == "stub")


def _narrowed(configuration: Settings, api: Api) -> Settings:
    """Settings in which components have the services that an Api knows."""
    return configuration.with_services(
        {unit.name: tuple(s for s in unit.services if s in api.service_by_name) for unit in configuration.components()}
    )


def _untouched(content: bytes) -> bool:
    try:
        return stamp.read(content.decode()) is stamp.Mark.INTACT
    except UnicodeDecodeError:
        return False
