"""The contract suite as a pytest plugin: ``pytest -p scaffold.contract.plugin``, which is what `scaffold test` runs.

A service's generated ``tests/contract/test_contract.py`` names its component and has one test,
``test_contract(check)``. Here ``check`` becomes one test for each RPC and check. A handler that is not written yet
makes its tests *pending*, a failure that is in the ledger *known*: results of their own beside passed, failed and
skipped.

Options::

    --contract-plan FILE        what to start (scaffold/contract/plan.py); without one the tests are skipped, saying so
    --contract-workspace DIR    what paths in the plan are relative to; by default the current directory
    --contract-against TARGET   inprocess, or HOST:PORT of a server that is running
    --contract-asked TEXT       what the user wrote for it, where the server is gone afterwards
    --contract-seed N           which examples are drawn; the same seed, the same examples
    --contract-examples N       how many requests a check draws
    --contract-no-pending       pending is a failure
    --contract-report FILE      what came of it, as JSON (scaffold/contract/report.py)

The exit status is pytest's; 5 (no tests collected) also when every check was skipped.
"""

from __future__ import annotations

import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

import pytest

from scaffold.contract import ledger
from scaffold.contract import plan as plans
from scaffold.contract.report import Line, Report

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from scaffold.contract.suite import Bench, Case, Result, Verdict
    from scaffold.contract.targets import Launcher

_SHOWN_OUTPUT_LINES = 30

