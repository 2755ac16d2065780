"""The functions of mappings, tried: values that the columns may hold go through them, and what arrives is looked at.

A round trip sees what a mapping loses only where there is a way back. Here what arrives is compared with what the column
had, wherever that can be told without the function: the instant of a datetime, in the zone that the mapping names; the
amount of a Decimal, in text, in minor units, in units and nanos; the name of an enum's value; NULL, which is not 0. What
nobody can compare has at least to differ where the column's values do. A reason in ``lossy`` ends all of that.

Runs nothing but the mappings' own functions, in `scaffold acl check`, `scaffold check` and the generated test.
"""

from __future__ import annotations

import datetime
import random
import re
import reprlib
from dataclasses import dataclass, fields
from decimal import Decimal, InvalidOperation, localcontext
from enum import Enum
from typing import TYPE_CHECKING, Any, Callable

from .completeness import at_stake, called, column_at, namesake, unfit
from .roundtrip import same
from .samples import Amount, Row, Unknown, is_sampled, neighbours, other, read, read_directly, value_at, values, zero
from .translate import MISSING, Computed, Finding, Src, timezone

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from .facts import Column, Field, Message, Model
    from .translate import Rule, Translation, Translator

ROWS = 60  # of each function of a row

_TAKEN = "let the function make what the field takes"
_COMPARED = 'let it arrive as it is, or say why not: lossy="…"'
_UNKNOWN: Any = object()  # of a row that cannot be made up
_SHORT = reprlib.Repr()
_SHORT.maxstring, _SHORT.maxother = 60, 120
_Z = re.compile("Z$")
_EMPTY = ("", b"")  # what proto3 has for no text: NULL may be that


def tried(translation: Translation) -> tuple[Finding, ...]:
    """What is found in a translation that is ``checked()``, in the order of the lines: one of each code for a rule."""
    found: dict[tuple[object, ...], Finding] = {}
    for each in translation.translators:
        message = translation.messages.get(each.target)
        if message is None:
            continue
        for attribute, rule in each.rules.items():
            for finding in _of_rule(rule, message.field(attribute), message, each, translation):
                found.setdefault((finding.where, finding.code, attribute), finding)
    return tuple(sorted(found.values(), key=lambda f: (f.where.path, f.where.line, f.code, f.message)))


def _of_rule(
    rule: Rule, target: Field | None, message: Message, each: Translator[Any], translation: Translation
) -> Iterator[Finding]:
    if target is None:
        return
    name = f"{message.name}.{target.name}"
    if isinstance(rule, Src) and rule.to is not None and rule.values is None and not rule.lossy.strip():
        column = column_at(rule.column, each, translation)
        if column is not None and is_sampled(column):
            yield from _Source(rule, rule.to, column, target, name).findings()
    elif isinstance(rule, Computed) and each.models and each.models[0] in translation.models:
        yield from _Function(rule, target, name, each, translation).findings()


