"""PlaceOrder turns a cart into a paid order; a retry with the same request_id goes on where the last one stopped."""

from checkout.app import Context
from checkout.gen.api import PlaceOrderRequest, PlaceOrderResponse
from checkout.gen.clients import cart, orders
from checkout.gen.runtime import InvalidArgument, NotFound, new_id
from checkout.names import CartName, OrderName
from checkout.rules import price
from checkout.steps import empty, look_up, record, settle


async def place_order(request: PlaceOrderRequest, context: Context) -> PlaceOrderResponse:
    """A malformed or empty field is INVALID_ARGUMENT.

    FAILED_PRECONDITION: CART_EMPTY, PRODUCT_GONE and TOTAL_INVALID before there is an order, PAYMENT_DECLINED after.
    """
    app = context.app
    name = _order_name(request)
    try:
        order = await app.orders.get_order(orders.GetOrderRequest(name=name))
    except NotFound:
        basket = await app.cart.get_cart(cart.GetCartRequest(name=request.cart))
        products = await look_up(basket.items, app)
        draft = price(basket, products)  # pure; raises CART_EMPTY, PRODUCT_GONE, TOTAL_INVALID
        order = await record(draft, name, app)
    if order.state != orders.Order.PAID:
        order = await settle(order, request.payment_token, app)  # charges once: the order's name is the idempotency key
    await empty(order, app)  # the cart that was bought, and only that: the one in the request may be another by now
    return PlaceOrderResponse(order=order.name, total=order.total)


def _order_name(request: PlaceOrderRequest) -> str:
    """The name of the order that the request makes, once all its fields are right."""
    CartName.parse(request.cart, field="cart")
    for field in ("payment_token", "request_id"):
        if not getattr(request, field):
            raise InvalidArgument(f"{field} is empty", field=field)
    return str(OrderName(new_id(request.request_id, field="request_id")))
