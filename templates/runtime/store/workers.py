"""The threads of a store's server: who works on what, how many calls are let in, and what wakes a handler that waits."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Generic, ParamSpec, TypeVar
from weakref import WeakSet

from ..common.errors import Unavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    import grpc

    from .settings import Settings

P = ParamSpec("P")
R = TypeVar("R")

# Who answers without working: health checks, and calls that are turned away.
_AT_THE_DOOR = 2
_MOST_AT_THE_DOOR = 1000

_numbers = count(1)


class Workers(ThreadPoolExecutor):
    """Threads, and how much work they take: a call more than ``most`` is for the server to turn away."""

    def __init__(self, prefix: str, threads: int, most: int) -> None:
        super().__init__(threads, thread_name_prefix=prefix)
        self.most = most
        self._calls = 0
        self._counting = threading.Lock()

    @property
    def full(self) -> bool:
        """Whether there is work for all threads, and as much waiting as may wait."""
        return self._calls >= self.most

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """As of every executor; called by gRPC's polling thread for each call."""
        with self._counting:
            self._calls += 1
        return super().submit(self._work, partial(fn, *args, **kwargs))

    def _work(self, work: Callable[[], R]) -> R:
        try:
            return work()
        finally:
            with self._counting:
                self._calls -= 1


class Threads:
    """All threads of one server.

    A stream takes a thread for as long as it lasts, and a watcher's may last for hours: streams have threads of their own,
    so that they never keep an ordinary call waiting; and neither keeps a health check waiting, for who is busy is not ill.
    """

    def __init__(self, component: str, settings: Settings) -> None:
        # The name tells them from those of another server in this process.
        self._prefix = f"{component}-{next(_numbers)}-"
        self.calls = Workers(self._prefix, settings.max_workers, settings.max_workers + settings.max_waiting)
        self.streams = Workers(f"{self._prefix}stream-", settings.max_streams, settings.max_streams)
        self.door = Workers(f"{self._prefix}door-", _AT_THE_DOOR, _MOST_AT_THE_DOOR)

    @property
    def most(self) -> int:
        """More calls at once than that are not even turned away politely."""
        return self.calls.most + self.streams.most + self.door.most

    def end(self, seconds: float) -> bool:
        """Take no more work; returns whether all threads have ended, which they get ``seconds`` for.

        A call that was cancelled is over for gRPC, while its handler may not have noticed.
        """
        until = time.monotonic() + seconds
        for workers in (self.calls, self.streams, self.door):
            workers.shutdown(wait=False, cancel_futures=True)
        threads = [thread for thread in threading.enumerate() if thread.name.startswith(self._prefix)]
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)


class OnThreads(Generic[R]):
    """What answers a call, on threads other than the server's usual ones.

    grpcio looks for these two attributes, and has for years; where it does not, the usual threads do the work.
    """

    def __init__(self, answer: Callable[..., R], workers: Workers, *, blocking: bool = True) -> None:
        self._answer = answer
        self.experimental_thread_pool = workers
        self.experimental_non_blocking = not blocking

    def __call__(self, *arguments: object) -> R:
        """Answer."""
        return self._answer(*arguments)


class Stopping:
    """Whether the server is about to stop, for handlers that wait for something to happen."""

    def __init__(self) -> None:
        self.begun = False
        self._waiting: WeakSet[threading.Event] = WeakSet()
        self._lock = threading.Lock()

    def begin(self) -> None:
        """Wake everybody who waits, and everybody who will."""
        with self._lock:
            self.begun = True
            for event in self._waiting:
                event.set()

    def wakes(self, event: threading.Event) -> None:
        """Set the event when the server stops, for as long as somebody holds it."""
        with self._lock:
            self._waiting.add(event)
            if self.begun:
                event.set()


class Pause:
    """What :meth:`Call.wait` does in a store: sleeps until the time is over, the caller goes, or the server stops."""

    def __init__(self, context: grpc.ServicerContext, stopping: Stopping) -> None:
        self._context = context
        self._stopping = stopping
        self._woken: threading.Event | None = None

    def __call__(self, seconds: float) -> bool:
        """Sleep; returns whether the caller still waits. Raises :class:`Unavailable` when the server stops."""
        if self._woken is None:
            self._woken = threading.Event()
            self._stopping.wakes(self._woken)
            if not self._context.add_callback(self._woken.set):
                return False
        self._woken.wait(seconds)
        if self._stopping.begun:
            raise Unavailable("the service is about to stop: ask again", reason="STOPPING")
        return self._context.is_active()