# Results that pytest does not know: the category, the letter and the word that it shows.
_NAMED = {
    "pending": ("pending", "P", ("PENDING", {"yellow": True})),
    "known": ("known", "K", ("KNOWN", {"yellow": True})),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options."""
    group = parser.getgroup("contract", "contract suite (apifirst-scaffold)")
    group.addoption("--contract-plan", type=Path, metavar="FILE", help="what to start; `scaffold test` writes it")
    group.addoption("--contract-workspace", type=Path, metavar="DIR", default=Path(), help="the workspace's folder")
    group.addoption(
        "--contract-against", type=_target, metavar="TARGET", default="inprocess", help="inprocess, or HOST:PORT"
    )
    group.addoption(
        "--contract-asked", metavar="TEXT", default="", help="what --against had, where the server is gone afterwards"
    )
    group.addoption("--contract-seed", type=int, metavar="N", default=0, help="which examples are drawn (default: 0)")
    group.addoption(
        "--contract-examples",
        type=_positive,
        metavar="N",
        default=plans.DEFAULT_EXAMPLES,
        help=f"how many requests a check draws (default: {plans.DEFAULT_EXAMPLES})",
    )
    group.addoption("--contract-no-pending", action="store_true", help="a handler that is not written is a failure")
    group.addoption("--contract-report", type=Path, metavar="FILE", help="write a summary there, as JSON")


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _target(text: str) -> str:
    """``inprocess`` or HOST:PORT; IPv6 hosts in brackets."""
    host, colon, port = text.rpartition(":")
    if text != "inprocess" and not (host and colon and port.isdigit() and 0 < int(port) < 2**16):
        raise ValueError(text)
    return text


def pytest_configure(config: pytest.Config) -> None:
    """Set the suite up for this session."""
    config.pluginmanager.register(ContractSuite(config), "contract-suite")


class ContractSuite:
    """The suite's part of one pytest session."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._begin = time.monotonic()
        self._bench: Bench | None = None
        target = config.getoption("contract_asked") or config.getoption("contract_against")
        self._report = Report(target, config.getoption("contract_seed"))

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Give a contract module's test one ``check`` for each case."""
        component = getattr(metafunc.module, "COMPONENT", None)
        if metafunc.function.__name__ != "test_contract" or not isinstance(component, str):
            return
        if self._config.getoption("contract_plan") is None:
            metafunc.parametrize("check", [_no_plan(component)], ids=[component])
            return
        cases = self._cases(component)
        metafunc.parametrize("check", [Check(case, self._judge) for case in cases], ids=[case.name for case in cases])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        """Put the verdict into the report's properties: they reach JUnit's file, and come through pytest-xdist."""
        check = _check_of(item)
        if check is not None and check.verdict is not None and call.when == "call":
            item.user_properties += self._properties(check.case, check.verdict)
        report = yield
        if check is not None:
            report.sections = [(title, _end_of(text)) for title, text in report.sections]
        return report

    def pytest_report_teststatus(
        self, report: pytest.TestReport
    ) -> tuple[str, str, tuple[str, dict[str, bool]]] | None:
        """Call what is pending or known by its name."""
        result = _properties_of(report).get("result") if report.when == "call" and report.skipped else None
        return _NAMED.get(result) if result else None

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add a finished test to the summary."""
        properties = _properties_of(report)
        if report.when != "call" or "check" not in properties:
            return
        result = cast("Result", "failed" if report.failed else properties["result"])
        line = Line(
            properties["check"],
            result,
            round(report.duration, 3),
            properties["text"],
            properties["summary"],
            rpc=properties["rpc"],
            check=properties["law"],
            where=properties["where"],
        )
        self._report.add(properties["component"], line)
        self._report.apis[properties["component"]] = properties["api"]

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        """Stop what was started, write the summary, and do not let a suite pass that judged nothing."""
        if self._bench is not None:
            self._bench.close()
        if hasattr(session.config, "workerinput"):  # a worker of pytest-xdist: its controller has the reports
            return
        planned = self._config.getoption("contract_plan") is not None
        if planned and exitstatus == pytest.ExitCode.OK and not self._report.judged:
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED
        self._report.seconds = time.monotonic() - self._begin
        path = self._config.getoption("contract_report")
        if path is not None:
            self._report.write(path)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Name what is not written yet, each handler once, and the failures that are known."""
        pending = dict.fromkeys(line.text for line in self._report.lines("pending"))
        if pending:
            terminalreporter.section("not written yet")
            for text in pending:
                terminalreporter.write_line(f"pending: {text}")
        known = self._report.lines("known")
        if known:
            terminalreporter.section("known failures")
            for line in known:
                terminalreporter.write_line(f"known: {line.text.partition(chr(10))[0]}")

    def _cases(self, component: str) -> tuple[Case, ...]:
        """The cases of a component. Raises UsageError where plan or descriptors cannot be read."""
        from scaffold.contract.schema import SchemaError
        from scaffold.contract.targets import TargetError

        try:
            bench = self._opened()
            if component not in bench.plan.components:
                raise pytest.UsageError(f"{component} is not in {self._config.getoption('contract_plan')}")
            unknown = bench.unknown_checks(component)
            if unknown:
                raise pytest.UsageError(f"{ledger.FILE}: {component} has no check {', '.join(unknown)}")
            return bench.cases(component)
        except (plans.PlanError, SchemaError, TargetError) as error:
            raise pytest.UsageError(str(error)) from None

    def _opened(self) -> Bench:
        """The bench of this session. Hypothesis, gRPC and OpenTelemetry are imported with it, not with the plugin."""
        if self._bench is None:
            from scaffold.contract.suite import Bench

            plan = plans.load(self._config.getoption("contract_plan"))
            workspace = self._config.getoption("contract_workspace").resolve()
            seed, examples = self._config.getoption("contract_seed"), self._config.getoption("contract_examples")
            self._bench = Bench(plan, self._launcher(plan, workspace), workspace, seed, examples)
        return self._bench

    def _launcher(self, plan: plans.Plan, workspace: Path) -> Launcher:
        """What starts components, or finds the one that runs. Raises TargetError where nobody answers."""
        against = self._config.getoption("contract_against")
        if against == "inprocess":
            from scaffold.contract.inprocess import InProcess

            return InProcess(plan, workspace)
        from scaffold.contract.remote import Remote

        remote = Remote(against, self._config.getoption("contract_asked"))
        remote.probe()
        return remote

    def _judge(self, case: Case) -> Verdict:
        """Carry a case out. Pending is a failure where the user wants it to be one."""
        verdict = self._opened().carry_out(case)
        if verdict.result == "pending" and self._config.getoption("contract_no_pending"):
            return replace(verdict, result="failed")
        return verdict

    def _properties(self, case: Case, verdict: Verdict) -> list[tuple[str, object]]:
        bench = self._opened()
        return [
            ("component", case.component),
            ("check", case.name),
            ("result", verdict.result),
            ("text", verdict.text),
            ("summary", verdict.summary),
            ("rpc", case.rpc.label if case.rpc else ""),
            ("law", case.check.name),
            ("where", case.rpc.where if case.rpc else ""),
            ("seed", bench.seed),
            ("target", bench.launcher.label),
            ("api", bench.subject(case.component).schema.digest),
        ]


class Check:
    """What a test gets as ``check``: calling it carries out a case and ends the test accordingly."""

    def __init__(self, case: Case, judge: Callable[[Case], Verdict]) -> None:
        self.case = case
        self.verdict: Verdict | None = None
        self._judge = judge

    def __call__(self) -> None:
        """Pass, fail or skip the test that calls. A failure has no traceback: law and calls are what matters."""
        from scaffold.contract.suite import Verdict

        try:
            self.verdict = self._judge(self.case)
        except Exception as error:
            self.verdict = Verdict("failed", f"{self.case.name}: the check itself has failed: {error!r}")
            raise
        if self.verdict.result == "failed":
            pytest.fail(self.verdict.text, pytrace=False)
        if self.verdict.result != "passed":
            pytest.skip(self.verdict.text)


def _no_plan(component: str) -> Callable[[], None]:
    def check() -> None:
        pytest.skip(f"the contract suite has to know what to start: run `scaffold test {component}`")

    return check


def _check_of(item: pytest.Item) -> Check | None:
    callspec = getattr(item, "callspec", None)
    check = callspec.params.get("check") if callspec is not None else None
    return check if isinstance(check, Check) else None


def _properties_of(report: pytest.TestReport) -> dict[str, str]:
    return {name: str(value) for name, value in report.user_properties}


def _end_of(text: str) -> str:
    """The end of a component's output: shrinking repeats the same failure dozens of times."""
    return "".join(text.splitlines(keepends=True)[-_SHOWN_OUTPUT_LINES:])
