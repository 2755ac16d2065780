"""Texts that match a regular expression, put together from its parts.

For the patterns of constraints (RE2's syntax, nearly all of which Python's parser reads). A sample is made by choices
that the caller draws; what lookarounds and backreferences would ask for is not looked at: samples are checked by whoever
uses them.
"""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

# The parser has no public name; Python 3.11 has moved it.
_parser: Any = sys.modules["re._parser"] if "re._parser" in sys.modules else __import__("sre_parse")

_MORE = 2  # how many repetitions beyond the least
_CATEGORIES = {
    "DIGIT": "0123456789",
    "WORD": "aZ09_",
    "SPACE": " \t",
    "NOT_DIGIT": "aZ-",
    "NOT_WORD": "-. ",
    "NOT_SPACE": "aZ0",
}
_PRINTABLE = "aZ0-_.~ b"


def sample(pattern: str, choose: Callable[[int], int]) -> str | None:
    """A text that the pattern is meant to match; None for a pattern that cannot be read.

    ``choose(n)`` decides among n: it returns a number from 0 to n - 1.
    """
    try:
        parsed = _parser.parse(re.sub(r"\(\?<(?=[A-Za-z])", "(?P<", pattern).replace(r"\z", r"\Z"))
    except (re.error, OverflowError):
        return None
    return _text(parsed, choose)


def _text(parts: Any, choose: Callable[[int], int]) -> str:
    return "".join(_part(str(kind), value, choose) for kind, value in parts)


def _part(kind: str, value: Any, choose: Callable[[int], int]) -> str:
    if kind == "LITERAL":
        return chr(value)
    if kind == "NOT_LITERAL":
        return next(c for c in _PRINTABLE if ord(c) != value)
    if kind == "ANY":
        return _PRINTABLE[choose(len(_PRINTABLE))]
    if kind == "IN":
        return _one_of(value, choose)
    if kind == "BRANCH":
        branches = value[1]
        return _text(branches[choose(len(branches))], choose)
    if kind == "SUBPATTERN":
        return _text(value[-1], choose)
    if kind in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
        least, most, inner = value
        count = least + choose(min(int(most) - least, _MORE) + 1)
        return "".join(_text(inner, choose) for _ in range(count))
    if kind == "ATOMIC_GROUP":
        return _text(value, choose)
    return ""  # AT, ASSERT and the like take no room


def _one_of(parts: Any, choose: Callable[[int], int]) -> str:
    """A character of a set like ``[a-z0-9_]`` or ``[^/]``."""
    negated = bool(parts) and str(parts[0][0]) == "NEGATE"
    if negated:
        allowed = [c for c in _PRINTABLE if not any(_is_in(c, str(kind), value) for kind, value in parts[1:])]
        return allowed[choose(len(allowed))] if allowed else "\N{SNOWMAN}"
    kind, value = parts[choose(len(parts))]
    if str(kind) == "LITERAL":
        return chr(value)
    if str(kind) == "RANGE":
        low, high = value
        return chr(low + choose(min(high - low + 1, 60)))
    members = _CATEGORIES.get(str(value).removeprefix("CATEGORY_"), "a")
    return members[choose(len(members))]


def _is_in(character: str, kind: str, value: Any) -> bool:
    if kind == "LITERAL":
        return bool(ord(character) == value)
    if kind == "RANGE":
        return bool(value[0] <= ord(character) <= value[1])
    return character in _CATEGORIES.get(str(value).removeprefix("CATEGORY_"), "")
