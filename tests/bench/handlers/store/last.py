"""Last returns the last of the items that were sent."""

from collections.abc import Iterator

from sync_bench.app import Context
from sync_bench.gen.api import Item


def last(requests: Iterator[Item], context: Context) -> Item:
    found = Item()
    for item in requests:
        found = item
    return found
