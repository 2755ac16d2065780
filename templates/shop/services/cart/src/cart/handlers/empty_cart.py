"""EmptyCart takes everything out of a cart, for example when it has been paid. Emptying an empty cart is fine."""

from cart.app import Context
from cart.gen.api import EmptyCartRequest, EmptyCartResponse
from cart.gen.names import CartName


def empty_cart(request: EmptyCartRequest, context: Context) -> EmptyCartResponse:
    """A malformed name is INVALID_ARGUMENT (raised by parse)."""
    context.app.carts.delete(CartName.parse(request.name))
    return EmptyCartResponse()
