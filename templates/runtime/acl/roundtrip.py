"""Rows made up from what the models can hold, through a translator, over the wire and back: nothing may be lost.

What is dropped is dropped, and a field that only goes one way has no way back: the law is about the rest, and
:mod:`.forward` about those. The rows are the same in every run.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Mapping

from .samples import Row, Unknown, is_sampled
from .translate import MISSING, Computed, Src

if TYPE_CHECKING:
    from .codec import Codec
    from .facts import Message, Model
    from .translate import Rule, Translation, Translator

ROWS = 200  # of each translator


@dataclass(frozen=True)
class Trip:
    """The rows of one translator."""

    translator: Translator[Any]
    message: Message
    models: Mapping[str, Model]

    def __str__(self) -> str:
        return self.message.name

    def check(self, codec: Codec, names: Mapping[type, str]) -> None:
        """Raises ``AssertionError`` with the first row that does not come back as it went, and the line of the mapping."""
        random_ = random.Random(self.message.name)
        model = self.models[self.translator.models[0]]
        rules = {name: rule for name, rule in self.translator.rules.items() if self._returns(rule, model)}
        for _ in range(ROWS):
            try:
                self._one(Row(model, self.models, random_, _paired(rules, model, random_)), rules, codec, names)
            except Unknown:
                continue  # a function that asks for more than columns: only the monolith can run it

    def _one(self, row: Row, rules: Mapping[str, Rule], codec: Codec, names: Mapping[type, str]) -> None:
        sent = self.translator.partial(row, rules)
        came = codec.decode(codec.encode(sent, names[self.translator.target]), self.translator.target)
        assert came == sent, f"{self}: {sent} came back from the wire as {came}"
        for attribute, rule in rules.items():
            for name, value in self.translator.columns(came, (attribute,)).items():
                before = getattr(row, name)
                assert _may_be(rule, getattr(sent, attribute), before, value), (
                    f"{rule.where}: {self}: {name} was {before!r}, and came back as {value!r}"
                )

    def _returns(self, rule: Rule, model: Model) -> bool:
        """Whether a rule has a way back, and a made-up row has all that it needs."""
        if isinstance(rule, Src):
            return "." not in rule.column and is_sampled(model.column(rule.column))
        return isinstance(rule, Computed) and rule.returns and all(is_sampled(model.column(c)) for c in rule.uses)


def trips(translation: Translation) -> tuple[Trip, ...]:
    """One for each translator whose first model is in the snapshot."""
    return tuple(
        Trip(each, translation.messages[each.target], translation.models)
        for each in translation.translators
        if each.models and each.models[0] in translation.models and each.target in translation.messages
    )


def _paired(rules: Mapping[str, Rule], model: Model, random_: random.Random) -> dict[str, object]:
    """Values of columns that have a table of values and do not say themselves which they may hold."""
    given: dict[str, object] = {}
    for rule in rules.values():
        column = model.column(rule.column) if isinstance(rule, Src) and rule.values else None
        if isinstance(rule, Src) and rule.values and column is not None and not column.choices:
            given[column.name] = random_.choice([*rule.values, *[None] * column.null])
    return given


def _may_be(rule: Rule, sent: object, before: object, after: object) -> bool:
    """Whether a column may come back so. A reason in ``lossy`` allows anything.

    Of values that are paired with the same one, any may come back for any. NULL may come back in place of what the mapping
    says that NULL is sent as: somebody has said so. That 0 needs a reason for that is for :mod:`.completeness` and
    :mod:`.forward`.
    """
    if isinstance(rule, (Src, Computed)) and rule.lossy.strip():
        return True
    if isinstance(rule, Src) and rule.null is not MISSING and after is None and sent == rule.null:
        return True
    if isinstance(rule, Src) and rule.values is not None and {before, after} <= {*rule.values}:
        return rule.values[before] == rule.values[after]
    return same(before, after)


def same(before: object, after: object) -> bool:
    """Whether a column's value is what it was: of the same type, but for the digits of a Decimal."""
    if isinstance(before, Decimal) and isinstance(after, Decimal):
        return before == after
    return type(before) is type(after) and before == after
