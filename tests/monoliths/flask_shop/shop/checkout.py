"""How a cart becomes a paid order."""

from datetime import datetime, timezone
from decimal import Decimal

from sqlalchemy import select
from sqlalchemy.orm import joinedload

from shop import payments
from shop.db import session
from shop.store.carts import Cart, CartLine
from shop.store.catalog import Product
from shop.store.orders import Order, OrderLine, OrderState


class CheckoutError(Exception):
    """The root of what the checkout refuses."""


class CartEmpty(CheckoutError):
    """There is nothing to buy."""


class ProductGone(CheckoutError):
    """A product in the cart is not sold any more; the argument is its sku."""


class TotalInvalid(CheckoutError):
    """The prices give no sum that can be charged."""


class PaymentDeclined(CheckoutError):
    """The vendor said no; the order is cancelled, the argument is its number."""


def place_order(token, payment_token, request_id):
    """Buy the cart of that token. The same request_id brings the same order, and no second charge."""
    session.rollback()
    with session.begin():
        cart = Cart.of(token, lock=True)
        order = session.execute(select(Order).filter_by(number=request_id)).scalar_one_or_none()
        order = order or record(cart, request_id)
        if order.state is OrderState.NEW:
            try:
                reference = payments.charge(order.total, order.currency, payment_token, order.reference)
            except payments.Declined:
                order.state = OrderState.CANCELLED
            else:
                order.pay(reference)
                order.paid_at = datetime.now(timezone.utc)
                order.cart.clear(order.cart_etag)
        number, total, currency, state = order.number, order.total, order.currency, order.state
    if state is OrderState.CANCELLED:
        raise PaymentDeclined(number)
    return number, total, currency


def record(cart, request_id):
    query = select(CartLine).join(Product, isouter=True).where(CartLine.cart_id == cart.id)
    lines = session.execute(query.options(joinedload(CartLine.product)).order_by(CartLine.position)).scalars().all()
    if not lines:
        raise CartEmpty(cart.token)
    for line in lines:
        if line.product is None or not line.product.is_sold:
            raise ProductGone(line.sku)
    currencies = {line.product.currency for line in lines}
    total = sum((line.product.price * line.quantity for line in lines), Decimal("0.00"))
    if len(currencies) != 1 or total <= 0:
        raise TotalInvalid(cart.token)
    order = Order(
        number=request_id, cart=cart, cart_etag=cart.etag, total=total, currency=currencies.pop(), state=OrderState.NEW
    )
    order.lines = [
        OrderLine(sku=line.sku, title=line.product.title, quantity=line.quantity, unit_price=line.product.price)
        for line in lines
    ]
    session.add(order)
    session.flush()
    return order
