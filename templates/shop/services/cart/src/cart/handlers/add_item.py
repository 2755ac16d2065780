"""AddItem puts pieces of a product into a cart; a product that is there already gets more pieces, not a second line."""

from cart.app import Context
from cart.gen.api import AddItemRequest, Cart
from cart.gen.names import CartName
from cart.gen.runtime import FailedPrecondition, InvalidArgument
from cart.lines import MOST_PIECES, ProductName, line_of


def add_item(request: AddItemRequest, context: Context) -> Cart:
    """A malformed name, or a quantity that never fits, is INVALID_ARGUMENT.

    A quantity that is too much with what the cart holds already is FAILED_PRECONDITION, TOO_MANY_PIECES.
    """
    name = CartName.parse(request.cart, field="cart")
    item = request.item
    product = ProductName.parse(item.product, field="item.product")
    if not 1 <= item.quantity <= MOST_PIECES:
        raise InvalidArgument(f"the quantity is 1 to {MOST_PIECES}, not {item.quantity}", field="item.quantity")
    with context.app.carts.edit(name) as held:
        cart = held.message = held.message or Cart(name=str(name))
        line = line_of(cart, product)
        if line is None:
            cart.items.append(item)
        elif line.quantity + item.quantity > MOST_PIECES:
            raise FailedPrecondition(
                f"{item.quantity} more pieces of {product} are too many: {line.quantity} of {MOST_PIECES} are in the cart",
                reason="TOO_MANY_PIECES",
                metadata={"product": str(product), "quantity": str(line.quantity), "most": str(MOST_PIECES)},
            )
        else:
            line.quantity += item.quantity
    return cart
