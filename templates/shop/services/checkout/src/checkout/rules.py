"""The rules of a sale, without the calls: what goes in decides what comes out, so plain tests cover every case."""

from collections.abc import Iterable, Sequence
from decimal import Decimal

from checkout.gen.clients import cart, catalog, orders
from checkout.gen.messages.google_type import Money
from checkout.gen.runtime import FailedPrecondition

NANOS = 10**9
_UNITS_END = 2**63  # Money.units is an int64


def price(basket: cart.Cart, products: Iterable[catalog.Product]) -> orders.Order:
    """The order that buys what is in the cart, by today's titles and prices.

    FAILED_PRECONDITION: CART_EMPTY; PRODUCT_GONE when a product of the cart is not among `products`; TOTAL_INVALID when
    the prices give no sum that could be charged.
    """
    if not basket.items:
        raise FailedPrecondition("there is nothing in the cart", reason="CART_EMPTY")
    by_name = {product.name: product for product in products}
    lines = []
    for item in basket.items:
        if item.product not in by_name:
            raise product_gone(item.product)
        product = by_name[item.product]
        lines.append(
            orders.OrderLine(product=product.name, title=product.title, quantity=item.quantity, price=product.price)
        )
    return orders.Order(lines=lines, total=total(lines), cart=basket.name, cart_etag=basket.etag)


def total(lines: Sequence[orders.OrderLine]) -> Money:
    """The exact sum of the lines. FAILED_PRECONDITION, TOTAL_INVALID: not one currency, or below nothing, or too large."""
    currency, *others = {line.price.currency_code for line in lines}
    if not currency or others:
        raise FailedPrecondition("the prices are not in one currency", reason="TOTAL_INVALID")
    units, nanos = divmod(sum(line.quantity * (line.price.units * NANOS + line.price.nanos) for line in lines), NANOS)
    if not 0 <= units < _UNITS_END:
        raise FailedPrecondition("the prices give no total that can be charged", reason="TOTAL_INVALID")
    return Money(currency_code=currency, units=units, nanos=nanos)


def amount(money: Money) -> str:
    """An amount as a decimal number, without the currency: "59.8"."""
    return f"{(money.units + Decimal(money.nanos) / NANOS).normalize():f}"


def product_gone(product: str) -> FailedPrecondition:
    """The error for a product in the cart that the catalog does not have any more."""
    return FailedPrecondition(f"{product} is not sold any more", reason="PRODUCT_GONE", metadata={"product": product})
