"""Connections to PostgreSQL that wait no longer for an answer than a call may take.

``statement_timeout`` is for the server to keep. One that stands still keeps nothing, and its machine's kernel goes on
acknowledging what is sent to it, so that no keepalive notices either: whoever waits for it waits for ever. So whoever waits
looks at the clock, and leaves. The connection is closed then, since what would come next on it is the answer to a question
that nobody remembers; the server undoes what was not committed.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from .faults import still_waiting

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from sqlalchemy.engine.interfaces import DBAPIConnection

T = TypeVar("T")

# A server that is only slow ends the statement by itself, and its connection can be kept: it gets a moment more.
_MARGIN_SECONDS = 0.25


class Patience:
    """Stands in the place of the method ``wait`` of one connection of psycopg's, on which all of its answers are awaited."""

    def __init__(self, connection: DBAPIConnection, most: float, tired: Callable[[], Exception]) -> None:
        """No answer is waited for longer than ``most`` seconds, nor than our caller waits; then ``tired()`` is raised."""
        #: In seconds; what migrates has no limit.
        self.most = most
        self._connection = connection
        self._wait: Callable[..., object] = connection.wait
        self._tired = tired

    def __call__(self, answer: Generator[object, object, T], /, *arguments: object, **options: object) -> object:
        """As psycopg's: run the generator ``answer``, which yields whenever it has to wait for the server."""
        return self._wait(self._limited(answer), *arguments, **options)

    def _limited(self, answer: Generator[object, object, T]) -> Generator[object, object, T]:
        until = time.monotonic() + self._seconds()
        try:
            state = next(answer)
            while True:
                ready = yield state
                # psycopg says several times a second that nothing has come yet.
                if not ready and time.monotonic() > until:
                    self._connection.close()
                    raise self._tired()
                state = answer.send(ready)
        except StopIteration as stop:
            result: T = stop.value
            return result

    def _seconds(self) -> float:
        return still_waiting(self.most) + _MARGIN_SECONDS