# --- src(…, to=…) ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Source:
    """A column that goes through a function."""

    rule: Src
    to: Callable[[Any], object]
    column: Column
    target: Field
    name: str

    def findings(self) -> Iterator[Finding]:
        pairs = list(self._pairs())
        code = at_stake(self.column)[0]
        if not pairs:
            if code:
                yield _untried(code, self.rule, self.rule.column, self.name)
            return
        if takes := _untaken((result for _, result in pairs), self.target):
            yield self._finding("ACL001", takes, _TAKEN)
            return
        yield from self._nulls(pairs)
        zone = timezone(self.rule.zone)
        if difference := _difference(pairs, self.column, self.target, zone, self.rule.returns):
            yield self._finding(code or "ACL002", difference, _COMPARED)
        elif self.rule.back is not None:
            yield from self._returned(pairs, self.rule.back, code or "ACL002")
        yield from self._lost(pairs)

    def _pairs(self) -> Iterator[tuple[Any, Any]]:
        """Values with what arrives. What raises is no value that was spoiled in silence."""
        for value in values(self.column):
            try:
                yield value, self.to(value)
            except Exception:
                continue

    def _nulls(self, pairs: Sequence[tuple[Any, Any]]) -> Iterator[Finding]:
        if self.rule.null is MISSING or not self.column.null:
            return
        for value, arrived in pairs:
            if value not in _EMPTY and arrived == self.rule.null:
                text = f"is {_shown(self.rule.null)} where {_shown(value)} was, and where NULL was"
                yield self._finding("ACL003", text, "let null= be what nothing else is, or say why: lossy=…")
                return

    def _returned(
        self, pairs: Sequence[tuple[Any, Any]], back: Callable[[Any], object], code: str
    ) -> Iterator[Finding]:
        for value, arrived in pairs:
            try:
                returned = back(arrived)
            except Exception:
                continue  # the round trip says so, with its traceback
            if not same(value, returned):
                text = f"was {_shown(value)}, is {_shown(arrived)}, and comes back as {_shown(returned)}"
                yield self._finding(code, text, "let back= undo what to= does, or say why not: lossy=…")
                return

    def _lost(self, pairs: Sequence[tuple[Any, Any]]) -> Iterator[Finding]:
        """Nothing of a column arrives; or, where nobody says why there is no way back, less than all of it."""
        if _is_constant(pairs, self.column):
            yield self._finding("ACL002", *_nothing_arrives(pairs, self.rule.column))
            return
        if self.rule.returns or self.rule.one_way.strip():
            return
        if twins := _twins(pairs):
            text = f"is {_shown(twins[2])} for {_shown(twins[0])} and for {_shown(twins[1])}: what differed is lost"
            yield self._finding("ACL002", text, "add back=, or say why there is none: one_way=…")

    def _finding(self, code: str, text: str, remedy: str) -> Finding:
        return Finding(code, f"{self.name}, of {self.rule.column}, {text}", self.rule.where, remedy)


def _is_constant(pairs: Sequence[tuple[Any, Any]], column: Column) -> bool:
    """Whether all values arrive as the same.

    Where the column has no choices, a question (is it "gold"?) or a table of some values may have the same answer for all
    that were made up.
    """
    first, arrived = pairs[0]
    if isinstance(arrived, (bool, Enum)) and not column.choices and column.kind != "bool":
        return False
    return any(value != first for value, _ in pairs) and all(result == arrived for _, result in pairs)


def _nothing_arrives(pairs: Sequence[tuple[Any, Any]], path: str) -> tuple[str, str]:
    text = f"is {_shown(pairs[0][1])} whatever {path} is: nothing of it arrives"
    return text, "drop the column, or say why: lossy=…"


def _twins(pairs: Sequence[tuple[Any, Any]]) -> tuple[object, object, object] | None:
    """Two values that differ, and arrive as the same."""
    seen: dict[str, object] = {}
    for value, arrived in pairs:
        before = seen.setdefault(repr(arrived), value)
        if before != value:
            return before, value, arrived
    return None


# --- computed(…) ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Tried:
    """A row, and what the function made of it."""

    row: Row
    result: Any


@dataclass(frozen=True)
class _Run:
    """What came of all rows: ``whole`` where none asked for what cannot be made up; what was read, and by whom."""

    done: tuple[_Tried, ...]
    whole: bool
    reads: frozenset[str]
    direct: frozenset[str]


