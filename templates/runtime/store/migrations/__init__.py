"""Migrations: Alembic's revisions, run without its command line, in one transaction.

``versions`` has those of the row layout that repositories use. A revision there changes every table of that layout, those of
resources that the API has no more as well::

    def upgrade() -> None:
        for table in op.get_context().opts["tables"]:
            op.add_column(table, sa.Column("delete_time", sa.DateTime(timezone=True)))
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from alembic.operations import Operations
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError

from ...service.problems import StartError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from alembic.runtime.migration import RevisionStep
    from sqlalchemy.engine import Connection


def upgrade(connection: Connection, folder: Path, version_table: str, tables: Sequence[str] = ()) -> None:
    """Run the revisions in ``folder`` that the database lacks, as ``version_table`` says.

    Raises :class:`StartError` for a database of a revision that is not there.
    """
    script = ScriptDirectory(str(folder))

    def steps(current: tuple[str, ...], _context: MigrationContext) -> list[RevisionStep]:
        return script._upgrade_revs("heads", current)  # type: ignore[arg-type]  # what alembic.command.upgrade does

    options = {"version_table": version_table, "fn": steps, "tables": tuple(tables)}
    context = MigrationContext.configure(connection, opts=options)
    try:
        with Operations.context(context):
            context.run_migrations()
    except CommandError as error:
        raise StartError(_unknown(context, folder)) from error


def lacking(connection: Connection, folder: Path, version_table: str) -> tuple[str, ...]:
    """The newest revisions in ``folder``, where the database is not at them; empty where it is.

    Raises :class:`StartError` for a database of a revision that is not there.
    """
    script = ScriptDirectory(str(folder))
    context = MigrationContext.configure(connection, opts={"version_table": version_table})
    current, newest = context.get_current_heads(), script.get_heads()
    try:
        script.get_revisions(current)
    except CommandError as error:
        raise StartError(_unknown(context, folder)) from error
    return () if set(current) == set(newest) else tuple(newest)


def _unknown(context: MigrationContext, folder: Path) -> str:
    found = ", ".join(context.get_current_heads())
    return (
        f"the database is at revision {found}, which is not in {folder}: a newer program made it; "
        "start that one, or restore a backup of before"
    )
