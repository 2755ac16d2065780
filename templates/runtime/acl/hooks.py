"""What may be around each RPC that the monolith serves: the frameworks' own work between two requests."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Callable, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager

    from .calls import ServedCall


@contextmanager
def no_hook(call: ServedCall) -> Iterator[None]:
    """Nothing."""
    yield


@contextmanager
def old_connections() -> Iterator[None]:
    """Django's connections of this thread that are broken or too old are closed, before and after."""
    from django.db import close_old_connections

    close_old_connections()
    try:
        yield
    finally:
        close_old_connections()


@contextmanager
def django_request(call: ServedCall) -> Iterator[None]:
    """Connections that are broken or too old are closed, as Django does it around a request of its own."""
    from django.db import reset_queries

    reset_queries()
    with old_connections():
        yield


class Removable(Protocol):
    """SQLAlchemy's ``scoped_session``, as far as it is needed here."""

    def remove(self) -> None:
        """Close the session of this thread, and forget it."""


def scoped_session(session: Removable) -> Callable[..., AbstractContextManager[None]]:
    """For SQLAlchemy's ``scoped_session`` (Flask-SQLAlchemy's ``db.session``): each RPC has one, and gives it back.

    It does as ``around=`` of an ``AsyncSeam`` too.
    """

    @contextmanager
    def hook(call: ServedCall | None = None) -> Iterator[None]:
        try:
            yield
        finally:
            session.remove()

    return hook
