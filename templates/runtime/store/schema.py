"""What version the tables of a database have: the check at start, and the way to the version of this code.

All repositories' tables have one layout, and the database one version of it, in a table that Alembic can read. A start in
production only looks. Changing is for ``--migrate``, and for development.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.schema import CreateIndex, CreateTable

from ..service.problems import StartError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.engine import Connection

#: The revisions in ``migrations/versions``, oldest first. The last is the layout that this code reads and writes.
REVISIONS: Sequence[str] = ("0001",)

#: Where the layout's revisions are.
MIGRATIONS = Path(__file__).parent / "migrations"

#: The table with the version of the layout; ``alembic_version`` is left to migrations of your own.
VERSION_TABLE = "repositories_version"

# Tables that have these columns are repositories'. Every layout has them.
_SIGNATURE = frozenset({"position", "name", "parent", "etag", "message"})

_version = sa.Table(
    VERSION_TABLE,
    sa.MetaData(),
    sa.Column("version_num", sa.String(32), nullable=False),
    sa.PrimaryKeyConstraint("version_num", name=f"{VERSION_TABLE}_pkc"),
)


def check(connection: Connection, program: str) -> None:
    """Make sure that the database's tables have the layout of this code; changes nothing.

    Raises :class:`StartError` with the command that brings an older one up to date.
    """
    found = _found(connection)
    if found is not None and found != REVISIONS[-1]:
        raise StartError(
            f"the database's tables are of version {found}, and this program's of {REVISIONS[-1]}: "
            f"bring them up to date with {program} --migrate"
        )


def bring_up_to_date(connection: Connection) -> None:
    """Bring an empty or older database to the layout of this code. Within a transaction: all of it, or nothing.

    Raises :class:`StartError` when the database is of a version that this code does not know.
    """
    if connection.dialect.name == "postgresql":
        # Several instances may start at once.
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(VERSION_TABLE, 0))))
    found = _found(connection)
    if found == REVISIONS[-1] and _recorded(connection) is not None:
        return
    if _recorded(connection) is None:
        connection.execute(CreateTable(_version, if_not_exists=True))
        connection.execute(_version.insert().values(version_num=found or REVISIONS[-1]))
    if found is not None and found != REVISIONS[-1]:
        from . import migrations  # Alembic takes a tenth of a second to import

        migrations.upgrade(connection, MIGRATIONS, VERSION_TABLE, _tables(connection))


def create(connection: Connection, table: sa.Table) -> None:
    """Make a table and its indexes where they are missing."""
    connection.execute(CreateTable(table, if_not_exists=True))
    for index in sorted(table.indexes, key=lambda index: str(index.name)):
        connection.execute(CreateIndex(index, if_not_exists=True))


def check_table(connection: Connection, table: sa.Table, program: str) -> None:
    """Make sure that a table is there, with the columns that it needs.

    Raises :class:`StartError`.
    """
    inspector = sa.inspect(connection)
    if not inspector.has_table(table.name):
        raise StartError(f'the database has no table "{table.name}": make it with {program} --migrate')
    columns = {column["name"] for column in inspector.get_columns(table.name)}
    missing = [column.name for column in table.columns if column.name not in columns]
    if missing:
        raise StartError(
            f'the table "{table.name}" has no column {", ".join(missing)}: it was made by something else; '
            "check DATABASE_URL, or give the repository a table of another name"
        )


def _found(connection: Connection) -> str | None:
    """The version of the tables; None where there are none yet.

    Raises :class:`StartError` when it is one that this code does not know.
    """
    found = _recorded(connection)
    if found is None:
        # Version 0.1 made tables without saying which.
        return REVISIONS[0] if _tables(connection) else None
    if found not in REVISIONS:
        raise StartError(
            f"the database's tables are of version {found}, and this program knows none after {REVISIONS[-1]}: "
            "a newer program made them; start that one, or restore a backup of before"
        )
    return found


def _recorded(connection: Connection) -> str | None:
    if not sa.inspect(connection).has_table(VERSION_TABLE):
        return None
    return connection.execute(sa.select(_version.c.version_num)).scalar_one_or_none()


def _tables(connection: Connection) -> list[str]:
    """The tables of repositories that are in the database."""
    inspector = sa.inspect(connection)
    return [
        name
        for name in inspector.get_table_names()
        if {column["name"] for column in inspector.get_columns(name)} >= _SIGNATURE
    ]
