"""`scaffold test`: the contract suites, by pytest, in a process of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scaffold.contract import faults, junit, ledger
from scaffold.contract import plan as contract_plan
from scaffold.core import naming
from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError
from scaffold.shell import extras
from scaffold.shell.services import Launch, ServiceProcess, free_port
from scaffold.verbs.check import unknown_layer
from scaffold.verbs.generate import compile_api, open_workspace, services_in
from scaffold.verbs.run import select

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from scaffold.core.settings import Adapter, Settings, Unit
    from scaffold.shell.workspace import Workspace

_RESULTS, _BETWEEN_RESULTS = ".FEKPsxX", " []%0123456789\n"
_START_SECONDS = 60.0

# What `--against` calls a component's anti-corruption layer.
LAYER = "acl"
_NEEDED = ("pytest", "hypothesis", "grpc", "sqlalchemy", "pydantic_settings", "opentelemetry.sdk", "httpx")


@dataclass(frozen=True)
class Tally:
    """What came of one component's suite."""

    component: str
    passed: int
    failed: int
    pending: int
    skipped: int
    known: int = 0


@dataclass(frozen=True)
class Tested:
    """pytest's exit code, the tallies, and what it printed where that was asked for.

    ``broken`` are the failures, each at the line of the proto that declares its RPC; ``printed`` is what the layer's process
    said last where there are some: nobody else sees it.
    """

    exit_code: int
    tallies: tuple[Tally, ...]
    seconds: float
    output: str = ""
    broken: tuple[Diagnostic, ...] = ()
    undecided: tuple[str, ...] = ()
    printed: tuple[str, ...] = ()


def require_extra() -> None:
    """Make sure that what the suites need is installed; raises ScaffoldError ``extra-missing`` if it is not."""
    extras.require("test", "the contract suite needs", _NEEDED)


def test(
    start: Path,
    names: Sequence[str] = (),
    arguments: Sequence[str] = (),
    *,
    no_pending: bool = False,
    against: str = "",
    metadata: Sequence[tuple[str, str]] = (),
    junit_file: Path | None = None,
    progress: Callable[[int], None] | None = None,
) -> Tested:
    """Run the suites of the named components, or of all. ``arguments`` go to pytest. Raises ScaffoldError.

    ``against`` is HOST:PORT of a component that is running; by default they are started here. ``acl`` is the monolith, as
    the component's anti-corruption layer serves it, ``acl:HOST:PORT`` a running service behind the layer's port.
    ``metadata`` are headers of every call. ``junit_file`` is written where pytest ran. With ``progress`` nothing is
    printed: it is told the number of checks that have been carried out.
    """
    workspace, settings = open_workspace(start)
    require_extra()
    if junit_file is not None and not junit_file.parent.is_dir():
        raise ScaffoldError(
            _no_report(junit_file, "no such file or directory")
        )  # said before the suites run, not after
    if against == LAYER or against.startswith(f"{LAYER}:"):
        run = _Run(workspace, contract_plan.Plan({}), arguments, no_pending, against, junit_file, progress)
        return _against_layer(start, names, run, metadata)
    chosen = select(settings, names)
    if against and len(chosen) != 1:
        raise ScaffoldError(
            Diagnostic(
                "which-component",
                f"{against} is one component, and {len(chosen)} are to be tested",
                None,
                f"scaffold test NAME --against {against}",
            )
        )
    units = {unit.name: unit for unit in settings.components()}
    undecided = {name: why for name in chosen if (why := _undecided(units[name], units))}
    files = [f"{units[name].path}/tests/contract/test_contract.py" for name in chosen if name not in undecided]
    ScaffoldError.raise_if(
        Diagnostic("not-generated", "the contract suite is not there", Location(f), "run `scaffold regen`")
        for f in files
        if not workspace.exists(f)
    )
    if against:
        _answers(against)
    if not files and undecided:
        return Tested(0, (), 0.0, undecided=tuple(undecided.values()))
    if not files:
        raise ScaffoldError(
            Diagnostic(
                "nothing-to-test", "there is no component yet", Location("scaffold.toml"), "scaffold new store NAME"
            )
        )
    planned = with_metadata(plan_for(workspace, settings), metadata)
    run = _Run(workspace, planned, arguments, no_pending, against, junit_file, progress)
    return replace(run.carry_out(files), undecided=tuple(undecided.values()))


