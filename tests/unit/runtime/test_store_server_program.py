"""A store as a program of its own: options, signals, exit codes, and what it imports."""

import ast
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
import pytest
import runtime.common
import runtime.store

from .library import PATIENCE, SERVICE, Book

HERE = Path(__file__).parent
TEMPLATES = Path(str(runtime.store.__file__)).parents[2]
DATA = Book(name="books/1", title="one").SerializeToString()
START_SECONDS = 30.0

MAIN = f"""
import sys, time
sys.path[:0] = [{str(TEMPLATES)!r}, {str(HERE)!r}]
from library import SERVICE, RPCS, Book, component, service
from runtime.service.rpc import Service, require
from runtime.store import NotFound, Repository, run

def build(settings):
    return Repository(settings.database(), Book, table="books")

def get_book(request, context):
    if request.name == "slow":
        print("slow call begins", flush=True)
        for _ in range(int(float(request.title) * 100)):
            time.sleep(0.01)
        return request
    return context.app.get(request.name) or raise_(NotFound(request.name))

def save_books(requests, context):
    for request in requests:
        context.app.put(request.name, request)
    return Book()

def raise_(error):
    raise error

def lacking():
    require("library_service", {{rpc.attribute: f"handlers/{{rpc.attribute}}.py" for rpc in RPCS}})

if "lacking" in sys.argv:
    sys.argv.remove("lacking")
    sys.exit(run(component(Service(SERVICE, RPCS, lacking), build=build)))
sys.exit(run(component(service(get_book=get_book, save_books=save_books), build=build)))
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    package = tmp_path / "library_service"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(MAIN)
    return tmp_path


def command(place: Path, *options: str, **environ: str) -> "subprocess.Popen[str]":
    clean = {key: value for key, value in os.environ.items() if key in ("PATH", "HOME", "LANG")}
    return subprocess.Popen(
        [sys.executable, "-m", "library_service", *options],
        cwd=place,
        env={**clean, **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(place: Path, *options: str, **environ: str) -> tuple[int, str, str]:
    """Run to the end: exit code, standard output, standard error."""
    program = command(place, *options, **environ)
    try:
        out, err = program.communicate(timeout=START_SECONDS)
    finally:
        program.kill()
    return program.returncode, out, err


@contextmanager
def served(place: Path, *options: str, **environ: str) -> Iterator[tuple["subprocess.Popen[str]", grpc.Channel, str]]:
    """A program that serves, a channel to it, and the line that it printed."""
    program = command(place, *options, **environ)
    try:
        assert program.stdout is not None
        line = program.stdout.readline()
        port = line.strip().rpartition(":")[2]
        if not port.isdigit():
            raise AssertionError(f"{line}{program.communicate(timeout=PATIENCE)[1]}")
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield program, channel, line
    finally:
        program.kill()
        program.communicate(timeout=PATIENCE)


def finish(program: "subprocess.Popen[str]", *signals: signal.Signals) -> tuple[int, str]:
    """Send the signals, a little apart; exit code and standard error."""
    for number in signals:
        program.send_signal(number)
        time.sleep(0.1)
    _, err = program.communicate(timeout=START_SECONDS)
    return program.returncode, err


def get(channel: grpc.Channel, request: bytes = DATA) -> bytes:
    answer: bytes = channel.unary_unary(f"/{SERVICE}/GetBook")(request, timeout=PATIENCE)
    return answer


def save(channel: grpc.Channel) -> None:
    channel.stream_unary(f"/{SERVICE}/SaveBooks")(iter([DATA]), timeout=PATIENCE)


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_it_serves_in_development_until_a_signal(place: Path, stop: signal.Signals) -> None:
    with served(place, "--dev", "--port", "0") as (program, channel, line):
        assert re.fullmatch(rf"library serves {SERVICE} on 127\.0\.0\.1:\d+\n", line)
        save(channel)
        assert get(channel) == DATA
        code, err = finish(program, stop)
    assert code == 0
    assert f"stopping on {stop.name}" in err
    assert "Traceback" not in err
    assert (place / ".data" / "library.db").exists()
    with served(place, "--dev", "--port", "0") as (_, channel, _):
        assert get(channel) == DATA


def test_production_needs_a_database_and_its_tables(place: Path) -> None:
    code, out, err = ended(place, "--port", "0")
    assert (code, out) == (2, "")
    assert "library does not start: DATABASE_URL is not set" in err
    assert "--dev" in err
    url = f"sqlite:///{place}/production.db"
    code, out, err = ended(place, "--port", "0", DATABASE_URL=url)
    assert (code, out) == (2, "")
    assert 'no table "books"' in err
    assert "python -m library_service --migrate" in err
    for _ in range(2):
        code, out, err = ended(place, "--migrate", DATABASE_URL=url)
        assert (code, out, err) == (0, "library: the database is up to date\n", "")
    with served(place, "--host", "127.0.0.1", LIBRARY_PORT="0", LIBRARY_DATABASE_URL=url) as (program, channel, _):
        save(channel)
        assert get(channel) == DATA
        assert finish(program, signal.SIGTERM)[0] == 0


def test_in_production_it_listens_everywhere_and_logs_json(place: Path) -> None:
    url = f"sqlite:///{place}/p.db"
    assert ended(place, "--migrate", DATABASE_URL=url)[0] == 0
    with served(place, "--port", "0", DATABASE_URL=url) as (program, _, line):
        assert " on 0.0.0.0:" in line
        _, err = finish(program, signal.SIGTERM)
    assert [entry[0] + entry[-1] for entry in err.splitlines()] == ["{}"]
    assert '"service": "library"' in err


@pytest.mark.parametrize(
    ("options", "environ", "said"),
    [
        (("--port", "x"), {}, "--port: 'x' does not fit"),
        ((), {"LIBRARY_MAX_WORKERS": "none"}, "LIBRARY_MAX_WORKERS: 'none' does not fit"),
        (("--host", "192.0.2.1", "--port", "0"), {}, "cannot listen on 192.0.2.1:0"),
        ((), {"DATABASE_URL": "mysql://x/y"}, "DATABASE_URL: mysql is not supported"),
        ((), {"OTEL_TRACES_EXPORTER": "nonsense"}, "OTEL_TRACES_EXPORTER=nonsense"),
        (("--nonsense",), {}, "--nonsense"),
    ],
)
def test_what_cannot_be_used_exits_with_2(
    place: Path, options: tuple[str, ...], environ: dict[str, str], said: str
) -> None:
    code, out, err = ended(place, "--dev", *options, **environ)
    assert (code, out) == (2, "")
    assert said in err
    assert "Traceback" not in err


def test_missing_handlers_exit_with_1_and_are_named(place: Path) -> None:
    for options in (("--dev", "--port", "0"), ("--check",)):
        code, out, err = ended(place, *options, "lacking")
        assert (code, out) == (1, "")
        assert "  library_service/handlers/get_book.py\n" in err
        assert "  library_service/handlers/swap_books.py\n" in err
        assert "Traceback" not in err


def test_check_loads_everything_and_serves_nothing(place: Path) -> None:
    code, out, err = ended(place, "--check")
    assert (code, out, err) == (0, "library: 4 handlers, none is missing\n", "")


def slow(seconds: float) -> bytes:
    return Book(name="slow", title=str(seconds)).SerializeToString()


@contextmanager
def in_a_call(
    place: Path, seconds: float, grace: str
) -> Iterator[tuple["subprocess.Popen[str]", "grpc.Future[bytes]"]]:
    with served(place, "--dev", "--port", "0", GRACE_SECONDS=grace) as (program, channel, _):
        answer = channel.unary_unary(f"/{SERVICE}/GetBook").future(slow(seconds), timeout=START_SECONDS)
        assert program.stdout is not None
        assert program.stdout.readline() == "slow call begins\n"
        yield program, answer


def test_a_running_call_is_answered_before_it_ends(place: Path) -> None:
    with in_a_call(place, 0.5, "20") as (program, answer):
        code, _ = finish(program, signal.SIGTERM, signal.SIGTERM)
        assert answer.result(PATIENCE) == slow(0.5)
    assert code == 0


def test_a_call_that_does_not_end_cannot_keep_it_alive(place: Path) -> None:
    with in_a_call(place, START_SECONDS, "0.2") as (program, answer):
        begun = time.monotonic()
        code, err = finish(program, signal.SIGTERM)
        assert time.monotonic() - begun < START_SECONDS / 2
        with pytest.raises(grpc.RpcError):
            answer.result(PATIENCE)
    assert code == 0
    assert "left behind" in err


def test_spans_are_sent_before_it_ends(place: Path) -> None:
    """Also when a call that does not end is left behind, and the interpreter's own clearing up with it."""
    url = f"sqlite:///{place}/traced.db"
    assert ended(place, "--migrate", DATABASE_URL=url)[0] == 0
    environ = {"DATABASE_URL": url, "OTEL_TRACES_EXPORTER": "console", "GRACE_SECONDS": "0.1"}
    with served(place, "--port", "0", **environ) as (program, channel, _):
        save(channel)
        unfinished = channel.unary_unary(f"/{SERVICE}/GetBook").future(slow(START_SECONDS), timeout=START_SECONDS)
        assert program.stdout is not None
        assert program.stdout.readline() == "slow call begins\n"
        program.send_signal(signal.SIGTERM)
        out, err = program.communicate(timeout=START_SECONDS)
        unfinished.cancel()
    assert "left behind" in err
    assert f'"name": "{SERVICE}/SaveBooks"' in out


