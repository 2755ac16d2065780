"""What the shop's checkout refuses, as the API says it."""

from checkout_acl.gen.runtime.acl.errors import ErrorMap, Pair
from checkout_acl.gen.runtime.common.errors import FailedPrecondition
from shop.orders.checkout import BasketEmpty, CheckoutError, PaymentDeclined, ProductGone, TotalInvalid

ERRORS = ErrorMap(
    Pair(BasketEmpty, FailedPrecondition, "CART_EMPTY"),
    Pair(ProductGone, FailedPrecondition, "PRODUCT_GONE"),
    Pair(TotalInvalid, FailedPrecondition, "TOTAL_INVALID"),
    Pair(PaymentDeclined, FailedPrecondition, "PAYMENT_DECLINED"),
    families=[CheckoutError],
)
