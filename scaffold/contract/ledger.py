"""The ledger of known failures: checks that fail today, for a reason, until a date.

``contracts/known-failures.toml`` in the workspace::

    [[known]]
    component = "catalog"
    check = "CatalogService.ListProducts-order_by_is_honest"
    reason = "sorting comes with the new index (SHOP-812)"
    until = 2027-03-31

Such a check is carried out like any other, and its failure reported as *known*. It fails the run when it passes (the
entry has done its work and must go), and from the day after ``until``.
"""

from __future__ import annotations

import datetime
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

FILE = "contracts/known-failures.toml"

_KEYS = {"component": str, "check": str, "reason": str, "until": datetime.date}


class LedgerError(Exception):
    """The ledger cannot be used: ``problems`` say why, one each."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True)
class Known:
    """A failure that is known. ``check`` is a case's name, ``until`` its last day as an ISO date."""

    component: str
    check: str
    reason: str
    until: str

    def is_over(self, today: datetime.date) -> bool:
        """Whether its last day is past."""
        return today > datetime.date.fromisoformat(self.until)


def parse(text: str) -> tuple[Known, ...]:
    """The entries of a ledger. Raises LedgerError with every mistake in it."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise LedgerError([f"it is not TOML: {error}"]) from None
    tables = document.pop("known", [])
    problems = [f'"{key}" means nothing here; entries are [[known]] tables' for key in document]
    if not isinstance(tables, list):
        raise LedgerError([*problems, "entries are [[known]] tables, with two brackets"])
    for number, table in enumerate(tables, start=1):
        problems += [f"entry {number}: {problem}" for problem in _problems(table)]
    if problems:
        raise LedgerError(problems)
    entries = tuple(Known(t["component"], t["check"], t["reason"].strip(), t["until"].isoformat()) for t in tables)
    seen: set[tuple[str, str]] = set()
    for entry in entries:
        if (entry.component, entry.check) in seen:
            problems.append(f"{entry.component}: {entry.check} has two entries")
        seen.add((entry.component, entry.check))
    if problems:
        raise LedgerError(problems)
    return entries


def _problems(table: Any) -> list[str]:
    if not isinstance(table, dict):
        return ["it is no table"]
    found = [f"it has no {key}" for key in _KEYS if key not in table]
    found += [f'"{key}" is no key of an entry' for key in table if key not in _KEYS]
    for key, kind in _KEYS.items():
        # A datetime is a date to Python, and no day to people.
        wrong = not isinstance(table.get(key, kind), kind | type) or isinstance(table.get(key), datetime.datetime)
        if wrong:
            found.append(f"{key} is no {'date, such as 2027-03-31' if kind is datetime.date else 'text'}")
        elif kind is str and key in table and not table[key].strip():
            found.append(f"{key} is empty")
    return found