class _Function:
    """A function of a row."""

    def __init__(
        self, rule: Computed, target: Field, name: str, each: Translator[Any], translation: Translation
    ) -> None:
        self.rule = rule
        self.target = target
        self.name = name
        self.each = each
        self.translation = translation
        self.model: Model = translation.models[each.models[0]]
        found = ((path, column_at(path, each, translation)) for path in dict.fromkeys(rule.uses))
        self.uses = {path: column for path, column in found if column is not None and is_sampled(column)}
        self.random = random.Random(name)

    def findings(self) -> Iterator[Finding]:
        run = self._run()
        yield from self._undeclared(run)
        if takes := _untaken((one.result for one in run.done), self.target):
            yield self._finding("ACL001", takes, _TAKEN)
            return
        if self.rule.lossy.strip():
            return
        yield from self._unread(run)
        if not run.done:
            yield from self._never_done(run)
            return
        yield from self._constant(run)
        is_made, finding = self._made_by_another(run)
        if finding is not None:
            yield finding
        if not is_made:
            yield from self._compared(run)
            yield from self._nulls(run)
            yield from self._digits(run)

    def _run(self) -> _Run:
        done: list[_Tried] = []
        whole, reads, direct = True, frozenset[str](), frozenset[str]()
        for _ in range(ROWS):
            row = Row(self.model, self.translation.models, self.random)
            result = self._result(row)
            if result is _UNKNOWN:
                whole = False
            elif result is not MISSING:
                done.append(_Tried(row, result))
            reads |= read(row)
            direct |= read_directly(row)
        return _Run(tuple(done), whole, reads, direct)

    def _undeclared(self, run: _Run) -> Iterator[Finding]:
        first = (self.model.column(path.partition(".")[0]) for path in self.rule.uses)
        for name in sorted(run.direct - {column.name for column in first if column is not None}):
            text = f"reads {name}, and does not say so in uses="
            yield self._finding("ACL002", text, f'computed(…, uses=[…, "{name}"])')

    def _unread(self, run: _Run) -> Iterator[Finding]:
        if not run.whole or len(run.done) < ROWS:
            return
        for path, column in self.uses.items():
            if "." not in path and column.name not in run.reads:
                text = f"says in uses= that it reads {path}, and reads it of no row: nothing of it arrives"
                yield self._finding("ACL002", text, "read it, or drop the column instead; or lossy=…")

    def _constant(self, run: _Run) -> Iterator[Finding]:
        """Nothing of the only column arrives. Of several, a row may need a value that was not made up."""
        for path, column in self.uses.items() if run.whole and run.done and len(self.rule.uses) == 1 else ():
            pairs = [(value_at(one.row, path), one.result) for one in run.done]
            if _is_constant(pairs, column):
                yield self._finding("ACL002", *_nothing_arrives(pairs, path))

    def _never_done(self, run: _Run) -> Iterator[Finding]:
        for path, column in self.uses.items() if run.whole else ():
            if code := at_stake(column, column.null)[0]:
                yield _untried(code, self.rule, path, self.name)
                return

    def _made_by_another(self, run: _Run) -> tuple[bool, Finding | None]:
        """Messages that a translator makes of the same rows are what it makes: whether there are such, and what is not so."""
        makers = {t.target: t for t in self.translation.translators if t.models[:1] == self.each.models[:1]}
        made = [(makers[type(t.result)], t) for t in run.done if type(t.result) in makers]
        for maker, one in made:
            try:
                expected = maker(one.row)
            except (Exception, Unknown):
                continue  # a row that the translator refuses
            for field in fields(expected):
                was, is_ = getattr(expected, field.name), getattr(one.result, field.name)
                if was != is_:
                    text = f"has {_shown(is_)} as {field.name}, where the translator of that message has {_shown(was)}"
                    code = self._code(maker, field.name)
                    return True, self._finding(code, text, "let the translator make it, or say why not: lossy=…")
        return bool(made), None

    def _code(self, maker: Translator[Any], attribute: str) -> str:
        rule = maker.rules.get(attribute)
        column = column_at(rule.column, maker, self.translation) if isinstance(rule, Src) else None
        return (at_stake(column, column.null)[0] if column is not None else "") or "ACL002"

    def _compared(self, run: _Run) -> Iterator[Finding]:
        """With the one column of its kind that it reads: of several it makes something new, which nobody can compare."""
        zone = timezone(self.rule.zone)
        for path, column in self.uses.items():
            if not self._alone(path, column):
                continue
            first = path.partition(".")[0]
            rows = [(value_at(t.row, path), t.result) for t in run.done if first in read(t.row)]
            pairs = [(value, result) for value, result in rows if value is not None and result is not None]
            if difference := _difference(pairs, column, self.target, zone, self.rule.returns):
                yield self._finding(at_stake(column)[0] or "ACL002", f"of {path}, {difference}", _COMPARED)

    def _alone(self, path: str, column: Column) -> bool:
        rest = [self.uses.get(other) for other in self.rule.uses if other != path]
        kinds = {c.kind if c is not None else "other" for c in rest}
        if column.choices:
            return not any(c is not None and c.choices for c in rest)
        if column.kind == "decimal":
            return not kinds & {"int", "float", "decimal", "other"}
        return column.kind == "datetime" and not kinds & {"datetime", "date", "duration", "other"}

    def _nulls(self, run: _Run) -> Iterator[Finding]:
        """NULL is what 0 is, in a row where the column makes a difference; or is something where it could be nothing."""
        for path, column in self.uses.items():
            found = (self._null_of(path, column, one.row) for one in run.done if column.null)
            if text := next(filter(None, found), ""):
                yield self._finding("ACL003", text, "tell NULL from it, or say why they are the same: lossy=…")

    def _null_of(self, path: str, column: Column, row: Row) -> str:
        nothing = self._with(row, path, None)
        if nothing in (MISSING, _UNKNOWN, None):
            return ""
        nought = zero(column)
        if nought is not None and nothing == self._with(row, path, nought):
            others = [self._with(row, path, value) for value in values(column)]
            if any(result not in (nothing, MISSING, _UNKNOWN) for result in others):
                return f"is {_shown(nothing)} where {path} is NULL, as where it is {_shown(nought)}"
        if self.target.presence and self.target.kind != "message" and len(self.rule.uses) == 1:
            return f"is {_shown(nothing)} where {path} is NULL, and could be absent"
        return ""

    def _digits(self, run: _Run) -> Iterator[Finding]:
        """Two Decimals that differ in the last digit alone do so in what arrives, in one row at least."""
        for path, column in self.uses.items():
            if column.kind != "decimal" or column.choices:
                continue
            if any(getattr(value_at(one.row, path), "floated", False) for one in run.done):
                yield self._finding("ACL006", f"has {path}, which goes through a float", _COMPARED)
            high, low = neighbours(column)
            pairs = [(self._with(one.row, path, high), self._with(one.row, path, low)) for one in run.done]
            pairs = [pair for pair in pairs if MISSING not in pair and _UNKNOWN not in pair]
            if pairs and all(one == another for one, another in pairs):
                yield self._finding("ACL006", f"is the same for {high} and {low} of {path}: digits are lost", _COMPARED)

    def _with(self, row: Row, path: str, value: object) -> Any:
        return self._result(other(row, path, value))

    def _result(self, row: Row) -> Any:
        """What the function makes; ``MISSING`` where it raises, which spoils nothing in silence."""
        try:
            return self.rule.function(row)
        except Unknown:
            return _UNKNOWN
        except Exception:
            return MISSING

    def _finding(self, code: str, text: str, remedy: str) -> Finding:
        return Finding(code, f"{self.name} {text}", self.rule.where, remedy)


