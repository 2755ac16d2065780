"""GetCart returns a cart (AIP-131). One that nobody has put anything into is empty, not missing."""

from cart.app import Context
from cart.gen.api import Cart, GetCartRequest
from cart.gen.names import CartName


def get_cart(request: GetCartRequest, context: Context) -> Cart:
    """A malformed name is INVALID_ARGUMENT (raised by parse)."""
    name = CartName.parse(request.name)
    return context.app.carts.get(name) or Cart(name=str(name))
