"""The suite: which cases a component has, and what comes of carrying one out."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from scaffold.contract import again, schema
from scaffold.contract.checks import checks_of_component, checks_of_rpc
from scaffold.contract.ledger import FILE as LEDGER
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

Result = Literal["passed", "failed", "known", "pending", "skipped"]


@dataclass(frozen=True)
class Case:
    """A check of one RPC, or of a component as a whole. ``name`` is unique in the component: the id of its test."""

    component: str
    name: str
    check: Check
    rpc: Rpc | None = None


@dataclass(frozen=True)
class Verdict:
    """What came of a case. ``text`` says why, except for a pass; ``summary`` is the one line of it that matters most."""

    result: Result
    text: str = ""
    summary: str = ""


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
    today: datetime.date = field(default_factory=datetime.date.today)
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
                # Where a component is reached from outside, so that nobody sees its spans, those behind it are not.
                siblings=self._subjects if self.launcher.shows_spans else {},
                timeout=self.timeout,
            )
        return self._subjects[name]

    def cases(self, name: str) -> tuple[Case, ...]:
        """The cases of a component."""
        return cases(name, self.subject(name).schema, shows_spans=self.launcher.shows_spans)

    def unknown_checks(self, name: str) -> tuple[str, ...]:
        """What the ledger says about a component and no case of it is called."""
        known = {case.name for case in cases(name, self.subject(name).schema, shows_spans=True)}
        return tuple(k.check for k in self.plan.known if k.component == name and k.check not in known)

    def carry_out(self, case: Case) -> Verdict:
        """Carry out a case, and compare what came of it with what is known.

        A component that does not start fails the first case; the others of it are skipped.
        """
        verdict = self._carry_out(case)
        known = next((k for k in self.plan.known if (k.component, k.check) == (case.component, case.name)), None)
        if known is None or verdict.result not in ("passed", "failed"):
            return verdict
        if verdict.result == "passed":
            summary = f"it passes, and is in {LEDGER} ({known.reason}): take the entry out"
            return Verdict("failed", f"{case.name}\n\n{summary}", summary)
        if known.is_over(self.today):
            over = f"known until {known.until}, which is over: {known.reason}"
            return Verdict("failed", f"{verdict.text}\n\n{over}", f"{verdict.summary} ({over})")
        return Verdict("known", f"{case.name}: {known.reason} (until {known.until})\n\n{verdict.text}", verdict.summary)

    def _carry_out(self, case: Case) -> Verdict:
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
            return Verdict("failed", self._report(case, violation), str(violation))
        except Unanswered as unanswered:
            return Verdict("failed", self._report(case, unanswered.violation), str(unanswered))
        except TargetError as error:
            self._broken.add(case.component)
            return Verdict("failed", str(error), f"{case.component} did not start")
        return Verdict("passed")

    def close(self) -> None:
        """Close the connections, then stop what was started."""
        for subject in self._subjects.values():
            subject.close()
        self.launcher.close()

    def _report(self, case: Case, violation: Violation) -> str:
        """What is broken, the calls that show it, where it is written, and how to see it again."""
        subject = self._subjects[case.component]
        against, asked = self.launcher.label, self.launcher.asked
        where = f"{case.rpc.where}\n" if case.rpc and case.rpc.where else ""
        shown = again.last(violation.exchanges)
        curl = (
            again.grpcurl(subject.schema, shown, against if against == asked else "", subject.metadata) if shown else ""
        )
        replay = again.command(case.component, case.name, self.seed, self.examples, asked, subject.metadata)
        return (
            f"{case.name}\n{where}\n{case.check.law}\n{case.check.source}\n\n{violation.account}\n\n"
            f"against {asked or against}, seed {self.seed}, API {subject.schema.digest[:12] or 'unknown'}\n"
            + (f"call:  {curl}\n" if curl else "")
            + f"again: {replay}"
        )
