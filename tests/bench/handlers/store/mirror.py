"""Mirror returns each item that was sent."""

from collections.abc import Iterator

from sync_bench.app import Context
from sync_bench.gen.api import Item


def mirror(requests: Iterator[Item], context: Context) -> Iterator[Item]:
    yield from requests
