"""Starts a service's process, waits for its health, and stops it with everything that it started.

**No process survives.** Each service leads a session (and so a process group) of its own: Ctrl-C at the terminal
reaches the owner alone, which then stops the services in its own order; and a signal to the group reaches what a
service has started itself. For an owner that dies without stopping anything, SIGKILL included, there is ``watchdog``:
one small process that holds the other end of a pipe, and at its end of file ends every group that is still registered.
That was preferred to ``PR_SET_PDEATHSIG``, which needs code between fork and exec (unsafe once gRPC has threads),
exists on Linux only, fires when the starting *thread* ends, and does not reach grandchildren. What remains open is the
moment between a process's creation and its registration.

Processes are made without ``preexec_fn``, so that CPython uses vfork: no fork handler of gRPC runs, and starting
services is safe while a gRPC server runs here.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import shlex
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from scaffold.core.diagnostics import Diagnostic, ScaffoldError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

HOST = "127.0.0.1"

_KEPT_LINES = 20
_MAX_LINE_BYTES = 64 * 1024
_POLL_SECONDS = 0.02
_CHECK_SECONDS = 1.0


@dataclass(frozen=True)
class Launch:
    """What is to be run. ``env`` is the whole environment of the process: nothing is inherited besides it.

    ``health`` is how readiness is seen: ``grpc`` asks the overall status by the gRPC health checking protocol
    (https://github.com/grpc/grpc/blob/master/doc/health-checking.md), ``tcp`` is content with an accepted connection.
    """

    name: str
    command: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    port: int
    health: Literal["grpc", "tcp"] = "grpc"


def free_port() -> int:
    """A port on loopback that was free a moment ago, never the same one twice from this process."""
    while True:
        with socket.socket() as probe:
            probe.bind((HOST, 0))
            port: int = probe.getsockname()[1]
        if port not in _handed_out:
            _handed_out.add(port)
            return port


_handed_out: set[int] = set()


class ServiceProcess:
    """A process that was started from a ``Launch``. Its methods may be called from any thread.

    ``on_line`` gets the service's name and each line of its output (standard output and standard error together,
    without the line end) in a thread of this object's.

    Raises ScaffoldError ``service-did-not-start`` when the command cannot be run at all.
    """

    def __init__(self, launch: Launch, on_line: Callable[[str, str], None] | None = None) -> None:
        self.launch = launch
        self.name = launch.name
        self.address = f"{HOST}:{launch.port}"
        self._on_line = on_line
        self._tail: deque[str] = deque(maxlen=_KEPT_LINES)
        self._reaping = threading.Lock()
        self._ended = threading.Event()
        try:
            self._process = subprocess.Popen(
                launch.command,
                cwd=launch.cwd,
                env=dict(launch.env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        except OSError as error:
            raise ScaffoldError(_cannot_run(launch, error)) from error
        _watchdog.add(self.pid)
        self._reader = threading.Thread(target=self._read, name=f"{self.name}-output", daemon=True)
        self._reader.start()
        threading.Thread(target=self._reap, name=f"{self.name}-end", daemon=True).start()

    @property
    def pid(self) -> int:
        """The process's id, which is its process group's too."""
        return self._process.pid

    @property
    def alive(self) -> bool:
        """Whether the process still runs."""
        return not self._ended.is_set()

    @property
    def exit_code(self) -> int | None:
        """What the process ended with, ``-N`` for signal N, or None while it runs."""
        return self._process.returncode if self._ended.is_set() else None

    @property
    def last_lines(self) -> tuple[str, ...]:
        """The end of what it has printed."""
        return tuple(self._tail)

    @property
    def ending(self) -> str:
        """How it ended, in words: ``exit status 3``, ``killed by SIGKILL``, or ``still running``."""
        code = self.exit_code
        if code is None:
            return "still running"
        return f"exit status {code}" if code >= 0 else f"killed by {_signal_name(-code)}"

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for the process to end, at most ``timeout`` seconds; return its exit code, or None if it still runs."""
        self._ended.wait(timeout)
        return self.exit_code

    def wait_healthy(self, timeout: float = 30.0) -> None:
        """Wait until the service says that it serves, at most ``timeout`` seconds.

        Raises ScaffoldError ``service-did-not-start`` when it ends first, or takes too long (it is then left running).
        """
        wait_all_healthy((self,), timeout)

    def terminate(self) -> None:
        """Ask the service and what it has started to end (SIGTERM to its process group). Returns at once."""
        self._signal(signal.SIGTERM)

    def stop(self, grace: float = 10.0) -> None:
        """End the service and what it has started: SIGTERM, and SIGKILL after ``grace`` seconds. Waits for the end."""
        stop_all((self,), grace)

    def _kill(self) -> None:
        self._signal(signal.SIGKILL)

    def _settle(self) -> None:
        """Wait for the end and the last lines. Something that escaped the group may hold the pipe: not for long."""
        self._ended.wait()
        self._reader.join(timeout=1.0)

    def _signal(self, number: signal.Signals) -> None:
        # Under the lock the process has not been reaped, so its id cannot belong to somebody else yet.
        with self._reaping:
            if self._ended.is_set():
                return
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, number)

    def _reap(self) -> None:
        """Wait for the end, then end what is left of the group, and only then give up the process's id."""
        if hasattr(os, "waitid"):  # not on macOS before Python 3.13
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        else:
            self._process.wait()
        with self._reaping:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self.pid, signal.SIGKILL)
            self._process.wait()
            self._ended.set()
        _watchdog.done(self.pid)

    def _read(self) -> None:
        """Drain the output for as long as there is any: a pipe that nobody reads would stop the service."""
        stream = self._process.stdout
        assert stream is not None
        report = self._on_line
        with stream:
            while data := stream.readline(_MAX_LINE_BYTES):
                line = data.decode("utf-8", "replace").rstrip("\r\n")
                self._tail.append(line)
                if report is not None:
                    try:
                        report(self.name, line)
                    except Exception:  # e.g. the terminal is gone; the service has to go on regardless
                        report = None


