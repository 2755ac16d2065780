"""The monolith's code, which blocks, called from async code: on a thread, with what its framework needs around it.

A thread that runs a query has a connection of its own from then on, and a session. Nobody closes them there: what frameworks
do between two requests, they do on the thread of the request. So it is done here, around each call.
"""

from __future__ import annotations

import asyncio
import sys
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext
from contextvars import copy_context
from functools import partial
from typing import TYPE_CHECKING, Any, Awaitable, Callable, ContextManager, TypeVar

from .hooks import old_connections

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterable, Iterable, Iterator

T = TypeVar("T")

#: How blocking code is called from async code: `await run(function, *arguments)`, as `asyncio.to_thread` does it.
Run = Callable[..., Awaitable[Any]]

#: What is around each call, on the thread that runs it.
Around = Callable[[], ContextManager[object]]

_END: Any = object()


class Blocking:
    """Calls blocking code. Where nothing else is said: in Django as Django does it, elsewhere on any thread."""

    def __init__(self, run: Run | None, around: Around | None) -> None:
        self._run = run
        self._around = around

    async def call(self, function: Callable[..., T], *arguments: object) -> T:
        """What a function returns."""
        run = self._run or (_in_django if _has_django() else asyncio.to_thread)
        answer: T = await run(self._within, function, *arguments)
        return answer

    async def iterate(self, function: Callable[..., Iterable[T]], *arguments: object) -> AsyncGenerator[T, None]:
        """What a function's iterable gives, item by item, from beginning to end on one thread: a cursor belongs to one."""
        with _one_thread(self._run) as run:
            opened = ExitStack()
            await run(opened.enter_context, self._entered())
            try:
                iterator = iter(await run(function, *arguments))
                opened.callback(getattr(iterator, "close", _nothing))
                while (item := await run(next, iterator, _END)) is not _END:
                    yield item
            finally:
                await run(opened.__exit__, *sys.exc_info())

    def _within(self, function: Callable[..., T], *arguments: object) -> T:
        with self._entered():
            return function(*arguments)

    def _entered(self) -> ContextManager[object]:
        if self._around:
            return self._around()
        return old_connections() if _has_django() else nullcontext()


async def collected(items: AsyncIterable[T]) -> list[T]:
    """All that an async caller streams, for blocking code to read."""
    return [item async for item in items]


def _has_django() -> bool:
    return "django.db" in sys.modules


async def _in_django(function: Callable[..., Any], *arguments: object) -> Any:
    """On the one thread that has the request's connections, where there is a request."""
    from asgiref.sync import sync_to_async

    return await sync_to_async(function, thread_sensitive=True)(*arguments)


@contextmanager
def _one_thread(run: Run | None) -> Iterator[Run]:
    """A ``run`` that is always on the same thread. One that somebody has chosen is taken at their word."""
    if run or _has_django():
        yield run or _in_django
        return
    executor, context = ThreadPoolExecutor(1, thread_name_prefix="acl-stream"), copy_context()
    loop = asyncio.get_running_loop()
    try:
        yield lambda function, *arguments: loop.run_in_executor(executor, partial(context.run, function, *arguments))
    finally:
        executor.shutdown(wait=False)


def _nothing() -> None:
    """For what cannot be closed."""
