"""A generated service is a project of its own: it installs and runs where there is no scaffold."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
import venv
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.generated.conftest import scaffold

EVERY_MODULE = """
import importlib, pkgutil, sys

for module in pkgutil.walk_packages(importlib.import_module(sys.argv[1]).__path__, sys.argv[1] + "."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)
"""
ENVIRON = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}


def what_it_asks_for(service: Path) -> set[str]:
    """The distributions that `pip install` of a service would bring, of those that are installed here."""
    project = tomllib.loads((service / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    waiting = [(Requirement(text), "") for text in project["dependencies"]]
    found: set[tuple[str, str]] = set()
    while waiting:
        requirement, extra = waiting.pop()
        if requirement.marker and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        assert requirement.specifier.contains(metadata.version(name)), requirement
        for wanted in {(name, ""), *((name, extra) for extra in requirement.extras)} - found:
            found.add(wanted)
            waiting += [(Requirement(text), wanted[1]) for text in metadata.requires(name) or ()]
    return {name for name, _ in found}


def python_with(folder: Path, distributions: set[str]) -> Path:
    """A fresh virtual environment that has these distributions of this one, and nothing else."""
    venv.create(folder, with_pip=False, symlinks=True)
    packages = next((folder / "lib").glob("python*/site-packages"))
    for name in distributions:
        for file in metadata.files(name) or ():
            if ".." not in file.parts and "__pycache__" not in file.parts:
                (packages / file).parent.mkdir(parents=True, exist_ok=True)
                (packages / file).symlink_to(file.locate())
    return folder / "bin" / "python"


@pytest.mark.parametrize("kind", ["store", "process"])
def test_a_service_installs_and_starts_without_scaffold(kind: str, workspace: Path, tmp_path: Path) -> None:
    """What it imports is in the dependencies that its own pyproject names, and in theirs."""
    scaffold(workspace, "new", "store", "cart")
    scaffold(workspace, "new", "process", "checkout", "--uses", "cart")
    name, handlers, gone, unset = {
        "store": ("cart", 4, "get_cart", "DATABASE_URL"),
        "process": ("checkout", 1, "run_checkout", "CART_ADDRESS"),
    }[kind]
    service = workspace / "services" / name
    python = python_with(tmp_path / "venv", what_it_asks_for(service))

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [python, *map(str, arguments)]
        return subprocess.run(
            command, cwd=tmp_path, env=ENVIRON, capture_output=True, text=True, timeout=120, check=False
        )

    assert "No module named 'scaffold'" in run("-c", "import scaffold").stderr
    code = f"from hatchling.build import build_wheel; print(build_wheel({str(tmp_path)!r}))"
    built = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=service, timeout=60, check=True
    )
    wheel = tmp_path / built.stdout.split()[-1]
    site = next((tmp_path / "venv/lib").glob("python*/site-packages"))
    unpacked = run("-m", "zipfile", "-e", wheel, site)
    assert unpacked.returncode == 0, unpacked.stderr
    imported = run("-c", EVERY_MODULE, name)
    assert imported.returncode == 0, imported.stderr
    checked = run("-m", name, "--check")
    assert (checked.returncode, checked.stdout) == (0, f"{name}: {handlers} handlers, none is missing\n"), (
        checked.stderr
    )
    refused = run("-m", name)
    assert refused.returncode == 2
    assert f"{unset} is not set" in refused.stderr
    (site / f"{name}/handlers/{gone}.py").unlink()
    missing = run("-m", name, "--check")
    assert missing.returncode == 1
    assert f"{name}/handlers/{gone}.py" in missing.stderr


def test_no_generated_file_names_scaffold_as_a_dependency(workspace: Path) -> None:
    scaffold(workspace, "new", "store", "cart")
    scaffold(workspace, "new", "process", "checkout", "--uses", "cart")
    for file in (workspace / "services").rglob("*"):
        if file.is_file():
            text = file.read_text(encoding="utf-8")
            assert "import scaffold" not in text and "from scaffold" not in text, file
    for name in ("cart", "checkout"):
        assert "scaffold" not in (workspace / f"services/{name}/pyproject.toml").read_text()
