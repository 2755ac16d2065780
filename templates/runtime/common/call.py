"""What a handler is given beside the request."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Callable, Generic, TypeVar

if TYPE_CHECKING:
    from .headers import Metadata

A = TypeVar("A")


def _always() -> bool:
    return True


def _sleep(seconds: float) -> bool:
    time.sleep(seconds)
    return True


@dataclass(frozen=True)
class Call(Generic[A]):
    """One call of a handler. In a unit test, make it by hand: ``Call(app=fake)``.

    ``app`` is what ``app.build`` made: repositories, clients, whatever the handlers share.
    ``method`` is the RPC, ``shop.cart.v1.CartService/GetCart``.
    ``metadata`` is what came with the call: its headers.
    ``deadline`` is when the caller stops waiting, on the clock of ``time.monotonic()``; None when it waits for ever.
    ``active`` tells whether somebody still waits for the answer; see :meth:`is_active`.
    ``pause`` is how :meth:`wait` waits.
    """

    app: A
    method: str = ""
    metadata: Metadata = ()
    deadline: float | None = None
    active: Callable[[], bool] = field(default=_always, repr=False, compare=False)
    pause: Callable[[float], bool] = field(default=_sleep, repr=False, compare=False)

    def time_remaining(self) -> float | None:
        """Seconds until the caller stops waiting, never below 0; None when it waits for ever."""
        if self.deadline is None:
            return None
        return max(0.0, self.deadline - time.monotonic())

    def is_active(self) -> bool:
        """Whether the caller still waits. False once it cancelled, went away or its deadline passed: stop working."""
        return self.active()

    def wait(self, seconds: float) -> bool:
        """Wait in a handler of a store that looks again and again: ``while context.wait(0.5): …``.

        Returns whether the caller still waits; at once when it goes. (In a process: ``await asyncio.sleep(seconds)``, which
        ends with the call.)

        Raises :class:`Unavailable` when the service is about to stop, so that a stream does not hold it up.
        """
        return self.pause(seconds)

    def header(self, key: str) -> str | None:
        """The first text value of a header, or None. ``key`` is lower-case."""
        return next((value for name, value in self.metadata if name == key and isinstance(value, str)), None)
