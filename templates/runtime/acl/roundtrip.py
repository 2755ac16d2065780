"""Rows made up from what the models can hold, through a translator, over the wire and back: nothing may be lost.

What is dropped is dropped, and a field that only goes one way has no way back: the law is about the rest. The rows are the
same in every run.
"""

from __future__ import annotations

import datetime
import random
from dataclasses import dataclass
from decimal import Decimal
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Mapping
from uuid import UUID

from .translate import Src

if TYPE_CHECKING:
    from .codec import Codec
    from .facts import Column, Message, Model
    from .translate import Translation, Translator

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
        """Raises ``AssertionError`` with the first row that does not come back as it went."""
        random_ = random.Random(self.message.name)
        for _ in range(ROWS):
            self._one(self._row(random_), codec, names)

    def _one(self, row: SimpleNamespace, codec: Codec, names: Mapping[type, str]) -> None:
        sent = self.translator.partial(row, self._sources())
        came = codec.decode(codec.encode(sent, names[self.translator.target]), self.translator.target)
        assert came == sent, f"{self}: {sent} came back from the wire as {came}"
        for name, value in self.translator.columns(came, self._sources()).items():
            before = getattr(row, name)
            assert _same(before, value), f"{self}: {name} was {before!r}, and came back as {value!r}"

    def _sources(self) -> frozenset[str]:
        """The fields that are a column, so that a made-up row has all that they need."""
        model = self.models.get(self.translator.models[0])
        return frozenset(
            attribute
            for attribute, rule in self.translator.rules.items()
            if isinstance(rule, Src)
            and "." not in rule.column
            and model is not None
            and _is_sampled(model, rule.column)
        )

    def _row(self, random_: random.Random) -> SimpleNamespace:
        row = SimpleNamespace()
        for column in self.models[self.translator.models[0]].columns:
            if column.stored:
                value = _sample(column, random_)
                setattr(row, column.name, value)
                if column.attribute:
                    setattr(row, column.attribute, value)
        return row


def trips(translation: Translation) -> tuple[Trip, ...]:
    """One for each translator whose first model is in the snapshot."""
    return tuple(
        Trip(each, translation.messages[each.target], translation.models)
        for each in translation.translators
        if each.models and each.models[0] in translation.models and each.target in translation.messages
    )


def _is_sampled(model: Model, name: str) -> bool:
    column = model.column(name)
    return column is not None and column.stored and column.kind not in ("other", "relation", "json")


def _same(before: object, after: object) -> bool:
    if isinstance(before, Decimal) and isinstance(after, Decimal):
        return before == after
    return type(before) is type(after) and before == after


def _sample(column: Column, random_: random.Random) -> object:
    """A value that the column may hold: its bounds more often than what is between."""
    if column.null and random_.random() < 0.25:
        return None
    if column.choices:
        return random_.choice(column.choices)
    return _OF_KIND.get(column.kind, _nothing)(column, random_)


def _nothing(column: Column, random_: random.Random) -> object:
    return None


def _bool(column: Column, random_: random.Random) -> object:
    return random_.random() < 0.5


def _int(column: Column, random_: random.Random) -> object:
    low = -(2**31) if column.low is None else column.low
    high = 2**31 - 1 if column.high is None else column.high
    return random_.choice([low, high, max(low, 0), random_.randint(low, high)])


def _float(column: Column, random_: random.Random) -> object:
    return random_.choice([0.0, -0.0, 1e300, 5e-324, random_.uniform(-1e6, 1e6)])


def _decimal(column: Column, random_: random.Random) -> object:
    places = 2 if column.places is None else column.places
    digits = 18 if column.digits is None else column.digits
    most = 10**digits - 1
    return Decimal(random_.choice([0, 1, -1, most, -most, random_.randint(-most, most)])).scaleb(-places)


def _text(column: Column, random_: random.Random) -> object:
    length = 40 if column.length is None else min(column.length, 400)
    alphabet = "a Z0-_/.ß漢\U0001f600\u200f\"'\\\n"
    return random_.choice(["", "x" * length, "".join(random_.choices(alphabet, k=random_.randint(0, length)))])


def _bytes(column: Column, random_: random.Random) -> object:
    return random_.choice([b"", b"\x00\xff", bytes(random_.getrandbits(8) for _ in range(16))])


def _datetime(column: Column, random_: random.Random) -> object:
    # Not within the hour that summer time repeats: what is ambiguous before is ambiguous after.
    day = datetime.datetime(1970, 1, 2, 12) + datetime.timedelta(days=random_.randint(0, 36500))
    value = day + datetime.timedelta(seconds=random_.randint(0, 7200), microseconds=random_.randint(0, 999_999))
    return value.replace(tzinfo=datetime.timezone.utc) if column.aware else value


def _date(column: Column, random_: random.Random) -> object:
    return datetime.date(1970, 1, 1) + datetime.timedelta(days=random_.randint(-36500, 36500))


def _time(column: Column, random_: random.Random) -> object:
    return datetime.time(random_.randint(0, 23), random_.randint(0, 59), random_.randint(0, 59))


def _duration(column: Column, random_: random.Random) -> object:
    return datetime.timedelta(microseconds=random_.randint(-(10**12), 10**12))


def _uuid(column: Column, random_: random.Random) -> object:
    return UUID(int=random_.getrandbits(128))


_OF_KIND = {
    "bool": _bool, "int": _int, "float": _float, "decimal": _decimal, "text": _text, "bytes": _bytes,
    "datetime": _datetime, "date": _date, "time": _time, "duration": _duration, "uuid": _uuid,
}  # fmt: skip
