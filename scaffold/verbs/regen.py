"""`scaffold plan`, `scaffold regen` and the drift part of `scaffold check`: one plan, computed once, shown or applied."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from scaffold.core.diagnostics import Diagnostic, ScaffoldError
from scaffold.core.plan import Wishes
from scaffold.core.settings import SECTIONS
from scaffold.verbs.generate import memory_of, open_workspace, plan_of, wanted

if TYPE_CHECKING:
    from pathlib import Path

    from scaffold.core.plan import Plan
    from scaffold.core.settings import Settings
    from scaffold.shell.memory import Memory
    from scaffold.shell.workspace import Workspace
    from scaffold.verbs.generate import Wanted


@dataclass(frozen=True)
class Outcome:
    """The plan, and whether it has been carried out."""

    plan: Plan
    written: bool

    @property
    def exit_code(self) -> int:
        """1 where something needs a decision, else 0."""
        return 1 if self.plan.open else 0


@dataclass(frozen=True)
class Typed:
    """The options of `regen` as they were typed."""

    prune: bool = False
    force: tuple[str, ...] = ()
    renames: tuple[str, ...] = ()
    no_renames: tuple[str, ...] = ()

    def wishes(self, workspace: Workspace, start: Path) -> Wishes:
        """What they ask for, with paths as the plan has them. Raises ScaffoldError for a rename without two names."""
        verb = {(True, False): "prune", (False, True): "force"}.get((self.prune, bool(self.force)), "regen")
        return Wishes(
            renames=_pairs(self.renames),
            no_renames=frozenset(self.no_renames),
            prune=self.prune,
            force=frozenset(workspace.named(p, start) for p in self.force),
            verb=verb,
        )


def _pairs(renames: tuple[str, ...]) -> dict[str, str]:
    """``Svc.Old=New`` as old → new."""
    pairs: dict[str, str] = {}
    problems = []
    for text in renames:
        old, _, new = (part.strip() for part in text.partition("="))
        if not old or not new:
            remedy = "write --rename Service.Old=New"
            problems.append(Diagnostic("unknown-rename", f'"{text}" does not say from what to what', None, remedy))
        elif pairs.setdefault(old, new) != new:
            remedy = "take one of the options out"
            problems.append(Diagnostic("unknown-rename", f"{old} is to become {pairs[old]} and {new}", None, remedy))
    ScaffoldError.raise_if(problems)
    return pairs


_NOTHING = Typed()


def plan(start: Path, typed: Typed = _NOTHING, *, afresh: bool = False) -> Outcome:
    """What `regen` would do. Nothing is written. Raises ScaffoldError.

    ``afresh`` renders everything, whatever the last run left behind.
    """
    workspace, settings = open_workspace(start)
    memory = None if afresh else memory_of(workspace)
    return Outcome(_prepare(workspace, settings, typed.wishes(workspace, start), memory)[1], written=False)


def regen(start: Path, typed: Typed = _NOTHING) -> Outcome:
    """Bring the workspace to what the protos say. Something to be decided anywhere means that nothing is written."""
    begun = time.time_ns()
    workspace, settings = open_workspace(start)
    with workspace.locked():
        memory = memory_of(workspace)
        what, outcome, text = _prepare(workspace, settings, typed.wishes(workspace, start), memory)
        if outcome.blocked:
            return Outcome(outcome, written=False)
        workspace.apply(outcome, text)
        memory.keep(what.components)
        if outcome.orphans or outcome.notes or text is not None:
            memory.forget()  # what there is to say is said every time
        else:
            memory.remember(what.inputs, [entry.path for entry in outcome.listing], begun)
        return Outcome(outcome, written=bool(outcome.writes))


def _prepare(
    workspace: Workspace, settings: Settings, wishes: Wishes, memory: Memory | None
) -> tuple[Wanted, Plan, str | None]:
    """What should exist, the plan, and the new text of scaffold.toml where it changes."""
    if not any(old.startswith(SECTIONS) for old in wishes.renames):
        # Renames are asked for rarely, and look at every component.
        what = wanted(workspace, settings, memory=None if wishes.renames or wishes.no_renames else memory)
        return what, plan_of(workspace, what, wishes), None
    from scaffold.verbs import rename  # rarely

    renaming = rename.asked(wishes.renames, workspace, settings)
    assert renaming is not None
    command = f"scaffold regen --rename {next(iter(wishes.renames))}={renaming.new.name}"
    what, plan_ = rename.prepare(workspace, renaming, replace(wishes, command=command))
    return what, plan_, renaming.after if renaming.after != workspace.text else None
