"""The markers that git leaves in a file of which it could not merge two versions."""

from __future__ import annotations

import re

from scaffold.core.diagnostics import Diagnostic, Location, Severity

_WHOLE = re.compile(r"^<<<<<<< .*?^=======$.*?^>>>>>>> ", re.MULTILINE | re.DOTALL)
_MARKERS = ("<<<<<<< ", ">>>>>>> ")


def conflict(path: str, text: str) -> Diagnostic | None:
    """What to say about a file that cannot be read when a merge has left its markers in it; None where there are none.

    Only of a file that cannot be read: in a string or a comment such a line may well be meant.
    """
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith(_MARKERS):
            return Diagnostic(
                "merge-marker",
                "git's conflict markers are still in it",
                Location(path, number),
                "keep the lines that are meant, delete the markers (<<<<<<<, =======, >>>>>>>), and run this again",
            )
    return None


def left(path: str, text: str) -> Diagnostic | None:
    """A warning about a file that can be read and has a whole conflict in it: in a docstring or a comment, that is.

    It may be meant, so it stops nobody; `check` reports it.
    """
    if "<<<<<<< " not in text or not (found := _WHOLE.search(text.replace("\r\n", "\n"))):
        return None
    return Diagnostic(
        "merge-marker",
        "git's conflict markers are in a string or a comment of it",
        Location(path, found.string.count("\n", 0, found.start()) + 1),
        "keep the lines that are meant and delete the markers (<<<<<<<, =======, >>>>>>>); where they are meant, indent them",
        Severity.WARNING,
    )
