"""Real processes, small ones: started, awaited, stopped, and killed behind their owner's back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import pytest

from scaffold.core.diagnostics import ScaffoldError
from scaffold.shell.services import Launch, ServiceProcess, free_port, stop_all, wait_all_healthy

REPOSITORY = Path(__file__).parents[3]

GRPC_SERVICE = """
    import os, signal, sys, threading, time
    from concurrent.futures import ThreadPoolExecutor
    import grpc
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc

    servicer = health.HealthServicer()
    servicer.set("", health_pb2.HealthCheckResponse.NOT_SERVING)
    server = grpc.server(ThreadPoolExecutor(2))
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    server.add_insecure_port(f"127.0.0.1:{os.environ['PORT']}")
    server.start()
    print("listening", flush=True)
    if "--never" not in sys.argv:
        time.sleep(0.2)
        servicer.set("", health_pb2.HealthCheckResponse.SERVING)
        print("serving", flush=True)
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: ended.set())
    while not ended.wait(0.05):
        pass
    print("drained", flush=True)
"""

# Starts a process of its own, tells both ids, and ignores SIGTERM, and so does the other.
STUBBORN = """
    import os, signal, subprocess, sys, time
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    other = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    print(os.getpid(), other.pid, flush=True)
    if "--leave" in sys.argv:
        sys.exit(0)
    time.sleep(60)
"""


def launch(tmp_path: Path, source: str, *words: str, health: str = "grpc", port: int | None = None) -> Launch:
    script = tmp_path / "service.py"
    script.write_text(textwrap.dedent(source))
    port = free_port() if port is None else port
    return Launch(
        name="catalog",
        command=(sys.executable, str(script), *words),
        cwd=tmp_path,
        env={**os.environ, "PORT": str(port)},
        port=port,
        health="tcp" if health == "tcp" else "grpc",
    )


def gone(pid: int, within: float = 8.0) -> bool:
    """Whether the process has ended: what is left of one that nobody has waited for does not count."""
    deadline = time.monotonic() + within
    while time.monotonic() < deadline:
        try:
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return True
            os.kill(pid, 0)
        except (ProcessLookupError, FileNotFoundError):
            return True
        time.sleep(0.02)
    return False


def eventually(lines: list[str], count: int) -> list[str]:
    deadline = time.monotonic() + 10
    while len(lines) < count and time.monotonic() < deadline:
        time.sleep(0.01)
    assert len(lines) >= count, lines
    return lines


def test_health_is_awaited_and_the_service_drains(tmp_path: Path) -> None:
    lines: list[tuple[str, str]] = []
    process = ServiceProcess(launch(tmp_path, GRPC_SERVICE), lambda name, line: lines.append((name, line)))
    try:
        process.wait_healthy(20)
        assert ("catalog", "serving") in lines  # not merely listening
        assert process.alive
        assert process.exit_code is None
        assert process.address.startswith("127.0.0.1:")
    finally:
        process.stop(5)
    assert not process.alive
    assert process.exit_code == 0
    assert lines[-1] == ("catalog", "drained")
    process.stop(5)  # again: nothing to do


def test_a_service_that_never_serves_is_said_to(tmp_path: Path) -> None:
    process = ServiceProcess(launch(tmp_path, GRPC_SERVICE, "--never"))
    try:
        with pytest.raises(ScaffoldError) as caught:
            process.wait_healthy(3)
        assert process.alive  # stopping it is for whoever knows what else runs
    finally:
        process.stop(5)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.slug == "service-did-not-start"
    assert "catalog did not serve within 3 s" in diagnostic.message
    assert "NOT_SERVING" in diagnostic.message
    assert "| listening" in diagnostic.message
    assert "PORT=" in diagnostic.remedy


def test_a_service_that_dies_shows_its_last_lines(tmp_path: Path) -> None:
    source = """
        import sys
        for number in range(100):
            print("line", number)
        sys.exit("DATABASE_URL is not set")
    """
    process = ServiceProcess(launch(tmp_path, source))
    with pytest.raises(ScaffoldError) as caught:
        process.wait_healthy(20)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.slug == "service-did-not-start"
    assert "catalog ended before it served (exit status 1)" in diagnostic.message
    assert diagnostic.message.endswith("| DATABASE_URL is not set")
    assert "line 99" in diagnostic.message
    assert "line 5\n" not in diagnostic.message
    assert "service.py" in diagnostic.remedy


def test_one_that_dies_is_reported_while_another_is_still_starting(tmp_path: Path) -> None:
    (tmp_path / "slow").mkdir()
    slow = ServiceProcess(launch(tmp_path / "slow", "import time; time.sleep(60)"))
    dead = ServiceProcess(launch(tmp_path, "raise SystemExit(3)"))
    try:
        with pytest.raises(ScaffoldError, match="exit status 3"):
            wait_all_healthy((slow, dead), 30)
    finally:
        stop_all((slow, dead), 5)


@pytest.mark.parametrize("missing", ["program", "folder"])
def test_a_command_that_cannot_be_run(tmp_path: Path, missing: str) -> None:
    command, cwd = (("/nowhere/python",), tmp_path) if missing == "program" else ((sys.executable,), tmp_path / "none")
    with pytest.raises(ScaffoldError) as caught:
        ServiceProcess(Launch("cart", command, cwd, {}, 1))
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.slug == "service-did-not-start"
    assert diagnostic.message.startswith("cart: cannot run")
    assert "interpreter" in diagnostic.remedy


def test_a_stand_in_is_ready_when_it_accepts_connections(tmp_path: Path) -> None:
    source = """
        import os, time
        from http.server import BaseHTTPRequestHandler, HTTPServer
        time.sleep(0.2)
        HTTPServer(("127.0.0.1", int(os.environ["PORT"])), BaseHTTPRequestHandler).serve_forever()
    """
    process = ServiceProcess(launch(tmp_path, source, health="tcp"))
    try:
        process.wait_healthy(20)
    finally:
        process.stop(5)
    assert process.ending == "killed by SIGTERM"


def test_stop_kills_what_does_not_listen_and_what_it_started(tmp_path: Path) -> None:
    lines: list[str] = []
    process = ServiceProcess(launch(tmp_path, STUBBORN), lambda _, line: lines.append(line))
    own, other = map(int, eventually(lines, 1)[0].split())
    assert own == process.pid
    begun = time.monotonic()
    process.stop(0.3)
    assert time.monotonic() - begun >= 0.3
    assert process.ending == "killed by SIGKILL"
    assert gone(other)


def test_what_a_service_started_ends_with_it(tmp_path: Path) -> None:
    lines: list[str] = []
    process = ServiceProcess(launch(tmp_path, STUBBORN, "--leave"), lambda _, line: lines.append(line))
    assert process.wait(10) == 0
    _, other = map(int, eventually(lines, 1)[0].split())
    assert gone(other)


OWNER = r"""
    import os, sys
    from pathlib import Path
    from scaffold.shell.services import Launch, ServiceProcess

    def tell(name, line):
        os.write(1, f"{line}\n".encode())  # at once, whichever thread it is

    for _ in range(2):
        process = ServiceProcess(Launch("one", (sys.executable, sys.argv[1]), Path.cwd(), dict(os.environ), 1), tell)
    tell("", "started")
    sys.stdin.readline()