def test_ctrl_c_twice_does_not_wait(place: Path) -> None:
    with in_a_call(place, START_SECONDS, str(START_SECONDS)) as (program, _):
        begun = time.monotonic()
        code, err = finish(program, signal.SIGINT, signal.SIGINT)
        assert time.monotonic() - begun < START_SECONDS / 2
    assert code == 0
    assert "Traceback" not in err


# --- what is imported -------------------------------------------------------------------------------------------------


def python(code: str, path: Path = TEMPLATES) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"PYTHONPATH": str(path)},
        capture_output=True,
        text=True,
        timeout=START_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_repository_needs_neither_settings_nor_telemetry() -> None:
    loaded = python(
        "import sys, runtime.store.repository\n"
        "print([name for name in ('pydantic', 'opentelemetry', 'grpc_health.v1.health') if name in sys.modules])"
    )
    assert loaded == "[]\n"


def test_a_server_needs_no_telemetry_and_no_reflection() -> None:
    loaded = python(
        "import sys, runtime.store.server\n"
        "print([name for name in ('opentelemetry', 'grpc_reflection.v1alpha') if name in sys.modules])"
    )
    assert loaded == "[]\n"


def test_everything_that_is_promised_can_be_imported() -> None:
    names = runtime.store.__all__
    assert list(names) == sorted(names)
    assert sorted(name for home in runtime.store._HOMES.values() for name in home) == sorted(names)
    for name in names:
        assert getattr(runtime.store, name) is not None
    with pytest.raises(AttributeError, match="Nothing"):
        runtime.store.Nothing  # type: ignore[attr-defined]  # noqa: B018
    tree = ast.parse(Path(str(runtime.store.__file__)).read_text())
    checked = [
        alias.name
        for block in tree.body
        if isinstance(block, ast.If) and isinstance(block.test, ast.Name)
        for statement in block.body
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    ]
    assert sorted(checked) == sorted(names)


def test_it_works_where_it_is_copied_to(tmp_path: Path) -> None:
    generated = tmp_path / "catalog" / "gen"
    shutil.copytree(
        TEMPLATES / "runtime", generated / "runtime", ignore=shutil.ignore_patterns("__pycache__", "process")
    )
    for folder in (tmp_path / "catalog", generated, generated / "runtime"):
        (folder / "__init__.py").touch()
    out = python("from catalog.gen.runtime.store import Settings, start; print(start.__module__)", tmp_path)
    assert out == "catalog.gen.runtime.store.server\n"


@pytest.mark.parametrize(
    "file", sorted(Path(str(runtime.common.__file__)).parent.glob("*.py")), ids=lambda file: file.name
)
def test_the_common_part_keeps_to_python_3_9(file: Path) -> None:
    ast.parse(file.read_text(), feature_version=(3, 9))
