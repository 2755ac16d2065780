"""Tables of a TOML file as frozen dataclasses: what a key is, is declared once; every mistake is found in one reading.

A library for this costs more time to import than all the rest of an incremental `regen` together.
"""

from __future__ import annotations

import dataclasses
import types
from dataclasses import MISSING, dataclass, field
from functools import cache
from typing import Any, Literal, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

T = TypeVar("T")

_NAMES = {str: "a string", bool: "true or false", int: "a whole number", float: "a number", dict: "a table"}


def key(*, default: object = MISSING, description: str = "", at_least: int = 0) -> Any:
    """A key of a table, with what the reference says about it; one without a default has to be there.

    ``at_least`` is how many values a list needs.
    """
    about = {"description": description, "at_least": at_least}
    if isinstance(default, dict):
        return field(default_factory=default.copy, metadata=about)
    return field(default=default, metadata=about)


class Key(NamedTuple):
    """What is declared about a key: ``default`` is MISSING where it has to be there."""

    type: Any
    default: object
    description: str
    at_least: int


@dataclass(frozen=True)
class Mistake:
    """Something wrong with a value; ``keys`` lead to it from the top of the file."""

    kind: Literal["unknown", "missing", "value"]
    keys: tuple[str, ...]
    message: str = ""


@cache
def keys(table: type) -> dict[str, Key]:
    """The keys of a table, as declared."""
    kinds = get_type_hints(table)
    return {
        f.name: Key(
            kinds[f.name],
            {} if f.default_factory is not MISSING else f.default,
            f.metadata.get("description", ""),
            f.metadata.get("at_least", 0),
        )
        for f in dataclasses.fields(table)
    }


def read(table: type[T], raw: dict[str, object]) -> tuple[T | None, tuple[Mistake, ...]]:
    """A table from what a TOML parser gives: the value, or None and everything that is wrong with it."""
    reader = _Reader()
    value = reader.table(table, raw, ())
    return (None if reader.mistakes else value), tuple(reader.mistakes)


class _Reader:
    """Reads values by their declared types, and collects mistakes instead of stopping at one."""

    def __init__(self) -> None:
        self.mistakes: list[Mistake] = []

    def table(self, table: type[T], raw: dict[str, object], at: tuple[str, ...]) -> T | None:
        """A table; None where something in it is wrong."""
        before = len(self.mistakes)
        declared: type = table
        known = keys(declared)
        values = {name: self._value(known[name], raw[name], (*at, name)) for name in known if name in raw}
        required = (name for name, declared in known.items() if declared.default is MISSING)
        self.mistakes += [Mistake("missing", (*at, name)) for name in required if name not in raw]
        self.mistakes += [Mistake("unknown", (*at, name)) for name in raw if name not in known]
        return table(**values) if len(self.mistakes) == before else None

    def _value(self, declared: Key, raw: object, at: tuple[str, ...]) -> object:
        members = get_args(declared.type) if get_origin(declared.type) in (Union, types.UnionType) else (declared.type,)
        allowed = [member for member in members if member is not type(None)]
        for member in allowed:
            if isinstance(raw, _raw(member)):
                return self._member(member, declared, raw, at)
        return self._wrong(at, f"should be {' or '.join(map(_name, allowed))}, and is {_said(raw)}")

    def _member(self, kind: Any, declared: Key, raw: Any, at: tuple[str, ...]) -> object:
        """A value of the right outer type: what is in it may still be wrong."""
        if dataclasses.is_dataclass(kind):
            return self.table(kind, raw, at)  # type: ignore[arg-type]  # a class, not an instance
        if get_origin(kind) is dict:
            inner = Key(get_args(kind)[1], MISSING, "", 0)
            return {name: self._value(inner, value, (*at, name)) for name, value in raw.items()}
        if get_origin(kind) is tuple:
            if len(raw) < declared.at_least:
                return self._wrong(at, f"should have at least {declared.at_least} value")
            wrong = next((each for each in raw if not isinstance(each, _raw(get_args(kind)[0]))), None)
            return tuple(raw) if wrong is None else self._wrong(at, f"should be {_name(kind)}, and has {_said(wrong)}")
        return raw

    def _wrong(self, at: tuple[str, ...], message: str) -> object:
        self.mistakes.append(Mistake("value", at, message))
        return None  # takes the value's place: no table is made of it


def _raw(kind: Any) -> type:
    """What a TOML parser gives for a declared type."""
    if dataclasses.is_dataclass(kind) or get_origin(kind) is dict:
        return dict
    return list if get_origin(kind) is tuple else kind


def _name(kind: Any) -> str:
    return f"a list of {_NAMES[get_args(kind)[0]][2:]}s" if get_origin(kind) is tuple else _NAMES[_raw(kind)]


def _said(raw: object) -> str:
    """What a value is, in TOML's words."""
    return "a list" if isinstance(raw, list) else _NAMES.get(type(raw), "a date or a time")
