"""Translators: how a model of the monolith becomes a type of the API, said field by field, and checked for completeness.

Every field of the target is exactly one of :func:`src`, :func:`computed`, :func:`const` and :func:`ignore`; every column
of the models is used or :func:`drop`-ped. Nothing is mapped because two names happen to be equal: that would be the
copying of a model that this layer is there to prevent.

The checks are ACL001 to ACL007, each with the line to look at. They run when the module with the translators is imported
(an expired ``ignore`` is logged then, and nothing more: no program stops because of a date), in `scaffold acl check`, and
in the generated test. The latter two also try the functions of the mappings, with values that the columns may hold.
"""

from __future__ import annotations

import datetime
import logging
import sys
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Callable, Generic, Mapping, Sequence, TypeVar, Union

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from .facts import Field, Message, Model

T = TypeVar("T")
K = TypeVar("K")

# What a row and its values are, only the monolith knows.
Convert = Callable[[Any], object]
Split = Callable[[Any], Mapping[str, object]]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Place:
    """A line of the user's."""

    path: str
    line: int

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


def _here() -> Place:
    """The line that called the function of this module that called this."""
    frame = sys._getframe(2)
    return Place(frame.f_code.co_filename, frame.f_lineno)


@dataclass(frozen=True)
class Finding:
    """Something that is missing or wrong in a mapping: a code, the line to look at, and what to do about it."""

    code: str
    message: str
    where: Place
    remedy: str

    def __str__(self) -> str:
        return f"{self.where}: {self.code}: {self.message}\n  help: {self.remedy}"


class TranslatorsError(Exception):
    """The translators are incomplete; ``findings`` says where."""

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__("\n" + "\n".join(str(finding) for finding in findings))
        self.findings = tuple(findings)


class UntranslatableError(ValueError):
    """A value of a row that the API has no way to say: a NULL, a naive datetime, an enum value without a partner."""


# --- what is said of a field ----------------------------------------------------------------------------------------

MISSING: Any = object()


@dataclass(frozen=True)
class Src:
    """See :func:`src`."""

    column: str
    to: Convert | None = None
    back: Convert | None = None
    null: Any = MISSING
    values: Mapping[Any, Enum] | None = None
    unpaired: tuple[str, ...] = ()
    zone: str | datetime.tzinfo | None = None
    lossy: str = ""
    one_way: str = ""
    renamed: str = ""
    where: Place = field(default=Place("", 0), compare=False)

    @property
    def returns(self) -> bool:
        """Whether the column can be told from the field."""
        return self.values is not None or self.to is None or self.back is not None


@dataclass(frozen=True)
class Computed:
    """See :func:`computed`."""

    function: Callable[[Any], object]
    uses: tuple[str, ...]
    back: Split | None = None
    zone: str | datetime.tzinfo | None = None
    lossy: str = ""
    one_way: str = ""
    where: Place = field(default=Place("", 0), compare=False)

    @property
    def returns(self) -> bool:
        """Whether the columns can be told from the field."""
        return self.back is not None


@dataclass(frozen=True)
class Const:
    """See :func:`const`."""

    value: object
    reason: str = ""
    where: Place = field(default=Place("", 0), compare=False)


@dataclass(frozen=True)
class Ignore:
    """See :func:`ignore`."""

    reason: str
    until: str
    where: Place = field(default=Place("", 0), compare=False)


@dataclass(frozen=True)
class Todo:
    """See :func:`todo`."""

    proposal: str
    where: Place = field(default=Place("", 0), compare=False)


@dataclass(frozen=True)
class Drop:
    """See :func:`drop`."""

    columns: tuple[str, ...]
    reason: str
    where: Place = field(default=Place("", 0), compare=False)


Rule = Union[Src, Computed, Const, Ignore, Todo]


def src(
    column: str,
    *,
    to: Convert | None = None,
    back: Convert | None = None,
    null: object = MISSING,
    values: Mapping[K, Enum] | None = None,
    unpaired: Sequence[str] = (),
    zone: str | datetime.tzinfo | None = None,
    lossy: str = "",
    one_way: str = "",
    renamed: str = "",
) -> Src:
    """The field is this column. A path leads over relations: ``src("product.slug")``.

    ``to`` turns the column's value into the field's, ``back`` the field's into the column's. ``null`` is what NULL means
    where the field cannot be absent. ``values`` pairs the values of the column with those of the enum; ``unpaired`` names
    values of the enum that no column has. ``zone`` is the time zone that naive datetimes are in; where ``to`` makes the
    instant, it has to be this one.

    The others are reasons. ``one_way``: why nobody needs a ``back``; what arrives still has to be what the column has.
    ``lossy``: why it may be something else, a Decimal as a float, NULL as 0. ``renamed``: why a value is paired with
    another than the one that is called the same.
    """
    return Src(column, to, back, null, values, tuple(unpaired), zone, lossy, one_way, renamed, _here())


