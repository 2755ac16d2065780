"""Workspaces that are generated and run for real."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.generated.books import Books

ROOT = Path(__file__).resolve().parents[2]

Run = Callable[..., str]


def scaffold(folder: Path, *arguments: str, code: int = 0) -> str:
    """Run the command line; its output. Fails where the exit code is another."""
    ran = subprocess.run(
        [sys.executable, "-m", "scaffold", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
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


@pytest.fixture(scope="session")
def books(tmp_path_factory: pytest.TempPathFactory) -> Books:
    """A generated store of books, which is not changed."""
    folder = tmp_path_factory.mktemp("books")
    scaffold(folder, "init", "shop")
    scaffold(folder / "shop", "new", "store", "books")
    return Books(folder / "shop")


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path, books: Books) -> Iterator[str]:
    """A database of each kind with the tables of the store."""
    server = request.getfixturevalue("postgresql") if request.param == "postgresql" else None
    url = server.create() if server is not None else f"sqlite:///{tmp_path}/books.db"
    books.migrate(url)
    yield url
    if server is not None:
        server.drop(url)
