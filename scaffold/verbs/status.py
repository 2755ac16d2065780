"""`scaffold status` and `scaffold acl retire`: what is out of the monolith, what is not, and whether a layer may go."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from scaffold.acl import check, source, uses
from scaffold.acl.facts import facts
from scaffold.acl.snapshot import read
from scaffold.core import settings as settings_module
from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError, Severity
from scaffold.verbs.check import unknown_layer
from scaffold.verbs.generate import open_workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scaffold.acl.snapshot import Snapshot
    from scaffold.acl.source import Sources
    from scaffold.acl.uses import Gap, Use
    from scaffold.core.settings import Adapter
    from scaffold.shell.workspace import Workspace

_SHOWN = 8


@dataclass(frozen=True)
class Table:
    """A table behind an API, with its model's name in the snapshot. ``why`` it is still the monolith's; empty: it is out."""

    model: str
    table: str
    why: tuple[str, ...] = ()


@dataclass(frozen=True)
class Layer:
    """An API on its way out: who answers each method, the tables behind it, and who needs what.

    ``seam`` is the file that says the modes, empty where there is none; ``monolith`` the folder that was searched, empty
    where nobody has said where it is, and ``is_home`` whether the models are in it. ``callers`` are lines of the monolith
    that import the layer (None: nobody has looked), ``direct`` those that go to the models past it, ``history`` migrations
    that name a model. ``gaps`` could not be read.
    """

    name: str
    services: tuple[str, ...]
    seam: str
    modes: tuple[tuple[str, str], ...]
    tables: tuple[Table, ...]
    monolith: str
    callers: tuple[Use, ...] | None
    direct: tuple[Use, ...]
    history: tuple[Use, ...] = ()
    gaps: tuple[Gap, ...] = ()
    is_home: bool = True

    @property
    def at_service(self) -> int:
        """How many methods the service answers, whatever the call is about.

        ``percent:100`` is not that: a call that names no entity goes to the monolith.
        """
        return sum(mode == "service" for _, mode in self.modes)

    @property
    def is_routed(self) -> bool:
        """Whether the service answers every method."""
        return self.at_service == len(self.modes)

    @property
    def done(self) -> bool:
        """Whether nothing is left for the layer to do."""
        return self.is_routed and self.callers == () and not self.direct and all(gap.silent for gap in self.gaps)


@dataclass(frozen=True)
class Status:
    """Where the way out of the monolith stands.

    ``without`` are components without a layer, ``inside`` own models of the snapshots behind none; both are empty where the
    question was about some layers.
    """

    layers: tuple[Layer, ...]
    without: tuple[str, ...]
    inside: tuple[str, ...]
    notes: tuple[Diagnostic, ...] = ()

    @property
    def tables(self) -> tuple[Table, ...]:
        """Every table behind a layer, once."""
        return tuple({t.model: t for layer in self.layers for t in layer.tables}.values())


@dataclass(frozen=True)
class Retirement:
    """Why a layer may not go yet (``found``), what is worth a word, and the tables that nothing needs after it."""

    found: tuple[Diagnostic, ...]
    notes: tuple[Diagnostic, ...]
    tables: tuple[str, ...]


def status(start: Path, names: Sequence[str] = (), monolith: Path | None = None, seam: Path | None = None) -> Status:
    """Where the named layers stand, all where none is named. Raises ScaffoldError with what is wrong in all of them.

    ``monolith`` is a folder with its source, where it is not the one in scaffold.toml; without either, callers are what
    the snapshot knows of them. ``seam`` is the ``seam.toml`` of production, where it is not the layer's own.
    """
    look = _Look(start, seam)
    known = {adapter.name: adapter for adapter in look.adapters}
    ScaffoldError.raise_if(unknown_layer(name, known) for name in names if name not in known)
    adapters = [known[name] for name in dict.fromkeys(names or known)]
    if seam is not None and len(adapters) > 1:
        raise ScaffoldError(_whose_seam(seam, known))
    layers: list[Layer] = []
    problems: list[Diagnostic] = []
    for adapter in adapters:
        try:
            layers.append(look.layer(adapter, look.monolith(adapter, monolith)))
        except ScaffoldError as error:
            problems += error.diagnostics
    ScaffoldError.raise_if(dict.fromkeys(problems))
    notes = (*look.notes, *(_doubt(d) for layer in layers for d in (*_elsewhere(layer), *_unread(layer))))
    return Status(
        layers=tuple(_shared(layer, layers) for layer in layers),
        without=() if names else tuple(u.name for u in look.settings.components() if u.name not in known),
        inside=() if names else look.inside(),
        notes=tuple(dict.fromkeys(notes)),
    )


def retire(start: Path, name: str, monolith: Path | None = None, seam: Path | None = None) -> Retirement:
    """Why a layer may not go yet, or that it may. Raises ScaffoldError, also where nobody says where the monolith is."""
    look = _Look(start, seam)
    adapters = {adapter.name: adapter for adapter in look.adapters}
    if name not in adapters:
        raise ScaffoldError(unknown_layer(name, adapters))
    adapter = adapters[name]
    folder = look.monolith(adapter, monolith, needed=True)
    layer = look.layer(adapter, folder)
    others = {model: other.name for other in adapters.values() if other.name != name for model in other.models}
    return Retirement(
        found=(*_calls(layer, look), *_imports(layer), *(d for d in _unread(layer) if d.severity is Severity.ERROR)),
        notes=(
            *(_named_by_another(t, others[t.model]) for t in layer.tables if t.model in others),
            *_elsewhere(layer),
            *_history(layer),
            *(d for d in _unread(layer) if d.severity is not Severity.ERROR),
        ),
        tables=tuple(t.table for t in layer.tables if t.table and t.model not in others),
    )


class _Look:
    """Looks at a workspace's layers; what they share is read once. ``notes`` are about what could not be looked at."""

    def __init__(self, start: Path, seam: Path | None) -> None:
        self._start = start
        self._seam = seam
        self.workspace: Workspace
        self.workspace, self.settings = open_workspace(start)
        self.adapters = self.settings.adapters()
        self.notes: list[Diagnostic] = []
        self._snapshots: dict[str, Snapshot] = {}
        self._sources: dict[Path, Sources] = {}

    def shown(self, path: Path) -> str:
        """A path as it can be opened from where the command was run."""
        path, here = Path(os.path.normpath(path.absolute())), self._start.absolute()
        return path.relative_to(here).as_posix() if path.is_relative_to(here) else str(path)

    def snapshot(self, adapter: Adapter) -> Snapshot:
        """The snapshot that a layer is over."""
        if adapter.snapshot not in self._snapshots:
            path = self.workspace.root / adapter.snapshot
            self._snapshots[adapter.snapshot] = read(path, self.shown(path))
        return self._snapshots[adapter.snapshot]

    def inside(self) -> tuple[str, ...]:
        """The monolith's own models behind no layer. A proxy is its table's model by another name, and no further one."""
        behind = {model for adapter in self.adapters for model in adapter.models}
        own = [model for adapter in self.adapters for model in self.snapshot(adapter).own if not model.proxy_of]
        return tuple(dict.fromkeys(model.name for model in own if model.name not in behind))

    def seam_of(self, adapter: Adapter) -> Path:
        """The file that says the modes."""
        return self._seam or self.workspace.root / adapter.root / "seam.toml"

    def monolith(self, adapter: Adapter, given: Path | None, *, needed: bool = False) -> Path | None:
        """The folder of the monolith's source. Raises ScaffoldError for one that has none, or where one is needed.

        One that is only recorded may be elsewhere on another machine: that is a note where none is needed.
        """
        if given is not None:
            ScaffoldError.raise_if(
                source.problems(self._start / given, str(given), None, "name the folder of its source")
            )
            return self._start / given
        where = settings_module.place(self.workspace.text, "acls", adapter.name, "monolith")
        if not adapter.monolith:
            if needed:
                raise ScaffoldError(_unknown_monolith(adapter, where))
            return None
        folder = self.workspace.root / adapter.monolith
        problems = source.problems(folder, adapter.monolith, where, "correct the line, or: --monolith DIR")
        if needed:
            ScaffoldError.raise_if(problems)
        self.notes += map(_doubt, problems)
        return None if problems else folder

    def layer(self, adapter: Adapter, monolith: Path | None) -> Layer:
        """Where a layer stands. Raises ScaffoldError."""
        snapshot = self.snapshot(adapter)
        facts(snapshot, adapter.models, self.shown(self.workspace.root / adapter.snapshot))
        found = (
            self._search(adapter, snapshot, monolith)
            if monolith
            else uses.in_snapshot(adapter.package, adapter.models, snapshot)
        )
        seam = self.seam_of(adapter)
        layer = Layer(
            name=adapter.name,
            services=adapter.services,
            seam=self.shown(seam) if self._seam or seam.is_file() else "",
            modes=self._modes(adapter),
            tables=tuple(Table(name, snapshot.model_by_name[name].table) for name in dict.fromkeys(adapter.models)),
            monolith=self.shown(monolith) if monolith else "",
            callers=tuple(use for use in found.uses if use.what == adapter.package) if monolith else None,
            direct=tuple(use for use in found.uses if use.what != adapter.package),
            history=found.history,
            gaps=found.gaps,
            is_home=found.is_home,
        )
        return replace(layer, tables=tuple(replace(table, why=_why_in(layer, table)) for table in layer.tables))

    def _search(self, adapter: Adapter, snapshot: Snapshot, monolith: Path) -> uses.Found:
        if monolith not in self._sources:
            self._sources[monolith] = source.read(monolith)
        models = [snapshot.model_by_name[name] for name in dict.fromkeys(adapter.models)]
        apart = (self.workspace.root / adapter.path,)
        return uses.find(self._sources[monolith], adapter.package, models, snapshot, apart, self.shown)

    def _modes(self, adapter: Adapter) -> tuple[tuple[str, str], ...]:
        """Who answers each method. Raises ScaffoldError where nobody can say."""
        if not (self.workspace.root / adapter.root / "gen" / "wire.py").is_file():
            raise ScaffoldError(check.not_generated(adapter))
        given = str(self._seam.absolute()) if self._seam else ""
        if self._seam and not self._seam.is_file():
            raise ScaffoldError(check.seam_invalid("there is no such file", Location(self.shown(self._seam))))
        said = check.report(self.workspace.root / adapter.source, adapter.package, given)
        wrong = said if isinstance(said, str) else said["seam"]
        if wrong:
            raise ScaffoldError(check.seam_invalid(wrong, Location(self.shown(self.seam_of(adapter)))))
        return tuple(said["modes"].items())


