"""How a basket becomes a paid order: one transaction over four apps, as it has always been."""

from decimal import Decimal

from django.db import transaction
from django.dispatch import Signal

from shop.basket.models import Basket
from shop.catalog.models import Product
from shop.orders import gateway
from shop.orders.models import Order, OrderLine
from shop.partner.models import StockRecord

order_placed = Signal()


class CheckoutError(Exception):
    """The root of what the checkout refuses."""


class BasketEmpty(CheckoutError):
    """There is nothing to buy."""


class ProductGone(CheckoutError):
    """A product in the basket is not sold any more; the argument is its sku."""


class TotalInvalid(CheckoutError):
    """The prices give no sum that can be charged."""


class PaymentDeclined(CheckoutError):
    """The vendor said no; the order is cancelled, the argument is its number."""


def place_order(token, payment_token, request_id):
    """Buy the basket of that token. The same request_id brings the same order, and no second charge."""
    with transaction.atomic():
        # Locked first: of two attempts at once, the second finds what the first has recorded.
        Basket.objects.select_for_update().filter(token=token).first()
        order = Order.objects.filter(number=request_id).first() or _record(token, request_id)
        if order.status == Order.NEW:
            try:
                # The vendor is called while rows are locked. Everybody knows, nobody dares.
                order.pay(gateway.charge(order.total, order.currency, payment_token, order.reference))
            except gateway.Declined:
                order.cancel()
            else:
                order.basket.clear(order.basket_etag)
                order_placed.send(sender=Order, order=order)
    if order.status == Order.CANCELLED:
        raise PaymentDeclined(order.number)
    return order


def _record(token, request_id):
    basket = Basket.objects.select_for_update().filter(token=token).first()
    lines = list(basket.lines.select_related("product")) if basket else []
    if not lines:
        raise BasketEmpty(token)
    for line in lines:
        if not line.is_available:
            raise ProductGone(line.sku)
    currencies = {line.product.currency for line in lines}
    total = sum((line.product.price * line.quantity for line in lines), Decimal("0.00"))
    if len(currencies) != 1 or total <= 0:
        raise TotalInvalid(token)
    order = Order.objects.create(
        number=request_id, basket=basket, basket_etag=basket.etag, total=total, currency=currencies.pop()
    )
    for line in lines:
        OrderLine.objects.create(
            order=order,
            product=line.product,
            stockrecord=_allocate(line.product, line.quantity),
            sku=line.sku,
            title=line.product.title,
            quantity=line.quantity,
            unit_price=line.product.price,
        )
    return order


def _allocate(product, quantity):
    """Set the pieces aside where somebody counts them."""
    record = StockRecord.objects.select_for_update().filter(product=product).order_by("id").first()
    if record is not None:
        record.allocate(quantity)
    return record


@transaction.atomic
def discontinue(slug):
    """Take a product off the market, and out of every open basket."""
    product = Product.objects.get(slug=slug)
    product.discontinue()
    for basket in Basket.objects.filter(lines__product__slug=slug, status=Basket.Status.OPEN).distinct():
        basket.remove(slug)
