"""`scaffold check`: all that CI asks."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from scaffold.core.diagnostics import Diagnostic, Location, Severity
from scaffold.shell import boundaries
from scaffold.verbs.generate import open_workspace
from scaffold.verbs.regen import plan

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from scaffold.core.plan import Plan

PARTS = ("drift", "boundaries")


def check(start: Path, only: Sequence[str] = ()) -> tuple[Diagnostic, ...]:
    """Everything that is found by the named parts, all of them where none is named. Raises ScaffoldError."""
    parts = only or PARTS
    found: list[Diagnostic] = []
    if "drift" in parts:
        found += drift(plan(start, afresh=True).plan)
    if "boundaries" in parts:
        workspace, settings = open_workspace(start)
        for unit in settings.own():
            broken = boundaries.check(workspace.root / unit.path, workspace.root / unit.source)
            found += [_placed(d, unit.source) for d in broken]
    return tuple(found)


def drift(plan_: Plan) -> tuple[Diagnostic, ...]:
    """What on disk is not what the protos say, file by file."""
    found = [
        Diagnostic(
            "drift",
            {"create": "it is missing", "update": "it is out of date", "delete": "nothing wants it any more"}[c.action],
            Location(c.path),
            "run `scaffold regen` and commit what it writes",
        )
        for c in plan_.writes
    ]
    notes = [n for n in plan_.notes if n.severity is Severity.WARNING]
    return (*found, *plan_.open, *notes)


def _placed(diagnostic: Diagnostic, source: str) -> Diagnostic:
    """A place below a component's source folder as one from the workspace."""
    if diagnostic.where is None:
        return diagnostic
    return replace(diagnostic, where=replace(diagnostic.where, path=f"{source}/{diagnostic.where.path}"))
