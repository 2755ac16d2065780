"""What the tests of the generator share: workspaces, the command line, snapshots of trees, compiled protos."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scaffold.cli.main import run as run_command
from scaffold.core.analyse import analyse
from scaffold.shell.protoc import compile_protos

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import pytest

    from scaffold.core.api import Api

REPO = Path(__file__).resolve().parent.parent
PROTOS = REPO / "protos"

# What may change although nothing was written: caches, and what Python and other tools leave.
_NOT_COMPARED = {"__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}
_CACHE = (".scaffold", "cache")


@dataclass(frozen=True)
class Said:
    """What a command said, and its exit code."""

    code: int
    out: str
    err: str

    @property
    def text(self) -> str:
        return self.out + self.err


def scaffold(folder: Path, *arguments: str) -> Said:
    """Run a command in a folder, in this process: everything but the answer from the stat cache."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.chdir(folder), contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            run_command(arguments)
        except SystemExit as error:
            code = error.code if isinstance(error.code, int) else 0
    return Said(code, out.getvalue(), err.getvalue())


# Gives up root's power to write where the mode says no (CAP_DAC_OVERRIDE); others never had it. A program of its own: what
# runs between fork and exec is not safe where gRPC has threads.
_DROP = "import ctypes, os, sys; ctypes.CDLL(None).prctl(24, 1, 0, 0, 0); os.execv(sys.argv[1], sys.argv[1:])"
_POWERLESS = (sys.executable, "-I", "-S", "-c", _DROP)


def scaffold_process(
    folder: Path,
    *arguments: str,
    powerless: bool = False,
    environment: Mapping[str, str] | None = None,
    program: Sequence[str] = ("-m", "scaffold"),
) -> Said:
    """Run a command as a user does, in a process of its own."""
    ran = subprocess.run(
        [*(_POWERLESS if powerless else ()), sys.executable, *program, *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(REPO), "NO_COLOR": "1", **(environment or {})},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return Said(ran.returncode, ran.stdout, ran.stderr)


def write(root: Path, files: Mapping[str, str]) -> Path:
    """Write files below a folder, by path; their text is dedented."""
    for name, text in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text).lstrip("\n"), encoding="utf-8")
    return root


def tree(root: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below a folder: its bytes and its mtime in nanoseconds, caches left out."""
    return {name: (path.read_bytes(), path.stat().st_mtime_ns) for name, path in _files(root)}


def contents(root: Path) -> dict[str, bytes]:
    """Every file below a folder and its bytes, caches left out."""
    return {name: path.read_bytes() for name, path in _files(root)}


def _files(root: Path) -> Iterator[tuple[str, Path]]:
    for path in sorted(root.rglob("*")):
        parts = path.relative_to(root).parts
        if path.is_file() and parts[:2] != _CACHE and not _NOT_COMPARED.intersection(parts):
            yield path.relative_to(root).as_posix(), path


def compile_api(root: Path, files: Mapping[str, str]) -> Api:
    """Write protos below a folder and read them with the real compiler."""
    write(root, files)
    return analyse(compile_protos((("protos", root),), sorted(files)))


def python(code: str, *paths: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a fresh Python with folders on its path."""
    path = os.pathsep.join(map(str, paths))
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "OTEL_"))}
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        env={**clean, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def tool(name: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run a program of this environment (ruff, mypy, lint-imports)."""
    return subprocess.run(
        [str(Path(sys.executable).parent / name), *arguments],
        cwd=cwd,
        env={**os.environ, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )


def shared(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that is filled once in a run of pytest: workers of pytest-xdist wait for the first one."""
    base = factory.getbasetemp()
    root = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / f"shared-{name}"
    root.mkdir(exist_ok=True)
    with (root.parent / f"{root.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        done = root.parent / f"{root.name}.done"
        if not done.exists():
            make(root)
            done.touch()
    return root
