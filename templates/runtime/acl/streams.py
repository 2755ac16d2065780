"""Streams between async callers and blocking code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Awaitable, Callable, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterable

T = TypeVar("T")

#: How blocking code is called from async code: `asyncio.to_thread`, or asgiref's `sync_to_async` in Django.
Run = Callable[..., Awaitable[Any]]

_END: Any = object()


async def iterated(run: Run, items: Iterable[T]) -> AsyncIterator[T]:
    """What a blocking iterable gives, item by item, each asked for by ``run``."""
    iterator = iter(items)
    while (item := await run(next, iterator, _END)) is not _END:
        yield item


async def collected(items: AsyncIterable[T]) -> list[T]:
    """All that an async caller streams, for blocking code to read."""
    return [item async for item in items]
