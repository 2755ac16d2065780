"""From a snapshot to what mappings are checked against: columns with their kinds, relations with where they lead."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError, Severity
from scaffold.core.facts import ColumnFacts, ModelFacts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scaffold.acl.snapshot import Column, Model, Relation, Snapshot

_KINDS = {"string": "text", "file": "text", "array": "json"}

# Whole numbers, by what the field's class says of itself: bits, and whether below zero.
_BITS = (("Big", 63), ("Small", 15))
_USUAL_BITS = 31


def facts(snapshot: Snapshot, names: Sequence[str], shown: str) -> tuple[ModelFacts, ...]:
    """The named models. Raises ScaffoldError for those that the snapshot does not have; ``shown`` is its path."""
    ScaffoldError.raise_if(_missing(name, snapshot, shown) for name in names if name not in snapshot.model_by_name)
    return tuple(_model(snapshot.model_by_name[name]) for name in dict.fromkeys(names))


def chosen(snapshot: Snapshot, names: Sequence[str]) -> tuple[str, ...]:
    """The labels that names stand for: an app for the models that have tables of their own. What is neither stays."""
    apps: dict[str, list[str]] = {}
    for model in snapshot.own:
        if not model.proxy_of:
            apps.setdefault(model.app, []).append(model.name)
    known = snapshot.model_by_name
    return tuple(
        dict.fromkeys(label for name in names for label in ([name] if name in known else apps.get(name, [name])))
    )


def remarks(snapshot: Snapshot, names: Sequence[str]) -> Iterator[Diagnostic]:
    """What is worth a word before somebody maps these models: rows that cannot be written, keys that are no id."""
    for model in (snapshot.model_by_name[name] for name in dict.fromkeys(names)):
        if not model.managed:
            yield _unmanaged(model)
        if len(model.key) > 1:
            yield _composite_key(model)
        yield from (_generic_key(model, relation) for relation in model.relations if relation.kind == "generic")


def _unmanaged(model: Model) -> Diagnostic:
    return Diagnostic(
        "model-unmanaged",
        f"{model.name} reads {model.table}, which the ORM does not make: a view, or somebody else's table",
        model.at,
        "map it one way, for what is read, and write through the models beneath it; what is NULL there is only what "
        "the model says, so ask the database",
        Severity.WARNING,
    )


def _composite_key(model: Model) -> Diagnostic:
    return Diagnostic(
        "model-composite-key",
        f"a row of {model.name} is known by {', '.join(model.key)} together",
        model.at,
        "give it a name of the API's own that has a segment for each of them, or one id and a table of which is which",
        Severity.WARNING,
    )


def _generic_key(model: Model, relation: Relation) -> Diagnostic:
    return Diagnostic(
        "model-generic-key",
        f"{model.name}.{relation.name} leads to any model ({', '.join(relation.columns)})",
        model.at,
        "say in the API which kinds there are, as a oneof or one resource name each, and map the kind by the model's "
        "name: its number is another one in each database",
        Severity.WARNING,
    )


def _missing(name: str, snapshot: Snapshot, shown: str) -> Diagnostic:
    known = [model.name for model in snapshot.models]
    close = get_close_matches(name, known, n=1, cutoff=0.5)
    some = ", ".join(model.name for model in snapshot.own[:12]) or "none"
    remedy = f'did you mean "{close[0]}"?' if close else f"models there: {some}"
    return Diagnostic(
        "acl-unknown-model",
        f'the snapshot has no model "{name}"',
        Location(shown),
        f"{remedy} Where the monolith has it by now: `scaffold acl introspect`",
    )


def _model(model: Model) -> ModelFacts:
    return ModelFacts(model.name, model.module, model.class_name, tuple(_columns(model)))


def _columns(model: Model) -> Iterator[ColumnFacts]:
    """Columns of the table, then what can be read beside them: relations that others hold, properties."""
    holders = {r.columns[0]: r for r in model.relations if len(r.columns) == 1 and not r.kind.startswith("reverse_")}
    names: set[str] = set()
    for column in model.columns:
        made = _column(column, holders.get(column.name))
        names |= {made.name, made.attribute}
        yield made
    for relation in model.relations:
        if relation.name not in names:
            yield ColumnFacts(relation.name, "relation", relation.null, stored=False, model=relation.to)
    for prop in model.properties:
        if prop.name not in names:
            yield ColumnFacts(prop.name, "other", stored=False)


def _column(column: Column, relation: Relation | None) -> ColumnFacts:
    if relation is not None and relation.kind != "generic":
        attribute = column.name if column.name != relation.name else ""
        return ColumnFacts(relation.name, "relation", column.null, attribute=attribute, model=relation.to)
    low, high = _bounds(column)
    return ColumnFacts(
        name=column.name,
        kind=_KINDS.get(column.type, column.type),
        null=column.null,
        choices=tuple(choice.value for choice in column.choices),
        names=_names(column),
        aware=column.aware is not False,
        low=low,
        high=high,
        digits=column.max_digits,
        places=column.decimal_places,
        length=column.max_length,
    )


def _names(column: Column) -> tuple[str, ...]:
    """What the monolith calls the choices: in its code, else to its users; nothing where that is nowhere."""
    names = tuple(choice.name or choice.label for choice in column.choices)
    return names if any(names) else ()


def _bounds(column: Column) -> tuple[int | None, int | None]:
    if column.type != "int":
        return None, None
    bits = next((bits for word, bits in _BITS if word in column.field_class), _USUAL_BITS)
    positive = "Positive" in column.field_class
    return (0 if positive else -(2**bits)), 2**bits - 1
