"""The suite: which cases a component has, and what comes of carrying one out."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from scaffold.contract import schema
from scaffold.contract.checks import checks_of_component, checks_of_rpc
from scaffold.contract.plan import DEFAULT_EXAMPLES
from scaffold.contract.targets import TargetError
from scaffold.contract.trial import Pending, Subject, Trial, Unanswered, Undecided, Violation
from scaffold.contract.wire import CALL_SECONDS
from scaffold.core.shapes import Kind

if TYPE_CHECKING:
    from pathlib import Path

    from scaffold.contract.checks import Check
    from scaffold.contract.plan import Plan
    from scaffold.contract.schema import Rpc, Schema
    from scaffold.contract.targets import Launcher

Result = Literal["passed", "failed", "pending", "skipped"]


@dataclass(frozen=True)
class Case:
    """A check of one RPC, or of a component as a whole. ``name`` is unique in the component: the id of its test."""

    component: str
    name: str
    check: Check
    rpc: Rpc | None = None


@dataclass(frozen=True)
class Verdict:
    """What came of a case. ``text`` says why, except for a pass."""

    result: Result
    text: str = ""


def cases(component: str, api: Schema, *, shows_spans: bool) -> tuple[Case, ...]:
    """The cases of a component.

    Lists come first among the RPCs: their walks are quickest, and see the smallest pages, while little has been
    created.
    """
    rpcs = sorted(api.rpcs, key=lambda rpc: rpc.shape.kind is not Kind.LIST)
    of_component = [Case(component, f"{component}-{check.name}", check) for check in checks_of_component()]
    of_rpcs = [Case(component, f"{r.label}-{check.name}", check, r) for r in rpcs for check in checks_of_rpc(api, r)]
    return tuple(case for case in (*of_component, *of_rpcs) if shows_spans or not case.check.needs_spans)


@dataclass
class Bench:
    """Where cases are carried out: the components of a plan, started by a launcher as they are needed."""

    plan: Plan
    launcher: Launcher
    workspace: Path
    seed: int = 0
    examples: int = DEFAULT_EXAMPLES
    timeout: float = CALL_SECONDS
    _subjects: dict[str, Subject] = field(default_factory=dict)
    _broken: set[str] = field(default_factory=set)

    def subject(self, name: str) -> Subject:
        """A component of the plan, with those that it uses. Raises SchemaError, and KeyError for one not planned."""
        if name not in self._subjects:
            component = self.plan.components[name]
            for used in component.uses:
                if used in self.plan.components:
                    self.subject(used)
            self._subjects[name] = Subject(
                name,
                schema.read(self.workspace / component.src, component.package, component.places),
                self.launcher,
                metadata=tuple(component.metadata.items()),
                uses=component.uses,
                siblings=self._subjects,
                timeout=self.timeout,
            )
        return self._subjects[name]

    def cases(self, name: str) -> tuple[Case, ...]:
        """The cases of a component."""
        return cases(name, self.subject(name).schema, shows_spans=self.launcher.shows_spans)

    def carry_out(self, case: Case) -> Verdict:
        """Carry out a case. A component that does not start fails the first case; the others of it are skipped."""
        if case.component in self._broken:
            return Verdict("skipped", f"{case.component} did not start")
        trial = Trial(self.subject(case.component), case.rpc, case.name, self.seed, self.examples)
        try:
            case.check.carry_out(trial)
        except Pending as pending:
            return Verdict("pending", str(pending))
        except Undecided as undecided:
            return Verdict("skipped", str(undecided))
        except Violation as violation:
            return Verdict("failed", self._report(case, violation))
        except Unanswered as unanswered:
            return Verdict("failed", self._report(case, unanswered.violation))
        except TargetError as error:
            self._broken.add(case.component)
            return Verdict("failed", str(error))
        return Verdict("passed")

    def close(self) -> None:
        """Close the connections, then stop what was started."""
        for subject in self._subjects.values():
            subject.close()
        self.launcher.close()

    def _report(self, case: Case, violation: Violation) -> str:
        """What is broken, the calls that show it, where it is written, and how to see it again."""
        again = ["scaffold", "test", case.component, "--", "-k", case.name, "--contract-seed", str(self.seed)]
        if self.examples != DEFAULT_EXAMPLES:
            again += ["--contract-examples", str(self.examples)]
        where = f"{case.rpc.where}\n" if case.rpc and case.rpc.where else ""
        subject = self._subjects[case.component]
        return (
            f"{case.name}\n{where}\n{case.check.law}\n{case.check.source}\n\n{violation.account}\n\n"
            f"against {self.launcher.label}, seed {self.seed}, API {subject.schema.digest[:12] or 'unknown'}\n"
            f"again: {shlex.join(again)}"
        )
