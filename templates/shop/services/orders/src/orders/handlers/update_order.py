"""UpdateOrder changes the state and the payment of an order (AIP-134). What was bought never changes."""

from orders.app import Context
from orders.gen.api import Order, UpdateOrderRequest
from orders.gen.names import OrderName
from orders.gen.runtime import FailedPrecondition, InvalidArgument, update_resource


def update_order(request: UpdateOrderRequest, context: Context) -> Order:
    """A malformed name, mask or value, or a change of what was bought, is INVALID_ARGUMENT; a missing order is NOT_FOUND.

    FAILED_PRECONDITION: ORDER_PAID for any change of a paid order, PAYMENT_MISMATCH for PAID without a payment or a
    payment without PAID.
    """
    name = OrderName.parse(request.order.name, field="order.name")
    return update_resource(context.app.orders, request, request.order, name, check=_check)


def _check(before: Order, after: Order) -> None:
    if after.state not in (Order.PENDING, Order.PAID, Order.CANCELLED):
        raise InvalidArgument("an order is PENDING, PAID or CANCELLED", field="order.state")
    if before.state == Order.PAID and after != before:
        raise FailedPrecondition("a paid order stays as it is", reason="ORDER_PAID")
    if bool(after.payment) != (after.state == Order.PAID):
        raise FailedPrecondition("PAID and a payment go together: change both", reason="PAYMENT_MISMATCH")
