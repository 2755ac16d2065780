"""The handlers are functions: called here with a database of their own, and no server."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from cart.app import Context, build
from cart.gen.api import AddItemRequest, Cart, EmptyCartRequest, GetCartRequest, Item, RemoveItemRequest
from cart.gen.runtime import Aborted, Call, FailedPrecondition, InvalidArgument, NotFound, Settings
from cart.handlers.add_item import add_item
from cart.handlers.empty_cart import empty_cart
from cart.handlers.get_cart import get_cart
from cart.handlers.remove_item import remove_item

CUP, POT = "products/espresso-cup", "products/moka-pot"


def context_on(database_url: str) -> Context:
    return Call(build(Settings.load("cart", dev=True, environ={"DATABASE_URL": database_url})))


@pytest.fixture
def context() -> Context:
    return context_on("sqlite://")


def add(context: Context, product: str, quantity: int, cart: str = "carts/1") -> Cart:
    return add_item(AddItemRequest(cart=cart, item=Item(product=product, quantity=quantity)), context)


def lines(cart: Cart) -> list[tuple[str, int]]:
    return [(item.product, item.quantity) for item in cart.items]


def stored(context: Context, cart: str = "carts/1") -> list[tuple[str, int]]:
    return lines(get_cart(GetCartRequest(name=cart), context))


def test_a_cart_that_nobody_used_is_empty(context: Context) -> None:
    assert get_cart(GetCartRequest(name="carts/1"), context) == Cart(name="carts/1")


def test_pieces_of_one_product_are_one_line(context: Context) -> None:
    add(context, CUP, 2)
    add(context, POT, 1)
    returned = add(context, CUP, 3)
    assert lines(returned) == [(CUP, 5), (POT, 1)]
    assert get_cart(GetCartRequest(name="carts/1"), context) == returned


def test_carts_do_not_share_their_lines(context: Context) -> None:
    add(context, CUP, 2, cart="carts/1")
    add(context, POT, 1, cart="carts/2")
    assert stored(context, "carts/1") == [(CUP, 2)]
    assert stored(context, "carts/2") == [(POT, 1)]


@pytest.mark.parametrize("quantity", [-1, 0, 1001])
def test_a_quantity_that_never_fits_is_invalid(context: Context, quantity: int) -> None:
    with pytest.raises(InvalidArgument):
        add(context, CUP, quantity)
    assert stored(context) == []


def test_a_quantity_that_is_too_much_with_what_is_there_is_refused(context: Context) -> None:
    add(context, CUP, 999)
    assert lines(add(context, CUP, 1)) == [(CUP, 1000)]
    with pytest.raises(FailedPrecondition) as raised:
        add(context, CUP, 1)
    assert raised.value.reason == "TOO_MANY_PIECES"
    assert stored(context) == [(CUP, 1000)]


@pytest.mark.parametrize("product", ["", "espresso-cup", "products/", "products/a b", "carts/1"])
def test_a_product_has_a_well_formed_name(context: Context, product: str) -> None:
    with pytest.raises(InvalidArgument):
        add(context, product, 1)
    with pytest.raises(InvalidArgument):
        remove_item(RemoveItemRequest(cart="carts/1", product=product), context)


def test_malformed_carts_are_invalid(context: Context) -> None:
    with pytest.raises(InvalidArgument):
        get_cart(GetCartRequest(name="1"), context)
    with pytest.raises(InvalidArgument):
        add(context, CUP, 1, cart="1")
    with pytest.raises(InvalidArgument):
        remove_item(RemoveItemRequest(cart="1", product=CUP), context)
    with pytest.raises(InvalidArgument):
        empty_cart(EmptyCartRequest(name="1"), context)


def test_a_removed_product_leaves_with_all_its_pieces(context: Context) -> None:
    add(context, CUP, 2)
    add(context, POT, 1)
    assert lines(remove_item(RemoveItemRequest(cart="carts/1", product=CUP), context)) == [(POT, 1)]
    assert remove_item(RemoveItemRequest(cart="carts/1", product=POT), context) == Cart(name="carts/1")
    assert stored(context) == []
    assert context.app.carts.get("carts/1") is None, "an empty cart leaves no row behind"


@pytest.mark.parametrize("held", [POT, None])
def test_a_product_that_is_not_in_the_cart_cannot_be_removed(context: Context, held: str | None) -> None:
    if held:
        add(context, held, 1)
    with pytest.raises(NotFound):
        remove_item(RemoveItemRequest(cart="carts/1", product=CUP), context)


def test_a_cart_can_be_emptied_twice_and_filled_again(context: Context) -> None:
    add(context, CUP, 2)
    empty_cart(EmptyCartRequest(name="carts/1"), context)
    assert stored(context) == []
    empty_cart(EmptyCartRequest(name="carts/1"), context)
    assert lines(add(context, CUP, 1)) == [(CUP, 1)]


def test_every_change_gives_another_etag(context: Context) -> None:
    first = add(context, CUP, 1)
    assert first.etag
    assert get_cart(GetCartRequest(name="carts/1"), context).etag == first.etag
    assert add(context, CUP, 1).etag != first.etag


def test_only_the_cart_that_is_meant_is_emptied(context: Context) -> None:
    bought = add(context, CUP, 1)
    changed = add(context, POT, 1)
    with pytest.raises(Aborted):
        empty_cart(EmptyCartRequest(name="carts/1", etag=bought.etag), context)
    assert stored(context) == [(CUP, 1), (POT, 1)]
    for _ in range(2):
        empty_cart(EmptyCartRequest(name="carts/1", etag=changed.etag), context)
    assert stored(context) == []


def test_a_cart_that_was_filled_again_with_the_same_is_another_one(context: Context) -> None:
    bought = add(context, CUP, 1)
    empty_cart(EmptyCartRequest(name="carts/1"), context)
    add(context, CUP, 1)
    with pytest.raises(Aborted):
        empty_cart(EmptyCartRequest(name="carts/1", etag=bought.etag), context)
    assert stored(context) == [(CUP, 1)]


def test_nothing_is_lost_when_many_add_at_once(tmp_path: Path) -> None:
    context = context_on(f"sqlite:///{tmp_path}/cart.db")
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: add(context, CUP, 1), range(40)))
    assert stored(context) == [(CUP, 40)]
