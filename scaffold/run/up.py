"""A workspace's services, running on loopback: started in order, each with the environment it needs, and stopped again.

What is up is written to ``.scaffold/cache/run.json`` for the commands that talk to it, and only while it is up. A lock
that the system takes back when this process dies keeps a second ``up`` of the same workspace away.
"""

from __future__ import annotations

import fcntl
import json
import os
import signal
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, NoReturn, Self

from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError
from scaffold.core.naming import environment, spellings
from scaffold.run import require_extra, spans
from scaffold.shell.services import HOST, Launch, ServiceProcess, free_port, stop_all, wait_all_healthy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from types import FrameType, TracebackType

    from scaffold.run.receiver import Receiver

    _Handler = Callable[[int, FrameType | None], object] | int | None

FILE = Path(".scaffold/cache/run.json")
DATA = Path(".data")

_LOCK = Path(".scaffold/cache/run.lock")
_POLL_SECONDS = 0.1
_ENDING_SIGNALS = (signal.SIGTERM, signal.SIGHUP)


@dataclass(frozen=True)
class Launchable:
    """A component or a vendor's stand-in, as far as starting it is concerned.

    A component has an import ``package`` under ``src``; it is run as ``python -m PACKAGE --dev``. ``uses`` and
    ``vendors`` are the names of what it calls. A vendor has a ``command`` (the first word ``python`` means the
    services' interpreter), or none if there is no stand-in for it, and ``env_names``: the variables that its clients
    read.
    """

    name: str
    kind: Literal["store", "process", "vendor"]
    package: str = ""
    src: Path = Path()
    uses: tuple[str, ...] = ()
    vendors: tuple[str, ...] = ()
    command: tuple[str, ...] = ()
    env_names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Endpoint:
    """Where something that is up can be reached: ``address`` is ``HOST:PORT``."""

    address: str
    pid: int
    kind: str


@dataclass(frozen=True)
class Running:
    """What ``run.json`` says. ``started`` is RFC 3339, UTC; ``receiver`` an address, empty where none runs."""

    pid: int
    started: str
    receiver: str
    components: Mapping[str, Endpoint]
    vendors: Mapping[str, Endpoint] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """How ``Session.wait`` ended: 0 when the user ended it, 1 when a service died, with a diagnostic for each."""

    exit_code: int
    diagnostics: tuple[Diagnostic, ...] = ()


def running(root: Path) -> Running | None:
    """What is up in the workspace at ``root``, or None. What a killed process has left behind counts for nothing."""
    try:
        found = json.loads((root / FILE).read_bytes())
        record = Running(
            pid=found["pid"],
            started=found["started"],
            receiver=found["receiver"],
            components={name: Endpoint(**endpoint) for name, endpoint in found["components"].items()},
            vendors={name: Endpoint(**endpoint) for name, endpoint in found.get("vendors", {}).items()},
        )
        os.kill(record.pid, 0)
    except PermissionError:  # it is there, and another user's
        return record
    except (OSError, ValueError, TypeError, KeyError, AttributeError, OverflowError):
        return None
    return record


