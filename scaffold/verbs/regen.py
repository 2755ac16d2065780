"""`scaffold plan`, `scaffold regen` and the drift part of `scaffold check`: one plan, computed once, shown or applied."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scaffold.verbs.generate import memory_of, open_workspace, plan_of, wanted

if TYPE_CHECKING:
    from pathlib import Path

    from scaffold.core.plan import Plan


@dataclass(frozen=True)
class Outcome:
    """The plan, and whether it has been carried out."""

    plan: Plan
    written: bool

    @property
    def exit_code(self) -> int:
        """1 where something needs a decision, else 0."""
        return 1 if self.plan.conflicts or self.plan.orphans else 0


def plan(start: Path, *, afresh: bool = False) -> Outcome:
    """What `regen` would do. Nothing is written. Raises ScaffoldError.

    ``afresh`` renders everything, whatever the last run left behind.
    """
    workspace, settings = open_workspace(start)
    memory = None if afresh else memory_of(workspace)
    return Outcome(plan_of(workspace, wanted(workspace, settings, memory=memory)), written=False)


def regen(start: Path) -> Outcome:
    """Bring the workspace to what the protos say. A conflict anywhere means that nothing is written."""
    begun = time.time_ns()
    workspace, settings = open_workspace(start)
    with workspace.locked():
        memory = memory_of(workspace)
        what = wanted(workspace, settings, memory=memory)
        outcome = plan_of(workspace, what)
        if outcome.conflicts:
            return Outcome(outcome, written=False)
        workspace.apply(outcome)
        memory.keep(what.components)
        if outcome.orphans or outcome.notes:
            memory.forget()  # what there is to say is said every time
        else:
            memory.remember(what.inputs, [entry.path for entry in outcome.listing], begun)
        return Outcome(outcome, written=bool(outcome.writes))
