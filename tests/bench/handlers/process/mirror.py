"""Mirror returns each item that was sent."""

from collections.abc import AsyncIterator

from aio_bench.app import Context
from aio_bench.gen.api import Item


async def mirror(requests: AsyncIterator[Item], context: Context) -> AsyncIterator[Item]:
    async for item in requests:
        yield item
