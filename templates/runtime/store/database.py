"""A store's database: connections, transactions and tables, on SQLite or PostgreSQL by SQLAlchemy."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import exc

from ..common.tracing import Tracing
from ..service.problems import StartError
from . import schema
from .engine import make_engines
from .faults import as_statuses, busy, patience, raise_status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.engine import Connection

#: How long a call waits for its turn to write, for a connection, or for a statement, in seconds.
WAIT_SECONDS = 10.0


class Database:
    """A database and its connections. Safe to use from many threads at once; nothing is connected before it is used."""

    def __init__(
        self,
        url: str,
        *,
        connections: int = 16,
        overflow: int = 0,
        wait_seconds: float = WAIT_SECONDS,
        durable: bool = True,
        migrate: bool = False,
        program: str = "",
        tracing: Tracing | None = None,
    ) -> None:
        """Describe the database at ``url``: ``postgresql+psycopg://…``, ``sqlite:///file.db``, ``sqlite://`` in memory.

        ``connections`` is how many stay open: as many as there are threads that use it. ``overflow`` is how many more may
        be open while those are all in use. Nothing waits longer than ``wait_seconds``, nor than the caller of the RPC.
        ``durable`` is whether SQLite's commits outlast a power failure; PostgreSQL's do.
        ``migrate`` says what to do about a table that is missing or of an older version: bring it up to date, or refuse to
        go on, naming ``program --migrate``.

        Raises :class:`SettingsError` for a URL that cannot be used.
        """
        self.metadata = sa.MetaData()
        self.tracing = tracing or Tracing()
        self._migrate = migrate
        self._program = program
        self._wait_seconds = wait_seconds
        self._engine, self._writes = make_engines(url, connections, overflow, wait_seconds, durable=durable)
        self._connections = threading.BoundedSemaphore(connections + overflow)
        # SQLite lets one connection write at a time, and others try again after a while: 16 threads of one process in
        # line waited up to ten times as long as they do for a lock. Other processes still wait the database's way.
        self._turn = threading.Lock() if self.dialect == "sqlite" else None
        self._current = threading.local()

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._engine.dialect.name

    def adopt(self, table: sa.Table) -> None:
        """Make sure that a repository's table exists, in the layout of this version.

        Raises :class:`StartError` when it does not and may not be made here, or when the database cannot be reached.
        """
        with self._starting() as connection:
            if self._migrate:
                schema.bring_up_to_date(connection)
                schema.create(connection, table)
            else:
                schema.check(connection, self._program)
            schema.check_table(connection, table, self._program)

    def use_migrations(self, folder: Path) -> None:
        """Keep a schema of your own: Alembic's revisions in ``folder``, a script location with ``versions`` in it.

        ``--migrate`` and development run those that the database lacks; production makes sure that it lacks none.
        Alembic's own table ``alembic_version`` says where the database is.

        Raises :class:`StartError` as :meth:`adopt` does.
        """
        from . import migrations  # only here is Alembic needed

        with self._starting() as connection:
            if self._migrate:
                migrations.upgrade(connection, folder, "alembic_version")
                return
            newest = migrations.lacking(connection, folder, "alembic_version")
            if newest:
                raise StartError(
                    f"the database is not at revision {', '.join(newest)}: bring it there with {self._program} --migrate"
                )

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction for writing, committed at the end and undone when an exception leaves it.

        Within one, further ones of the same thread, and everything that repositories do there, are part of it. On SQLite
        there is one at a time: keep it short, and make no calls to others in it.

        Errors of the database that leave it are statuses: :mod:`.faults` says which.
        """
        current = self._open()
        if current is not None:
            yield current
            return
        with as_statuses(), self._in_turn(), self._connected(), self._writes.begin() as connection:
            self._current.connection = connection
            try:
                yield connection
            finally:
                self._current.connection = None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for statements that only read; that of the transaction when this thread is in one.

        Errors of the database that leave it are statuses: :mod:`.faults` says which.
        """
        current = self._open()
        if current is not None:
            yield current
            return
        # Not by the context managers that a transaction is made of: this is done for each statement, and they take time.
        self._take()
        try:
            with self._engine.connect() as connection:
                yield connection
        except exc.SQLAlchemyError as error:
            raise_status(error)
        finally:
            self._connections.release()

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._engine.dispose()

    def _open(self) -> Connection | None:
        connection: Connection | None = getattr(self._current, "connection", None)
        return connection

    @contextmanager
    def _starting(self) -> Iterator[Connection]:
        """A connection to prepare the database on; a transaction where it may be changed. For operators, not callers."""
        try:
            if self._migrate:
                with self._writes.execution_options(migrates=True).begin() as connection:
                    yield connection
            else:
                with self._engine.connect() as connection:
                    yield connection
        except exc.DBAPIError as error:
            shown = self._engine.url.render_as_string(hide_password=True)
            raise StartError(f"the database {shown} cannot be used: {error.orig}; check DATABASE_URL") from error

    @contextmanager
    def _connected(self) -> Iterator[None]:
        """One of the connections."""
        self._take()
        try:
            yield
        finally:
            self._connections.release()

    def _take(self) -> None:
        """Wait for a connection to be free; the pool's own wait could not end with the call."""
        if not self._connections.acquire(timeout=patience(self._wait_seconds)):
            raise busy()

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=patience(self._wait_seconds)):
            raise busy()
        try:
            yield
        finally:
            self._turn.release()
