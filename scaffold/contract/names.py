"""Resource names (AIP-122): fill a pattern, fit a name to one, break names in the ways a parser must notice."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_VARIABLE = re.compile(r"\{[^{}]*\}")


def fill(pattern: str, identifier: str) -> str:
    """``shelves/{shelf}/books/{book}`` and ``a1`` → ``shelves/a1/books/a1``."""
    return _VARIABLE.sub(identifier, pattern)


def parent_pattern(pattern: str) -> str:
    """``shelves/{shelf}/books/{book}`` → ``shelves/{shelf}``; empty for a resource at the top."""
    return "/".join(pattern.split("/")[:-2])


def fits(pattern: str, name: str) -> bool:
    """Whether a name is made after a pattern; a variable stands for anything but nothing and a slash."""
    parts = [re.escape(part) for part in _VARIABLE.split(pattern)]
    return re.fullmatch("[^/]+".join(parts), name) is not None


def has_structure(pattern: str) -> bool:
    """Whether a pattern can tell a malformed name from a good one: ``*`` and ``{name=**}`` take anything."""
    return "**" not in pattern and bool(_VARIABLE.sub("", pattern).strip("*/"))


def malformed(patterns: Sequence[str], identifier: str) -> tuple[str, ...]:
    """Names that fit none of the patterns: no collection, another one, no identifier, a segment too many or too few."""
    candidates = [""]
    for pattern in patterns:
        good = fill(pattern, identifier)
        collection, _, last = good.rpartition("/")
        candidates += [
            last,
            collection,
            f"{collection}/",
            f"/{good}",
            f"{good}/",
            f"{good}/{last}",
            f"not-{good}",
            good.upper() if good.upper() != good else f"{good}//",
        ]
    return tuple(dict.fromkeys(c for c in candidates if not any(fits(p, c) for p in patterns)))
