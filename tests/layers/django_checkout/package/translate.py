"""How an order of the shop becomes the checkout's answer."""

from checkout_acl.gen import port
from checkout_acl.gen.translation import computed, drop, src, translation, translator


def money(order) -> port.Money:
    """Exact: whole units, and what is behind the point as billionths."""
    units = int(order.total)
    return port.Money(order.currency, units, int((order.total - units) * 1_000_000_000))


PLACED = translator(
    port.PlaceOrderResponse,
    "orders.Order",
    fields={
        "order": src("number", to=lambda number: "orders/" + number),
        "total": computed(money, uses=["total", "currency"], one_way="an answer is only read"),
    },
    drops=[
        drop("id", "public_id", "basket", "basket_etag", reason="an order is known by its number"),
        drop("customer", "email", "note", reason="not the checkout's"),
        drop("status", "payment_reference", "placed_at", "paid_at", reason="what is answered is placed and paid"),
    ],
)

TRANSLATION = translation(PLACED)
