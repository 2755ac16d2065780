"""The names that checkout reads and makes itself, by the patterns of the services that keep what they name."""

from checkout.gen.runtime import ResourceName


class CartName(ResourceName):
    """The name of a cart."""

    pattern = "carts/{cart}"


class OrderName(ResourceName):
    """The name of an order. Its id is the request_id of the purchase, so that a retry finds it."""

    pattern = "orders/{order}"


class ProductName(ResourceName):
    """The name of a product."""

    pattern = "products/{product}"
