"""The steps of PlaceOrder that are more than one call."""

from collections.abc import Sequence
from contextlib import suppress

from google.protobuf.field_mask_pb2 import FieldMask

from checkout.app import App
from checkout.gen.clients import cart, catalog, orders
from checkout.gen.runtime import Aborted, AlreadyExists, FailedPrecondition, NotFound, Unavailable
from checkout.rules import amount, product_gone

_MOST_NAMES = 1000  # of BatchGetProducts
_DECLINED = 402


async def look_up(items: Sequence[cart.Item], app: App) -> list[catalog.Product]:
    """The products of a cart. FAILED_PRECONDITION, PRODUCT_GONE when the catalog lacks one."""
    names = [item.product for item in items]
    products: list[catalog.Product] = []
    for start in range(0, len(names), _MOST_NAMES):
        request = catalog.BatchGetProductsRequest(names=names[start : start + _MOST_NAMES])
        try:
            products += (await app.catalog.batch_get_products(request)).products
        except NotFound as error:
            raise product_gone(error.metadata.get("name", "a product in the cart")) from error
    return products


async def record(draft: orders.Order, name: str, app: App) -> orders.Order:
    """The order of that name, from the draft unless a try of the same purchase at the same time has made another."""
    request = orders.CreateOrderRequest(order=draft, order_id=name.rpartition("/")[2])
    try:
        return await app.orders.create_order(request)
    except AlreadyExists:
        return await app.orders.get_order(orders.GetOrderRequest(name=name))


async def settle(order: orders.Order, payment_token: str, app: App) -> orders.Order:
    """The order, paid. It is charged once, however often this is tried: its name is the idempotency key.

    FAILED_PRECONDITION, PAYMENT_DECLINED: the vendor said no, now or before, and the order is CANCELLED. UNAVAILABLE:
    the vendor does not know; the order stays PENDING, and the next try settles it.
    """
    if order.state == orders.Order.CANCELLED:
        raise _declined(order)
    answer = await app.payments.post(
        "/v1/charges",
        json={"amount": amount(order.total), "currency": order.total.currency_code, "token": payment_token},
        headers={"Authorization": f"Bearer {app.payments_key}", "Idempotency-Key": order.name},
    )
    if answer.status_code == _DECLINED:
        await _update(orders.Order(name=order.name, state=orders.Order.CANCELLED), app)
        raise _declined(order)
    if answer.is_server_error:
        raise Unavailable("the payment vendor has a problem", component=app.payments.name)
    answer.raise_for_status()  # whatever else it refuses is our mistake: INTERNAL, and the log says what
    return await _update(orders.Order(name=order.name, state=orders.Order.PAID, payment=answer.json()["id"]), app)


async def empty(order: orders.Order, app: App) -> None:
    """Take what was bought out of the cart; one that the customer has changed meanwhile is left alone."""
    if not order.cart:
        return
    with suppress(Aborted):
        await app.cart.empty_cart(cart.EmptyCartRequest(name=order.cart, etag=order.cart_etag))


async def _update(order: orders.Order, app: App) -> orders.Order:
    mask = FieldMask(paths=["state", "payment"])
    return await app.orders.update_order(orders.UpdateOrderRequest(order=order, update_mask=mask))


def _declined(order: orders.Order) -> FailedPrecondition:
    return FailedPrecondition(
        f"the payment was declined and {order.name} is cancelled; another try needs another request_id",
        reason="PAYMENT_DECLINED",
        metadata={"order": order.name},
    )