@dataclass(frozen=True)
class _Run:
    """Suites that are to be run: by which plan, against whom, and who follows."""

    workspace: Workspace
    plan: contract_plan.Plan
    arguments: Sequence[str]
    no_pending: bool
    against: str
    junit_file: Path | None
    progress: Callable[[int], None] | None
    asked: str = ""

    def carry_out(self, files: Sequence[str]) -> Tested:
        """Run the suites in these files."""
        with tempfile.TemporaryDirectory(prefix="scaffold-") as temporary:
            plan, report = Path(temporary, "plan.json"), Path(temporary, "report.json")
            plan.write_text(self.plan.dumps(), encoding="utf-8")
            command = _command(self.workspace.root, plan, report)
            command += ["--contract-no-pending"] * self.no_pending
            command += ["--contract-against", self.against] if self.against else []
            command += ["--contract-asked", self.asked] if self.asked else []
            code, output = _run([*command, *files, *self.arguments], self.workspace.root, self.progress)
            return _tested(code, report, output, self.junit_file)


def _against_layer(start: Path, names: Sequence[str], run: _Run, metadata: Sequence[tuple[str, str]]) -> Tested:
    """Run the suite of a component against its anti-corruption layer: the monolith, or a service behind the port."""
    settings = open_workspace(start)[1]
    adapter = _layer(settings, names, run.against)
    file = f"{adapter.path}/tests/contract/test_contract.py"
    if not run.workspace.exists(file):
        raise ScaffoldError(
            Diagnostic("not-generated", "the contract suite is not there", Location(file), "run `scaffold regen`")
        )
    own = contract_plan.Component(
        kind="store",
        package=adapter.package,
        src=adapter.source,
        metadata=dict.fromkeys(settings.metadata.require, "contract"),
        places=_places(run.workspace, settings, (adapter,)),
    )
    plan = contract_plan.Plan({adapter.name: own}, known_failures(run.workspace, (adapter.name,)))
    service = run.against.partition(":")[2]
    process = ServiceProcess(_launch(run.workspace, adapter, service))
    try:
        process.wait_healthy(_START_SECONDS)
        run = replace(run, plan=with_metadata(plan, metadata), against=process.address, asked=run.against)
        tested = run.carry_out([file])
        return replace(tested, printed=process.last_lines if tested.broken else ())
    finally:
        process.stop()


def _layer(settings: Settings, names: Sequence[str], against: str) -> Adapter:
    """The one layer that is meant. Raises ScaffoldError."""
    adapters = {adapter.name: adapter for adapter in settings.adapters()}
    chosen = list(dict.fromkeys(names)) or list(adapters)
    if len(chosen) != 1:
        raise ScaffoldError(
            Diagnostic(
                "which-component",
                f"{against} is one layer, and {len(chosen)} could be meant",
                None,
                f"scaffold test NAME --against {against}",
            )
        )
    if chosen[0] not in adapters:
        raise ScaffoldError(unknown_layer(chosen[0], adapters))
    return adapters[chosen[0]]


def _launch(workspace: Workspace, adapter: Adapter, service: str) -> Launch:
    """The monolith's own command; or, with a service's address, a process in which the port calls that."""
    port = free_port()
    if not service:
        if not adapter.serve:
            raise ScaffoldError(
                Diagnostic(
                    "layer-not-served",
                    f"[acls.{adapter.name}] does not say how the monolith serves the API",
                    Location("scaffold.toml"),
                    'write serve = ["PYTHON", "manage.py", …], a command that takes --port; or start it, and give its '
                    "HOST:PORT to --against",
                )
            )
        return Launch(adapter.name, (*adapter.serve, "--port", str(port)), workspace.root, os.environ, port)
    source = str((workspace.root / adapter.source).resolve())
    environment = {**os.environ, "PYTHONPATH": source, f"{naming.environment(adapter.name)}_ADDRESS": service}
    command = (sys.executable, "-m", f"{adapter.package}.gen.through", "--port", str(port))
    return Launch(adapter.name, command, workspace.root, environment, port)


@dataclass(frozen=True)
class Planted:
    """A fault that was planted, and the check that saw it; empty where none did."""

    fault: str
    caught_by: str


