"""The threads of a store's server: who works on what, how many calls are let in, and what wakes a handler that waits."""

from __future__ import annotations

import threading
import time
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Generic, ParamSpec, Protocol, TypeVar
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

# How long a call may take to send its request while others wait for its thread.
_REQUEST_SECONDS = 5.0

_numbers = count(1)


class Workers(ThreadPoolExecutor):
    """Threads, and how much work they take: a call more than ``most`` is for the server to turn away.

    grpcio gives a call its thread when it begins, and lets it wait there for the request. A caller who begins and sends
    nothing would have the thread for as long as it likes, so when others wait for one, such calls are ended.
    """

    def __init__(self, prefix: str, threads: int, most: int) -> None:
        super().__init__(threads, thread_name_prefix=prefix)
        self.most = most
        self._size = threads
        self._calls = 0
        self._counting = threading.Lock()
        # The calls whose requests have not come yet, by their threads, and since when.
        self._awaited: dict[int, tuple[float, _Cancels]] = {}
        self._looking: threading.Timer | None = None

    @property
    def full(self) -> bool:
        """Whether there is work for all threads, and as much waiting as may wait."""
        return self._calls >= self.most

    def submit(self, fn: Callable[P, R], /, *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """As of every executor; called by gRPC's polling thread for each call."""
        with self._counting:
            self._calls += 1
            if self._calls > self._size and self._looking is None:
                self._look_later()
        # Second is what grpcio knows of the call; where that has another shape one day, nobody is ended.
        call: _Cancels | None = getattr(args[1], "call", None) if len(args) > 1 else None
        return super().submit(self._work, partial(fn, *args, **kwargs), call)

    def begin(self) -> None:
        """Note that the call which this thread works on has its request."""
        self._awaited.pop(threading.get_ident(), None)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As of every executor."""
        with self._counting:
            if self._looking is not None:
                self._looking.cancel()
        super().shutdown(wait, cancel_futures=cancel_futures)

    def _work(self, work: Callable[[], R], call: _Cancels | None) -> R:
        if call is not None:
            self._awaited[threading.get_ident()] = time.monotonic(), call
        try:
            return work()
        finally:
            self.begin()
            with self._counting:
                self._calls -= 1

    def _look_later(self) -> None:
        self._looking = threading.Timer(_REQUEST_SECONDS, self._look)
        self._looking.daemon = True
        self._looking.start()

    def _look(self) -> None:
        """End the calls that have waited for their requests for too long; look again while others wait for a thread."""
        for since, call in tuple(self._awaited.values()):
            if time.monotonic() - since >= _REQUEST_SECONDS:
                call.cancel()
        with self._counting:
            self._looking = None
            if self._calls > self._size and not self._shutdown:
                self._look_later()


class _Cancels(Protocol):
    """What is used of grpcio's own object for a call."""

    def cancel(self) -> object: ...


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
        self._workers = workers
        self.experimental_thread_pool = workers
        self.experimental_non_blocking = not blocking

    def __call__(self, *arguments: object) -> R:
        """Answer. Called on one of the threads, with the request."""
        self._workers.begin()
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
