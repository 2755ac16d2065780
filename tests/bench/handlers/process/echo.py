"""Echo returns the item that was sent."""

from aio_bench.app import Context
from aio_bench.gen.api import Item


async def echo(request: Item, context: Context) -> Item:
    return request
