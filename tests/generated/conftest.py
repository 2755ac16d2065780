"""Workspaces that are generated and run for real."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]

Run = Callable[..., str]


def scaffold(folder: Path, *arguments: str, code: int = 0) -> str:
    """Run the command line; its output. Fails where the exit code is another."""
    ran = subprocess.run(
        [sys.executable, "-m", "scaffold", *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == code, f"scaffold {' '.join(arguments)}: {ran.returncode}\n{ran.stdout}\n{ran.stderr}"
    return ran.stdout + ran.stderr


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """An empty workspace."""
    scaffold(tmp_path, "init", "shop")
    return tmp_path / "shop"
