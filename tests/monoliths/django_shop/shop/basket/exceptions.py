"""What the basket refuses."""


class BasketError(Exception):
    """The root of them."""


class QuantityInvalid(BasketError):
    """A quantity that never fits."""


class QuantityExceeded(BasketError):
    """More than one line may hold, with what it holds already."""

    def __init__(self, sku, held):
        super().__init__("{} pieces of {} are in the basket already".format(held, sku))
        self.sku = sku
        self.held = held


class NotInBasket(BasketError):
    """There is no such line."""


class BasketFrozen(BasketError):
    """It is being paid, or was."""


class BasketChanged(BasketError):
    """It is not what it was any more."""
