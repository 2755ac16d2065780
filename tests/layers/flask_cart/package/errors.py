"""What carts refuse, as the API says it."""

from shop.store.carts import CartChanged, CartError, NotInCart, QuantityExceeded, QuantityInvalid

from cart_acl.gen.runtime.acl.errors import ErrorMap, Pair
from cart_acl.gen.runtime.common.errors import Aborted, FailedPrecondition, InvalidArgument, NotFound

ERRORS = ErrorMap(
    Pair(QuantityInvalid, InvalidArgument, "QUANTITY_INVALID"),
    Pair(QuantityExceeded, FailedPrecondition, "TOO_MANY_PIECES"),
    Pair(NotInCart, NotFound, "NOT_FOUND"),
    Pair(CartChanged, Aborted, "ETAG_MISMATCH"),
    families=[CartError],
)
