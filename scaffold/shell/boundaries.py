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


def check(root: Path, path: str, source: str) -> tuple[Diagnostic, ...]:
    """Check the import contracts of the component at ``path``, whose modules lie below ``source``.

    Both are relative to the workspace's ``root``, and so are the places of what is found.

    Raises ScaffoldError where import-linter is not installed.
    """
    if importlib.util.find_spec("importlinter") is None:
        raise ScaffoldError(
            Diagnostic(
                "extra-missing",
                "the boundaries are checked by import-linter, which is not installed",
                None,
                "pip install 'apifirst-scaffold[check]'",
            )
        )
    folder = root / path
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
        env={**os.environ, "PYTHONPATH": str(root / source), "COLUMNS": "400", "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ran.returncode == 0:
        return ()
    found = []
    for match in _IMPORT.finditer(ran.stdout):
        line = int(match["lines"].split(",")[0].removeprefix("l."))
        found.append(
            Diagnostic(
                "boundary",
                f"{match['importer']} imports {match['imported']}",
                Location(_place(root, source, match["importer"]), line),
                "; ".join(m.strip() for m in _CONTRACT.findall(ran.stdout)) or "see .importlinter",
            )
        )
    return tuple(dict.fromkeys(found)) or (_failed(f"{path}/.importlinter", ran),)


def _failed(contracts: str, ran: subprocess.CompletedProcess[str]) -> Diagnostic:
    """It could not look: what it says of that, without its banner."""
    lines = [line for line in (ran.stderr or ran.stdout).splitlines() if line.strip()]
    why = lines[-1].strip() if lines else "import-linter failed"
    return Diagnostic(
        "boundaries-failed",
        f"import-linter cannot look at the component: {why}",
        Location(contracts),
        "mend what it names, or delete the file and run `scaffold regen`",
    )


def _place(root: Path, source: str, module: str) -> str:
    path = f"{source}/{module.replace('.', '/')}"
    return f"{path}.py" if (root / f"{path}.py").is_file() else f"{path}/__init__.py"
