"""A store's database: connections, transactions and tables, on SQLite or PostgreSQL by SQLAlchemy."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.pool import QueuePool
from sqlalchemy.schema import CreateIndex, CreateTable

from ..common.errors import Unavailable
from ..common.tracing import Tracing
from ..service.problems import SettingsError, StartError

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    from sqlalchemy.engine import Connection, Engine
    from sqlalchemy.pool import ConnectionPoolEntry

#: How long a call waits for its turn to write, or for a connection, in seconds.
WAIT_SECONDS = 30.0

_DIALECTS = ("sqlite", "postgresql")


class Database:
    """A database and its connections. Safe to use from many threads at once; nothing is connected before it is used."""

    def __init__(
        self,
        url: str,
        *,
        connections: int = 16,
        create_tables: bool = False,
        program: str = "",
        tracing: Tracing | None = None,
    ) -> None:
        """Describe the database at ``url``: ``postgresql+psycopg://…``, ``sqlite:///file.db``, ``sqlite://`` in memory.

        ``connections`` is how many are open at most: as many as there are threads that use it. ``create_tables`` says
        what to do about a missing table: make it, or refuse to go on, naming ``program --create-tables``.

        Raises :class:`SettingsError` for a URL that cannot be used.
        """
        self.metadata = sa.MetaData()
        self.tracing = tracing or Tracing()
        self._create_tables = create_tables
        self._program = program
        self._engine = _engine(url, connections)
        self._writes = self._engine.execution_options(writes=True)
        # SQLite lets one connection write at a time, and others try again after a while: 16 threads of one process in
        # line waited up to ten times as long as they do for a lock. Other processes still wait the database's way.
        self._turn = threading.Lock() if self.dialect == "sqlite" else None
        self._current = threading.local()

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self._engine.dialect.name

    def adopt(self, table: sa.Table) -> None:
        """Make sure that a table exists.

        Raises :class:`StartError` when it does not and may not be made here, or when the database cannot be reached.
        """
        try:
            if self._create_tables:
                with self._writes.begin() as connection:
                    connection.execute(CreateTable(table, if_not_exists=True))
                    for index in sorted(table.indexes, key=lambda index: str(index.name)):
                        connection.execute(CreateIndex(index, if_not_exists=True))
            elif not sa.inspect(self._engine).has_table(table.name):
                raise StartError(
                    f'the database has no table "{table.name}": make it with {self._program} --create-tables'
                )
        except exc.DBAPIError as error:
            shown = self._engine.url.render_as_string(hide_password=True)
            raise StartError(f"the database {shown} cannot be used: {error.orig}; check DATABASE_URL") from error

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A transaction for writing, committed at the end and undone when an exception leaves it.

        Within one, further ones of the same thread, and everything that repositories do there, are part of it. On SQLite
        there is one at a time: keep it short, and make no calls to others in it.

        Raises :class:`Unavailable` when the database cannot be reached or stays busy.
        """
        current = self._open()
        if current is not None:
            yield current
            return
        with _passing_trouble(), self._in_turn(), self._writes.begin() as connection:
            self._current.connection = connection
            try:
                yield connection
            finally:
                self._current.connection = None

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection for a statement that only reads; that of the transaction when this thread is in one.

        Raises :class:`Unavailable` when the database cannot be reached.
        """
        current = self._open()
        if current is not None:
            yield current
            return
        with _passing_trouble(), self._engine.connect() as connection:
            yield connection

    def close(self) -> None:
        """Close the connections that are not in use."""
        self._engine.dispose()

    def _open(self) -> Connection | None:
        connection: Connection | None = getattr(self._current, "connection", None)
        return connection

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if self._turn is None:
            yield
            return
        if not self._turn.acquire(timeout=WAIT_SECONDS):
            raise Unavailable("the database is busy")
        try:
            yield
        finally:
            self._turn.release()


def _engine(url: str, connections: int) -> Engine:
    try:
        parsed = sa.make_url(url)
    except exc.ArgumentError:
        # The message would repeat the URL, and a password with it.
        raise SettingsError(
            "DATABASE_URL is not a URL: write it as postgresql+psycopg://USER:PASSWORD@HOST/NAME"
        ) from None
    if parsed.get_backend_name() not in _DIALECTS:
        raise SettingsError(f"DATABASE_URL: {parsed.drivername} is not supported; use postgresql+psycopg or sqlite")
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed, connections)
    try:
        # A connection that broke while it lay idle is noticed before it is used: databases restart, proxies hang up.
        return sa.create_engine(
            parsed, pool_size=connections, max_overflow=0, pool_timeout=WAIT_SECONDS, pool_pre_ping=True
        )
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"DATABASE_URL: {parsed.drivername} needs the Python package {error.name}, which is not installed"
        ) from None


def _sqlite(url: sa.URL, connections: int) -> Engine:
    in_memory = not url.database or url.database == ":memory:"
    engine = sa.create_engine(
        url,
        poolclass=QueuePool,
        # A database in memory belongs to its connection.
        pool_size=1 if in_memory else connections,
        max_overflow=0,
        pool_timeout=WAIT_SECONDS,
        connect_args={"timeout": WAIT_SECONDS, "check_same_thread": False},
    )

    @event.listens_for(engine, "connect")
    def connect(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
        connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("PRAGMA synchronous = NORMAL")
        connection.execute("PRAGMA foreign_keys = ON")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads before it writes must not begin as a reader: where another has written meanwhile,
        # SQLite fails it at once ("database is locked"), however long it may wait.
        if connection.get_execution_options().get("writes"):
            connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


@contextmanager
def _passing_trouble() -> Iterator[None]:
    """What will be over after a while, as the error that tells callers to try again; the log gets the cause."""
    try:
        yield
    except exc.TimeoutError as error:
        raise Unavailable("the database is busy") from error
    except exc.OperationalError as error:
        # SQLite gives that name to a missing table as well, which does not pass.
        reason = getattr(error.orig, "sqlite_errorname", "SQLITE_BUSY")
        if not reason.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
            raise
        raise Unavailable("the database is not available") from error
