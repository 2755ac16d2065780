"""Runs ``templates/monolith/introspect.py`` in a monolith's own interpreter, and sees that nothing is changed there."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from scaffold.acl import snapshot
from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError, Severity
from scaffold.shell import data

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scaffold.acl.snapshot import Orm, Problem, Snapshot

#: Longest wait for a monolith to start. They are slow; those that hang would hang a CI.
SECONDS = 300.0

_OLDEST = (3, 8)
_VIRTUAL = (".venv", "venv", "env")
_NOT_WATCHED = {".git", "__pycache__", "node_modules", *_VIRTUAL}
# They are about this interpreter, not about the monolith's.
_NOT_PASSED = ("PYTHONHOME", "PYTHONPATH", "VIRTUAL_ENV", "__PYVENV_LAUNCHER__")


@dataclass(frozen=True)
class Monolith:
    """Where a monolith is and how it starts. ``target``: Django's settings module, or what makes the application."""

    folder: Path
    orm: Orm
    target: str
    python: str = ""
    packages: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()
    connect: bool = False

    def arguments(self) -> list[str]:
        """What the script is called with."""
        words = ["--orm", self.orm, "--settings" if self.orm == "django" else "--app", self.target]
        for option, values in (("--package", self.packages), ("--path", self.paths), ("--import", self.imports)):
            words += [word for value in values for word in (option, value)]
        return [*words, *(["--connect"] if self.connect else [])]


@dataclass(frozen=True)
class Introspected:
    """The snapshot as text and as value; ``notes`` are worth a word."""

    text: str
    snapshot: Snapshot
    notes: tuple[Diagnostic, ...]


def script() -> Path:
    """The script that runs in the monolith's interpreter."""
    return data.folder("templates") / "monolith" / "introspect.py"


def introspect(monolith: Monolith) -> Introspected:
    """Start the monolith and take its snapshot. Raises ScaffoldError where that is not possible, with what was in its way."""
    python = _interpreter(monolith)
    before = _tree(monolith.folder)
    ran = _run([python, "-B", "-", *monolith.arguments()], monolith.folder, script().read_bytes(), SECONDS)
    if ran.returncode not in (0, 2) or not ran.stdout:
        raise RuntimeError(f"{script().name} has failed:\n{ran.stderr.decode(errors='replace')}")
    text = ran.stdout.decode()
    found = snapshot.parse(text)
    refuse(found)
    changed = sorted(name for name, stat in _tree(monolith.folder).items() if before.get(name) != stat)
    return Introspected(text, found, (*map(_unread, found.problems), *map(_written, changed)))


def refuse(found: Snapshot) -> None:
    """Raise ScaffoldError for a snapshot that says only why there is none."""
    if not found.models:
        raise ScaffoldError(*map(_failed, found.problems))


def _failed(problem: Problem) -> Diagnostic:
    where = problem.at if problem.at.path else None
    match problem.kind:
        case "settings":
            return Diagnostic("monolith-settings", problem.message, where, problem.remedy)
        case "registry":
            return Diagnostic("monolith-registry", problem.message, where, problem.remedy)
        case "mappers":
            return Diagnostic("monolith-mappers", problem.message, where, problem.remedy)
        case "application":
            return Diagnostic("monolith-application", problem.message, where, problem.remedy)
        case "models":
            return Diagnostic("monolith-models", problem.message, where, problem.remedy)
        case _:
            return Diagnostic("monolith-import", problem.message, where, problem.remedy)


def _unread(problem: Problem) -> Diagnostic:
    return Diagnostic("monolith-source", problem.message, problem.at, problem.remedy, Severity.WARNING)


def _written(name: str) -> Diagnostic:
    return Diagnostic(
        "monolith-wrote",
        "the monolith wrote this file while it started",
        Location(name),
        "undo it if it matters; a setting may send such files elsewhere",
        Severity.WARNING,
    )


def _interpreter(monolith: Monolith) -> str:
    """The monolith's interpreter, which is there and not too old."""
    beside = [monolith.folder / name / "bin" / "python" for name in _VIRTUAL]
    python = monolith.python or next((str(path) for path in beside if path.is_file()), "")
    if not python:
        raise ScaffoldError(
            Diagnostic(
                "monolith-python",
                f"which interpreter does it run on? There is none in {', '.join(_VIRTUAL)}",
                Location(str(monolith.folder)),
                "name it: --python PATH",
            )
        )
    if "/" in python and not Path(python).is_absolute():
        python = str(Path.cwd() / python)
    version = _version(python)
    if version is None or version < _OLDEST:
        shown = "no Python" if version is None else f"Python {version[0]}.{version[1]}"
        raise ScaffoldError(
            Diagnostic(
                "monolith-python",
                f"{python} is {shown}, and introspection needs {_OLDEST[0]}.{_OLDEST[1]} or newer",
                None,
                "name the monolith's own interpreter: --python PATH; in a container, see `scaffold acl introspect --script`",
            )
        )
    return python


def _version(python: str) -> tuple[int, ...] | None:
    try:
        ran = _run([python, "-c", "import sys; print(*sys.version_info[:2])"], Path.cwd(), b"", 30)
        return tuple(map(int, ran.stdout.split())) or None
    except (OSError, ValueError, ScaffoldError):
        return None


def _run(command: Sequence[str], folder: Path, given: bytes, seconds: float) -> subprocess.CompletedProcess[bytes]:
    environment = {name: value for name, value in os.environ.items() if name not in _NOT_PASSED}
    try:
        return subprocess.run(
            command,
            cwd=folder,
            env={**environment, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONIOENCODING": "utf-8"},
            input=given,
            capture_output=True,
            timeout=seconds,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        said = (error.stderr or b"").decode(errors="replace").strip()[-500:]
        raise ScaffoldError(
            Diagnostic(
                "monolith-import",
                f"the monolith has not started within {seconds:.0f} s{': ' if said else ''}{said}",
                Location(str(folder)),
                "see what it waits for: a broker, a cache, a prompt; a setting may turn that off",
            )
        ) from None


def _tree(folder: Path) -> dict[str, tuple[int, int]]:
    """Every file's size and time, what others write all the time left out."""
    found = {}
    for root, folders, files in os.walk(folder):
        folders[:] = [f for f in folders if f not in _NOT_WATCHED]
        for name in files:
            path = Path(root, name)
            try:
                stat = path.lstat()
            except OSError:
                continue
            found[path.relative_to(folder).as_posix()] = (stat.st_size, stat.st_mtime_ns)
    return found
