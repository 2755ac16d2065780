"""CreateOrder records what a customer bought (AIP-133); the same request_id again brings the first answer (AIP-155)."""

from orders.app import Context
from orders.gen.api import CreateOrderRequest, Order
from orders.gen.names import OrderName
from orders.gen.runtime import InvalidArgument, new_id


def create_order(request: CreateOrderRequest, context: Context) -> Order:
    """An order_id that another request has taken is ALREADY_EXISTS (raised by add).

    A malformed id is INVALID_ARGUMENT (raised by new_id), and so is an order without lines or total, or one that claims
    to be paid or cancelled.
    """
    order = _pending(request)
    if not request.request_id:
        context.app.orders.add(order.name, order)
        return order
    with context.app.answers.edit(new_id(request.request_id, field="request_id")) as first:
        answer = first.message
        if answer is None:
            context.app.orders.add(order.name, order)  # in the same transaction: both are kept, or neither
            answer = first.message = order
    return answer


def _pending(request: CreateOrderRequest) -> Order:
    """The order as it is to be recorded."""
    if not request.order.lines:
        raise InvalidArgument("an order needs lines", field="order.lines")
    if not request.order.HasField("total"):
        raise InvalidArgument("an order needs a total", field="order.total")
    if request.order.state not in (Order.STATE_UNSPECIFIED, Order.PENDING):
        raise InvalidArgument("a new order is PENDING", field="order.state")
    if request.order.payment:
        raise InvalidArgument("a new order has no payment", field="order.payment")
    order = Order()
    order.CopyFrom(request.order)
    order.name = str(OrderName(new_id(request.order_id, field="order_id")))
    order.state = Order.PENDING
    order.create_time.GetCurrentTime()
    return order
