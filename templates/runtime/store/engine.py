"""Engines: how connections to SQLite and PostgreSQL are made, kept and begun on.

An engine's connections are in autocommit mode: a statement that only reads costs one round trip. A transaction for writing
is begun by hand, by an engine of its own: one that has such a listener calls listeners for whatever it does, and a third of
the time of a small statement goes into that.
"""

from __future__ import annotations

import math
import sqlite3
import time
from typing import TYPE_CHECKING, NamedTuple

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.pool import QueuePool

from ..service.problems import SettingsError
from .faults import patience, still_waiting
from .patient import Patience

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection, Dialect, Engine
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

_DIALECTS = ("sqlite", "postgresql")

# How long a server may take to accept a connection.
_CONNECT_SECONDS = 10

# A connection that lay idle for longer is tried before it is used: databases restart, proxies hang up.
_FRESH_SECONDS = 1.0

# How long to sleep before a lock is asked for again.
_AGAIN_SECONDS = 0.005


class Engines(NamedTuple):
    """The same connections, for statements that only read and for transactions that write."""

    reads: Engine
    writes: Engine


def make_engines(url: str, connections: int, overflow: int, wait_seconds: float, *, durable: bool) -> Engines:
    """Engines for ``url`` that keep ``connections`` open, and ``overflow`` more while all of those are in use.

    No statement in it waits longer than ``wait_seconds``, and one that writes no longer than the caller of the RPC does.
    ``durable`` says whether a commit waits for the disk; on PostgreSQL that is the server's to say.

    Raises :class:`SettingsError` for a URL that cannot be used; the message never repeats a password.
    """
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
        return _sqlite(parsed, connections, overflow, wait_seconds, durable=durable)
    return _postgresql(parsed, connections, overflow, wait_seconds)


def _sqlite(url: sa.URL, connections: int, overflow: int, wait_seconds: float, *, durable: bool) -> Engines:
    if url.database in (None, "", ":memory:"):
        connections, overflow = 1, 0  # such a database belongs to its connection
    engine = sa.create_engine(
        url,
        poolclass=QueuePool,
        pool_size=connections,
        max_overflow=overflow,
        pool_timeout=wait_seconds,
        isolation_level="AUTOCOMMIT",
        connect_args={"timeout": wait_seconds, "check_same_thread": False},
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def connect(connection: sqlite3.Connection, _entry: ConnectionPoolEntry) -> None:
        _use_wal(connection, wait_seconds)
        # NORMAL survives the end of the process; FULL that of the machine.
        connection.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
        connection.execute("PRAGMA foreign_keys = ON")

    writes = engine.execution_options()

    @event.listens_for(writes, "begin")
    def begin(connection: Connection) -> None:
        # A transaction that reads before it writes must not begin as a reader: where another has written meanwhile,
        # SQLite fails it at once ("database is locked"), however long it may wait.
        connection.exec_driver_sql(f"PRAGMA busy_timeout = {_milliseconds(patience(wait_seconds))}")
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return Engines(engine, writes)


def _use_wal(connection: sqlite3.Connection, wait_seconds: float) -> None:
    """Have readers not wait for writers. Where several connect to a new file at once, SQLite refuses all but one of them.

    It refuses at once, without the wait that it makes elsewhere, because two that wait for each other would wait for ever.
    """
    patient = time.monotonic() + wait_seconds
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() > patient:
                raise
            time.sleep(_AGAIN_SECONDS)
        else:
            return


def _postgresql(url: sa.URL, connections: int, overflow: int, wait_seconds: float) -> Engines:
    wait = _milliseconds(wait_seconds)
    try:
        engine = sa.create_engine(
            url,
            pool_size=connections,
            max_overflow=overflow,
            pool_timeout=wait_seconds,
            isolation_level="AUTOCOMMIT",
            # Otherwise its driver forgets how many rows an INSERT has made, and ON CONFLICT would go unnoticed.
            execution_options={"preserve_rowcount": True},
            # What a statement was given is the users' data, and errors are logged.
            hide_parameters=True,
        )
    except ModuleNotFoundError as error:
        raise SettingsError(
            f"DATABASE_URL: {url.drivername} needs the Python package {error.name}, which is not installed"
        ) from None

    driver = engine.dialect.loaded_dbapi

    def tired() -> Exception:
        error: Exception = driver.errors.QueryCanceled("the server did not answer in time")
        return error

    @event.listens_for(engine, "do_connect")
    def do_connect(
        _dialect: Dialect, _entry: ConnectionPoolEntry, _arguments: object, options: dict[str, object]
    ) -> None:
        if "connect_timeout" not in url.query:
            # Nothing would mean no limit to the driver.
            options["connect_timeout"] = max(1, math.ceil(still_waiting(min(_CONNECT_SECONDS, wait_seconds))))

    @event.listens_for(engine, "connect")
    def connect(connection: DBAPIConnection, _entry: ConnectionPoolEntry) -> None:
        connection.wait = Patience(connection, wait_seconds, tired)
        # By a statement: proxies such as PgBouncer refuse it among the options of a connection.
        cursor = connection.cursor()
        cursor.execute(f"SET statement_timeout = {wait}")
        cursor.close()
        connection.commit()

    @event.listens_for(engine, "checkin")
    def checkin(connection: DBAPIConnection | None, entry: ConnectionPoolEntry) -> None:
        entry.info["used"] = time.monotonic()
        if connection is not None:
            connection.wait.most = wait_seconds

    @event.listens_for(engine, "checkout")
    def checkout(connection: DBAPIConnection, entry: ConnectionPoolEntry, _proxy: object) -> None:
        # Trying every time, as pool_pre_ping does, makes two round trips of each one.
        if time.monotonic() - entry.info.get("used", math.inf) > _FRESH_SECONDS:
            try:
                engine.dialect.do_ping(connection)
            except driver.Error as error:
                raise exc.InvalidatePoolError from error

    writes = engine.execution_options()

    @event.listens_for(writes, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("migrates"):
            # Moving rows takes its time; waiting for a table's lock would hold up everybody who comes after.
            _driven(connection).wait.most = math.inf
            limits = f"SET LOCAL statement_timeout = 0; SET LOCAL lock_timeout = {wait}"
        else:
            limits = f"SET LOCAL statement_timeout = {_milliseconds(patience(wait_seconds))}"
        # All in one round trip.
        connection.exec_driver_sql(f"BEGIN; {limits}", execution_options={"no_parameters": True})

    return Engines(engine, writes)


def _driven(connection: Connection) -> DBAPIConnection:
    """The driver's own connection."""
    driven = connection.connection.dbapi_connection
    assert driven is not None, "it was begun on just now"
    return driven


def _milliseconds(seconds: float) -> int:
    """For settings in which 0 stands for ever."""
    return max(1, int(seconds * 1000))
