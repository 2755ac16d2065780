"""What a fork leaves in the child: locks whose holders are not there, and the names of threads that are not.

Preloading servers (gunicorn ``--preload``, uWSGI) load a program once and fork it as often as they have workers. Only the
thread that forks goes on in the child (fork(2)); a lock that another one held stays held for ever.

Python calls what is registered here after a fork of its own. uWSGI without threads forks without Python: so whoever can wait
for a lock or rely on a thread asks :func:`noticed` first.
"""

from __future__ import annotations

import os
from typing import Protocol
from weakref import WeakSet


class Inherited(Protocol):
    """Something with locks or threads of its own."""

    def after_fork(self) -> None:
        """Begin anew: called in the child, before anything else runs there."""


_things: WeakSet[Inherited] = WeakSet()
_process = os.getpid()


def register(thing: Inherited) -> None:
    """Have its ``after_fork`` called in every process that is forked from this one, for as long as it lives."""
    _things.add(thing)


def forget(thing: Inherited) -> None:
    """It has nothing to begin anew any more."""
    _things.discard(thing)


def noticed() -> None:
    """Begin anew if this is another process than the one that it was last time, and Python does not know it."""
    if os.getpid() != _process:
        _after_fork()


def _after_fork() -> None:
    global _process
    _process = os.getpid()
    for thing in list(_things):
        thing.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork)
