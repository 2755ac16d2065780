"""The runtime is tested where it stands: with `templates/` on the path its packages are `runtime.common` and so on."""

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.postgresql import PostgreSQL

_TEMPLATES = str(Path(__file__).resolve().parents[3] / "templates")
if _TEMPLATES not in sys.path:
    sys.path.insert(0, _TEMPLATES)


@pytest.fixture
def postgresql_url(postgresql: "PostgreSQL") -> Iterator[str]:
    """An empty database on PostgreSQL."""
    made = postgresql.create()
    yield made
    postgresql.drop(made)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database, of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/books.db"
    return str(request.getfixturevalue("postgresql_url"))
