"""The time that is left: a call to somebody else never takes longer than our own caller waits."""

from __future__ import annotations

import time

from ..common.errors import DeadlineExceeded
from ..service.deadline import deadline as deadline


def seconds_for_a_call(wanted: float | None, default: float) -> float:
    """How many seconds a call to somebody else may take: ``wanted`` or the default, but no more than our caller waits.

    Raises :class:`DeadlineExceeded` when nothing is left: an answer would come too late for whoever asked.
    """
    seconds = default if wanted is None else wanted
    until = deadline.get()
    if until is not None:
        seconds = min(seconds, until - time.monotonic())
    if seconds <= 0:
        raise DeadlineExceeded("no time is left for a further call")
    return seconds
