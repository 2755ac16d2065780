"""The handlers are functions: called here with a database in memory, and no server."""

import pytest
from google.protobuf.field_mask_pb2 import FieldMask

from orders.app import Context, build
from orders.gen.api import (
    CreateOrderRequest,
    GetOrderRequest,
    ListOrdersRequest,
    Order,
    OrderLine,
    UpdateOrderRequest,
)
from orders.gen.messages.google_type import Money
from orders.gen.runtime import AlreadyExists, Call, FailedPrecondition, InvalidArgument, NotFound, Settings
from orders.handlers.create_order import create_order
from orders.handlers.get_order import get_order
from orders.handlers.list_orders import list_orders
from orders.handlers.update_order import update_order

PRICE = Money(currency_code="EUR", units=9, nanos=900_000_000)
LINE = OrderLine(product="products/espresso-cup", title="Espresso cup", quantity=1, price=PRICE)
PENDING, PAID, CANCELLED = Order.PENDING, Order.PAID, Order.CANCELLED


@pytest.fixture
def context() -> Context:
    return Call(build(Settings.load("orders", dev=True, environ={"DATABASE_URL": "sqlite://"})))


def draft() -> Order:
    return Order(lines=[LINE], total=PRICE)


def create(context: Context, order_id: str = "", request_id: str = "", order: Order | None = None) -> Order:
    order = draft() if order is None else order
    return create_order(CreateOrderRequest(order=order, order_id=order_id, request_id=request_id), context)


def update(context: Context, order: Order, *paths: str) -> Order:
    order.name = order.name or "orders/7c1d"
    return update_order(UpdateOrderRequest(order=order, update_mask=FieldMask(paths=paths)), context)


def stored(context: Context, name: str = "orders/7c1d") -> Order:
    return get_order(GetOrderRequest(name=name), context)


def names(context: Context) -> list[str]:
    return [order.name for order in list_orders(ListOrdersRequest(), context).orders]


def test_a_new_order_is_pending(context: Context) -> None:
    order = create(context, "7c1d")
    assert (order.name, order.state, order.payment) == ("orders/7c1d", PENDING, "")
    assert list(order.lines) == [LINE]
    assert order.total == PRICE
    assert order.HasField("create_time")
    assert stored(context) == order


def test_an_order_without_an_id_gets_one(context: Context) -> None:
    assert create(context).name != create(context).name


@pytest.mark.parametrize(
    "order",
    [
        Order(total=PRICE),
        Order(lines=[LINE]),
        Order(lines=[LINE], total=PRICE, state=PAID),
        Order(lines=[LINE], total=PRICE, payment="ch_1"),
    ],
    ids=["no lines", "no total", "paid", "with a payment"],
)
def test_what_is_no_new_order_is_invalid(context: Context, order: Order) -> None:
    with pytest.raises(InvalidArgument):
        create(context, "7c1d", order=order)


def test_ids_are_well_formed(context: Context) -> None:
    with pytest.raises(InvalidArgument):
        create(context, order_id="a b")
    with pytest.raises(InvalidArgument):
        create(context, request_id="a/b")
    assert names(context) == []


def test_an_id_is_taken_once(context: Context) -> None:
    create(context, "7c1d", request_id="first")
    for request_id in ("", "second"):
        with pytest.raises(AlreadyExists):
            create(context, "7c1d", request_id)
    assert names(context) == ["orders/7c1d"]
    # The call that failed has left nothing behind.
    assert create(context, "7c1e", request_id="second").name == "orders/7c1e"


@pytest.mark.parametrize("order_id", ["", "7c1d"])
def test_a_repeated_request_gets_the_first_answer_and_records_nothing(context: Context, order_id: str) -> None:
    first = create(context, order_id, request_id="r1")
    update(context, Order(name=first.name, state=CANCELLED), "state")
    assert create(context, order_id, request_id="r1") == first
    assert names(context) == [first.name]


