"""Repositories: a table of resources, each kept as the bytes of its message.

Rows survive every compatible change of the proto, since protobuf reads old bytes, and keeps fields that it does not know.
What the database itself has to find or sort by is a column: the name, its parent, the order of creation. A schema of your
own is for when a query needs more than that; then this module is the part to replace.

Two fields that resources may have are the repository's business. ``etag`` (https://google.aip.dev/154) is filled in
whenever a resource is read or written, with a new value for each change. A ``delete_time`` (https://google.aip.dev/164)
marks a resource as deleted: lists leave it out, and it is removed for good when its time is over.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets
import time
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Generic, NamedTuple, TypeVar

import sqlalchemy as sa
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from sqlalchemy.dialects import postgresql, sqlite

from ..common import messages
from ..common.errors import AlreadyExists, InvalidArgument
from ..common.names import ResourceName, parent_of
from .replay import Answers

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from contextlib import AbstractContextManager

    from sqlalchemy.engine import Connection

    from ..common.tracing import Span
    from .database import Database

M = TypeVar("M", bound=Message)

_Expression = sa.ColumnElement[str] | sa.ColumnElement[object]

#: How many items a page has when the request does not say, and at most (https://google.aip.dev/158).
DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 1000

#: How long a resource that was deleted can be undeleted, where the resource itself does not say until when.
RETENTION = timedelta(days=30)

# As many as a batch has at most, so that one is read at one moment. The databases allow more parameters than that.
_NAMES_AT_ONCE = 1000

_SWEEP_SECONDS = 3600.0
_SEAL_BYTES = 8
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ETAG, _DELETE_TIME = "etag", "delete_time"


@dataclass(frozen=True)
class Page(Generic[M]):
    """A page of a list; ``next_page_token`` is empty on the last one. ``total_size`` is of all pages, where asked for."""

    items: tuple[M, ...]
    next_page_token: str = ""
    total_size: int = 0


@dataclass
class Held(Generic[M]):
    """A resource that nobody else can change meanwhile: see :meth:`Repository.edit`.

    ``message`` is None when there is none of that ``name``. Change it, set it, or set it to None to delete.
    ``etag`` is that of what was found, in quotes (https://google.aip.dev/154), empty when nothing was.
    """

    name: str
    message: M | None
    etag: str = field(default="")


class _Found(NamedTuple):
    etag: str
    message: bytes


class _View(NamedTuple):
    """What a list shows, and in which order: all that must stay the same from page to page."""

    column: str = "position"
    descending: bool = False
    below: str = ""
    deleted: bool = False


class Repository(Generic[M]):
    """Resources of one type, by name. All methods are atomic and may be called from many threads at once."""

    def __init__(self, database: Database, message_type: type[M], *, table: str) -> None:
        """Use ``table`` of ``database`` for messages of ``message_type``.

        Raises :class:`StartError` when the table is missing and may not be made (``Database.adopt``).
        """
        self._database = database
        self.message_type = message_type
        self.table = _table(database.metadata, table)
        self._has_etag = _has_field(message_type, _ETAG, str)
        self._marks = _marks(self.table) if _has_field(message_type, _DELETE_TIME, Timestamp) else None
        self._statements = _Statements(self.table, self._marks, database.dialect)
        self._swept = -_SWEEP_SECONDS
        self._attributes: Mapping[str, Mapping[str, str]] = {
            operation: {
                "db.system.name": database.dialect,
                "db.operation.name": operation,
                "db.collection.name": table,
            }
            for operation in ("SELECT", "INSERT", "UPDATE", "DELETE")
        }
        database.adopt(self.table)
        if self._marks is not None:
            database.adopt(self._marks)
        self.answers = Answers(database)

    def transaction(self) -> AbstractContextManager[object]:
        """Make one step of all that is done inside, with this repository or others of the same database."""
        return self._database.transaction()

    @contextmanager
    def rehearsal(self) -> Iterator[None]:
        """Undo all that is done inside, with this repository or others of the same database, once it is done."""
        with self._database.transaction() as connection:
            savepoint = connection.begin_nested()
            try:
                yield
            finally:
                savepoint.rollback()

    def get(self, name: str | ResourceName) -> M | None:
        """The resource of that name, or None."""
        with self._span("SELECT"), self._database.reading() as connection:
            row = connection.execute(self._statements.get, {"wanted": str(name)}).one_or_none()
        return None if row is None else self._decode(row.message, row.etag)

    def get_many(self, names: Sequence[str | ResourceName]) -> tuple[M | None, ...]:
        """The resources of those names, in that order, with None for one that is not there.

        One statement reads up to 1000, at one moment.
        """
        wanted = [str(name) for name in names]
        found: dict[str, _Found] = {}
        for start in range(0, len(wanted), _NAMES_AT_ONCE):
            some = wanted[start : start + _NAMES_AT_ONCE]
            with self._span("SELECT"), self._database.reading() as connection:
                for row in connection.execute(self._statements.get_many, {"wanted": some}):
                    found[row.name] = _Found(row.etag, row.message)
        return tuple(self._decode(found[name].message, found[name].etag) if name in found else None for name in wanted)

    def list(
        self,
        page_size: int = 0,
        page_token: str = "",
        parent: str | ResourceName = "",
        *,
        order_by: str = "",
        show_deleted: bool = False,
        count: bool = False,
    ) -> Page[M]:
        """A page of resources (https://google.aip.dev/158), in the order of their creation.

        ``page_size`` 0 stands for 50, more than 1000 for 1000. ``page_token`` is the ``next_page_token`` of the page before.
        ``parent`` limits it to those below that resource; empty means all, and ``-`` in the place of an id any
        (https://google.aip.dev/159). ``order_by`` is ``name`` or ``create_time``, either with ``desc`` after it
        (https://google.aip.dev/132); names go by their characters' numbers. Resources with a ``delete_time`` are left
        out unless ``show_deleted``. ``count`` asks for the page's ``total_size``: a statement more.

        Raises :class:`InvalidArgument` for a negative ``page_size``, another ``order_by``, or a ``page_token`` that this
        list did not give.
        """
        if page_size < 0:
            raise InvalidArgument("page_size must not be negative", field="page_size")
        limit = min(page_size or DEFAULT_PAGE_SIZE, MAX_PAGE_SIZE)
        view = _View(*_order(order_by), below=str(parent), deleted=show_deleted)
        cursor = self._cursor(page_token, view)
        # One more than asked for tells whether there is a next page.
        parameters = {**self._statements.place(view, cursor), "most": limit + 1}
        statement = self._statements.page(view, continued=bool(cursor))
        with self._span("SELECT"), self._database.reading() as connection:
            rows = connection.execute(statement, parameters).all()
        items = tuple(self._decode(row.message, row.etag) for row in rows[:limit])
        token = self._token(_cursor_after(rows[limit - 1], view), view) if len(rows) > limit else ""
        return Page(items, token, self._count(view) if count else 0)

    def add(self, name: str | ResourceName, message: M) -> None:
        """Keep a new resource. Raises :class:`AlreadyExists` when there is one of that name."""
        values = self._values(str(name), message)
        with self._span("INSERT"), self._database.transaction() as connection:
            if not connection.execute(self._statements.add, values).rowcount:
                raise AlreadyExists(name)
            self._mark(connection, str(name), message)
        self._set_etag(message, str(values[_ETAG]))

    def put(self, name: str | ResourceName, message: M) -> None:
        """Keep a resource, in the place of the one of that name if there is one."""
        values = self._values(str(name), message)
        with self._span("INSERT"), self._database.transaction() as connection:
            connection.execute(self._statements.put, values)
            self._mark(connection, str(name), message)
        self._set_etag(message, str(values[_ETAG]))

    def delete(self, name: str | ResourceName) -> bool:
        """Remove the resource of that name; returns whether there was one."""
        with self._span("DELETE"), self._database.transaction() as connection:
            self._mark(connection, str(name), None)
            return connection.execute(self._statements.delete, {"wanted": str(name)}).rowcount > 0

    def has_below(self, name: str | ResourceName) -> bool:
        """Whether there are resources below that name, at any depth."""
        with self._span("SELECT"), self._database.reading() as connection:
            return connection.execute(self._statements.has_below, _range_below(str(name))).first() is not None

    def delete_below(self, name: str | ResourceName) -> None:
        """Remove the resources below that name, at any depth."""
        with self._span("DELETE"), self._database.transaction() as connection:
            for statement in self._statements.delete_below:
                connection.execute(statement, _range_below(str(name)))

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
            held = Held[M](key, None)
            if found is not None:
                held = Held(key, self._decode(found.message, found.etag), _quoted(found.etag))
            yield held
            self._write_back(connection, held, found)

    def _count(self, view: _View) -> int:
        with self._span("SELECT"), self._database.reading() as connection:
            return int(connection.execute(self._statements.count(view), self._statements.place(view, "")).scalar_one())

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
                    self._mark(connection, held.name, None)
                    connection.execute(self._statements.delete, {"wanted": held.name})
            return
        values = self._values(held.name, held.message)
        if found is not None and values["message"] == found.message:
            self._set_etag(held.message, found.etag)
            return
        with self._span("INSERT" if found is None else "UPDATE"):
            connection.execute(self._statements.put, values)
            self._mark(connection, held.name, held.message)
        self._set_etag(held.message, str(values[_ETAG]))

    def _values(self, name: str, message: M) -> dict[str, object]:
        if not isinstance(message, self.message_type):
            raise TypeError(
                f"{self.table.name} keeps {self.message_type.__qualname__}, not {type(message).__qualname__}"
            )
        now = datetime.now(UTC)
        return {
            "name": name,
            "parent": parent_of(name),
            _ETAG: secrets.token_hex(8),
            "message": messages.encode(self._without_etag(message)),
            "create_time": _instant(message, "create_time") or now,
            "update_time": _instant(message, "update_time") or now,
        }

    def _without_etag(self, message: M) -> M:
        """The message as it is kept: its etag is a column, and no part of what it stands for."""
        if not self._has_etag or not getattr(message, _ETAG):
            return message
        bare = self.message_type()
        bare.CopyFrom(message)
        bare.ClearField(_ETAG)
        return bare

    def _set_etag(self, message: M, etag: str) -> None:
        if self._has_etag:
            setattr(message, _ETAG, _quoted(etag))

    def _decode(self, data: bytes, etag: str) -> M:
        message = messages.decode(self.message_type, data)
        self._set_etag(message, etag)
        return message

    def _mark(self, connection: Connection, name: str, message: M | None) -> None:
        """Note whether the resource is deleted, for lists; and, from time to time, remove those whose time is over."""
        if self._marks is None:
            return
        deleted = None if message is None else _instant(message, _DELETE_TIME)
        if message is None or deleted is None:
            connection.execute(self._statements.unmark, {"wanted": name})
            return
        purged = _instant(message, "purge_time") or _instant(message, "expire_time") or deleted + RETENTION
        connection.execute(self._statements.mark, {"name": name, "purge_time": purged})
        if time.monotonic() - self._swept >= _SWEEP_SECONDS:
            self._swept = time.monotonic()
            for statement in self._statements.purge:
                connection.execute(statement, {"now": datetime.now(UTC)})

    def _span(self, operation: str) -> AbstractContextManager[Span]:
        return self._database.tracing.span(f"{operation} {self.table.name}", self._attributes[operation])

    def _token(self, cursor: str, view: _View) -> str:
        """The token of the page after ``cursor``. Its seal keeps out mistakes; there is nothing to gain by forging it."""
        sealed = "\0".join((self.table.name, *map(str, view), cursor))
        seal = hashlib.blake2b(sealed.encode(), digest_size=_SEAL_BYTES).digest()
        return base64.urlsafe_b64encode(seal + cursor.encode()).decode().rstrip("=")

    def _cursor(self, token: str, view: _View) -> str:
        """After which resource the page of that token begins; empty for the first page."""
        if not token:
            return ""
        try:
            padded = token.encode() + b"=" * (-len(token) % 4)
            cursor = base64.b64decode(padded, b"-_", validate=True)[_SEAL_BYTES:].decode()
        except (binascii.Error, UnicodeError):
            cursor = ""
        if not cursor or token != self._token(cursor, view):
            raise InvalidArgument(
                "page_token is not one that this list gave; other arguments must stay the same from page to page",
                field="page_token",
            )
        return cursor


class _Statements:
    """A repository's statements, made once; SQLAlchemy keeps their compiled form."""

    def __init__(self, table: sa.Table, marks: sa.Table | None, dialect: str) -> None:
        self._table, self._marks, self._postgresql = table, marks, dialect == "postgresql"
        self._pages: dict[tuple[str, bool, str, bool, bool], sa.Executable] = {}
        columns = table.c
        named = columns.name == sa.bindparam("wanted")
        content = sa.select(columns.etag, columns.message)
        self.get = content.where(named)
        self.get_many = content.add_columns(columns.name).where(
            columns.name.in_(sa.bindparam("wanted", expanding=True))
        )
        self.lock = content.where(named).with_for_update()
        self.add = self._insert(table).on_conflict_do_nothing(index_elements=[columns.name])
        put = self._insert(table)
        self.put = put.on_conflict_do_update(
            index_elements=[columns.name],
            set_={key: put.excluded[key] for key in ("etag", "message", "update_time")},
        )
        self.delete = sa.delete(table).where(named)
        below = self._between(columns.name)
        self.has_below = sa.select(columns.position).where(below).limit(1)
        self.delete_below = [sa.delete(table).where(below)]
        self.claim = (
            sa.select(
                sa.func.pg_advisory_xact_lock(sa.func.hashtextextended(sa.bindparam("claimed", type_=sa.Text), 0))
            )
            if self._postgresql
            else None
        )
        if marks is not None:
            mark = self._insert(marks)
            self.mark = mark.on_conflict_do_update(
                index_elements=[marks.c.name], set_={"purge_time": mark.excluded.purge_time}
            )
            self.unmark = sa.delete(marks).where(marks.c.name == sa.bindparam("wanted"))
            over = marks.c.purge_time < sa.bindparam("now", type_=marks.c.purge_time.type)
            self.purge = (
                sa.delete(table).where(columns.name.in_(sa.select(marks.c.name).where(over))),
                sa.delete(marks).where(over),
            )
            self.delete_below.append(sa.delete(marks).where(self._between(marks.c.name)))

    def page(self, view: _View, *, continued: bool) -> sa.Executable:
        """The statement for a page; ``continued`` is for all pages but the first."""
        key = (view.column, view.descending, _matching(view), view.deleted, continued)
        if key not in self._pages:
            self._pages[key] = self._page(*key)
        return self._pages[key]

    def count(self, view: _View) -> sa.Executable:
        """The statement that counts the resources of all pages."""
        return sa.select(sa.func.count()).select_from(self._table).where(*self._shown(_matching(view), view.deleted))

    def place(self, view: _View, cursor: str) -> dict[str, object]:
        """The parameters that say which resources are meant, and after which of them the page begins."""
        found: dict[str, object] = {}
        if is_wildcard(view.below):
            found = {"below": self._like(view.below), "depth": view.below.count("/")}
        elif view.below:
            found = {"below": view.below}
        if cursor and view.column == "create_time":
            instant, _, cursor = cursor.partition(" ")
            found["after_time"] = _EPOCH + int(instant) * _MICROSECOND
        if cursor:
            found["after"] = cursor if view.column == "name" else int(cursor)
        return found

    def _page(self, column: str, descending: bool, below: str, deleted: bool, continued: bool) -> sa.Executable:
        columns = self._table.c
        keys, after = self._order(column)
        statement = sa.select(columns.position, columns.name, columns.create_time, columns.etag, columns.message)
        if continued:
            left, right = (keys[0], after[0]) if len(keys) == 1 else (sa.tuple_(*keys), sa.tuple_(*after))
            statement = statement.where(left < right if descending else left > right)
        order = (key.desc() if descending else key.asc() for key in keys)
        return statement.where(*self._shown(below, deleted)).order_by(*order).limit(sa.bindparam("most"))

    def _shown(self, below: str, deleted: bool) -> Iterator[sa.ColumnElement[bool]]:
        """Which resources a list shows."""
        columns = self._table.c
        if below == "equal":
            yield columns.parent == sa.bindparam("below")
        elif below:
            yield columns.parent.op("LIKE" if self._postgresql else "GLOB")(sa.bindparam("below"))
            # What stands for any id would also stand for several segments.
            slashes = sa.func.length(columns.parent) - sa.func.length(sa.func.replace(columns.parent, "/", ""))
            yield slashes == sa.bindparam("depth")
        if self._marks is not None and not deleted:
            yield ~sa.exists().where(self._marks.c.name == columns.name)

    def _order(self, column: str) -> tuple[Sequence[_Expression], Sequence[_Expression]]:
        """What a list goes by, so that no two resources are equal in it, and the parameters for where it was."""
        columns = self._table.c
        position = (columns.position, sa.bindparam("after", type_=columns.position.type))
        if column == "name":
            return [self._by_character(columns.name)], [sa.bindparam("after", type_=columns.name.type)]
        if column == "create_time":
            instant = sa.bindparam("after_time", type_=columns.create_time.type)
            return [columns.create_time, position[0]], [instant, position[1]]
        return [position[0]], [position[1]]

    def _insert(self, table: sa.Table) -> postgresql.Insert | sqlite.Insert:
        return postgresql.insert(table) if self._postgresql else sqlite.insert(table)

    def _by_character(self, column: sa.ColumnElement[str]) -> sa.ColumnElement[str]:
        """The column in the order of its characters' numbers, whatever the language of a PostgreSQL database."""
        return sa.collate(column, "C") if self._postgresql else column

    def _between(self, column: sa.ColumnElement[str]) -> sa.ColumnElement[bool]:
        ordered = self._by_character(column)
        return sa.and_(ordered > sa.bindparam("from"), ordered < sa.bindparam("to"))

    def _like(self, parent: str) -> str:
        """A parent with wildcards as the database's own kind of pattern, which on SQLite tells case apart as GLOB only."""
        segments = parent.replace("_", r"\_").split("/") if self._postgresql else parent.split("/")
        anything = "%" if self._postgresql else "*"
        return "/".join(anything if segment == _ANY else segment for segment in segments)


_ANY = "-"


def is_wildcard(parent: str) -> bool:
    """Whether ``-`` stands for any id in it (https://google.aip.dev/159)."""
    return _ANY in parent.split("/")


def _matching(view: _View) -> str:
    """How parents are compared with the one that a list is below."""
    return "" if not view.below else "like" if is_wildcard(view.below) else "equal"


def _range_below(name: str) -> dict[str, str]:
    """The names that begin with this one and a slash: those between it, and it with the character after the slash."""
    return {"from": f"{name}/", "to": f"{name}0"}


def _order(order_by: str) -> tuple[str, bool]:
    """The column that a list goes by, and whether backwards (https://google.aip.dev/132)."""
    column, *direction = order_by.split() or ["position"]
    if (column in ("name", "create_time") and direction in ([], ["asc"], ["desc"])) or not order_by.strip():
        return column, direction == ["desc"]
    raise InvalidArgument('order_by is "name" or "create_time", with " desc" or without', field="order_by")


def _cursor_after(row: sa.Row[tuple[object, ...]], view: _View) -> str:
    """What a page token has to say about the last resource of a page."""
    if view.column == "name":
        return str(row.name)
    if view.column == "create_time":
        # SQLite has no time zones: what it gives back is as it was written, in UTC.
        instant = row.create_time if row.create_time.tzinfo else row.create_time.replace(tzinfo=UTC)
        return f"{(instant - _EPOCH) // _MICROSECOND} {row.position}"
    return str(row.position)


def _quoted(etag: str) -> str:
    """An etag as it is shown: a strong one, by the syntax of RFC 7232."""
    return f'"{etag}"'


def _has_field(message_type: type[Message], name: str, kind: type) -> bool:
    """Whether messages have a field of that name whose value is of that Python type."""
    return name in message_type.DESCRIPTOR.fields_by_name and isinstance(getattr(message_type(), name), kind)


def _instant(message: Message, name: str) -> datetime | None:
    """The time in a field, where the message has such a field, it is set, and Python can say it."""
    found = getattr(message, name, None)
    if not isinstance(found, Timestamp) or not message.HasField(name):
        return None
    try:
        return found.ToDatetime(tzinfo=UTC)
    except (ValueError, OverflowError):
        return None


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


def _marks(table: sa.Table) -> sa.Table:
    """The names of a table's resources that are deleted, and when they are to be removed for good.

    A table of its own: a resource that learns to be undeleted needs one more table, and no change of those in use.
    """
    name = f"{table.name}_deleted"
    if name in table.metadata.tables:
        return table.metadata.tables[name]
    return sa.Table(
        name,
        table.metadata,
        sa.Column("name", sa.Text, primary_key=True),
        sa.Column("purge_time", sa.DateTime(timezone=True), nullable=False, index=True),
    )
