"""`scaffold restore`: what is in the attic, and how it comes back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scaffold import __version__
from scaffold.core import attic
from scaffold.core import settings as settings_module
from scaffold.shell import memory
from scaffold.shell.workspace import Workspace

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from scaffold.core.attic import Chosen, Entry
    from scaffold.core.plan import Plan


@dataclass(frozen=True)
class Restored:
    """The files that came back, and whether a component's table did, too."""

    plan: Plan
    table: str


def entries(start: Path) -> tuple[Entry, ...]:
    """Everything in the attic, by number. Raises ScaffoldError outside a workspace."""
    return Workspace.find(start).attic()


def restore(start: Path, wanted: Sequence[str]) -> Restored:
    """Bring back entries, by number, or files, by path; an entry of a removed component brings its table, too.

    All of it or nothing. Raises ScaffoldError where something is not in the attic, or would overwrite what somebody
    wrote since.
    """
    workspace = Workspace.find(start)
    with workspace.locked():
        there = workspace.attic()
        chosen: dict[str, Chosen] = {}
        for one in wanted:
            meant = one if one.isdigit() else workspace.named(one, start)
            chosen |= {c.file.path: c for c in attic.choose(there, meant)}
        files = workspace.read(p for c in chosen.values() for p in (c.file.path, c.source))
        notes = workspace.read({entry.place(attic.ABOUT) for entry in there})
        plan = attic.restoration(
            chosen.values(),
            [entry for entry in there if not entry.files],
            files,
            {p: n for p, n in notes.items() if n is not None},
            workspace.listed(),
        )
        table = _table(chosen.values(), workspace)
        workspace.apply(plan, f"{workspace.text}{table}" if table else None)
        memory.forget(workspace.root)
        return Restored(plan, table)


def _table(chosen: Iterable[Chosen], workspace: Workspace) -> str:
    """The tables that left scaffold.toml with entries of which every file comes back, unless the name is there again."""
    known = {u.address.replace("/", "-") for u in settings_module.load(workspace.text, __version__).described()}
    text = ""
    for entry in attic.whole(chosen):
        if entry.table and entry.name not in known:
            text += f"\n{entry.table}"
    if not text:
        return ""
    if not workspace.text.endswith("\n"):
        text = f"\n{text}" if workspace.text else text.removeprefix("\n")
    settings_module.load(workspace.text + text, __version__)
    return text