def _whose_seam(seam: Path, known: Iterable[str]) -> Diagnostic:
    return Diagnostic(
        "which-component",
        f"a seam.toml is one layer's, and there are {', '.join(known)}",
        Location(str(seam)),
        "name the layer that it is of: `scaffold status NAME --seam FILE`",
    )


def _unknown_monolith(adapter: Adapter, where: Location) -> Diagnostic:
    return Diagnostic(
        "monolith-unknown",
        "nobody has said where the monolith's source is, so nobody can say who still needs the layer",
        where,
        f'name it once, monolith = "../DIR" in [acls.{adapter.name}], or each time: --monolith DIR',
    )


# --- what stands in the way -------------------------------------------------------------------------------------------


def _why_in(layer: Layer, table: Table) -> tuple[str, ...]:
    """Why a table is still the monolith's."""
    places = {use.where for use in layer.direct if use.what == table.model}
    loud = sum(not gap.silent for gap in layer.gaps)
    why = [] if layer.is_routed else ["the monolith still answers"]
    why += [f"{count(len(places), 'line' if layer.monolith else 'module')} past the layer"] if places else []
    why += [f"{count(loud, 'file')} could not be read"] if loud else []
    return tuple(why or ([] if layer.monolith else ["nobody has searched the monolith"]))


