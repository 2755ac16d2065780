"""What a database's errors mean to callers: the one place where exceptions of SQLAlchemy become statuses.

A caller learns whether asking again helps, and never a statement, a value or an address: those are for the log. What is not
named here (a missing column, a broken constraint) is a bug of the service, and answered as one.
"""

from __future__ import annotations

import logging
import math
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, NoReturn

from sqlalchemy import exc

from ..common.errors import (
    Aborted,
    DataLoss,
    DeadlineExceeded,
    InvalidArgument,
    ResourceExhausted,
    StatusError,
    Unavailable,
)
from ..service.deadline import deadline

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

logger = logging.getLogger(__name__)

# A database that gives up at the caller's deadline says so a little before or after it.
_ABOUT_SECONDS = 0.02


def patience(most: float) -> float:
    """How many seconds the database may be waited for: ``most``, but no longer than our caller waits.

    Raises :class:`DeadlineExceeded` when that is over: nothing must be written for somebody who has given up.
    """
    left = still_waiting(most)
    if left <= 0:
        raise DeadlineExceeded("the deadline was over before the database was asked")
    return left


def still_waiting(most: float) -> float:
    """How many seconds our caller still waits, ``most`` of them; 0 where it has given up."""
    until = deadline.get()
    return most if until is None else min(most, max(0.0, until - time.monotonic()))


def busy() -> StatusError:
    """The error for a wait that took too long: for a lock, a connection, or a statement."""
    return _too_late() or Unavailable("the database is busy", reason="DATABASE_BUSY")


def _too_late() -> StatusError | None:
    """The error where our caller has waited too long, whatever else has happened."""
    if still_waiting(math.inf) < _ABOUT_SECONDS:
        return DeadlineExceeded("the deadline was over before the database had answered")
    return None


@contextmanager
def as_statuses() -> Iterator[None]:
    """Errors of the database that mean something to a caller leave the block as a :class:`StatusError`."""
    try:
        yield
    except exc.SQLAlchemyError as error:
        raise_status(error)


def raise_status(error: exc.SQLAlchemyError) -> NoReturn:
    """Raise the status that an error of the database stands for; the error itself where the service is wrong."""
    status = as_status(error)
    if status is None:
        raise error
    if isinstance(status, ResourceExhausted):  # the server logs what is its own fault, and this is none by its code
        logger.error("the database is full: %s", getattr(error, "orig", error))
    raise status from error


def as_status(error: exc.SQLAlchemyError) -> StatusError | None:
    """The status for an error of the database; None where the service itself is wrong."""
    if isinstance(error, exc.TimeoutError):
        return busy()
    if not isinstance(error, exc.DBAPIError):
        return None
    code = _code(error)
    for codes, status in _MEANINGS:
        if code.startswith(codes):
            return status()
    # PostgreSQL's driver has no code for a server that cannot be reached, nor for a text that it does not send.
    if error.connection_invalidated or (not code and isinstance(error, exc.OperationalError)):
        return _unavailable()
    if not code and isinstance(error, exc.DataError):
        return _not_storable()
    return None


def _code(error: exc.DBAPIError) -> str:
    """SQLite's name of the error, or PostgreSQL's SQLSTATE; empty where there is neither."""
    found = getattr(error.orig, "sqlite_errorname", None) or getattr(error.orig, "sqlstate", None)
    return str(found or "")


def _conflict() -> StatusError:
    return Aborted("somebody else changed the same at the same time; start over", reason="DATABASE_CONFLICT")


def _damaged() -> StatusError:
    return DataLoss("the database is damaged", reason="DATABASE_DAMAGED")


def _full() -> StatusError:
    return ResourceExhausted("the database is full", reason="DATABASE_FULL")


def _not_storable() -> StatusError:
    return InvalidArgument("a text holds a character that cannot be stored", reason="TEXT_NOT_STORABLE")


def _unavailable() -> StatusError:
    return _too_late() or Unavailable("the database is not available", reason="DATABASE_UNAVAILABLE")


# By how the code begins (https://sqlite.org/rescode.html, https://www.postgresql.org/docs/current/errcodes-appendix.html).
_MEANINGS: tuple[tuple[tuple[str, ...], Callable[[], StatusError]], ...] = (
    # 55P03 lock_not_available, 57014 query_canceled: by a timeout, 53300 too_many_connections
    (("SQLITE_BUSY", "SQLITE_LOCKED", "55P03", "57014", "53300"), busy),
    # Class 40: the transaction was rolled back, for a deadlock or because it cannot be serialized.
    (("40",), _conflict),
    # 53100 disk_full, 53400 configuration_limit_exceeded
    (("SQLITE_FULL", "53100", "53400"), _full),
    # XX001 data_corrupted, XX002 index_corrupted
    (("SQLITE_CORRUPT", "SQLITE_NOTADB", "XX001", "XX002"), _damaged),
    # Classes 08 connection, 28 authorization, 57P shutdown, 58 its disks; 25006 a standby, 3D000 the database is not there
    (("SQLITE_CANTOPEN", "SQLITE_IOERR", "SQLITE_READONLY", "08", "25006", "28", "3D000", "57P", "58"), _unavailable),
    # 22021 character_not_in_repertoire
    (("22021",), _not_storable),
)
