"""Runs import-linter over a component's `.importlinter`; broken contracts become diagnostics."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING

from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError

if TYPE_CHECKING:
    from pathlib import Path

_IMPORT = re.compile(r"(?P<importer>[\w.]+) -> (?P<imported>[\w.]+) \((?P<lines>l\.\d+(?:, l\.\d+)*)\)")
_CONTRACT = re.compile(r"^(?P<name>.+) BROKEN\b", re.MULTILINE)


def check(folder: Path, source: Path) -> tuple[Diagnostic, ...]:
    """Check a component's import contracts; places are relative to ``source``. Raises ScaffoldError where it cannot."""
    if importlib.util.find_spec("importlinter") is None:
        raise ScaffoldError(
            Diagnostic(
                "extra-missing",
                "the boundaries are checked by import-linter, which is not installed",
                None,
                "pip install 'apifirst-scaffold[check]'",
            )
        )
    if not (folder / ".importlinter").is_file():
        return ()  # drift says so
    # A process of its own: the graph is built from what is importable, and the services' folders are not ours to import.
    ran = subprocess.run(
        [
            sys.executable,
            "-c",
            "from importlinter.cli import lint_imports_command; lint_imports_command()",
            "--no-cache",
        ],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(source), "COLUMNS": "400", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode == 0:
        return ()
    found = []
    for match in _IMPORT.finditer(ran.stdout):
        line = int(match["lines"].split(",")[0].removeprefix("l."))
        path = _path(match["importer"], source)
        found.append(
            Diagnostic(
                "boundary",
                f"{match['importer']} imports {match['imported']}",
                Location(path, line),
                "; ".join(m.strip() for m in _CONTRACT.findall(ran.stdout)) or "see .importlinter",
            )
        )
    if not found:
        raise ScaffoldError(
            Diagnostic(
                "boundaries-failed",
                (ran.stderr or ran.stdout).strip()[-2000:] or "import-linter failed",
                Location(str(folder / ".importlinter")),
                "mend what it names: every module has to be valid Python",
            )
        )
    return tuple(dict.fromkeys(found))


def _path(module: str, source: Path) -> str:
    path = module.replace(".", "/")
    return f"{path}.py" if (source / f"{path}.py").is_file() else f"{path}/__init__.py"
