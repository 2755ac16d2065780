"""Values and rows made up from what the models can hold: the same in every run."""

from __future__ import annotations

import datetime
import random
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Mapping
from uuid import UUID

from .translate import Translator

if TYPE_CHECKING:
    from .facts import Column, Model

VALUES = 60  # of each column, at most

_UNSAMPLED = ("other", "relation", "json")

# Where people have lived by a clock, and half-hours and seconds are part of it.
_ZONES = tuple(
    datetime.timezone(datetime.timedelta(seconds=seconds)) for seconds in (0, 0, 20_700, -34_200, 50_400, 1_172)
)


class Amount(Decimal):
    """A Decimal that notes whether somebody made a float of it: few digits survive that, the next column's may not."""

    floated = False

    def __float__(self) -> float:
        self.floated = True
        return super().__float__()


def is_sampled(column: Column | None) -> bool:
    """Whether values of that column can be made up."""
    return column is not None and column.stored and column.kind not in _UNSAMPLED


def values(column: Column) -> list[object]:
    """Values of a column, no two the same, NULL not among them: all of its choices; its bounds, and what is near to them."""
    if column.choices:
        return list(column.choices)
    random_ = random.Random(column.name)
    found: list[object] = [*_bounds(column)]
    for _ in range(VALUES):
        value = _some(column, random_)
        if value is not None and value not in found:
            found.append(value)
    return found


def zero(column: Column) -> object:
    """What stands where nothing was said, in proto3 and in many a function: None for kinds that have no such value."""
    return _ZEROS.get(column.kind)


def neighbours(column: Column) -> tuple[Decimal, Decimal]:
    """The highest Decimal of a column, and the next below: not the same after a float, where there are digits enough."""
    places, digits = _scale(column)
    most = 10**digits - 1
    return Amount(Decimal(most).scaleb(-places)), Amount(Decimal(most - 1).scaleb(-places))


def _bounds(column: Column) -> tuple[object, ...]:
    if column.kind == "decimal":
        return neighbours(column)
    if column.kind == "text":
        length = 400 if column.length is None else min(column.length, 400)
        full = "x" * length
        return tuple(dict.fromkeys(text[:length] for text in ("a b", "A b", "a b ", " a b", full, f"{full[1:]}y")))
    return (False, True) if column.kind == "bool" else ()


class Unknown(BaseException):
    """Something of a row that cannot be made up: a method, a property, rows of another model.

    No ``Exception``: a mapping that handles those must not take it for one.
    """


class Row:
    """A row that is made up as it is read, and notes what was read, and by whom."""

    def __init__(
        self,
        model: Model,
        models: Mapping[str, Model],
        random_: random.Random,
        given: Mapping[str, object] | None = None,
    ) -> None:
        """``given`` are values of columns, by name."""
        self._model = model
        self._models = models
        self._random = random_
        self._given = dict(given or {})
        self._read: set[str] = set()
        self._direct: set[str] = set()

    def __getattr__(self, name: str) -> object:
        column = self._model.column(name)
        if column is None or not column.stored:
            raise Unknown(name)
        self._read.add(column.name)
        if not _in_a_translator():
            self._direct.add(column.name)
        if column.name not in self._given:
            self._given[column.name] = self._made(column, name)
        return self._given[column.name]

    def _made(self, column: Column, name: str) -> object:
        if is_sampled(column):
            return sample(column, self._random)
        model = self._models.get(column.model)
        if column.kind != "relation" or model is None or name != column.name:
            raise Unknown(name)
        return None if column.null and self._random.random() < 0.25 else Row(model, self._models, self._random)


def other(row: Row, path: str, value: object) -> Row:
    """The same row with another value at the end of a path; what was read of the one is not noted for the other.

    A row whose path ends early, at a NULL, is as it was.
    """
    first, _, rest = path.partition(".")
    column = row._model.column(first)
    name = column.name if column is not None else first
    inner = row._given.get(name)
    if rest:
        if not isinstance(inner, Row):
            return row
        value = other(inner, rest, value)
    return Row(row._model, row._models, row._random, {**row._given, name: value})


def value_at(row: Row, path: str) -> object:
    """The value at the end of a path; None where it ends early."""
    found: object = row
    for name in path.split("."):
        found = getattr(found, name) if found is not None else None
    return found


def read(row: Row) -> frozenset[str]:
    """The columns that were read."""
    return frozenset(row._read)


def read_directly(row: Row) -> frozenset[str]:
    """The columns that were read by something else than a translator that was given the row."""
    return frozenset(row._direct)


def _in_a_translator() -> bool:
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_code is Translator.__call__.__code__:
            return True
        frame = frame.f_back  # type: ignore[assignment]
    return False


def sample(column: Column, random_: random.Random) -> object:
    """A value that the column may hold: its bounds more often than what is between."""
    if column.null and random_.random() < 0.25:
        return None
    return _some(column, random_)


def _some(column: Column, random_: random.Random) -> object:
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
    small = min(max(low, random_.randint(0, 20)), high)
    return random_.choice([low, high, max(low, 0), small, random_.randint(low, high)])


def _float(column: Column, random_: random.Random) -> object:
    return random_.choice([0.0, -0.0, 1e300, 5e-324, random_.uniform(-1e6, 1e6)])


def _decimal(column: Column, random_: random.Random) -> object:
    places, digits = _scale(column)
    most = 10**digits - 1
    digits_ = random_.choice([0, 1, -1, most, -most, random_.randint(-most, most)])
    return Amount(Decimal(digits_).scaleb(-places))


def _scale(column: Column) -> tuple[int, int]:
    """Places behind the point, and digits in all."""
    return 2 if column.places is None else column.places, 18 if column.digits is None else column.digits


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
    return value.replace(tzinfo=random_.choice(_ZONES)) if column.aware else value


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

_ZEROS: Mapping[str, object] = {
    "bool": False, "int": 0, "float": 0.0, "decimal": Decimal(0), "duration": datetime.timedelta(0),
}  # fmt: skip
