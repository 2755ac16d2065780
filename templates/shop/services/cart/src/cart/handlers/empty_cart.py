"""EmptyCart takes everything out of a cart, for example when it has been paid. Emptying an empty cart is fine."""

from cart.app import Context
from cart.gen.api import EmptyCartRequest, EmptyCartResponse
from cart.gen.names import CartName
from cart.gen.runtime import check_etag


def empty_cart(request: EmptyCartRequest, context: Context) -> EmptyCartResponse:
    """A malformed name is INVALID_ARGUMENT; a cart that has changed since the etag in the request is ABORTED."""
    with context.app.carts.edit(CartName.parse(request.name)) as held:
        if held.message is not None:
            check_etag(request.etag, held)
            held.message = None
    return EmptyCartResponse()
