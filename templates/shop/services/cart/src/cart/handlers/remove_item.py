"""RemoveItem takes a product out of a cart, all its pieces at once."""

from cart.app import Context
from cart.gen.api import Cart, RemoveItemRequest
from cart.gen.names import CartName
from cart.gen.runtime import NotFound
from cart.lines import ProductName, line_of


def remove_item(request: RemoveItemRequest, context: Context) -> Cart:
    """A malformed name is INVALID_ARGUMENT (raised by parse); a product that is not in the cart is NOT_FOUND."""
    name = CartName.parse(request.cart, field="cart")
    product = ProductName.parse(request.product, field="product")
    with context.app.carts.edit(name) as held:
        cart = held.message or Cart(name=str(name))
        line = line_of(cart, product)
        if line is None:
            raise NotFound(product, message=f"{product} is not in {name}")
        cart.items.remove(line)
        if not cart.items:  # an empty cart is one that nobody has put anything into
            cart = Cart(name=str(name))
            held.message = None
    return cart