def _untaken(results: Iterable[object], target: Field) -> str:
    """The first result that the field cannot take: every call that gives it would fail. Empty where there is none."""
    for result in results:
        if result is None and (target.repeated or not target.presence) and target.kind != "enum":
            return "is None for a row, and cannot be absent"
        if result is not None and (takes := unfit(result, target)):
            return f"is {_shown(result)} for a row, a {type(result).__name__}, where it takes {takes}"
    return ""


def _shown(value: object) -> str:
    """A value in a line: made-up text may be long."""
    return _SHORT.repr(value)


def _untried(code: str, rule: Src | Computed, path: str, name: str) -> Finding:
    text = f"{name} could not be tried: its function raises for all that {path} may be"
    return Finding(code, text, rule.where, "let it take what the column may hold")


# --- what arrived, and what it should be ----------------------------------------------------------------------------


def _difference(
    pairs: Sequence[tuple[Any, Any]], column: Column, target: Field, zone: datetime.tzinfo | None, returns: bool
) -> str:
    """The first value that is another when it arrives, in words; empty where none is, or nobody can tell.

    An amount that ``returns`` may arrive in another unit: then it has to be the same when it is back.
    """
    if column.choices and target.kind == "enum":
        return next(filter(None, (_renamed(value, result, column, target) for value, result in pairs)), "")
    if column.kind == "datetime":
        return next(filter(None, (_moved(value, result, zone) for value, result in pairs)), "")
    if column.kind == "decimal":
        return _floated(pairs) or ("" if returns else _changed(pairs))
    return ""