def computed(
    function: Convert,
    *,
    uses: Sequence[str] = (),
    back: Split | None = None,
    zone: str | datetime.tzinfo | None = None,
    lossy: str = "",
    one_way: str = "",
) -> Computed:
    """The field is what ``function`` makes of the row. ``uses`` are the columns that it reads: all of them.

    ``back`` makes columns of the field's value again, by name. ``zone``, ``lossy`` and ``one_way`` are as in :func:`src`.
    """
    return Computed(function, tuple(uses), back, zone, lossy, one_way, _here())


def const(value: object, *, reason: str = "") -> Const:
    """The field is the same in every message: for a ``reason``, where a column of that name is left behind."""
    return Const(value, reason, _here())


def ignore(reason: str, *, until: str) -> Ignore:
    """The field stays empty, for a reason, and not for ever: ``until`` is a date, ``2027-03-31``."""
    return Ignore(reason, until, _here())


def todo(proposal: str) -> Todo:
    """Nobody has decided yet; ``proposal`` is what a look at the names suggests. Does not pass."""
    return Todo(proposal, _here())


def drop(*columns: str, reason: str) -> Drop:
    """The API leaves these columns behind, for a reason."""
    return Drop(columns, reason, _here())


# --- translators ----------------------------------------------------------------------------------------------------


class Translator(Generic[T]):
    """Makes messages of rows: ``ITEM(line)``, and the columns of a row of a message: ``ITEM.columns(item)``.

    Made by :func:`translator`. It works from the moment when it is checked with the others.
    """

    def __init__(
        self,
        target: type[T],
        models: tuple[str, ...],
        rules: Mapping[str, Rule],
        drops: tuple[Drop, ...],
        where: Place,
    ) -> None:
        self.target = target
        self.models = models
        self.rules = dict(rules)
        self.drops = drops
        self.where = where
        self._readers: tuple[tuple[str, Callable[[Any], object]], ...] = ()
        self._writers: tuple[tuple[str, Callable[[Any], Mapping[str, object]]], ...] = ()
        self._branches: tuple[tuple[str, ...], ...] = ()

    def __call__(self, row: object) -> T:
        """The message of a row. Raises :class:`UntranslatableError`."""
        values = {attribute: read(row) for attribute, read in self._readers}
        for branches in self._branches:
            if sum(values.get(branch) is not None for branch in branches) > 1:
                raise UntranslatableError(f"{self._name}: more than one of {', '.join(branches)} is set")
        return self.target(**values)

    def columns(self, message: T, only: Collection[str] | None = None) -> dict[str, object]:
        """The columns of a message, by name: those that can be told from it. Raises :class:`UntranslatableError`.

        ``only`` names the fields that are looked at; all of them where nothing is said.
        """
        found: dict[str, object] = {}
        for attribute, write in self._writers:
            if only is None or attribute in only:
                found.update(write(getattr(message, attribute)))
        return found

    def partial(self, row: object, only: Collection[str]) -> T:
        """As a call, with these fields alone; the others are as if nobody had said anything."""
        return self.target(**{attribute: read(row) for attribute, read in self._readers if attribute in only})

    @property
    def _name(self) -> str:
        return getattr(self.target, "__name__", str(self.target))

    def prepare(self, message: Message) -> None:
        """Make the functions that translate, from rules that have been checked. Raises ``ZoneInfoNotFoundError``."""
        readers, writers = [], []
        for attribute, rule in self.rules.items():
            target = message.field(attribute)
            if target is None:
                continue
            if isinstance(rule, Src):
                readers.append((attribute, _reader(rule, target, self._name)))
                if (writer := _writer(rule, target)) is not None:
                    writers.append((attribute, writer))
            elif isinstance(rule, Computed):
                timezone(rule.zone)
                readers.append((attribute, rule.function))
                if rule.back is not None:
                    writers.append((attribute, rule.back))
            elif isinstance(rule, Const):
                readers.append((attribute, _always(rule.value)))
        self._readers, self._writers = tuple(readers), tuple(writers)
        oneofs = dict.fromkeys(f.oneof for f in message.fields if f.oneof)
        self._branches = tuple(tuple(f.attribute for f in message.fields if f.oneof == name) for name in oneofs)


def translator(
    target: type[T],
    *models: str,
    fields: Mapping[str, Rule],
    drops: Sequence[Drop] = (),
) -> Translator[T]:
    """A translator from rows of a model to ``target``.

    The first of ``models`` is what the rows are; columns of the others are reached from there, and are accounted for here.
    """
    return Translator(target, models, fields, tuple(drops), _here())


#: A translator to whatever type.
AnyTranslator = Translator[Any]


def _always(value: object) -> Callable[[Any], object]:
    return lambda row: value


def _reader(rule: Src, target: Field, owner: str) -> Callable[[Any], object]:
    """The function that reads a column as the field wants it."""
    get = attrgetter(rule.column)
    convert = _conversion(rule, target, f"{owner}.{target.attribute}")
    if rule.null is not MISSING or target.presence:
        absent = None if rule.null is MISSING else rule.null

        def read_or_null(row: Any) -> object:
            value = _through(get, row)
            return absent if value is None else convert(value)

        return read_or_null

    def read(row: Any) -> object:
        value = get(row)
        if value is None:
            raise UntranslatableError(
                f"{owner}.{target.attribute}: {rule.column} is NULL, and the field cannot be absent"
            )
        return convert(value)

    return read


