"""What stands around the models that are to leave: the map that a team takes to its planning. Pure."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING

from scaffold.acl.snapshot import foreign_keys
from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from scaffold.acl.snapshot import Column, Lookup, Method, Model, Module, Property, Receiver, Snapshot, Transaction


@dataclass(frozen=True)
class Counts:
    """How much there is, in an app or in all. ``methods``: those that change something by themselves."""

    models: int
    columns: int
    keys: int
    keys_out: int
    properties: int
    methods: int
    saves: int


@dataclass(frozen=True)
class Key:
    """A foreign key that crosses the seam."""

    model: Model
    column: Column


@dataclass(frozen=True)
class Seam:
    """What crosses the line around the chosen models.

    ``keys_out`` lead from them to others, ``keys_in`` to them. ``transactions``, ``modules``, ``receivers`` and ``lookups``
    have to do with chosen models and with others; ``watched`` are columns that a translator stumbles over, each with why.
    """

    models: tuple[Model, ...]
    keys_out: tuple[Key, ...]
    keys_in: tuple[Key, ...]
    transactions: tuple[Transaction, ...]
    modules: tuple[Module, ...]
    receivers: tuple[Receiver, ...]
    lookups: tuple[Lookup, ...]
    methods: tuple[tuple[Model, Method], ...]
    properties: tuple[tuple[Model, Property], ...]
    watched: tuple[tuple[Model, Column, str], ...]

    def others(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of some models that are not chosen."""
        chosen = {m.name for m in self.models}
        return tuple(name for name in names if name not in chosen)


def counts(snapshot: Snapshot, models: Sequence[Model] | None = None) -> Counts:
    """Count what own models have, all of them where none are given."""
    models = snapshot.own if models is None else models
    keys = [(m, c) for m in models for c in m.columns if c.references]
    methods = [method for m in models for method in m.methods]
    return Counts(
        models=len(models),
        columns=sum(len(m.columns) for m in models),
        keys=len(keys),
        keys_out=sum(snapshot.crosses(m, c) for m, c in keys),
        properties=sum(not p.name.startswith("_") for m in models for p in m.properties),
        methods=sum(method.direct and not method.overrides for method in methods),
        saves=sum(method.overrides and method.name == "save" for method in methods),
    )


def by_app(snapshot: Snapshot) -> tuple[tuple[str, Counts], ...]:
    """The counts of each app, in the order of their names."""
    apps = sorted({m.app for m in snapshot.own})
    return tuple((app, counts(snapshot, [m for m in snapshot.own if m.app == app])) for app in apps)


def between_apps(snapshot: Snapshot) -> tuple[tuple[str, str, int], ...]:
    """From which app how many foreign keys lead to which other, most first."""
    pairs = Counter(
        (model.app, snapshot.model_by_name[column.references].app)
        for model, column in foreign_keys(snapshot)
        if snapshot.crosses(model, column)
    )
    return tuple((one, other, n) for (one, other), n in sorted(pairs.items(), key=lambda item: (-item[1], item[0])))


def spanning(snapshot: Snapshot) -> tuple[Transaction, ...]:
    """The transactions over models of several apps."""
    apps = {m.name: m.app for m in snapshot.models}
    return tuple(t for t in snapshot.transactions if len({apps.get(name, name) for name in t.models}) > 1)


def choose(snapshot: Snapshot, names: Sequence[str]) -> tuple[Model, ...]:
    """The models that names stand for: a label, a class's name, or an app for all of its models. Raises ScaffoldError."""
    chosen: dict[str, Model] = {}
    problems = []
    for name in names:
        found = [m for m in snapshot.own if name in (m.name, m.app)]
        found = found or [m for m in snapshot.own if m.name.lower() == name.lower() or m.class_name == name]
        if not found or (len(found) > 1 and any(m.app != name for m in found)):
            problems.append(_unknown(snapshot, name, [m.name for m in found]))
        chosen.update((m.name, m) for m in found)
    ScaffoldError.raise_if(problems)
    return tuple(chosen.values())


def _unknown(snapshot: Snapshot, name: str, found: Sequence[str]) -> Diagnostic:
    known = [m.name for m in snapshot.own]
    last = {m.class_name: m.name for m in snapshot.own} | {n: n for n in known}
    close = [last[n] for n in get_close_matches(name, last, n=2)]
    if found:
        message, remedy = f'several models are called "{name}"', f"one of {', '.join(found)}"
    else:
        message = f'the snapshot has no model "{name}"'
        remedy = f"did you mean {' or '.join(close)}?" if close else f"known: {', '.join(known[:20])}"
    return Diagnostic("unknown-model", message, Location(snapshot.where.path) if snapshot.where.path else None, remedy)


def seam(snapshot: Snapshot, models: Sequence[Model]) -> Seam:
    """What crosses the line around some models."""
    chosen = {m.name for m in models}

    def mixed(names: Iterable[str]) -> bool:
        names = set(names)
        return bool(names & chosen) and bool(names - chosen)

    keys = [Key(m, c) for m, c in foreign_keys(snapshot)]
    return Seam(
        models=tuple(models),
        keys_out=tuple(k for k in keys if k.model.name in chosen and k.column.references not in chosen),
        keys_in=tuple(
            k for k in keys if k.model.name not in chosen and k.column.references in chosen and not k.model.proxy_of
        ),
        transactions=tuple(t for t in snapshot.transactions if mixed(t.models)),
        modules=tuple(m for m in snapshot.modules if chosen.intersection(m.models)),
        receivers=tuple(
            r for r in snapshot.receivers if chosen.intersection((r.sender, *r.models)) or _hears_all(snapshot, r)
        ),
        lookups=tuple(x for x in snapshot.lookups if mixed((x.model, *x.models) if x.model else x.models)),
        methods=tuple((m, method) for m in models for method in m.methods),
        properties=tuple((m, p) for m in models for p in m.properties),
        watched=tuple((m, c, why) for m in models for c in m.columns if (why := watch(c))),
    )


def _hears_all(snapshot: Snapshot, receiver: Receiver) -> bool:
    """Whether a receiver is called for every model: one of Django's own signals, without a sender."""
    return snapshot.orm == "django" and not receiver.sender and "." not in receiver.signal


def watch(column: Column) -> str:
    """Why a translator has to look twice at a column, if it has to."""
    reasons = []
    if column.null and not column.references:
        reasons.append("NULL")
    if column.type == "decimal":
        reasons.append("Decimal")
    if column.aware is False:
        reasons.append("naive datetime")
    if column.choices:
        unnamed = "" if all(c.name for c in column.choices) else ", not all named"
        reasons.append(f"{len(column.choices)} choices{unnamed}")
    return ", ".join(reasons)