def _shared(layer: Layer, layers: Sequence[Layer]) -> Layer:
    """A layer whose tables know that they are behind others, too."""
    busy = {t.model: other.name for other in layers if other is not layer and not other.is_routed for t in other.tables}
    return replace(
        layer,
        tables=tuple(
            replace(t, why=(*t.why, f"behind {busy[t.model]} as well")) if t.model in busy else t for t in layer.tables
        ),
    )


def _calls(layer: Layer, look: _Look) -> tuple[Diagnostic, ...]:
    """Methods that the monolith answers, or may."""
    adapter = next(a for a in look.adapters if a.name == layer.name)
    where = Location(look.shown(look.seam_of(adapter)))
    at = "" if layer.seam else ": there is no such file, and the monolith answers"
    return tuple(
        Diagnostic(
            "calls-go-to-the-monolith",
            f"{method} is at {mode}{at}{_RESIDUE if mode == 'percent:100' else ''}",
            where,
            'the layer is needed for as long as the monolith answers: mode = "service" first, for every method',
        )
        for method, mode in layer.modes
        if mode != "service"
    )


_RESIDUE = ": a call that names no entity still goes to the monolith"


def _imports(layer: Layer) -> tuple[Diagnostic, ...]:
    """Lines that need the layer, then those that need the models."""
    return tuple(
        Diagnostic(
            "still-imported",
            f"{use.what} is still needed here",
            use.where,
            "call the service by a client of its own, or let the code go",
        )
        for use in (*(layer.callers or ()), *layer.direct)
    )


