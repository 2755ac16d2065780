"""The port over the shop's own function."""

from checkout_acl.gen.port import PlaceOrderRequest, PlaceOrderResponse
from checkout_acl.translate import PLACED
from shop.orders.checkout import place_order


class Local:
    """The monolith answers."""

    def place_order(self, request: PlaceOrderRequest) -> PlaceOrderResponse:
        token = request.cart[len("carts/") :]
        return PLACED(place_order(token, request.payment_token, request.request_id))
