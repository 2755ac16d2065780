"""Calls that are made again: when, after how long, and how often at most.

The rules are those of https://google.aip.dev/194 (only UNAVAILABLE, only where a repetition does no harm) and of gRFC A6
(https://github.com/grpc/proposal/blob/master/A6-client-retries.md: exponential backoff, a budget that a server in trouble
uses up, the server's own word on when to come back). gRPC's built-in retries know methods only, not that a request with a
``request_id`` may be sent again, and today they wait for four fifths of the backoff at least, so that clients which failed
together come back together; hence these.
"""

from __future__ import annotations

import random
import threading
import time
from typing import TYPE_CHECKING, cast

import grpc

from ..common.errors import code_of_call

if TYPE_CHECKING:
    from collections.abc import Iterable

_FIRST_SECONDS = 0.1
_MOST_SECONDS = 1.0
_GROWTH = 2.0

# Each failure takes a token, each success gives a tenth of one back; retries stop while half of them are gone.
_TOKENS = 10.0
_TOKENS_BACK = 0.1

_PUSHBACK = "grpc-retry-pushback-ms"


class Retries:
    """The retries of all calls to one component, and their budget. May be used from many threads at once."""

    def __init__(self, attempts: int = 3) -> None:
        """``attempts`` is how often a call is tried in all; 1 means never again."""
        self.attempts = attempts
        self._tokens = _TOKENS
        self._counting = threading.Lock()

    def succeeded(self) -> None:
        """Note that the component answered."""
        if self._tokens < _TOKENS:
            with self._counting:
                self._tokens = min(_TOKENS, self._tokens + _TOKENS_BACK)

    def failed(self) -> bool:
        """Note that the component was not available; returns whether the budget has room for a retry."""
        with self._counting:
            self._tokens = max(0.0, self._tokens - 1.0)
            return self._tokens > _TOKENS / 2


class Attempts:
    """The attempts of one call, all of them within its ``seconds``."""

    def __init__(self, retries: Retries, safe: bool, seconds: float) -> None:
        self._retries = retries
        self._most = retries.attempts if safe else 1
        self._made = 0
        self._first = seconds
        self._until = time.monotonic() + seconds

    def seconds(self) -> float:
        """How long the next attempt may take."""
        self._made += 1
        return self._first if self._made == 1 else max(0.0, self._until - time.monotonic())

    def succeeded(self) -> None:
        """Note that an answer, or the first message of a stream, has come."""
        self._retries.succeeded()

    def pause_after(self, error: grpc.RpcError) -> float | None:
        """How many seconds to wait before the call is made again; None when it failed for good.

        Full jitter: anything from nothing to the whole backoff, so that clients which failed together spread out.
        """
        if code_of_call(error) is not grpc.StatusCode.UNAVAILABLE:
            return None
        within_budget = self._retries.failed()
        if self._made >= self._most or not within_budget:
            return None
        pause = _told(error)
        if pause is None:
            pause = random.uniform(0.0, min(_MOST_SECONDS, _FIRST_SECONDS * _GROWTH ** (self._made - 1)))
        # A retry that could not end in time would only cost whoever is in trouble.
        return pause if 0.0 <= pause < self._until - time.monotonic() else None


def _told(error: grpc.RpcError) -> float | None:
    """The seconds after which the server wants us back, -1 for never; None when it does not say."""
    trailing = error.trailing_metadata() if hasattr(error, "trailing_metadata") else None
    for key, value in cast("Iterable[tuple[str, str | bytes]]", trailing or ()):
        if key == _PUSHBACK:
            return int(value) / 1000 if str(value).isdecimal() else -1.0
    return None
