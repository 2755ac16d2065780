"""CreateOrder records what a customer bought (AIP-133); the same request_id again brings the first answer (AIP-155)."""

from orders.app import Context
from orders.gen.api import CreateOrderRequest, Order
from orders.gen.names import OrderName
from orders.gen.runtime import InvalidArgument, create_resource, new_id


def create_order(request: CreateOrderRequest, context: Context) -> Order:
    """A field that is missing or malformed is INVALID_ARGUMENT; an order that exists already is ALREADY_EXISTS.

    An order that claims to be paid or cancelled is INVALID_ARGUMENT as well.
    """
    name = OrderName(new_id(request.order_id, field="order_id"))
    return create_resource(context.app.orders, request, request.order, name, prepare=_pending)


def _pending(order: Order) -> None:
    if order.state not in (Order.STATE_UNSPECIFIED, Order.PENDING):
        raise InvalidArgument("a new order is PENDING", field="order.state")
    if order.payment:
        raise InvalidArgument("a new order has no payment", field="order.payment")
    order.state = Order.PENDING
