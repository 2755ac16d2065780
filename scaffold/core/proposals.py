"""What a look at the names suggests for translators. Nothing of it passes: every line is a question to somebody."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scaffold.core import naming

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from scaffold.core.domain import Attribute, Domain, Type
    from scaffold.core.facts import ColumnFacts, ModelFacts


@dataclass(frozen=True)
class Proposal:
    """A translator that might be: the model whose rows it may read, a proposal for each field, and the columns left."""

    variable: str
    target: str
    model: str
    fields: tuple[tuple[str, str], ...]
    unused: tuple[str, ...]


def propose(domain: Domain, models: Sequence[ModelFacts]) -> tuple[Proposal, ...]:
    """A translator for each type that has to be made of rows; a model's leftovers stand with its first one."""
    required = [t for t in domain.types if t.required]
    chosen = {t.name: _best(t, models) for t in required}
    variables = naming.unique([t.name for t in required], {t.name: naming.snake(t.name).upper() for t in required})
    shown: set[str] = set()
    found = []
    for each in required:
        model = chosen[each.name]
        fields = tuple((a.name, _field(a, model)) for a in each.attributes)
        unused = _unused(each, model) if model and model.name not in shown else ()
        shown |= {model.name} if model else set()
        found.append(Proposal(variables[each.name], each.name, model.name if model else "", fields, unused))
    return tuple(found)


def _best(target: Type, models: Sequence[ModelFacts]) -> ModelFacts | None:
    """The model that is called alike, else the one with the most equal names; the first of equals."""

    def score(model: ModelFacts) -> tuple[bool, int]:
        columns = {c.name for c in model.columns}
        same = model.class_name.lower() == target.message.name.lower()
        return same, sum(a.name in columns for a in target.attributes)

    return max(models, key=score, default=None)


def _unused(target: Type, model: ModelFacts) -> tuple[str, ...]:
    """The columns that are called like no field."""
    names = {a.name for a in target.attributes}
    return tuple(c.name for c in model.columns if c.stored and not names & {c.name, c.attribute})


def _field(attribute: Attribute, model: ModelFacts | None) -> str:
    """What might fill a field, with what would have to be decided."""
    column = next((c for c in model.columns if attribute.name in (c.name, c.attribute)), None) if model else None
    if column is None:
        close = [c.name for c in model.columns if c.stored] if model else []
        return f"computed(…), or one of {', '.join(close)}" if close else "computed(…)"
    return f'src("{column.name}")' + "".join(f"; {question}" for question in _questions(attribute, column))


def _questions(attribute: Attribute, column: ColumnFacts) -> Iterator[str]:
    yield "is it what the API means, or only called alike?"
    if column.null and not attribute.field.presence:
        yield "what does NULL mean?"
    if attribute.kind == "enum":
        yield "pair the values by name"
    if column.kind == "datetime" and not column.aware:
        yield "in which time zone?"
    if column.kind == "relation":
        yield "it is a row of another model: which of its columns?"
    if column.kind == "decimal":
        yield "never through a float"
