"""WatchOrder tells what an order is now, and then what it is after each change, until it is PAID or CANCELLED."""

from collections.abc import Iterator

from orders.app import Context
from orders.gen.api import Order, WatchOrderRequest, WatchOrderResponse
from orders.gen.names import OrderName
from orders.gen.runtime import NotFound, changes

_SETTLED = (Order.PAID, Order.CANCELLED)


def watch_order(request: WatchOrderRequest, context: Context) -> Iterator[WatchOrderResponse]:
    """A malformed name is INVALID_ARGUMENT (raised by parse); an order that is not there (any more) is NOT_FOUND."""
    name = OrderName.parse(request.name)
    for order in changes(context.app.orders, name, context):
        if order is None:
            raise NotFound(name)
        yield WatchOrderResponse(order=order)
        if order.state in _SETTLED:
            return
