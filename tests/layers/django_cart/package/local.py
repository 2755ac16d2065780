"""The port over the shop's baskets."""

from shop.basket.models import MOST_PIECES, Basket

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
        basket = _baskets().filter(token=name.ids[0]).first()
        return CART(basket) if basket else Cart(name=request.name)

    def add_item(self, request: AddItemRequest) -> Cart:
        name = CartName.parse(request.cart, field="cart")
        item = request.item or Item()
        product = ProductName.parse(item.product, field="item.product")
        if not 1 <= item.quantity <= MOST_PIECES:
            raise InvalidArgument(f"the quantity is 1 to {MOST_PIECES}", field="item.quantity")
        _basket(name).add(product.ids[0], item.quantity)
        return _read(name)

    def remove_item(self, request: RemoveItemRequest) -> Cart:
        name = CartName.parse(request.cart, field="cart")
        product = ProductName.parse(request.product, field="product")
        _basket(name).remove(product.ids[0])
        return _read(name)

    def empty_cart(self, request: EmptyCartRequest) -> EmptyCartResponse:
        name = CartName.parse(request.name)
        basket = Basket.objects.filter(token=name.ids[0]).first()
        if basket is not None:
            basket.clear(request.etag)
        return EmptyCartResponse()


def _basket(name: CartName) -> Basket:
    return Basket.objects.get_or_create(token=name.ids[0])[0]


def _read(name: CartName) -> Cart:
    return CART(_baskets().get(token=name.ids[0]))


def _baskets():
    return Basket.objects.prefetch_related("lines")
