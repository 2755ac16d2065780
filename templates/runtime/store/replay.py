"""What was answered to requests that carry a ``request_id``, so that one that is sent again changes nothing (AIP-155).

Answers stand in a table of their own, ``request_ids``, and are kept in the transaction that does the work: there is
either the change and its answer, or neither.
"""

from __future__ import annotations

import hashlib
import struct
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from ..common import messages
from ..common.errors import InvalidArgument
from ..common.names import new_id

if TYPE_CHECKING:
    from collections.abc import Sequence
    from contextlib import AbstractContextManager

    from google.protobuf.message import Message

    from ..common.tracing import Span
    from .database import Database

#: How long a request is remembered. Callers try again within minutes; the rest is for those who were away.
REMEMBERED = timedelta(days=7)

TABLE = "request_ids"

_SWEEP_SECONDS = 3600.0
_LENGTH = struct.Struct(">I")


class Answers:
    """The answers of a database's stores, by the type of the request and its ``request_id``."""

    def __init__(self, database: Database) -> None:
        """Keep them in the table ``request_ids``.

        Raises :class:`StartError` when the table is missing and may not be made (``Database.adopt``).
        """
        self._database = database
        self._swept = -_SWEEP_SECONDS
        known = TABLE in database.metadata.tables
        table = database.metadata.tables[TABLE] if known else _table(database.metadata)
        named = sa.and_(table.c.request == sa.bindparam("of"), table.c.request_id == sa.bindparam("wanted"))
        insert = postgresql.insert(table) if database.dialect == "postgresql" else sqlite.insert(table)
        self._claim = insert.on_conflict_do_nothing(index_elements=[table.c.request, table.c.request_id])
        self._read = sa.select(table.c.digest, table.c.answer).where(named)
        self._keep = sa.update(table).where(named).values(answer=sa.bindparam("kept"))
        self._sweep = sa.delete(table).where(table.c.create_time < sa.bindparam("before"))
        if not known:
            database.adopt(table)

    def claim(self, request: Message, request_id: str) -> tuple[bytes, ...] | None:
        """What was answered to this request; None when it is new: then do it, and :meth:`keep` the answer.

        To be called in the transaction that does the work. Whoever sends the same at the same time waits for its end.

        Raises :class:`InvalidArgument` for a malformed ``request_id``, or one that another request has used.
        """
        new_id(request_id, field="request_id")
        now = datetime.now(UTC)
        key = _key(request, request_id)
        digest = hashlib.blake2b(messages.encode(request), digest_size=16).digest()
        row = {"request": key["of"], "request_id": request_id, "digest": digest, "answer": b"", "create_time": now}
        with self._database.transaction() as connection:
            self._forget_old(now)
            with self._span("INSERT"):
                if connection.execute(self._claim, row).rowcount:
                    return None
            with self._span("SELECT"):
                found = connection.execute(self._read, key).one()
        if found.digest != digest:
            raise InvalidArgument("this request_id was used for another request", field="request_id")
        return _unframed(found.answer)

    def keep(self, request: Message, request_id: str, answer: Sequence[bytes]) -> None:
        """Keep the answer to a request that was claimed, in the same transaction."""
        values = {**_key(request, request_id), "kept": _framed(answer)}
        with self._database.transaction() as connection, self._span("UPDATE"):
            connection.execute(self._keep, values)

    def _forget_old(self, now: datetime) -> None:
        if time.monotonic() - self._swept < _SWEEP_SECONDS:
            return
        self._swept = time.monotonic()
        with self._database.transaction() as connection, self._span("DELETE"):
            connection.execute(self._sweep, {"before": now - REMEMBERED})

    def _span(self, operation: str) -> AbstractContextManager[Span]:
        attributes = {
            "db.system.name": self._database.dialect,
            "db.operation.name": operation,
            "db.collection.name": TABLE,
        }
        return self._database.tracing.span(f"{operation} {TABLE}", attributes)


def _key(request: Message, request_id: str) -> dict[str, str]:
    return {"of": request.DESCRIPTOR.full_name, "wanted": request_id}


def _framed(parts: Sequence[bytes]) -> bytes:
    """Several messages as one value: each after its length."""
    return b"".join(_LENGTH.pack(len(part)) + part for part in parts)


def _unframed(data: bytes) -> tuple[bytes, ...]:
    parts, at = [], 0
    while at < len(data):
        (length,) = _LENGTH.unpack_from(data, at)
        at += _LENGTH.size + length
        parts.append(data[at - length : at])
    return tuple(parts)


def _table(metadata: sa.MetaData) -> sa.Table:
    return sa.Table(
        TABLE,
        metadata,
        sa.Column("request", sa.Text, primary_key=True),
        sa.Column("request_id", sa.Text, primary_key=True),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("answer", sa.LargeBinary, nullable=False),
        sa.Column("create_time", sa.DateTime(timezone=True), nullable=False, index=True),
    )
