"""Generated layers at work: over gRPC, under Python 3.9 with the packages of its age, and in front of a monolith."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.monoliths.environments import python as monolith_python
from tests.support import REPO, scaffold, shared, tool

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


EMPTY_MESSAGES = """
import importlib, sys
package = sys.argv[1]
for name in ("facts", "names", "port", "remote", "seam", "servicer", "translation", "wire"):
    importlib.import_module(f"{package}.gen.{name}")
wire = importlib.import_module(f"{package}.gen.wire")
for cls, name in wire.TYPES.items():
    try:
        assert wire.CODEC.decode(wire.CODEC.encode(cls(), name), cls) == cls(), name
    except ValueError as error:  # proto2
        assert "missing required fields" in str(error), error
print(len(wire.TYPES))
"""


@pytest.mark.parametrize("case", ["hostile", "long_names", "multi_package", "streams", "longrunning"])
def test_any_api_can_have_a_layer(case: str, tmp_path: Path) -> None:
    """Names that Python has already, very long ones, RPCs that exchange a Duration, streams of every kind."""
    root = tmp_path / case
    shutil.copytree(GOLDEN.parent / case, root)
    shutil.copyfile(GOLDEN / "model.snapshot.json", root / "model.snapshot.json")
    settings = tomllib.loads((root / "scaffold.toml").read_text(encoding="utf-8"))
    for name in (*settings.get("stores", {}), *settings.get("processes", {})):
        made = scaffold(root, "new", "acl", name, "--orm", "django", "--models", "basket.Line")
        assert made.code == 0, made.text
        ran = subprocess.run(
            [sys.executable, "-W", "error", "-c", EMPTY_MESSAGES, f"{name}_acl"],
            env={**os.environ, "PYTHONPATH": str(root / f"acl/{name}/src")},
            capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip
        assert ran.returncode == 0, ran.stderr
        assert int(ran.stdout) > 0
    formatted = tool("ruff", "format", "--isolated", "--no-cache", "--line-length", "120", "--diff", "acl", cwd=root)
    assert formatted.returncode == 0, formatted.stdout[:4000]
    linted = tool(
        "ruff", "check", "--isolated", "--no-cache", "--select", "F,B", "--exclude", "runtime", "acl", cwd=root
    )
    assert linted.returncode == 0, linted.stdout[:4000]
