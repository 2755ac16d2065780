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


@dataclass(frozen=True)
class Call(Generic[A]):
    """One call of a handler. In a unit test, make it by hand: ``Call(app=fake)``.

    ``app`` is what ``app.build`` made: repositories, clients, whatever the handlers share.
    ``method`` is the RPC, ``shop.cart.v1.CartService/GetCart``.
    ``metadata`` is what came with the call: its headers.
    ``deadline`` is when the caller stops waiting, on the clock of ``time.monotonic()``; None when it waits for ever.
    ``active`` tells whether somebody still waits for the answer; see :meth:`is_active`.
    """

    app: A
    method: str = ""
    metadata: Metadata = ()
    deadline: float | None = None
    active: Callable[[], bool] = field(default=_always, repr=False, compare=False)

    def time_remaining(self) -> float | None:
        """Seconds until the caller stops waiting, never below 0; None when it waits for ever."""
        if self.deadline is None:
            return None
        return max(0.0, self.deadline - time.monotonic())

    def is_active(self) -> bool:
        """Whether the caller still waits. False once it cancelled, went away or its deadline passed: stop working."""
        return self.active()

    def header(self, key: str) -> str | None:
        """The first text value of a header, or None. ``key`` is lower-case."""
        return next((value for name, value in self.metadata if name == key and isinstance(value, str)), None)
