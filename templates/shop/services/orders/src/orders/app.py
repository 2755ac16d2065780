"""How orders is put together. Yours.

A Repository keeps one row for each resource, the message's own bytes in it: honest for a prototype, and rows survive
every compatible change of the proto. For a schema of your own put a class with the same methods in its place, here in
build(): the handlers do not notice.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from orders.gen.api import Order
from orders.gen.runtime import Call, Interceptor, Repository, Settings


@dataclass(frozen=True)
class App:
    """What handlers work with, as `context.app`.

    `answers` are what CreateOrder has answered, by the caller's request_id. No caller tries again after days, so old
    rows of it may be deleted.
    """

    orders: Repository[Order]
    answers: Repository[Order]


Context = Call[App]


def build(settings: Settings) -> App:
    """Open what the handlers need; called once, before serving."""
    database = settings.database()
    return App(
        orders=Repository(database, Order, table="orders"),
        answers=Repository(database, Order, table="answers"),
    )


def interceptors(settings: Settings) -> Sequence[Interceptor]:
    """Server interceptors, outermost first: authentication, tenancy, limits."""
    return ()
