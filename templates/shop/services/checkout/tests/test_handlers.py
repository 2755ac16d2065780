"""The handlers are functions: called here with fakes of the stores, and a vendor that answers from a table."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx
import pytest

from checkout.app import App, Context
from checkout.gen.api import PlaceOrderRequest, PlaceOrderResponse
from checkout.gen.clients import cart, catalog, orders
from checkout.gen.messages.google_type import Money
from checkout.gen.runtime import (
    Aborted,
    AlreadyExists,
    Call,
    DeadlineExceeded,
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Settings,
    Unavailable,
)
from checkout.gen.vendors import Payments
from checkout.handlers.place_order import place_order
from checkout.rules import amount, price

PENDING, PAID, CANCELLED = orders.Order.PENDING, orders.Order.PAID, orders.Order.CANCELLED


def euros(units: int, nanos: int = 0) -> Money:
    return Money(currency_code="EUR", units=units, nanos=nanos)


CUP = catalog.Product(name="products/espresso-cup", title="Espresso cup", price=euros(9, 900_000_000))
POT = catalog.Product(name="products/moka-pot", title="Moka pot", price=euros(49, 900_000_000))


class FakeCart(cart.Client):
    """A cart service; every cart holds the same, its etag says how much that is."""

    def __init__(self, *items: cart.Item) -> None:
        self.items = list(items)
        self.emptied: list[str] = []

    @property
    def etag(self) -> str:
        return f'"{len(self.items)}"'

    async def get_cart(self, request: cart.GetCartRequest, *, timeout: float | None = None) -> cart.Cart:
        return cart.Cart(name=request.name, items=self.items, etag=self.etag)

    async def empty_cart(
        self, request: cart.EmptyCartRequest, *, timeout: float | None = None
    ) -> cart.EmptyCartResponse:
        if self.items and request.etag != self.etag:
            raise Aborted("the cart has changed")
        self.items.clear()
        self.emptied.append(request.name)
        return cart.EmptyCartResponse()


class FakeCatalog(catalog.Client):
    """A catalog that holds these products."""

    def __init__(self, *products: catalog.Product) -> None:
        self.products = {product.name: product for product in products}
        self.asked: list[int] = []

    async def batch_get_products(
        self, request: catalog.BatchGetProductsRequest, *, timeout: float | None = None
    ) -> catalog.BatchGetProductsResponse:
        self.asked.append(len(request.names))
        for name in request.names:
            if name not in self.products:
                raise NotFound(name, metadata={"name": name})
        return catalog.BatchGetProductsResponse(products=[self.products[name] for name in request.names])


class FakeOrders(orders.Client):
    """An order service, as far as a checkout can tell."""

    def __init__(self) -> None:
        self.orders: dict[str, orders.Order] = {}
        self.failures: list[Exception] = []

    async def get_order(self, request: orders.GetOrderRequest, *, timeout: float | None = None) -> orders.Order:
        if request.name not in self.orders:
            raise NotFound(request.name)
        return self.orders[request.name]

    async def create_order(self, request: orders.CreateOrderRequest, *, timeout: float | None = None) -> orders.Order:
        order = orders.Order(name=f"orders/{request.order_id}", state=PENDING)
        if order.name in self.orders:
            raise AlreadyExists(order.name)
        order.MergeFrom(request.order)
        self.orders[order.name] = order
        return order

    async def update_order(self, request: orders.UpdateOrderRequest, *, timeout: float | None = None) -> orders.Order:
        if self.failures:
            raise self.failures.pop()
        assert list(request.update_mask.paths) == ["state", "payment"]
        order = self.orders[request.order.name]
        order.state, order.payment = request.order.state, request.order.payment
        return order


@dataclass
class Vendor:
    """The payment vendor: answers with a status, and remembers what it was asked."""

    status: int = 200
    requests: list[httpx.Request] = field(default_factory=list)
    meanwhile: Callable[[], object] = list  # what happens while it thinks

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        self.meanwhile()
        return httpx.Response(self.status, json={"id": "ch_1"})


class Shop:
    """A checkout with everything around it."""

    def __init__(self, *items: cart.Item) -> None:
        self.cart = FakeCart(*items)
        self.catalog = FakeCatalog(CUP, POT)
        self.orders = FakeOrders()
        self.vendor = Vendor()

    def place_order(self, request_id: str = "7c1d", token: str = "card", cart: str = "carts/1") -> PlaceOrderResponse:
        request = PlaceOrderRequest(cart=cart, payment_token=token, request_id=request_id)
        return asyncio.run(place_order(request, self._context()))

    def refusal(self, **request: str) -> FailedPrecondition:
        """Why an order is not placed."""
        with pytest.raises(FailedPrecondition) as raised:
            self.place_order(**request)
        return raised.value

    def _context(self) -> Context:
        settings = Settings.load("checkout", dev=True, environ={"PAYMENTS_URL": "http://payments.test"})
        payments = Payments(settings, transport=httpx.MockTransport(self.vendor))
        return Call(App(self.cart, self.catalog, self.orders, payments, payments_key="secret"))


@pytest.fixture
def shop() -> Shop:
    return Shop(cart.Item(product=CUP.name, quantity=2), cart.Item(product=POT.name, quantity=1))


def test_an_order_is_placed_paid_and_the_cart_emptied(shop: Shop) -> None:
    response = shop.place_order()
    assert response == PlaceOrderResponse(order="orders/7c1d", total=euros(69, 700_000_000))
    order = shop.orders.orders["orders/7c1d"]
    assert (order.state, order.payment) == (PAID, "ch_1")
    assert [(line.product, line.title, line.quantity, line.price) for line in order.lines] == [
        (CUP.name, "Espresso cup", 2, CUP.price),
        (POT.name, "Moka pot", 1, POT.price),
    ]
    assert shop.cart.items == []
    assert shop.catalog.asked == [2], "one call prices the whole cart"


def test_what_the_vendor_is_asked(shop: Shop) -> None:
    shop.place_order()
    (request,) = shop.vendor.requests
    assert (request.method, str(request.url)) == ("POST", "http://payments.test/v1/charges")
    assert request.headers["Idempotency-Key"] == "orders/7c1d"
    assert request.headers["Authorization"] == "Bearer secret"
    assert json.loads(request.content) == {"amount": "69.7", "currency": "EUR", "token": "card"}


def test_a_repeated_purchase_gets_the_same_answer_and_is_not_charged_again(shop: Shop) -> None:
    first = shop.place_order()
    assert shop.place_order() == first
    assert len(shop.vendor.requests) == 1
    assert len(shop.orders.orders) == 1


GRINDER = cart.Item(product="products/grinder", quantity=1)


def test_what_was_added_while_it_was_paid_for_stays_in_the_cart(shop: Shop) -> None:
    shop.vendor.meanwhile = lambda: shop.cart.items.append(GRINDER)
    assert shop.place_order() == PlaceOrderResponse(order="orders/7c1d", total=euros(69, 700_000_000))
    assert GRINDER in shop.cart.items


def test_a_repeated_purchase_leaves_a_cart_alone_that_was_filled_again(shop: Shop) -> None:
    first = shop.place_order()
    shop.cart.items.append(GRINDER)
    assert shop.place_order() == first
    assert shop.cart.items == [GRINDER]


def test_a_repeated_purchase_leaves_another_cart_alone(shop: Shop) -> None:
    first = shop.place_order()
    assert shop.place_order(cart="carts/2") == first
    assert shop.cart.emptied == ["carts/1", "carts/1"]


def test_a_try_at_the_same_time_that_was_faster_decides_what_is_bought(shop: Shop) -> None:
    async def too_late(request: orders.GetOrderRequest, *, timeout: float | None = None) -> orders.Order:
        shop.orders.get_order = found  # type: ignore[method-assign]
        raise NotFound(request.name)

    first = shop.place_order()
    shop.cart.items.append(GRINDER)
    shop.catalog.products[GRINDER.product] = catalog.Product(name=GRINDER.product, price=euros(1000))
    found, shop.orders.get_order = shop.orders.get_order, too_late  # type: ignore[method-assign]
    assert shop.place_order() == first
    assert (len(shop.vendor.requests), shop.cart.items) == (1, [GRINDER])


def test_a_declined_payment_cancels_the_order_and_keeps_the_cart(shop: Shop) -> None:
    shop.vendor.status = 402
    refusal = shop.refusal(token="declined")
    assert refusal.reason == "PAYMENT_DECLINED"
    assert refusal.metadata == {"order": "orders/7c1d"}
    assert shop.orders.orders["orders/7c1d"].state == CANCELLED
    assert len(shop.cart.items) == 2


def test_a_cancelled_order_is_not_charged_again(shop: Shop) -> None:
    shop.vendor.status = 402
    shop.refusal(token="declined")
    shop.vendor.status = 200
    assert shop.refusal(token="card").reason == "PAYMENT_DECLINED"
    assert len(shop.vendor.requests) == 1
    assert shop.place_order(request_id="7c1e").order == "orders/7c1e"


def test_a_vendor_that_fails_leaves_an_order_that_the_next_try_settles(shop: Shop) -> None:
    shop.vendor.status = 503
    with pytest.raises(Unavailable):
        shop.place_order()
    assert shop.orders.orders["orders/7c1d"].state == PENDING
    shop.catalog.products[CUP.name] = catalog.Product(name=CUP.name, price=euros(1000))
    shop.vendor.status = 200
    assert shop.place_order().total == euros(69, 700_000_000), "the price is that of the first try"
    assert {request.headers["Idempotency-Key"] for request in shop.vendor.requests} == {"orders/7c1d"}


def test_a_charge_that_was_not_recorded_is_asked_for_under_the_same_key(shop: Shop) -> None:
    shop.orders.failures = [DeadlineExceeded("too late")]
    with pytest.raises(DeadlineExceeded):
        shop.place_order()
    shop.place_order()
    assert [request.headers["Idempotency-Key"] for request in shop.vendor.requests] == ["orders/7c1d"] * 2
    assert shop.orders.orders["orders/7c1d"].state == PAID


def test_what_the_vendor_calls_our_mistake_is_not_taken_for_a_payment(shop: Shop) -> None:
    shop.vendor.status = 401
    with pytest.raises(httpx.HTTPStatusError):
        shop.place_order()
    assert shop.orders.orders["orders/7c1d"].state == PENDING


def test_an_empty_cart_is_not_bought() -> None:
    shop = Shop()
    assert shop.refusal().reason == "CART_EMPTY"
    assert (shop.orders.orders, shop.vendor.requests) == ({}, [])


def test_a_product_that_is_gone_is_named(shop: Shop) -> None:
    del shop.catalog.products[POT.name]
    refusal = shop.refusal()
    assert (refusal.reason, refusal.metadata) == ("PRODUCT_GONE", {"product": POT.name})
    assert (shop.orders.orders, shop.vendor.requests) == ({}, [])


def test_a_large_cart_is_looked_up_in_parts() -> None:
    products = [catalog.Product(name=f"products/{number}", price=euros(1)) for number in range(2500)]
    shop = Shop(*(cart.Item(product=product.name, quantity=1) for product in products))
    shop.catalog = FakeCatalog(*products)
    assert shop.place_order().total == euros(2500)
    assert shop.catalog.asked == [1000, 1000, 500]


@pytest.mark.parametrize(
    "request_",
    [
        {"cart": "1"},
        {"cart": "carts/"},
        {"token": ""},
        {"request_id": ""},
        {"request_id": "a/b"},
        {"request_id": "a b"},
    ],
)
def test_malformed_requests_reach_nobody(shop: Shop, request_: dict[str, str]) -> None:
    with pytest.raises(InvalidArgument):
        shop.place_order(**request_)
    assert (shop.catalog.asked, shop.orders.orders, shop.vendor.requests, shop.cart.emptied) == ([], {}, [], [])


def basket(*items: cart.Item) -> cart.Cart:
    return cart.Cart(name="carts/1", items=items)


@pytest.mark.parametrize(
    ("price_of_one", "quantity", "total"),
    [
        (euros(0, 1), 1000, euros(0, 1000)),
        (euros(0, 999_999_999), 1000, euros(999, 999_999_000)),
        (euros(19, 990_000_000), 3, euros(59, 970_000_000)),
        (euros(0), 5, euros(0)),
        (euros(2**53 + 1, 1), 7, euros(7 * 2**53 + 7, 7)),
    ],
)
def test_sums_are_exact(price_of_one: Money, quantity: int, total: Money) -> None:
    product = catalog.Product(name=CUP.name, price=price_of_one)
    assert price(basket(cart.Item(product=CUP.name, quantity=quantity)), [product]).total == total


@pytest.mark.parametrize(
    "prices",
    [
        (euros(1), Money(currency_code="USD", units=1)),
        (Money(), Money()),
        (euros(-1), euros(0, 999_999_999)),
        (euros(2**63 - 1), euros(1)),
    ],
    ids=["two currencies", "no currency", "below nothing", "too large"],
)
def test_prices_without_a_sum_are_refused(prices: tuple[Money, Money]) -> None:
    products = [catalog.Product(name=f"products/{number}", price=price) for number, price in enumerate(prices)]
    with pytest.raises(FailedPrecondition) as raised:
        price(basket(*(cart.Item(product=product.name, quantity=1) for product in products)), products)
    assert raised.value.reason == "TOTAL_INVALID"


def test_a_price_list_may_lack_a_product() -> None:
    with pytest.raises(FailedPrecondition) as raised:
        price(basket(cart.Item(product=CUP.name, quantity=1)), [POT])
    assert raised.value.reason == "PRODUCT_GONE"


@pytest.mark.parametrize(
    ("money", "shown"),
    [
        (euros(59, 800_000_000), "59.8"),
        (euros(100), "100"),
        (euros(0), "0"),
        (euros(0, 1), "0.000000001"),
        (euros(2**63 - 1, 999_999_999), "9223372036854775807.999999999"),
    ],
)
def test_amounts_are_written_exactly(money: Money, shown: str) -> None:
    assert amount(money) == shown
