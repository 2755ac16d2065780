"""The lines of a cart: one for each product, with the number of pieces."""

from cart.gen.api import Cart, Item
from cart.gen.runtime import ResourceName

#: So many pieces of one product fit into a cart.
MOST_PIECES = 1000


class ProductName(ResourceName):
    """The name of a product. What it names is for the catalog to know; the cart knows what such a name looks like."""

    pattern = "products/{product}"


def line_of(cart: Cart, product: ProductName) -> Item | None:
    """The line of a product, to be changed in place; None when the cart does not hold the product."""
    return next((item for item in cart.items if item.product == str(product)), None)
