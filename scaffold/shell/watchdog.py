"""Ends the process groups of an owner that has died. ``services`` runs this file as a program; nobody imports it.

It reads ``add GROUP`` and ``done GROUP`` lines on its standard input, which only the owner holds open. End of file
means that the owner is gone, however it went, SIGKILL included: the groups that are still there get SIGTERM, and those
that then do not go, SIGKILL. It stands in a session of its own, so what ends the owner's terminal does not end it.

Started as ``python -I -S watchdog.py``: standard library only, and no import of the package that it lies in.
"""

from __future__ import annotations

import os
import signal
import sys
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

GRACE_SECONDS = 5.0


def left_over(orders: Iterable[str]) -> set[int]:
    """Follow the orders until there are no more; return the groups that were added and not done."""
    groups: set[int] = set()
    for order in orders:
        word, _, number = order.strip().partition(" ")
        if word == "add":
            groups.add(int(number))
        elif word == "done":
            groups.discard(int(number))
    return groups


def end(groups: Iterable[int], grace: float) -> None:
    """End the groups: SIGTERM, and after ``grace`` seconds SIGKILL for those that have not gone."""
    rest = {group for group in groups if _signal(group, signal.SIGTERM)}
    deadline = time.monotonic() + grace
    while rest and time.monotonic() < deadline:
        time.sleep(0.05)
        rest = {group for group in rest if _signal(group, 0)}
    for group in rest:
        _signal(group, signal.SIGKILL)


def _signal(group: int, number: int) -> bool:
    """Whether the group was there to be signalled. A group that we may not signal is somebody else's by now."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True


if __name__ == "__main__":
    end(left_over(sys.stdin), GRACE_SECONDS)
