"""Repeat returns the item that was sent, `quantity` times."""

from collections.abc import Iterator

from sync_bench.app import Context
from sync_bench.gen.api import Item


def repeat(request: Item, context: Context) -> Iterator[Item]:
    for _ in range(request.quantity):
        yield request
