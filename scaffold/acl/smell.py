"""Model-copy smell: how much a message looks like a table of the monolith. Pure.

An API that mirrors the database's schema is what AIP-121 (https://google.aip.dev/121) calls an anti-pattern: the schema can
never change again without its callers. A copy is recognised by what nobody arrives at twice by chance: the same names, rare
ones above all, in the same order, with the table's own keys, and with a verb for each SQL statement.

The score is ``100 * alike ** 1.5 * (0.6 + 0.15 order + 0.15 keys + 0.1 verbs)``, each part from 0 to 1. ``alike`` decides;
the others only add to a likeness that is there. A designed message shares some words of the domain with a table, since both
are about the same thing; a copy shares nearly all of them, and that is where the exponent draws the line.
"""

from __future__ import annotations

import math
import re
from bisect import bisect_left
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scaffold.core.api import walk
from scaffold.core.naming import snake

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from scaffold.acl.snapshot import Column, Model, Snapshot
    from scaffold.core.api import Api, Field, Message

#: From here on a message is warned about, and from there on it fails with ``--strict``.
WARN, FAIL = 40, 60

#: So many common names are needed: with fewer, any two small things look alike.
LEAST = 3

_SHOWN = 6

# What methods on a table are called, by what they do there. By name alone: core/shapes.py would want a resource's name where
# a copy has the number of a row.
_VERBS = {
    "Create": "insert", "Insert": "insert", "Get": "select", "Read": "select", "List": "select all", "Search": "select all",
    "Update": "update", "Patch": "update", "Save": "update", "Delete": "delete", "Remove": "delete",
}  # fmt: skip
_STATEMENTS = len(set(_VERBS.values()))
_INTEGERS = {
    "int32", "int64", "uint32", "uint64", "sint32", "sint64", "fixed32", "fixed64", "sfixed32", "sfixed64",
}  # fmt: skip
# What a copy makes of a column; a message of the API's own in its place (Money) is design.
_COPIES = {"google.protobuf.Timestamp", "google.protobuf.Duration", "google.protobuf.Struct", "google.protobuf.Value"}
_WRAPPER = re.compile(r"google\.protobuf\.\w+Value\Z")


@dataclass(frozen=True)
class Likeness:
    """What made the score of a message against a table; ``names`` are the common ones, the rarest first."""

    message: Message
    model: Model
    score: int
    alike: float
    order: float
    keys: float
    verbs: float
    names: tuple[str, ...]

    def __str__(self) -> str:
        few = ", ".join(self.names[:_SHOWN]) + (", …" if len(self.names) > _SHOWN else "")
        fields, columns = len(self.message.fields), len(self.model.columns)
        parts = [f"{len(self.names)} of {fields} fields are among its {columns} columns ({few})"]
        parts += ["in its order"] * (self.order >= 0.8)
        parts += ["with its keys"] * (self.keys > 0)
        parts += ["with a verb for each SQL statement"] * (self.verbs >= 0.8)
        return ", ".join(parts)


def likenesses(api: Api, files: Iterable[str], snapshot: Snapshot) -> tuple[Likeness, ...]:
    """For each message of some files the table that it looks like most, if it looks like one; highest score first."""
    files = set(files)
    tables = _Tables(snapshot)
    verbs = _verbs(api)
    found = []
    for message in (m for top in api.messages if top.file in files for m in walk(top) if not m.map_entry):
        scores = [tables.likeness(message, model, verbs.get(message.full_name, 0.0)) for model in tables.models]
        best = max((s for s in scores if s is not None), key=lambda s: (s.score, s.model.name), default=None)
        if best is not None:
            found.append(best)
    return tuple(sorted(found, key=lambda s: (-s.score, s.message.full_name)))


