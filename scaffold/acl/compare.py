"""What has changed between two snapshots of a monolith. Pure."""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

from scaffold.core.diagnostics import Diagnostic, Location

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scaffold.acl.snapshot import Model, Snapshot

_REMEDY = "if that is meant: `scaffold acl introspect` writes it, and whoever maps it has to look"

_PARTS = ("columns", "relations", "properties", "methods", "managers")
_AROUND = {"receivers": "receivers", "transactions": "transactions", "modules": "modules", "lookups": "lookups"}


def compare(before: Snapshot, after: Snapshot) -> Iterator[Diagnostic]:
    """A finding for each thing that is new, gone or another; each where it stands: in the monolith, or in the old file."""
    for name in sorted({*before.model_by_name, *after.model_by_name}):
        one, other = before.model_by_name.get(name), after.model_by_name.get(name)
        if one is None and other is not None:
            yield _finding(f"the model {name} is new", other.at)
        elif other is None and one is not None:
            yield _finding(f"the model {name} is gone", one.where)
        elif one is not None and other is not None and one != other:
            yield from _model(one, other)
    for attribute, word in _AROUND.items():
        if getattr(before, attribute) != getattr(after, attribute):
            yield _finding(f"the {word} are others", Location(before.where.path))


def _model(before: Model, after: Model) -> Iterator[Diagnostic]:
    for part in _PARTS:
        old: Mapping[str, object] = {thing.name: thing for thing in getattr(before, part)}
        new: Mapping[str, object] = {thing.name: thing for thing in getattr(after, part)}
        word = {"properties": "property"}.get(part, part.removesuffix("s"))
        for name in sorted({*old, *new}):
            full = f"the {word} {before.name}.{name}"
            if name not in old:
                yield _finding(f"{full} is new", after.at)
            elif name not in new:
                yield _finding(f"{full} is gone", _where(old[name], before))
            elif old[name] != new[name]:
                yield _finding(f"{full} has changed: {_differences(old[name], new[name])}", _where(old[name], before))
    rest = [f.name for f in fields(before) if f.compare and f.name not in _PARTS]
    for name in rest:
        if getattr(before, name) != getattr(after, name):
            yield _finding(
                f"{before.name} has another {name}: {getattr(after, name)}, not {getattr(before, name)}", before.where
            )


def _where(thing: object, model: Model) -> Location:
    where = getattr(thing, "where", model.where)
    assert isinstance(where, Location)
    return where


def _differences(one: object, other: object) -> str:
    names = [f.name for f in fields(one) if f.compare and getattr(one, f.name) != getattr(other, f.name)]  # type: ignore[arg-type]
    return ", ".join(names)


def _finding(message: str, where: Location) -> Diagnostic:
    return Diagnostic("snapshot-stale", message, where if where.path else None, _REMEDY)
