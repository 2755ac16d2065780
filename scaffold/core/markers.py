"""The markers that git leaves in a file of which it could not merge two versions."""

from __future__ import annotations

from scaffold.core.diagnostics import Diagnostic, Location

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
