"""Watching a resource: for RPCs that answer with what it is, and again with every change."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import sqlalchemy as sa
from google.protobuf.message import Message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ..common.call import Call
    from ..common.names import ResourceName
    from .repository import Repository

M = TypeVar("M", bound=Message)
A = TypeVar("A")

#: How long a change goes unnoticed at most, in seconds.
POLL_SECONDS = 0.5


def changes(
    repository: Repository[M], name: str | ResourceName, call: Call[A], *, every: float = POLL_SECONDS
) -> Iterator[M | None]:
    """The resource of that name as it is now, and again after each change, until the caller goes; None: there is none.

    The row's etag is looked at ``every`` so many seconds: so whoever made the change, another replica of this store or
    somebody at the database, it is seen. Changes that follow one another faster are one. What is looked at in vain makes
    no span: a trace of hours would be nothing else.

    Raises :class:`Unavailable` when the store is about to stop: the caller asks again, and finds another replica.
    """
    etag = _etag(repository, name)
    last = repository.get(name)
    yield last
    while call.wait(every):
        found = _etag(repository, name)
        if found == etag:
            continue
        etag, now = found, repository.get(name)
        if now != last:  # a change that came between the two looks has been told already
            last = now
            yield now


def _etag(repository: Repository[M], name: str | ResourceName) -> str | None:
    columns = repository.table.c
    statement = sa.select(columns.etag).where(columns.name == str(name))
    with repository._database.reading() as connection:
        found: str | None = connection.execute(statement).scalar_one_or_none()
        return found