def _unread(layer: Layer) -> tuple[Diagnostic, ...]:
    """Files that nobody could read: an error where one of the names is in it, or may be; the others are one note."""
    loud = [
        Diagnostic(
            "monolith-unreadable",
            f"it could not be read, and may need the layer or its models: {gap.why}",
            gap.where,
            "mend it; or see for yourself, and move it out of the folder",
        )
        for gap in layer.gaps
        if not gap.silent
    ]
    silent = [gap for gap in layer.gaps if gap.silent]
    if silent:
        which = "it" if len(silent) == 1 else some([str(gap.where) for gap in silent])
        message = f"{which} could not be read, and mentions none of the names: {silent[0].why}"
        remedy = "nothing has to be done, unless it has a model under a name of its own"
        loud.append(Diagnostic("monolith-unreadable", message, silent[0].where, remedy, Severity.NOTE))
    return tuple(loud)


def _doubt(diagnostic: Diagnostic) -> Diagnostic:
    """What keeps a layer from retiring, where it is only looked at."""
    return replace(diagnostic, severity=Severity.WARNING) if diagnostic.severity is Severity.ERROR else diagnostic


def _elsewhere(layer: Layer) -> tuple[Diagnostic, ...]:
    """Nothing is found in the wrong folder."""
    if layer.is_home:
        return ()
    return (
        Diagnostic(
            "monolith-without-models",
            f"none of the modules with {layer.name}'s models is in {layer.monolith}: is it the monolith's source?",
            None,
            "name the folder that it is started in; where the models are gone already, all is well",
            Severity.WARNING,
        ),
    )


def _history(layer: Layer) -> tuple[Diagnostic, ...]:
    """Migrations tell what once was: they stay, and nothing calls them."""
    if not layer.history:
        return ()
    return (
        Diagnostic(
            "named-in-migrations",
            f"migrations name the models, which is no use of them: {some([str(use.where) for use in layer.history])}",
            None,
            "leave them as they are: the migration that drops the tables comes after them",
            Severity.NOTE,
        ),
    )


def _named_by_another(table: Table, other: str) -> Diagnostic:
    return Diagnostic(
        "behind-another-layer",
        f"{table.model} is behind {other} as well",
        None,
        f"its table stays until that layer goes, too: `scaffold acl retire {other}`",
        Severity.NOTE,
    )


def some(names: Sequence[str]) -> str:
    """The first few of them."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def count(number: int, what: str) -> str:
    """``1 line``, ``2 lines``."""
    return f"{number} {what}{'' if number == 1 else 's'}"
