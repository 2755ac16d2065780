"""Whether what was generated works: does it import, does its suite pass?"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scaffold.verbs.generate import open_workspace
from scaffold.verbs.test import test

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SECONDS = 120

# What a component does before it serves; each in an interpreter of its own.
_LOAD = """
import importlib, json, sys
failures = {}
def attempt(name, what):
    try:
        return what()
    except Exception as error:
        failures[name] = f"{type(error).__name__}: {error}".splitlines()[0]
main = attempt("main", lambda: importlib.import_module(f"{sys.argv[1]}.gen.main"))
for service in main.COMPONENT.services if main else ():
    attempt(service.full_name, service.load)
print(json.dumps(failures))
"""


@dataclass(frozen=True)
class Loaded:
    """What stood in the way of each component; nothing where it imports."""

    failures: dict[str, dict[str, str]]

    @property
    def fine(self) -> bool:
        """Whether everything imports."""
        return not any(self.failures.values())

    def __str__(self) -> str:
        return "; ".join(f"{name}: {why}" for name, found in self.failures.items() for why in found.values())


def load(root: Path) -> Loaded:
    """Import every component, with its handlers, in a process of its own."""
    workspace, settings = open_workspace(root)
    processes = {
        unit.name: subprocess.Popen(
            [sys.executable, "-c", _LOAD, unit.package],
            env=_environment(str(workspace.root / unit.source)),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for unit in settings.own()
    }
    found = {}
    for name, process in processes.items():
        said, complaints = process.communicate(timeout=SECONDS)
        found[name] = json.loads(said) if process.returncode == 0 else {name: complaints.strip().splitlines()[-1]}
    return Loaded(found)


def suite(root: Path, arguments: Sequence[str] = ()) -> tuple[bool, str]:
    """Run the contract suites: whether they pass, and what came of them."""
    tested = test(root, arguments=arguments, progress=lambda _: None)
    passed, failed, pending = (
        sum(getattr(tally, what) for tally in tested.tallies) for what in ("passed", "failed", "pending")
    )
    said = f"{passed} passed, {pending} pending, {failed} failed"
    return tested.exit_code == 0, said if not failed else said + ": " + "; ".join(map(str, tested.broken[:3]))


def _environment(source: str) -> dict[str, str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "OTEL_"))}
    return {**own, "PYTHONPATH": source, "PYTHONDONTWRITEBYTECODE": "1"}
