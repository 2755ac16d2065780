"""Repeat returns the item that was sent, `quantity` times."""

from collections.abc import AsyncIterator

from aio_bench.app import Context
from aio_bench.gen.api import Item


async def repeat(request: Item, context: Context) -> AsyncIterator[Item]:
    for _ in range(request.quantity):
        yield request