def _renamed(value: object, result: object, column: Column, target: Field) -> str:
    own = called(value, column)
    meant = namesake(own, target)
    if isinstance(result, Enum) and meant and result.name in target.values and result.name != meant:
        return f"is {result.name} where {_shown(value)} was, which is {own}"
    return ""


def _moved(value: datetime.datetime, result: object, zone: datetime.tzinfo | None) -> str:
    """Another instant, or none. Of a naive datetime without a zone nobody knows which it was."""
    arrived = _datetime_of(result) if isinstance(result, str) else result
    if not isinstance(arrived, datetime.datetime):
        return ""
    expected = value if value.tzinfo is not None or zone is None else value.replace(tzinfo=zone)
    if arrived.tzinfo is None:
        lost = isinstance(result, datetime.datetime) or expected.tzinfo is not None
        return f"is {_shown(result)} where {_shown(value)} was: without a time zone" if lost else ""
    if expected.tzinfo is not None and arrived != expected:
        return f"is {_shown(result)} where {_shown(value)} was" + (f", in {zone}" if zone is not None else "")
    return ""


def _datetime_of(text: str) -> datetime.datetime | None:
    """A datetime in ISO 8601, as Python 3.9 reads it; None for other text, a date alone among it."""
    try:
        return datetime.datetime.fromisoformat(_Z.sub("+00:00", text)) if text[10:11] in ("T", " ") else None
    except ValueError:
        return None


def _floated(pairs: Sequence[tuple[Decimal, Any]]) -> str:
    for value, result in pairs:
        if isinstance(result, float) or (isinstance(value, Amount) and value.floated):
            return f"is {_shown(result)} where {value} was, and went through a float"
    return ""


def _changed(pairs: Sequence[tuple[Decimal, Any]]) -> str:
    """Another amount: exact in text, and in units and nanos; in whole numbers, exact by one power of ten for all."""
    with localcontext() as context:
        context.prec = 100
        powers = set(range(10))
        for value, result in pairs:
            if isinstance(result, int) and not isinstance(result, bool):
                powers &= {power for power in powers if value.scaleb(power) == result}
                arrived: Decimal | None = value if powers else Decimal(result)
            else:
                arrived = _amount(result)
            if arrived is not None and arrived != value:
                return f"is {_shown(result)} where {value} was"
    return ""


def _amount(result: Any) -> Decimal | None:
    """The amount of what is one: text, a Decimal, a ``google.type.Money`` or ``google.type.Decimal``; None of others."""
    if isinstance(result, Decimal):
        return result
    if isinstance(result, str):
        try:
            found = Decimal(result)
        except InvalidOperation:
            return None
        return found if found.is_finite() else None
    units, nanos = getattr(result, "units", None), getattr(result, "nanos", None)
    if isinstance(units, int) and isinstance(nanos, int):
        return Decimal(units) + Decimal(nanos).scaleb(-9)
    text = getattr(result, "value", None)
    return _amount(text) if isinstance(text, str) else None
