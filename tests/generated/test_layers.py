"""Generated layers at work: over gRPC, under Python 3.9 with the packages of its age, and in front of a monolith."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.monoliths.environments import python as monolith_python
from tests.support import REPO, scaffold, shared

LAYERS = REPO / "tests" / "layers"
GOLDEN = REPO / "tests" / "golden" / "acl_layer"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder `src` of the layer over everything that a field can be."""
    return shared(tmp_path_factory, "lab", _make_lab) / "lab/acl/lab/src"


def _make_lab(root: Path) -> None:
    shutil.copytree(GOLDEN, root / "lab", ignore=shutil.ignore_patterns("expected.txt", "commands.txt"))
    command = (GOLDEN / "commands.txt").read_text(encoding="utf-8").split()
    assert scaffold(root / "lab", *command).code == 0


def checks(interpreter: str | Path, source: Path, file: Path, *more: Path) -> subprocess.CompletedProcess[str]:
    """Run a file of checks with an interpreter that has none of our packages but the layer."""
    command = [str(interpreter), "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--noconftest"]
    command += ["-c", os.devnull, "--rootdir", str(file.parent), "--import-mode=importlib", str(file)]
    path = os.pathsep.join(map(str, (source, *more)))
    environment = {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "error::SyntaxWarning"}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)


def assert_passed(ran: subprocess.CompletedProcess[str], at_least: int) -> None:
    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
    assert int(ran.stdout.rsplit(" passed", 1)[0].rsplit(None, 1)[-1]) >= at_least, ran.stdout


FILES: Sequence[tuple[str, int]] = (("wire_checks.py", 35), ("seam_checks.py", 20))


@pytest.mark.parametrize(("file", "at_least"), FILES)
def test_here(lab: Path, file: str, at_least: int) -> None:
    assert_passed(checks(sys.executable, lab, LAYERS / "lab" / file), at_least)


@pytest.mark.parametrize(("file", "at_least"), FILES)
def test_under_python_3_9_with_grpcio_1_60_and_protobuf_4_25(lab: Path, file: str, at_least: int) -> None:
    assert_passed(checks(monolith_python("django"), lab, LAYERS / "lab" / file), at_least)
