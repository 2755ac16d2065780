"""How carts and their lines become carts of the API."""

from cart_acl.gen import port
from cart_acl.gen.translation import computed, drop, src, translation, translator

ITEM = translator(
    port.Item,
    "shop.store.carts.CartLine",
    fields={
        "product": src("sku", to=lambda sku: "products/" + sku, back=lambda name: name[len("products/") :]),
        "quantity": src("quantity"),
    },
    drops=[
        drop("cart", "position", reason="a cart is read as a whole, in order"),
        drop("product", "price", reason="the catalog's"),
    ],
)

CART = translator(
    port.Cart,
    "shop.store.carts.Cart",
    fields={
        "name": src("token", to=lambda token: "carts/" + token, back=lambda name: name[len("carts/") :]),
        "items": computed(lambda cart: tuple(ITEM(line) for line in cart.lines), uses=["lines"]),
        "etag": computed(lambda cart: cart.etag, uses=["id", "version"]),
    },
    drops=[
        drop("status", "customer_email", reason="the checkout's"),
        drop("changed_at", reason="for the shop's own reports"),
    ],
)

TRANSLATION = translation(CART, ITEM)
