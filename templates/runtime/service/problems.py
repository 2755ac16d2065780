"""Why a component does not start: errors for whoever operates it, said without a traceback."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence


class StartError(Exception):
    """The component does not start. The message says why and what to do about it; ``exit_code`` is the program's."""

    exit_code = 2


class SettingsError(StartError):
    """A setting is missing or wrong. The message names every variable concerned, and what to do about each."""

    def __init__(self, *problems: str) -> None:
        self.problems = problems
        super().__init__("\n".join(problems))


class MissingHandlers(StartError):  # noqa: N818  named for what the reader has to do
    """Handlers that the API asks for are not there; ``files`` are the paths where they belong."""

    exit_code = 1

    def __init__(self, files: Sequence[str]) -> None:
        self.files = tuple(files)
        super().__init__("handlers are missing:\n" + "\n".join(f"  {file}" for file in self.files))