def start_all(
    plan: Sequence[Launchable],
    *,
    root: Path,
    on_line: Callable[[str, str], None] | None = None,
    receiver: bool = True,
    interpreter: str = sys.executable,
    data: Path = DATA,
    environ: Mapping[str, str] | None = None,
    timeout: float = 30.0,
) -> Session:
    """Start everything in the plan; return when all of it serves.

    Vendors' stand-ins and the components that use nothing start first and side by side, then those whose ``uses`` are
    up, and so on. ``on_line`` gets each line of output with the name of who printed it, in threads of this module's.
    ``root`` is the workspace, ``data`` the folder of the stores' SQLite files (relative to the workspace), ``environ``
    what the services inherit (this process's environment by default) and ``timeout`` the seconds that each wave has.

    What a component gets: ``PORT`` and ``HOST``; ``<USED>_ADDRESS`` of what it uses; ``<VENDOR>_URL``, and for the
    other variables of its vendors that are not set the value ``dev``; ``<NAME>_DATABASE_URL`` where it is a store,
    unless it is set; and, with a receiver, the variables that send its spans there in place of where they went. A
    vendor with a stand-in is never reached itself, whatever its variable says: developing must not charge anybody's
    card.

    From here to ``Session.stop``, in the main thread, SIGTERM and SIGHUP raise KeyboardInterrupt as Ctrl-C does: so that
    whoever ends this process in one of the ordinary ways ends the services in order.

    Raises ScaffoldError ``extra-missing``, ``already-up``, ``address-missing`` (something outside the plan is used),
    ``dependency-cycle``, ``cannot-be-written`` or ``service-did-not-start``. Whatever had been started is stopped again.
    """
    require_extra()
    root = root.resolve()
    waves = _waves(plan)
    environments = _Environments(plan, root / data, os.environ if environ is None else environ)
    ScaffoldError.raise_if(environments.problems())
    session = Session(root, _lock(root))
    try:
        if receiver:
            environments.receiver = session._receive()
        if any(item.kind == "store" for item in plan):
            with _writing(root, data):
                (root / data).mkdir(parents=True, exist_ok=True)
        for wave in waves:
            session._start(wave, [_launch(item, root, interpreter, environments) for item in wave], on_line, timeout)
        session._record()
    except BaseException:
        session.stop()
        raise
    return session


class Session:
    """Services that are up. As a context manager it stops them at the end; made by ``start_all``."""

    def __init__(self, root: Path, lock: IO[str]) -> None:
        self.root = root
        self.spans_file = root / spans.FILE
        self._lock = lock
        self._handlers = _interrupting()
        self._receiver: Receiver | None = None
        self._waves: list[list[ServiceProcess]] = []
        self._kinds: dict[str, str] = {}
        self._started = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        self._stopped = False

    @property
    def processes(self) -> tuple[ServiceProcess, ...]:
        """Everything that was started, in that order."""
        return tuple(process for wave in self._waves for process in wave)

    @property
    def running(self) -> Running:
        """What is up and where."""
        endpoints = {p.name: Endpoint(p.address, p.pid, self._kinds[p.name]) for p in self.processes}
        return Running(
            pid=os.getpid(),
            started=self._started,
            receiver=self._receiver.address if self._receiver else "",
            components={name: end for name, end in endpoints.items() if end.kind != "vendor"},
            vendors={name: end for name, end in endpoints.items() if end.kind == "vendor"},
        )

    def wait(self) -> Outcome:
        """Wait until the user ends it (Ctrl-C, SIGTERM, a closed terminal) or until a service dies. Stops nothing."""
        try:
            while not (dead := [process for process in self.processes if not process.alive]):
                time.sleep(_POLL_SECONDS)
        except KeyboardInterrupt:
            return Outcome(0)
        return Outcome(1, tuple(_died(process) for process in dead))

    def stop(self, grace: float = 10.0) -> None:
        """Stop everything, last started first; what has not gone after ``grace`` seconds a wave is killed.

        A KeyboardInterrupt during it takes the grace away, and is not raised again: everything is stopped then.
        """
        if self._stopped:
            return
        self._stopped = True
        try:
            # First of all, so that nobody is sent to a service that is about to go.
            (self.root / FILE).unlink(missing_ok=True)
            for wave in reversed(self._waves):
                try:
                    stop_all(wave, grace)
                except KeyboardInterrupt:
                    grace = 0.0
            if self._receiver is not None:
                self._receiver.stop()
        finally:
            self._lock.close()
            _restore(self._handlers)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _receive(self) -> str:
        from scaffold.run.receiver import Receiver

        with _writing(self.root, spans.FILE):
            self._receiver = Receiver(self.spans_file)
        return self._receiver.address

    def _start(
        self,
        wave: Sequence[Launchable],
        launches: Sequence[Launch],
        on_line: Callable[[str, str], None] | None,
        timeout: float,
    ) -> None:
        started: list[ServiceProcess] = []
        self._waves.append(started)
        self._kinds.update((item.name, item.kind) for item in wave)
        for launch in launches:
            started.append(ServiceProcess(launch, on_line))
        wait_all_healthy(started, timeout)

    def _record(self) -> None:
        path = self.root / FILE
        new = path.with_name(f"{path.name}.{os.getpid()}")
        with _writing(self.root, FILE):
            path.parent.mkdir(parents=True, exist_ok=True)
            new.write_text(json.dumps(asdict(self.running), indent=2) + "\n", encoding="utf-8")
            new.replace(path)