def wait_all_healthy(processes: Iterable[ServiceProcess], timeout: float) -> None:
    """Wait until all of the services say that they serve: they start side by side, and the slowest sets the time.

    Raises ScaffoldError ``service-did-not-start`` as soon as one ends, or when ``timeout`` seconds have gone by.
    Nothing is stopped then: that is for the caller, who knows what else runs.
    """
    answers = dict.fromkeys(processes, "nothing listens")
    deadline = time.monotonic() + timeout
    while answers:
        for process in list(answers):
            if not process.alive:
                raise ScaffoldError(_ended_early(process))
            answer = _ask(process)
            if answer == "SERVING":
                del answers[process]
            else:
                answers[process] = answer
        if answers and time.monotonic() > deadline:
            raise ScaffoldError(*(_too_slow(process, timeout, answer) for process, answer in answers.items()))
        if answers:
            time.sleep(_POLL_SECONDS)


def stop_all(processes: Iterable[ServiceProcess], grace: float) -> None:
    """End services side by side: SIGTERM to all, and after ``grace`` seconds SIGKILL to those that still run."""
    processes = tuple(processes)
    deadline = time.monotonic() + grace
    try:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait(max(0.0, deadline - time.monotonic()))
    finally:  # also when the user has lost patience, and a KeyboardInterrupt ends the wait
        for process in processes:
            process._kill()
        for process in processes:
            process._settle()


def _ask(process: ServiceProcess) -> str:
    """``SERVING``, or in words what stands in the way of it."""
    try:
        socket.create_connection((HOST, process.launch.port), timeout=_CHECK_SECONDS).close()
    except OSError as error:
        return "nothing listens" if isinstance(error, ConnectionRefusedError) else str(error)
    return "SERVING" if process.launch.health == "tcp" else _grpc_health(process.address)


