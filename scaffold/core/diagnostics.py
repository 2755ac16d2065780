"""What is said to the user when something is wrong: where, what, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


class Severity(Enum):
    """How much a diagnostic matters: an ERROR stops the command, a WARNING and a NOTE do not."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, order=True)
class Location:
    """A place in a file. ``line`` and ``column`` count from 1; 0 means that the place is the file as a whole."""

    path: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        place = self.path
        if self.line:
            place += f":{self.line}"
            if self.column:
                place += f":{self.column}"
        return place


@dataclass(frozen=True)
class Diagnostic:
    """One finding. ``slug`` is its stable name, ``remedy`` what the user can do; one without a remedy is unfinished."""

    slug: str
    message: str
    where: Location | None = None
    remedy: str = ""
    severity: Severity = Severity.ERROR

    def __str__(self) -> str:
        place = f"{self.where}: " if self.where else ""
        text = f"{place}{self.slug}: {self.message}"
        return f"{text}\n  help: {self.remedy}" if self.remedy else text


class ScaffoldError(Exception):
    """Carries diagnostics to the door, which prints them and exits with 2. Nothing has been written."""

    def __init__(self, *diagnostics: Diagnostic) -> None:
        super().__init__("\n".join(map(str, diagnostics)))
        self.diagnostics = diagnostics

    @classmethod
    def raise_if(cls, diagnostics: Iterable[Diagnostic]) -> None:
        """Raise one error that carries every diagnostic of severity ERROR, if there is one."""
        errors = [d for d in diagnostics if d.severity is Severity.ERROR]
        if errors:
            raise cls(*errors)