def _waves(plan: Sequence[Launchable]) -> list[list[Launchable]]:
    """The plan, cut into groups that may start together: each uses only what is in earlier ones, or not in the plan."""
    rest = [item for item in plan if item.kind != "vendor" or item.command]
    names = {item.name for item in rest if item.kind != "vendor"}
    up: set[str] = set()
    waves: list[list[Launchable]] = []
    while rest:
        wave = [item for item in rest if all(used in up or used not in names for used in item.uses)]
        if not wave:
            circle = ", ".join(item.name for item in rest)
            raise ScaffoldError(
                Diagnostic(
                    "dependency-cycle",
                    f"none of these can be started first, because they use one another: {circle}",
                    remedy="take a name out of one `uses` in scaffold.toml",
                )
            )
        waves.append(wave)
        up.update(item.name for item in wave)
        rest = [item for item in rest if item not in wave]
    return waves


class _Environments:
    """The environment of each member of the plan. Ports are chosen at once, so that everybody can be told."""

    def __init__(self, plan: Sequence[Launchable], data: Path, environ: Mapping[str, str]) -> None:
        self.plan = plan
        self.data = data
        self.environ = environ
        self.receiver = ""
        self.components = {item.name: item for item in plan if item.kind != "vendor"}
        self.vendors = {item.name: item for item in plan if item.kind == "vendor"}
        self.ports = {(item.kind == "vendor", item.name): free_port() for item in plan}

    def port(self, item: Launchable) -> int:
        return self.ports[item.kind == "vendor", item.name]

    def problems(self) -> Iterator[Diagnostic]:
        """What would have to be found outside the plan and is not named in the environment."""
        for item in self.components.values():
            for used in item.uses:
                if used not in self.components and not self._given(item, f"{environment(used)}_ADDRESS"):
                    address = f"{environment(used)}_ADDRESS"
                    yield _missing(item, used, address, f"set {address} to where it runs, HOST:PORT")
            for vendor in item.vendors:
                stand_in = self.vendors.get(vendor)
                if not (stand_in and stand_in.command) and not self._given(item, f"{environment(vendor)}_URL"):
                    url = f"{environment(vendor)}_URL"
                    yield _missing(item, vendor, url, f"set {url}, or give [vendors.{vendor}] a stand-in, `dev`")

    def of(self, item: Launchable) -> dict[str, str]:
        """Everything that the process gets."""
        own = self._of_vendor(item) if item.kind == "vendor" else self._of_component(item)
        hidden = {name for variable in own for name in spellings(item.name, variable)}
        if self.receiver:
            hidden |= {name for name in self.environ if name.startswith("OTEL_EXPORTER_OTLP_")}
        inherited = {name: value for name, value in self.environ.items() if name not in hidden}
        return inherited | own

    def _of_vendor(self, item: Launchable) -> dict[str, str]:
        return {"PORT": str(self.port(item)), "HOST": HOST, "PYTHONUNBUFFERED": "1"}

    def _of_component(self, item: Launchable) -> dict[str, str]:
        own = {
            "PORT": str(self.port(item)),
            "HOST": HOST,
            "PYTHONPATH": os.pathsep.join(filter(None, (str(item.src), self.environ.get("PYTHONPATH", "")))),
            "PYTHONUNBUFFERED": "1",
        }
        # gRPC and httpx would go through a proxy to loopback as well; gRPC reads the lower-case name only.
        for name in ("no_proxy", "NO_PROXY"):
            own[name] = ",".join(filter(None, (self.environ.get(name, ""), HOST, "localhost")))
        for used in item.uses:
            if used in self.components:
                own[f"{environment(used)}_ADDRESS"] = f"{HOST}:{self.port(self.components[used])}"
        for vendor in item.vendors:
            own |= self._for_vendor(item, vendor)
        database = f"{environment(item.name)}_DATABASE_URL"
        if item.kind == "store" and not self._given(item, database):
            own[database] = f"sqlite:///{self.data / item.name}.db"
        return own | self._tracing(item)

    def _for_vendor(self, item: Launchable, vendor: str) -> dict[str, str]:
        stand_in = self.vendors.get(vendor)
        url = f"{environment(vendor)}_URL"
        own = {
            name: "dev"
            for name in (stand_in.env_names if stand_in else ())
            if name != url and not self._given(item, name)
        }
        if stand_in and stand_in.command:
            own[url] = f"http://{HOST}:{self.port(stand_in)}"
        return own

    def _tracing(self, item: Launchable) -> dict[str, str]:
        if not self.receiver:
            return {}
        defaults = {
            "OTEL_METRICS_EXPORTER": "none",  # the receiver takes traces only
            "OTEL_LOGS_EXPORTER": "none",
        }
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{self.receiver}",
            "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc",
            "OTEL_EXPORTER_OTLP_INSECURE": "true",
            "OTEL_SERVICE_NAME": item.name,
        } | {name: value for name, value in defaults.items() if name not in self.environ}

    def _given(self, item: Launchable, variable: str) -> bool:
        return any(self.environ.get(name) for name in spellings(item.name, variable))


