"""How baskets and their lines become carts."""

from cart_acl.gen import port
from cart_acl.gen.translation import computed, drop, src, translation, translator

PRODUCT = "products/"

ITEM = translator(
    port.Item,
    "basket.Line",
    fields={
        "product": src("sku", to=lambda sku: PRODUCT + sku, back=lambda name: name[len(PRODUCT) :]),
        "quantity": src("quantity"),
    },
    drops=[
        drop("id", "basket", reason="a cart is read as a whole; its lines have no names"),
        drop("product", "price", reason="the catalog's: what it is and costs matters at the checkout"),
        drop("added_at", reason="only their order counts"),
    ],
)

CART = translator(
    port.Cart,
    "basket.Basket",
    fields={
        "name": src("token", to=lambda token: "carts/" + token, back=lambda name: name[len("carts/") :]),
        "items": computed(lambda basket: tuple(ITEM(line) for line in basket.lines.all()), uses=["lines"]),
        "etag": computed(lambda basket: basket.etag, uses=["etag", "id", "version"]),
    },
    drops=[
        drop("owner", "voucher_code", reason="who it belongs to, and what is granted, is not the cart's"),
        drop("status", reason="a cart is open; what becomes of it is the checkout's"),
        drop("total", reason="prices are the checkout's"),
        drop("changed_at", "created_at", reason="for the shop's own reports"),
    ],
)

TRANSLATION = translation(CART, ITEM)