"""


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM, None], ids=["SIGKILL", "SIGTERM", "ordinary"])
def test_no_process_survives_its_owner(tmp_path: Path, ending: signal.Signals | None) -> None:
    (tmp_path / "service.py").write_text(textwrap.dedent(STUBBORN).replace("SIG_IGN", "SIG_DFL"))
    (tmp_path / "owner.py").write_text(textwrap.dedent(OWNER))
    owner = subprocess.Popen(
        [sys.executable, str(tmp_path / "owner.py"), str(tmp_path / "service.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert owner.stdin is not None and owner.stdout is not None
    with owner:
        lines = [owner.stdout.readline() for _ in range(3)]
        pids = [int(word) for line in lines if "started" not in line for word in line.split()]
        assert len(pids) == 4, lines
        assert all(not gone(pid, within=0.1) for pid in pids)
        if ending is None:
            owner.stdin.write("leave\n")
            owner.stdin.close()
        else:
            owner.send_signal(ending)
        owner.wait(15)
    assert all(gone(pid) for pid in pids)


def test_output_is_drained_though_nobody_can_take_it(tmp_path: Path) -> None:
    source = """
        print("x" * 300_000, flush=True)
        print(chr(0x1F600), flush=True)
        import sys
        sys.stdout.buffer.write(b"not utf-8: \\xff")
    """
    seen: list[str] = []

    def broken(_: str, line: str) -> None:
        seen.append(line)
        raise BrokenPipeError

    process = ServiceProcess(launch(tmp_path, source), broken)
    assert process.wait(10) == 0
    process.stop()
    assert len(seen) == 1
    assert process.last_lines[-1] == "not utf-8: \N{REPLACEMENT CHARACTER}"
    assert process.last_lines[-2] == "\N{GRINNING FACE}"


def test_a_service_has_only_the_environment_that_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("T_TWO", "2")
    lines: list[str] = []
    script = "import os; print(sorted(name for name in os.environ if name.startswith('T_')))"
    command = (sys.executable, "-c", script)
    process = ServiceProcess(Launch("one", command, tmp_path, {"T_ONE": "1"}, 1), lambda _, line: lines.append(line))
    process.wait(10)
    process.stop()
    assert lines == ["['T_ONE']"]


def test_ports_are_different() -> None:
    ports = [free_port() for _ in range(50)]
    assert len(set(ports)) == 50
