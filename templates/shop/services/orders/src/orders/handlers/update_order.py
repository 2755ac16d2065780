"""UpdateOrder changes the state and the payment of an order (AIP-134). What was bought never changes."""

from google.protobuf.field_mask_pb2 import FieldMask

from orders.app import Context
from orders.gen.api import Order, UpdateOrderRequest
from orders.gen.names import OrderName
from orders.gen.runtime import FailedPrecondition, InvalidArgument, NotFound

CHANGEABLE = ("state", "payment")


def update_order(request: UpdateOrderRequest, context: Context) -> Order:
    """A malformed name, another field in the mask or no real state is INVALID_ARGUMENT; a missing order is NOT_FOUND.

    FAILED_PRECONDITION: ORDER_PAID for any change of a paid order, PAYMENT_MISMATCH for PAID without a payment or a
    payment without PAID.
    """
    name = OrderName.parse(request.order.name, field="order.name")
    mask = _mask(request)
    with context.app.orders.edit(name) as held:
        if held.message is None:
            raise NotFound(name)
        order = Order()
        order.CopyFrom(held.message)
        mask.MergeMessage(request.order, order)
        if held.message.state == Order.PAID and order != held.message:
            raise FailedPrecondition("a paid order stays as it is", reason="ORDER_PAID")
        if bool(order.payment) != (order.state == Order.PAID):
            raise FailedPrecondition("PAID and a payment go together: change both", reason="PAYMENT_MISMATCH")
        held.message = order
    return order


def _mask(request: UpdateOrderRequest) -> FieldMask:
    """The fields to change: those that the mask names, both for `*`, without a mask those that are set."""
    paths = list(request.update_mask.paths) or [path for path in CHANGEABLE if getattr(request.order, path)]
    if paths == ["*"]:
        paths = list(CHANGEABLE)
    if not set(paths) <= set(CHANGEABLE):
        raise InvalidArgument(f"only {' and '.join(CHANGEABLE)} can change, or *", field="update_mask")
    if "state" in paths and request.order.state not in (Order.PENDING, Order.PAID, Order.CANCELLED):
        raise InvalidArgument("an order is PENDING, PAID or CANCELLED", field="order.state")
    return FieldMask(paths=paths)