def _launch(item: Launchable, root: Path, interpreter: str, environments: _Environments) -> Launch:
    if item.kind == "vendor":
        first, *others = item.command
        command = (interpreter if first == "python" else first, *others)
        return Launch(item.name, command, root, environments.of(item), environments.port(item), health="tcp")
    command = (interpreter, "-m", item.package, "--dev")
    return Launch(item.name, command, item.src.parent, environments.of(item), environments.port(item))


def _lock(root: Path) -> IO[str]:
    """Take the workspace's lock: it is held until the file is closed, at the latest by the end of this process."""
    path = root / _LOCK
    with _writing(root, _LOCK):
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise ScaffoldError(_already_up(root)) from None
    return file


@contextmanager
def _writing(root: Path, path: Path) -> Iterator[None]:
    """What a disk refuses is the user's to put right: the folder's modes, or the room that is left."""
    try:
        yield
    except OSError as error:
        refused = Path(error.filename) if error.filename else root / path
        raise ScaffoldError(
            Diagnostic(
                "cannot-be-written",
                (error.strerror or str(error)).lower(),
                Location(str(refused.relative_to(root) if refused.is_relative_to(root) else refused)),
                "`up` keeps there what it knows of what runs: see that you may write there, and that the disk is not full",
            )
        ) from error


def _interrupting() -> dict[signal.Signals, _Handler]:
    """Have the signals that ask a process to end raise KeyboardInterrupt, where this thread may; gives what was before."""

    def interrupt(number: int, frame: FrameType | None) -> NoReturn:
        raise KeyboardInterrupt

    if threading.current_thread() is not threading.main_thread():
        return {}
    return {number: signal.signal(number, interrupt) for number in _ENDING_SIGNALS}


def _restore(handlers: Mapping[signal.Signals, _Handler]) -> None:
    if threading.current_thread() is threading.main_thread():
        for number, handler in handlers.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)  # None: it was not set from Python


def _already_up(root: Path) -> Diagnostic:
    record = running(root)
    who = f" (process {record.pid}, since {record.started})" if record else ", or about to be"
    return Diagnostic(
        "already-up",
        f"the services of this workspace are up already{who}",
        remedy="`scaffold call` and `scaffold trace` work with those; end them with Ctrl-C where they were started"
        + (f", or with `kill {record.pid}`" if record else ""),
    )


def _missing(item: Launchable, used: str, variable: str, remedy: str) -> Diagnostic:
    return Diagnostic(
        "address-missing",
        f"{item.name} uses {used}, which is not started here, and {variable} is not set",
        remedy=remedy,
    )


def _died(process: ServiceProcess) -> Diagnostic:
    said = "".join(f"\n  | {line}" for line in process.last_lines[-5:])
    return Diagnostic(
        "service-died",
        f"{process.name} ended by itself ({process.ending})" + (f"; it last printed{said}" if said else ""),
        remedy="put right what it says, then start again; the other services were stopped",
    )
