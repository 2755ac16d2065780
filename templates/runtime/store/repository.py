"""Repositories: a table of resources, each kept as the bytes of its message.

Rows survive every compatible change of the proto, since protobuf reads old bytes, and keeps fields that it does not know.
What the database itself has to find or sort by is a column: the name, its parent, the order of creation. A schema of your
own is for when a query needs more than that; then this module is the part to replace.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import struct
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import sqlalchemy as sa
from google.protobuf.message import Message
from sqlalchemy.dialects import postgresql, sqlite

from ..common import messages
from ..common.errors import AlreadyExists, InvalidArgument
from ..common.names import ResourceName, parent_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy.engine import Connection

    from ..common.tracing import Span
    from .database import Database

M = TypeVar("M", bound=Message)

#: How many items a page has when the request does not say, and at most (https://google.aip.dev/158).
DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1000

# Below the number of parameters that the databases allow in one statement.
_NAMES_AT_ONCE = 500

_TOKEN = struct.Struct(">Q8s")


@dataclass(frozen=True)
class Page(Generic[M]):
    """A page of a list; ``next_page_token`` is empty on the last one."""

    items: tuple[M, ...]
    next_page_token: str = ""


@dataclass
class Held(Generic[M]):
    """A resource that nobody else can change meanwhile: see :meth:`Repository.edit`.

    ``message`` is None when there is none of that ``name``. Change it, set it, or set it to None to delete.
    ``etag`` is that of what was found, empty when nothing was (https://google.aip.dev/154).
    """

    name: str
    message: M | None
    etag: str = field(default="")


class _Found(NamedTuple):
    etag: str
    message: bytes


class Repository(Generic[M]):
    """Resources of one type, by name. All methods are atomic and may be called from many threads at once."""

    def __init__(self, database: Database, message_type: type[M], *, table: str) -> None:
        """Use ``table`` of ``database`` for messages of ``message_type``.

        Raises :class:`StartError` when the table is missing and may not be made (``Database.adopt``).
        """
        self._database = database
        self._type = message_type
        self.table = _table(database.metadata, table)
        self._statements = _Statements(self.table, database.dialect)
        self._attributes: Mapping[str, Mapping[str, str]] = {
            operation: {
                "db.system.name": database.dialect,
                "db.operation.name": operation,
                "db.collection.name": table,
            }
            for operation in ("SELECT", "INSERT", "UPDATE", "DELETE")
        }
        database.adopt(self.table)

    def get(self, name: str | ResourceName) -> M | None:
        """The resource of that name, or None."""
        with self._span("SELECT"), self._database.reading() as connection:
            data = connection.execute(self._statements.get, {"wanted": str(name)}).scalar_one_or_none()
        return None if data is None else self._decode(data)

    def get_many(self, names: Sequence[str | ResourceName]) -> tuple[M | None, ...]:
        """The resources of those names, in that order, with None for one that is not there. One statement for 500."""
        wanted = [str(name) for name in names]
        found: dict[str, bytes] = {}
        for start in range(0, len(wanted), _NAMES_AT_ONCE):
            some = wanted[start : start + _NAMES_AT_ONCE]
            with self._span("SELECT"), self._database.reading() as connection:
                found.update(
                    (row.name, row.message) for row in connection.execute(self._statements.get_many, {"wanted": some})
                )
        return tuple(self._decode(found[name]) if name in found else None for name in wanted)

    def list(self, page_size: int = 0, page_token: str = "", parent: str | ResourceName = "") -> Page[M]:
        """A page of resources in the order of their creation (https://google.aip.dev/158).

        ``parent`` limits it to those below that resource; empty means all. ``page_size`` 0 stands for 50, more than 1000
        for 1000. ``page_token`` is the ``next_page_token`` of the page before.

        Raises :class:`InvalidArgument` for a negative ``page_size``, or a ``page_token`` that this list did not give.
        """
        if page_size < 0:
            raise InvalidArgument("page_size must not be negative", field="page_size")
        limit = min(page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
        below = str(parent)
        # One more than asked for tells whether there is a next page.
        parameters = {"after": self._position(page_token, below), "most": limit + 1, "below": below}
        statement = self._statements.list_below if below else self._statements.list_all
        with self._span("SELECT"), self._database.reading() as connection:
            rows = connection.execute(statement, parameters).all()
        items = tuple(self._decode(row.message) for row in rows[:limit])
        return Page(items, self._token(rows[limit - 1].position, below) if len(rows) > limit else "")

    def add(self, name: str | ResourceName, message: M) -> None:
        """Keep a new resource. Raises :class:`AlreadyExists` when there is one of that name."""
        values = self._values(str(name), message)
        with self._span("INSERT"), self._database.transaction() as connection:
            added = connection.execute(self._statements.add, values).rowcount
        if not added:
            raise AlreadyExists(name)

    def put(self, name: str | ResourceName, message: M) -> None:
        """Keep a resource, in the place of the one of that name if there is one."""
        values = self._values(str(name), message)
        with self._span("INSERT"), self._database.transaction() as connection:
            connection.execute(self._statements.put, values)

    def delete(self, name: str | ResourceName) -> bool:
        """Remove the resource of that name; returns whether there was one."""
        with self._span("DELETE"), self._database.transaction() as connection:
            return connection.execute(self._statements.delete, {"wanted": str(name)}).rowcount > 0

    @contextmanager
    def edit(self, name: str | ResourceName) -> Iterator[Held[M]]:
        """Read a resource, change it and write it back, while nobody else can.

        ::

            with repository.edit(name) as held:
                if held.message is None:
                    raise NotFound(name)
                held.message.title = "new"

        What ``held.message`` is at the end is kept; None deletes. An exception leaves everything as it was.
        """
        key = str(name)
        with self._database.transaction() as connection:
            found = self._lock(connection, key)
            held = Held(key, self._decode(found.message), found.etag) if found else Held[M](key, None)
            yield held
            self._write_back(connection, held, found)

    def _lock(self, connection: Connection, key: str) -> _Found | None:
        with self._span("SELECT"):
            row = connection.execute(self._statements.lock, {"wanted": key}).one_or_none()
            if row is None and self._statements.claim is not None:
                # PostgreSQL locks rows, and there is none yet: claim the name, then see who was first.
                connection.execute(self._statements.claim, {"claimed": f"{self.table.name}/{key}"})
                row = connection.execute(self._statements.lock, {"wanted": key}).one_or_none()
        return None if row is None else _Found(row.etag, row.message)

    def _write_back(self, connection: Connection, held: Held[M], found: _Found | None) -> None:
        if held.message is None:
            if found is not None:
                with self._span("DELETE"):
                    connection.execute(self._statements.delete, {"wanted": held.name})
            return
        values = self._values(held.name, held.message)
        if found is None:
            with self._span("INSERT"):
                connection.execute(self._statements.put, values)
        elif values["message"] != found.message:
            with self._span("UPDATE"):
                connection.execute(self._statements.put, values)

    def _values(self, name: str, message: M) -> dict[str, object]:
        if not isinstance(message, self._type):
            raise TypeError(f"{self.table.name} keeps {self._type.__qualname__}, not {type(message).__qualname__}")
        data = messages.encode(message)
        now = datetime.now(UTC)
        return {
            "name": name,
            "parent": parent_of(name),
            "etag": hashlib.blake2b(data, digest_size=8).hexdigest(),
            "message": data,
            "create_time": now,
            "update_time": now,
        }

    def _decode(self, data: bytes) -> M:
        return messages.decode(self._type, data)

    def _span(self, operation: str) -> AbstractContextManager[Span]:
        return self._database.tracing.span(f"{operation} {self.table.name}", self._attributes[operation])

    def _token(self, position: int, parent: str) -> str:
        """The token of the page after ``position``. Its seal keeps out mistakes; there is nothing to gain by forging it."""
        list_of = f"{self.table.name}\0{parent}\0{position}"
        seal = hashlib.blake2b(list_of.encode(), digest_size=8).digest()
        return base64.urlsafe_b64encode(_TOKEN.pack(position, seal)).decode().rstrip("=")

    def _position(self, token: str, parent: str) -> int:
        """Where the page of that token begins; 0 for the first page."""
        if not token:
            return 0
        try:
            position, _ = _TOKEN.unpack(base64.urlsafe_b64decode(token.encode() + b"=="))
        except (binascii.Error, struct.error):
            position = 0
        if token != self._token(position, parent):
            raise InvalidArgument(
                "page_token is not one that this list gave; other arguments must stay the same from page to page",
                field="page_token",
            )
        return int(position)


class _Statements:
    """A repository's statements, made once; SQLAlchemy keeps their compiled form."""

    def __init__(self, table: sa.Table, dialect: str) -> None:
        insert = postgresql.insert(table) if dialect == "postgresql" else sqlite.insert(table)
        columns = table.c
        named = columns.name == sa.bindparam("wanted")
        paged = (
            sa.select(columns.position, columns.message)
            .where(columns.position > sa.bindparam("after"))
            .order_by(columns.position)
            .limit(sa.bindparam("most"))
        )
        self.get = sa.select(columns.message).where(named)
        self.get_many = sa.select(columns.name, columns.message).where(
            columns.name.in_(sa.bindparam("wanted", expanding=True))
        )
        self.lock = sa.select(columns.etag, columns.message).where(named).with_for_update()
        self.list_all = paged
        self.list_below = paged.where(columns.parent == sa.bindparam("below"))
        self.add = insert.on_conflict_do_nothing(index_elements=[columns.name])
        self.put = insert.on_conflict_do_update(
            index_elements=[columns.name],
            set_={key: insert.excluded[key] for key in ("etag", "message", "update_time")},
        )
        self.delete = sa.delete(table).where(named)
        self.claim = (
            sa.select(
                sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(sa.bindparam("claimed", type_=sa.Text), 0))
            )
            if dialect == "postgresql"
            else None
        )


def _table(metadata: sa.MetaData, name: str) -> sa.Table:
    if name in metadata.tables:
        return metadata.tables[name]
    return sa.Table(
        name,
        metadata,
        # Positions are never given twice, so that a page token stays right when the last row is deleted.
        sa.Column("position", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True),
        sa.Column("name", sa.Text, nullable=False, unique=True),
        sa.Column("parent", sa.Text, nullable=False),
        sa.Column("etag", sa.Text, nullable=False),
        sa.Column("message", sa.LargeBinary, nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False),
        sa.Column("update_time", sa.DateTime(timezone=True), nullable=False),
        sa.Index(f"{name}_parent_position", "parent", "position"),
        sqlite_autoincrement=True,
    )
