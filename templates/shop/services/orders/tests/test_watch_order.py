"""WatchOrder, called with a database and no server: time passes when the handler waits, and then things happen."""

from collections.abc import Callable
from pathlib import Path

import pytest

from orders.app import Context, build
from orders.gen.api import Order, WatchOrderRequest
from orders.gen.runtime import Call, InvalidArgument, NotFound, Settings
from orders.handlers.watch_order import watch_order

NAME = "orders/7c1d"
PENDING, PAID, CANCELLED = Order.PENDING, Order.PAID, Order.CANCELLED


def context_on(path: Path, *events: Callable[[], object]) -> Context:
    """Each wait of the handler lets the next of the events happen; after the last the caller is gone."""
    coming = iter(events)

    def wait(seconds: float) -> bool:
        event = next(coming, None)
        if event is not None:
            event()
        return event is not None

    settings = Settings.load("orders", dev=True, environ={"DATABASE_URL": f"sqlite:///{path}/orders.db"})
    return Call(build(settings), pause=wait)


def put(context: Context, state: Order.State, payment: str = "") -> None:
    context.app.orders.put(NAME, Order(name=NAME, state=state, payment=payment))


def nothing() -> None:
    pass


def watch(context: Context) -> list[object]:
    return [response.order.state for response in watch_order(WatchOrderRequest(name=NAME), context)]


def test_what_it_is_now_comes_first_and_a_settled_order_is_not_watched_any_longer(tmp_path: Path) -> None:
    for state in (PAID, CANCELLED):
        context = context_on(tmp_path, nothing, nothing)
        put(context, state)
        assert watch(context) == [state]


@pytest.mark.parametrize("end", [PAID, CANCELLED])
def test_each_change_is_told_once_until_the_order_is_settled(tmp_path: Path, end: Order.State) -> None:
    context = context_on(tmp_path, nothing, lambda: put(context, end, "ch_1"), nothing)
    put(context, PENDING)
    assert watch(context) == [PENDING, end]


def test_changes_that_another_process_made_are_seen(tmp_path: Path) -> None:
    other = context_on(tmp_path)
    context = context_on(tmp_path, nothing, lambda: put(other, PAID, "ch_1"))
    put(other, PENDING)
    assert watch(context) == [PENDING, PAID]


def test_it_ends_when_the_caller_goes(tmp_path: Path) -> None:
    context = context_on(tmp_path, nothing, nothing)
    put(context, PENDING)
    assert watch(context) == [PENDING]


def test_an_order_that_was_never_there_or_is_gone(tmp_path: Path) -> None:
    context = context_on(tmp_path)
    with pytest.raises(NotFound):
        watch(context)
    context = context_on(tmp_path, lambda: context.app.orders.delete(NAME))
    put(context, PENDING)
    watching = watch_order(WatchOrderRequest(name=NAME), context)
    assert next(watching).order.state == PENDING
    with pytest.raises(NotFound):
        next(watching)


def test_a_malformed_name(tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument):
        next(watch_order(WatchOrderRequest(name="7c1d"), context_on(tmp_path)))
