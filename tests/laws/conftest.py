from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.laws import library
from tests.support import scaffold, shared


def _make(root: Path) -> None:
    library.make(root)
    said = scaffold(root, "regen")
    assert said.code == 0, said.text


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The generated workspace of tests/laws/library.py; copy it."""
    return shared(tmp_path_factory, "library", _make)


@pytest.fixture
def fresh(template: Path, tmp_path: Path) -> Iterator[Callable[[], Path]]:
    """A function that gives a copy of the workspace, a new one each time: for the examples of one property."""
    count = 0

    def copy() -> Path:
        nonlocal count
        count += 1
        if count > 1:
            shutil.rmtree(tmp_path / f"library{count - 1}")
        root = tmp_path / f"library{count}"
        shutil.copytree(template, root, ignore=shutil.ignore_patterns("__pycache__"))
        return root

    yield copy