def planted(start: Path, name: str) -> tuple[Planted, ...]:
    """Plant faults in copies of a store, one each, and run its suite on every copy, as far as its first failure.

    The copies are in a temporary folder; the component itself is not touched. Raises ScaffoldError.
    """
    workspace, settings = open_workspace(start)
    plan = plan_for(workspace, settings)
    component = plan.components[name]
    unit = next(unit for unit in settings.components() if unit.name == name)
    with tempfile.TemporaryDirectory(prefix="scaffold-") as temporary, ExitStack() as stack:
        runs = []
        for number, fault in enumerate(faults.FAULTS):
            folder = Path(temporary, str(number))
            faults.plant(fault, workspace.root / component.src, component.package, folder / "src")
            changed = contract_plan.Plan({**plan.components, name: replace(component, src=str(folder / "src"))})
            (folder / "plan.json").write_text(changed.dumps(), encoding="utf-8")
            command = _command(workspace.root, folder / "plan.json", folder / "report.json")
            command += ["-x", f"{unit.path}/tests/contract/test_contract.py"]
            process = subprocess.Popen(
                command, cwd=workspace.root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            stack.callback(process.wait)
            stack.callback(process.terminate)  # where somebody interrupts; one that has ended is left alone
            runs.append((fault, folder, process))
        for _, _, process in runs:
            process.wait()
        return tuple(Planted(fault.name, _first_failure(folder / "report.json")) for fault, folder, _ in runs)


def _first_failure(report: Path) -> str:
    """The check that failed first; empty where none did."""
    try:
        tables = json.loads(report.read_text(encoding="utf-8"))["components"].values()
    except (OSError, ValueError):
        return ""
    lines = (line for table in tables for line in table["checks"] if line["result"] == "failed")
    return next((str(line["name"]) for line in lines), "")


def _command(root: Path, plan: Path, report: Path) -> list[str]:
    """The command that runs suites by a plan; files to run, and options, are added to it."""
    command = [sys.executable, "-m", "pytest", "-p", "scaffold.contract.plugin", "-p", "no:cacheprovider"]
    command += ["--rootdir", str(root), "-c", os.devnull, "--import-mode=importlib"]
    command += ["--contract-plan", str(plan), "--contract-workspace", str(root)]
    return [*command, "--contract-report", str(report), "-q"]


def _answers(address: str) -> None:
    """Make sure that somebody answers there. Raises ScaffoldError."""
    from scaffold.contract.remote import Remote
    from scaffold.contract.targets import TargetError

    try:
        Remote(address).probe()
    except TargetError as error:
        raise ScaffoldError(
            Diagnostic("nobody-answers", str(error), None, "start it there first; `python -m PACKAGE --dev`, say")
        ) from None


def _undecided(unit: Unit, units: Mapping[str, Unit], by: Unit | None = None) -> str:
    """Why a component cannot be tested: it uses, perhaps through another, what is external and has no address here."""
    for used in (units[name] for name in unit.uses):
        if not used.external:
            why = _undecided(used, units, by or unit)
            if why:
                return why
            continue
        variable = f"{naming.environment(used.name)}_ADDRESS"
        spellings = [
            f"{prefix}{variable}{end}" for prefix in ("", f"{naming.environment(unit.name)}_") for end in ("", "_FILE")
        ]
        if not any(os.environ.get(name) for name in spellings):
            whom = f"it uses {unit.name}, which uses" if by else "it uses"
            return f"{(by or unit).name}: {whom} {used.name}, which is external, and {variable} is not set"
    return ""


def _run(command: Sequence[str], folder: Path, progress: Callable[[int], None] | None) -> tuple[int, str]:
    """Run pytest; its exit code, and what it printed where somebody follows the progress."""
    if progress is None:
        return subprocess.run(command, cwd=folder, check=False).returncode, ""
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None  # it is a pipe
        output, done = [], 0
        # pytest -q prints a letter for each result, and words only after the last.
        while (letter := process.stdout.read(1)) and letter in _RESULTS + _BETWEEN_RESULTS:
            output.append(letter)
            if letter in _RESULTS:
                progress(done := done + 1)
        output += [letter, process.stdout.read()]
    return process.returncode, "".join(output)


def plan_for(workspace: Workspace, settings: Settings) -> contract_plan.Plan:
    """What the engine has to know about the workspace."""
    interpreter = sys.executable
    units = settings.own()
    places = _places(workspace, settings, units)
    components = {}
    for unit in units:
        vendors = {}
        for name in unit.vendors:
            table = settings.vendors[name]
            command = tuple(interpreter if i == 0 and w == "python" else w for i, w in enumerate(table.dev or ()))
            vendors[name] = contract_plan.Vendor(command, tuple(table.env))
        metadata = dict.fromkeys(settings.metadata.require, "contract")
        components[unit.name] = contract_plan.Component(
            kind=unit.kind,
            package=unit.package,
            src=unit.source,
            uses=unit.uses,
            vendors=vendors,
            metadata=metadata,
            places=places,
        )
    return contract_plan.Plan(components, known_failures(workspace, components))


def with_metadata(plan: contract_plan.Plan, metadata: Sequence[tuple[str, str]]) -> contract_plan.Plan:
    """The plan with more headers in every call."""
    components = {n: replace(c, metadata={**c.metadata, **dict(metadata)}) for n, c in plan.components.items()}
    return replace(plan, components=components)


def known_failures(workspace: Workspace, components: Collection[str]) -> tuple[ledger.Known, ...]:
    """The workspace's ledger; nothing where there is none. Raises ScaffoldError with every mistake in it."""
    path = workspace.root / ledger.FILE
    if not path.is_file():
        return ()
    try:
        entries = ledger.parse(path.read_text(encoding="utf-8"))
        problems = tuple(
            f'there is no component "{entry.component}"' for entry in entries if entry.component not in components
        )
    except ledger.LedgerError as error:
        problems = error.problems
    except UnicodeDecodeError:
        problems = ("it is not UTF-8 text",)
    ScaffoldError.raise_if(
        Diagnostic("known-failures", problem, Location(ledger.FILE), "mend the entry, or take it out")
        for problem in problems
    )
    return entries


def _places(workspace: Workspace, settings: Settings, units: Sequence[Unit | Adapter]) -> dict[str, str]:
    """Where each RPC is declared, for failures to point at; nowhere where the protos do not compile at the moment."""
    roots = workspace.roots(settings.protos.roots)
    try:
        api, _ = compile_api(roots, [p for unit in units for p in unit.protos])
    except ScaffoldError:
        return {}
    places = {}
    for unit in units:
        for name in unit.services or services_in(unit.protos, api):
            for method in api.service_by_name[name].methods if name in api.service_by_name else ():
                root = next((written for written, folder in roots if (folder / method.where.path).is_file()), "")
                path = f"{root}/{method.where.path}" if root not in ("", ".") else method.where.path
                places[method.full_name] = f"{path}:{method.where.line}"
    return places


def _tested(exit_code: int, report: Path, output: str, junit_file: Path | None) -> Tested:
    """Pytest's exit codes as ours: 1 and 5 (nothing was judged) are findings, the others are failures to run."""
    code = {0: 0, 1: 1, 5: 1, 130: 130}.get(exit_code, 2)
    try:
        found = json.loads(report.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return Tested(code, (), 0.0, output)
    tallies = tuple(
        Tally(name, *(int(table[result]) for result in ("passed", "failed", "pending", "skipped", "known")))
        for name, table in found["components"].items()
    )
    if junit_file is not None:
        try:
            junit_file.write_bytes(junit.dumps(found))
        except OSError as error:
            raise ScaffoldError(_no_report(junit_file, error.strerror or str(error))) from error
    return Tested(code, tallies, float(found["seconds"]), output, _broken(found))


def _no_report(file: Path, reason: str) -> Diagnostic:
    """A report cannot be written where it is wanted."""
    return Diagnostic(
        "cannot-be-written",
        reason.lower(),
        Location(str(file)),
        "name a file in a folder that is there, and that you may write in",
    )


def _broken(report: Mapping[str, Any]) -> tuple[Diagnostic, ...]:
    """The failures of a report, for annotations."""
    failures = [
        (name, line)
        for name, table in report["components"].items()
        for line in table["checks"]
        if line["result"] == "failed"
    ]
    against = "" if report["target"] == "inprocess" else f" --against {report['target']}"
    return tuple(
        Diagnostic(
            "contract-broken",
            f"{line['name']}: {line['summary'] or line['text']}",
            _place(line["where"]),
            f"scaffold test {name}{against} -- -k {line['name']} --contract-seed {report['seed']}",
        )
        for name, line in failures
    )


def _place(where: str) -> Location | None:
    path, _, line = where.rpartition(":")
    return Location(path, int(line)) if path and line.isdigit() else None
