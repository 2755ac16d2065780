"""Echo returns the item that was sent."""

from sync_bench.app import Context
from sync_bench.gen.api import Item


def echo(request: Item, context: Context) -> Item:
    return request
