"""What baskets refuse, as the API says it."""

from shop.basket.exceptions import (
    BasketChanged,
    BasketError,
    BasketFrozen,
    NotInBasket,
    QuantityExceeded,
    QuantityInvalid,
)

from cart_acl.gen.runtime.acl.errors import ErrorMap, Pair
from cart_acl.gen.runtime.common.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound

ERRORS = ErrorMap(
    Pair(QuantityInvalid, InvalidArgument, "QUANTITY_INVALID"),
    Pair(QuantityExceeded, FailedPrecondition, "TOO_MANY_PIECES", message=str, back=lambda e: QuantityExceeded("", 0)),
    Pair(NotInBasket, NotFound, "NOT_FOUND"),
    Pair(BasketFrozen, FailedPrecondition, "CART_FROZEN"),
    Pair(BasketChanged, Aborted, "ETAG_MISMATCH"),
    families=[BasketError],
)
