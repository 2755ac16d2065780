"""The port over the shop's carts."""

from shop.db import session
from shop.store.carts import MOST_PIECES
from shop.store.carts import Cart as Row

from cart_acl.gen.names import CartName
from cart_acl.gen.port import (
    AddItemRequest,
    Cart,
    EmptyCartRequest,
    EmptyCartResponse,
    GetCartRequest,
    Item,
    RemoveItemRequest,
)
from cart_acl.gen.runtime.common.errors import InvalidArgument
from cart_acl.gen.runtime.common.names import ResourceName
from cart_acl.translate import CART


class ProductName(ResourceName):
    """`products/espresso-cup`."""

    pattern = "products/{product}"


class Local:
    """The monolith answers."""

    def get_cart(self, request: GetCartRequest) -> Cart:
        name = CartName.parse(request.name)
        row = session.query(Row).filter_by(token=name.ids[0]).one_or_none()
        return CART(row) if row else Cart(name=request.name)

    def add_item(self, request: AddItemRequest) -> Cart:
        name = CartName.parse(request.cart, field="cart")
        item = request.item or Item()
        product = ProductName.parse(item.product, field="item.product")
        if not 1 <= item.quantity <= MOST_PIECES:
            raise InvalidArgument(f"the quantity is 1 to {MOST_PIECES}", field="item.quantity")
        row = Row.of(name.ids[0], lock=True)
        row.add(product.ids[0], item.quantity)
        session.commit()
        return CART(row)

    def remove_item(self, request: RemoveItemRequest) -> Cart:
        name = CartName.parse(request.cart, field="cart")
        product = ProductName.parse(request.product, field="product")
        row = Row.of(name.ids[0], lock=True)
        row.remove(product.ids[0])
        session.commit()
        return CART(row)

    def empty_cart(self, request: EmptyCartRequest) -> EmptyCartResponse:
        name = CartName.parse(request.name)
        row = Row.of(name.ids[0], lock=True)
        row.clear(request.etag)
        session.commit()
        return EmptyCartResponse()
