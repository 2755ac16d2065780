"""Last returns the last of the items that were sent."""

from collections.abc import AsyncIterator

from aio_bench.app import Context
from aio_bench.gen.api import Item


async def last(requests: AsyncIterator[Item], context: Context) -> Item:
    found = Item()
    async for item in requests:
        found = item
    return found