class _Tables:
    """The monolith's tables, and how rare the names of their columns are."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.models = [m for m in snapshot.own if not m.proxy_of]
        seen = Counter(name for m in self.models for name in {_same(c.name) for c in m.columns})
        most = math.log(len(self.models) + 1)
        # A name that only one table has counts 1, one that all have (`id`) hardly anything.
        self._weights = {name: max(math.log((len(self.models) + 1) / n) / most, 0.05) for name, n in seen.items()}

    def likeness(self, message: Message, model: Model, verbs: float) -> Likeness | None:
        """How much a message looks like a table; None where they have too little in common to tell."""
        columns = {_same(c.name): (i, c) for i, c in enumerate(model.columns)}
        common = [(columns[_same(f.name)], f) for f in message.fields if _same(f.name) in columns]
        if len({_same(f.name) for _, f in common}) < LEAST:
            return None
        shared = sum(self._weight(f) * _typed_alike(f) for _, f in common)
        fields = sum(self._weight(f) for f in message.fields)
        table = sum(self._weights[name] for name in columns)
        alike = min(2 * shared / (fields + table), 1.0)
        order = _in_order([place for (place, _), _ in common])
        keys = _keys(model.columns, {column.name: field for (_, column), field in common})
        score = 100 * alike**1.5 * (0.6 + 0.15 * order + 0.15 * keys + 0.1 * verbs)
        names = sorted({f.name for _, f in common}, key=lambda name: (-self._weights[_same(name)], name))
        return Likeness(message, model, round(score), alike, order, keys, verbs, tuple(names))

    def _weight(self, field: Field) -> float:
        """A name that no table has is as telling as one that a single table has: of being no copy."""
        return self._weights.get(_same(field.name), 1.0)


def _same(name: str) -> str:
    """What remains of a name when the ways to write it are left out: ``productId``, ``product_id`` and ``product``."""
    plain = snake(name).strip("_")
    return plain.removesuffix("_id").removesuffix("_pk") or plain


def _typed_alike(field: Field) -> float:
    """1 for what a copy would make of a column, half for a message or a list of the API's own."""
    if field.repeated:
        return 0.5
    if field.type == "message" and field.type_name not in _COPIES and not _WRAPPER.match(field.type_name):
        return 0.5
    return 1.0


def _in_order(places: Sequence[int]) -> float:
    """Which part of the common fields stands in the table's order: the longest increasing run, gaps allowed."""
    tails: list[int] = []
    for place in places:
        at = bisect_left(tails, place)
        tails[at : at + 1] = [place]
    # Two of two are always in some order; the first says nothing.
    return (len(tails) - 1) / (len(places) - 1) if len(places) > 1 else 0.0


def _keys(columns: Sequence[Column], fields: Mapping[str, Field]) -> float:
    """Which part of the table's keys is exposed: numbers that mean something in that database alone."""
    keys = [c for c in columns if c.key or c.references]
    exposed = sum(_exposes(fields[c.name], c) for c in keys if c.name in fields)
    return exposed / len(keys) if keys else 0.0


def _exposes(field: Field, column: Column) -> bool:
    if column.type == "int":
        return field.type in _INTEGERS or (field.type == "string" and field.name.endswith("id"))
    return field.type in ("string", "bytes") and field.name in (column.name, "id")


def _verbs(api: Api) -> dict[str, float]:
    """By message: for which part of SQL's statements its service has a method, less what else it can do."""
    found: dict[str, float] = {}
    for service in api.services:
        package = service.full_name.rpartition(".")[0]
        statements: dict[str, set[str]] = {}
        others = 0
        for method in service.methods:
            noun, statement = _statement(method.name)
            name = next((n for n in (noun, *_singulars(noun)) if f"{package}.{n}" in api.message_by_name), "")
            if name and statement:
                statements.setdefault(f"{package}.{name}", set()).add(statement)
            else:
                others += 1
        for name, said in statements.items():
            found[name] = max(found.get(name, 0.0), len(said) / _STATEMENTS * len(said) / (len(said) + others))
    return found


def _statement(method: str) -> tuple[str, str]:
    """``ListStockRecords``: the noun, and the statement."""
    verb = next((v for v in _VERBS if method.startswith(v)), "")
    return method.removeprefix(verb), _VERBS.get(verb, "")


def _singulars(noun: str) -> tuple[str, ...]:
    return noun.removesuffix("s"), noun.removesuffix("es"), f"{noun.removesuffix('ies')}y"


def copies(found: Iterable[Likeness], least: int = WARN) -> Iterator[Likeness]:
    """Those that are to be told."""
    return (likeness for likeness in found if likeness.score >= least)