def test_a_request_id_is_for_one_request(context: Context) -> None:
    create(context, "7c1d", request_id="r1")
    with pytest.raises(InvalidArgument):
        create(context, "7c1e", request_id="r1")


def test_an_order_is_paid_in_one_step(context: Context) -> None:
    created = create(context, "7c1d")
    paid = update(context, Order(state=PAID, payment="ch_1"), "state", "payment")
    assert (paid.state, paid.payment) == (PAID, "ch_1")
    assert (paid.lines, paid.total, paid.create_time) == (created.lines, created.total, created.create_time)
    assert stored(context) == paid


@pytest.mark.parametrize(
    ("change", "paths"),
    [
        (Order(state=PENDING), ["state"]),
        (Order(state=CANCELLED), ["state", "payment"]),
        (Order(payment="ch_2"), ["payment"]),
        (Order(state=PAID, payment="ch_2"), ["*"]),
        (Order(state=CANCELLED), []),
    ],
)
def test_a_paid_order_stays_paid(context: Context, change: Order, paths: list[str]) -> None:
    create(context, "7c1d")
    paid = update(context, Order(state=PAID, payment="ch_1"), "state", "payment")
    with pytest.raises(FailedPrecondition) as raised:
        update(context, change, *paths)
    assert raised.value.reason == "ORDER_PAID"
    assert stored(context) == paid


def test_paying_again_with_the_same_payment_changes_nothing(context: Context) -> None:
    create(context, "7c1d")
    payment = Order(state=PAID, payment="ch_1")
    assert update(context, payment, "state", "payment") == update(context, payment, "state", "payment")


def test_only_what_the_mask_names_changes(context: Context) -> None:
    create(context, "7c1d")
    assert update(context, Order(state=CANCELLED, payment="ch_1"), "state").payment == ""


@pytest.mark.parametrize("paths", [[], ["*"]])
def test_other_fields_do_not_change_without_a_mask_or_with_a_full_one(context: Context, paths: list[str]) -> None:
    created = create(context, "7c1d")
    order = update(context, Order(state=CANCELLED), *paths)
    assert (order.state, order.lines, order.total) == (CANCELLED, created.lines, created.total)


@pytest.mark.parametrize("paths", [[], ["*"], ["state", "total"]])
def test_what_was_bought_cannot_change(context: Context, paths: list[str]) -> None:
    created = create(context, "7c1d")
    with pytest.raises(InvalidArgument):
        update(context, Order(state=CANCELLED, total=Money(currency_code="EUR")), *paths)
    assert stored(context) == created


def test_without_a_mask_what_is_not_set_stays(context: Context) -> None:
    created = create(context, "7c1d")
    assert update(context, Order()) == created


@pytest.mark.parametrize("path", ["total", "lines", "state.x", "no_such_field", "", "*"])
def test_other_fields_in_the_mask_are_invalid(context: Context, path: str) -> None:
    create(context, "7c1d")
    with pytest.raises(InvalidArgument):
        update(context, Order(state=CANCELLED), "state", path)
    assert stored(context).state == PENDING


@pytest.mark.parametrize("paths", [["state"], ["*"]])
def test_a_state_must_be_one(context: Context, paths: list[str]) -> None:
    create(context, "7c1d")
    with pytest.raises(InvalidArgument):
        update(context, Order(), *paths)


@pytest.mark.parametrize(
    ("change", "paths"), [(Order(state=PAID), ["state"]), (Order(payment="ch_1"), ["payment"])], ids=["PAID", "payment"]
)
def test_paid_and_the_payment_go_together(context: Context, change: Order, paths: list[str]) -> None:
    create(context, "7c1d")
    with pytest.raises(FailedPrecondition) as raised:
        update(context, change, *paths)
    assert raised.value.reason == "PAYMENT_MISMATCH"


def test_only_an_order_that_is_there_can_be_changed(context: Context) -> None:
    with pytest.raises(NotFound):
        update(context, Order(state=CANCELLED), "state")
    with pytest.raises(InvalidArgument):
        update(context, Order(name="7c1d", state=CANCELLED), "state")