def _grpc_health(address: str) -> str:
    import grpc
    from grpc_health.v1 import health_pb2

    # A proxy from the environment is not for loopback.
    with grpc.insecure_channel(address, options=(("grpc.enable_http_proxy", 0),)) as channel:
        check = channel.unary_unary(
            "/grpc.health.v1.Health/Check",
            request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
            response_deserializer=health_pb2.HealthCheckResponse.FromString,
        )
        try:
            response = check(health_pb2.HealthCheckRequest(), timeout=_CHECK_SECONDS)
        except grpc.RpcError as error:
            assert isinstance(error, grpc.Call)
            return f"its health check answers {error.code().name}"
        status = health_pb2.HealthCheckResponse.ServingStatus.Name(response.status)
        return status if status == "SERVING" else f"its health is {status}"


def _cannot_run(launch: Launch, error: OSError) -> Diagnostic:
    return Diagnostic(
        "service-did-not-start",
        f"{launch.name}: cannot run {shlex.join(launch.command)} in {launch.cwd}: {error.strerror}",
        remedy="folder and program must be there; [python] interpreter in scaffold.toml names the Python to use",
    )


def _ended_early(process: ServiceProcess) -> Diagnostic:
    process._settle()
    return Diagnostic(
        "service-did-not-start",
        f"{process.name} ended before it served ({process.ending}){_quoted(process)}",
        remedy=f"put right what it says; to run it alone: {_by_hand(process.launch)}",
    )


def _too_slow(process: ServiceProcess, timeout: float, answer: str) -> Diagnostic:
    return Diagnostic(
        "service-did-not-start",
        f"{process.name} did not serve within {timeout:g} s: {answer} on {process.address}{_quoted(process)}",
        remedy=f"see what it waits for; to run it alone: {_by_hand(process.launch)}",
    )


def _quoted(process: ServiceProcess) -> str:
    lines = process.last_lines
    if not lines:
        return "; it printed nothing"
    return "; it last printed\n" + "\n".join(f"  | {line}" for line in lines)


def _by_hand(launch: Launch) -> str:
    """The command line that does the same in a shell like ours, but for tracing: whatever received spans is gone then."""
    settings = [
        f"{name}={shlex.quote(value)}"
        for name, value in sorted(launch.env.items())
        if os.environ.get(name) != value and not name.startswith("OTEL_")
    ]
    return " ".join(["cd", shlex.quote(str(launch.cwd)), "&&", *settings, shlex.join(launch.command)])


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:  # a real-time signal
        return f"signal {number}"


class _Watchdog:
    """The one watchdog process of this process, started with the first service."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def add(self, group: int) -> None:
        """Have the group ended if this process dies."""
        with self._lock:
            if self._process is None:
                self._process = subprocess.Popen(
                    [sys.executable, "-I", "-S", str(Path(__file__).with_name("watchdog.py"))],
                    bufsize=0,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.DEVNULL,
                    start_new_session=True,
                    cwd="/",
                )
                atexit.register(self._close)
            self._tell(self._process, f"add {group}\n")

    def done(self, group: int) -> None:
        """Forget the group: it has ended."""
        with self._lock:
            if self._process is not None:
                self._tell(self._process, f"done {group}\n")

    def _tell(self, process: subprocess.Popen[bytes], order: str) -> None:
        assert process.stdin is not None
        # Somebody may have killed the watchdog, or it is closed: services are then stopped in the ordinary way only.
        with contextlib.suppress(BrokenPipeError, ValueError):
            process.stdin.write(order.encode())

    def _close(self) -> None:
        """At exit: let it end what nobody has stopped, and wait for it."""
        with self._lock:
            process = self._process
            assert process is not None and process.stdin is not None
            process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=10.0)


_watchdog = _Watchdog()
