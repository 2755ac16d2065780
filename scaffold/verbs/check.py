"""`scaffold check`: all that CI asks."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING

from scaffold.acl import check as acl_check
from scaffold.core import usages
from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError, Severity
from scaffold.shell import boundaries, types
from scaffold.shell.workspace import CACHE
from scaffold.verbs.generate import open_workspace
from scaffold.verbs.regen import plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from scaffold.core.plan import Plan

# What mappings are checked against.
_AGAINST = ("facts", "port")

PARTS = ("drift", "boundaries", "types", "acl")


def check(start: Path, only: Sequence[str] = ()) -> tuple[Diagnostic, ...]:
    """Everything that is found by the named parts, all of them where none is named. Raises ScaffoldError.

    Types are what generated files say. Where those are not what the protos say, they are left out unless asked for by
    name: a missing module would be found again at every line that imports it.
    """
    parts = only or PARTS
    found: list[Diagnostic] = []
    stale = False
    if "drift" in parts:
        planned = plan(start, afresh=True).plan
        stale = any(change.owner == "generated" for change in planned.writes)
        found += drift(planned)
    if "boundaries" in parts:
        found += _boundaries(start)
    if "types" in (only if stale else parts):
        found += _types(start, asked_for="types" in only)
    if "acl" in parts:
        found += layers(start, drift_is_said="drift" in parts)
    return tuple(dict.fromkeys(found))


def _boundaries(start: Path) -> Iterator[Diagnostic]:
    """Imports that break a component's contracts; where a module is no Python, that, since nobody can tell what it imports."""
    workspace, settings = open_workspace(start)
    for unit in settings.made():
        files = workspace.python_files(unit.root)
        unreadable = [found for path, content in files.items() if (found := usages.problem(path, content))]
        yield from unreadable or boundaries.check(workspace.root, unit.path, unit.source)


def layers(start: Path, names: Sequence[str] = (), *, drift_is_said: bool = False) -> tuple[Diagnostic, ...]:
    """What is wrong with the named anti-corruption layers, all of them where none is named. Raises ScaffoldError.

    Mappings are checked against what was generated. Where a proto or the snapshot is newer than that, it is said first, unless
    it is said already: that nothing else is found would mean nothing.
    """
    workspace, settings = open_workspace(start)
    adapters = {adapter.name: adapter for adapter in settings.adapters()}
    ScaffoldError.raise_if(unknown_layer(name, adapters) for name in names if name not in adapters)
    chosen = [adapters[name] for name in names or adapters]
    older = () if drift_is_said or not chosen else drift(plan(start).plan)
    return tuple(
        found
        for adapter in chosen
        for found in (
            *(d for d in older if d.where and d.where.path in {f"{adapter.root}/gen/{name}.py" for name in _AGAINST}),
            *acl_check.check(workspace.root, adapter),
        )
    )


def unknown_layer(name: str, known: Iterable[str]) -> Diagnostic:
    """There is no layer of that name."""
    close = get_close_matches(name, list(known), n=1)
    listed = f"there are {', '.join(known)}" if known else "there is none yet: scaffold new acl COMPONENT"
    remedy = f'did you mean "{close[0]}"?' if close else listed
    return Diagnostic("unknown-layer", f'"{name}" has no anti-corruption layer', Location("scaffold.toml"), remedy)


def failed(found: Sequence[Diagnostic]) -> bool:
    """Whether something was found that has to be dealt with: a note is only said."""
    return any(d.severity is not Severity.NOTE for d in found)


def _types(start: Path, *, asked_for: bool) -> tuple[Diagnostic, ...]:
    """What the type checker finds; a note where it is not installed and nobody has asked for it by name."""
    problem = types.missing()
    if problem is not None and not asked_for:
        return (problem,)
    workspace, settings = open_workspace(start)
    return types.check(workspace.root, {unit.package: unit.source for unit in settings.made()}, f"{CACHE}/mypy")


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
    return (*found, *plan_.open, *plan_.notes)
