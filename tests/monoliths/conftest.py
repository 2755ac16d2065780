"""What the tests of monoliths share."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests.monoliths import environments

SCRIPT = environments.REPO / "templates" / "monolith" / "introspect.py"


def run(name: str, folder: Path, *arguments: str | Path, given: str = "", **variables: str) -> str:
    """Run Python in a monolith's environment and folder; what it printed. Fails where it fails."""
    python = environments.python(name)
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "SHOP_", "PAYMENTS_", "DJANGO_"))}
    ran = subprocess.run(
        [python, "-B", *arguments],
        cwd=folder,
        env={**clean, **variables},
        input=given,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    return ran.stdout


@pytest.fixture
def update(request: pytest.FixtureRequest) -> bool:
    """Whether what is there now becomes what is expected."""
    return bool(request.config.getoption("--update-golden"))
