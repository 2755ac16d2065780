"""The markers that git leaves in a file of which it could not merge two versions."""

from __future__ import annotations

import re

from scaffold.core.diagnostics import Diagnostic, Location

# All three, each at the start of a line: one alone may be anything.
_MARKERS = re.compile(r"^<<<<<<< .*?^=======$.*?^>>>>>>> ", re.MULTILINE | re.DOTALL)


def conflict(path: str, text: str) -> Diagnostic | None:
    """The diagnostic of a file with a merge conflict in it, at the first one; None where there is none."""
    if "<<<<<<<" not in text or not (found := _MARKERS.search(text.replace("\r\n", "\n"))):
        return None
    return Diagnostic(
        "merge-conflict",
        "two versions of this were merged, and somebody has to say which lines are meant",
        Location(path, text.replace("\r\n", "\n").count("\n", 0, found.start()) + 1, 1),
        "keep the lines that are meant, delete the markers (<<<<<<<, =======, >>>>>>>), and run this again",
    )
