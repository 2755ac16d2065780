"""Streams between async callers and blocking code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Awaitable, Callable, TypeVar

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterable

T = TypeVar("T")

_END: Any = object()


async def iterated(run: Callable[..., Awaitable[Any]], items: Iterable[T]) -> AsyncIterator[T]:
    """What a blocking iterable gives, item by item, each asked for by ``run``."""
    iterator = iter(items)
    while (item := await run(next, iterator, _END)) is not _END:
        yield item


async def collected(items: AsyncIterable[T]) -> list[T]:
    """All that an async caller streams, for blocking code to read."""
    return [item async for item in items]