def _through(get: Callable[[Any], object], row: Any) -> object:
    """A path's value; None where something on the way is None."""
    try:
        return get(row)
    except AttributeError as error:
        if getattr(error, "obj", None) is None and "'NoneType' object" in str(error):
            return None
        raise


def _conversion(rule: Src, target: Field, name: str) -> Callable[[Any], object]:
    zone = timezone(rule.zone)
    if rule.values is not None:
        pairs = dict(rule.values)

        def paired(value: Any) -> object:
            # An ORM may give a member of an enum of the monolith's; the mapping knows it by its name or value.
            for key in (value, value.name, value.value) if isinstance(value, Enum) else (value,):
                if key in pairs:
                    return pairs[key]
            raise UntranslatableError(f"{name}: {rule.column} is {value!r}, which is paired with nothing")

        return paired
    if target.kind == "timestamp" and rule.to is None:

        def zoned(value: Any) -> object:
            if value.tzinfo is not None:
                return value
            if zone is None:
                raise UntranslatableError(f"{name}: {rule.column} is a datetime without a time zone")
            return value.replace(tzinfo=zone)

        return zoned
    if rule.to is None and target.kind == "float":
        return _floated
    return rule.to or _same


def _floated(value: Any) -> object:
    """A Decimal as a float: only where the mapping has a reason for that, else it is not complete."""
    return float(value) if isinstance(value, Decimal) else value


def _same(value: Any) -> object:
    return value


def timezone(zone: str | datetime.tzinfo | None) -> datetime.tzinfo | None:
    """What ``zone=`` names. Raises ``ZoneInfoNotFoundError``."""
    if not isinstance(zone, str):
        return zone
    if zone.upper() == "UTC":
        return datetime.timezone.utc
    from zoneinfo import ZoneInfo

    return ZoneInfo(zone)


def _writer(rule: Src, target: Field) -> Callable[[Any], Mapping[str, object]] | None:
    """The function that makes the column of the field; None where it cannot be told."""
    if "." in rule.column or (rule.to is not None and rule.back is None):
        return None
    convert: Callable[[Any], object]
    if rule.values is not None:
        # Where two values of the column mean the same to the API, the first is the one to write.
        pairs = {partner: value for value, partner in reversed(list(rule.values.items()))}

        def convert(value: Any) -> object:
            if value not in pairs:
                raise UntranslatableError(f"{target.attribute}: {value} is paired with no value of {rule.column}")
            return pairs[value]

    elif target.kind == "timestamp" and rule.back is None and rule.zone is not None:
        zone = timezone(rule.zone)

        def convert(value: Any) -> object:
            return value.astimezone(zone).replace(tzinfo=None)

    else:
        convert = rule.back or _same

    def write(value: Any) -> Mapping[str, object]:
        if rule.null is not MISSING and value == rule.null:
            return {rule.column: None}
        return {rule.column: None if value is None else convert(value)}

    return write


# --- all of them together -------------------------------------------------------------------------------------------


class Translation:
    """All translators of a module, checked together: see :meth:`findings` for what is checked."""

    def __init__(
        self,
        messages: Mapping[type, Message],
        models: Sequence[Model],
        translators: Sequence[AnyTranslator],
        by_hand: Mapping[type, str],
        where: Place,
    ) -> None:
        self.messages = messages
        self.models = {model.name: model for model in models}
        self.translators = tuple(translators)
        self.by_hand = dict(by_hand)
        self.where = where

    def findings(self, today: datetime.date | None = None) -> tuple[Finding, ...]:
        """Whatever is missing or wrong, in the order of the lines. ``today`` decides about ignores."""
        from .completeness import findings

        return findings(self, today or datetime.date.today())

    def tried(self) -> tuple[Finding, ...]:
        """What only shows when the functions of the mappings run, over values that the columns may hold.

        What :meth:`findings` says already is not said again. Not part of an import: a program that starts runs nothing of
        the mappings.
        """
        from .forward import tried

        said = {(finding.code, finding.where) for finding in self.findings()}
        return tuple(finding for finding in tried(self) if (finding.code, finding.where) not in said)

    def checked(self) -> Translation:
        """Itself, ready to translate. Raises :class:`TranslatorsError`; an expired ignore is only logged."""
        found = self.findings()
        for finding in found:
            if finding.code == EXPIRED:
                _log.warning("%s", finding)
        broken = [finding for finding in found if finding.code != EXPIRED]
        if broken and _collected is None:
            raise TranslatorsError(broken)
        if _collected is not None:
            _collected.append(self)
        for each in self.translators:
            if each.target in self.messages:
                each.prepare(self.messages[each.target])
        return self


EXPIRED = "ACL007"

_collected: list[Translation] | None = None


@contextmanager
def collecting() -> Iterator[list[Translation]]:
    """Within this, translations that are incomplete are collected and not raised: for those who report on them."""
    global _collected
    before, _collected = _collected, []
    try:
        yield _collected
    finally:
        _collected = before
