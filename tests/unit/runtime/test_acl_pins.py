"""A write and its second attempt go to one side, wherever the share goes between them."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from threading import Barrier

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runtime.acl.calls import Rpc, Table, idempotency_key
from runtime.acl.pins import LONGEST, PinError
from runtime.acl.seam import MONOLITH, SERVICE, Mode, Router, point

PLACE = Rpc("shop.v1.Checkout", "PlaceOrder", "place_order", "Request", "Order", entity="cart", request_id=True)
GET = Rpc("shop.v1.Checkout", "GetOrder", "get_order", "Request", "Order", entity="cart", safe=True, request_id=True)
ADD = Rpc("shop.v1.Checkout", "AddItem", "add_item", "Request", "Cart", entity="cart")
TABLE = Table("checkout", (PLACE, GET, ADD))

MODES = st.one_of(st.sampled_from([MONOLITH, SERVICE]), st.floats(0, 100).map(lambda share: Mode("percent", share)))
CALLS = st.tuples(st.sampled_from("abcd"), st.sampled_from(["", "1", "2", "3"]))


@dataclass(frozen=True)
class Request:
    cart: str
    request_id: str = ""


class Switch:
    """Flags that somebody turns."""

    def __init__(self, mode: Mode = MONOLITH) -> None:
        self.now = mode

    def mode(self, rpc: Rpc) -> Mode:
        return self.now


def router(switch: Switch, pinned: Callable[[str, str], str] | None) -> Router:
    return Router(TABLE, switch, reachable=lambda: True, pinned=pinned)


@given(st.lists(st.one_of(MODES, CALLS), max_size=40))
def test_a_key_has_one_side_for_good_and_everything_else_goes_by_the_share(
    events: list[Mode | tuple[str, str]],
) -> None:
    switch, first = Switch(), dict[str, bool]()
    pinned, shared = router(switch, {}.setdefault), router(switch, None)
    for event in events:
        if isinstance(event, Mode):
            switch.now = event
            continue
        request = Request(*event)
        share = shared.to_service("PlaceOrder", request)
        went = pinned.to_service("PlaceOrder", request)
        assert went == (first.setdefault(event[1], share) if event[1] else share)
        assert pinned.to_service("GetOrder", request) == shared.to_service("GetOrder", request), (
            "a read is never pinned"
        )


@given(st.lists(st.floats(0, 100), min_size=1, max_size=20), st.text(min_size=1))
def test_without_a_key_an_entity_changes_side_exactly_when_the_share_passes_it(shares: list[float], cart: str) -> None:
    switch = Switch()
    seam = router(switch, {}.setdefault)
    for share in shares:
        switch.now = Mode("percent", share)
        assert seam.to_service("AddItem", Request(cart)) == (point(b"checkout", cart) < share * 100)


def test_a_key_around_the_call_pins_it_as_well() -> None:
    switch, store = Switch(), dict[str, str]()
    seam = router(switch, store.setdefault)
    with idempotency_key("order-7"):
        assert not seam.to_service("AddItem", Request("carts/1"))
        switch.now = SERVICE
        assert not seam.to_service("AddItem", Request("carts/1"))
        assert seam.to_service("PlaceOrder", Request("carts/1")), "a key counts for each method by itself"
    assert seam.to_service("AddItem", Request("carts/1"))
    assert store == {"checkout.AddItem/order-7": "monolith", "checkout.PlaceOrder/order-7": "service"}


def test_of_attempts_at_the_same_time_all_go_where_the_first_one_goes() -> None:
    """The share changes between their decisions: each program has read the flags at another moment."""
    store, together = dict[str, str](), Barrier(8)

    def attempt(number: int) -> bool:
        seam = router(Switch(SERVICE if number % 2 else MONOLITH), store.setdefault)
        together.wait(10)
        return seam.to_service("PlaceOrder", Request("carts/1", "again"))

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(attempt, range(8)))) == 1


@given(st.text(min_size=1, max_size=3 * LONGEST))
def test_any_key_fits_into_a_column_and_is_told_from_others(key: str) -> None:
    seam = router(Switch(), {}.setdefault)
    pin = seam.pin("PlaceOrder", Request("carts/1", key))
    assert 0 < len(pin) <= LONGEST
    assert pin.isprintable()
    assert pin != seam.pin("PlaceOrder", Request("carts/1", f"{key}x"))


@pytest.mark.parametrize("side", [None, "", "Service", True])
def test_a_store_that_gives_no_side_stops_the_call(side: object) -> None:
    def pinned(pin: str, side_by_share: str) -> str:
        return side  # type: ignore[return-value]

    with pytest.raises(PinError, match=r"checkout\.PlaceOrder/1 is kept at"):
        router(Switch(), pinned).to_service("PlaceOrder", Request("carts/1", "1"))


def test_a_store_that_fails_stops_the_call_and_a_read_does_not_ask_it() -> None:
    def pinned(pin: str, side_by_share: str) -> str:
        raise ConnectionError("the database is away")

    seam = router(Switch(SERVICE), pinned)
    with pytest.raises(ConnectionError):
        seam.to_service("PlaceOrder", Request("carts/1", "1"))
    assert seam.to_service("GetOrder", Request("carts/1", "1"))
    assert seam.to_service("AddItem", Request("carts/1"))


def test_dividing_writes_that_may_be_repeated_without_pins_is_said_once(
    caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("runtime.acl.pins._warned", set())
    half, keyed = Switch(Mode("percent", 50.0)), Request("carts/1", "1")
    router(half, {}.setdefault).to_service("PlaceOrder", keyed)
    for name, request in (("GetOrder", keyed), ("AddItem", keyed), ("PlaceOrder", Request("carts/1"))):
        router(half, None).to_service(name, request)
    router(Switch(SERVICE), None).to_service("PlaceOrder", keyed)
    assert not caplog.records
    for _ in range(3):
        router(half, None).to_service("PlaceOrder", keyed)
    assert [record.getMessage()[:30] for record in caplog.records] == ["PlaceOrder is divided by a sha"]


def test_a_write_of_the_services_stays_there_when_nobody_knows_any_more_where_that_is() -> None:
    """It fails then, and is not made a second time in the monolith."""
    store = {"checkout.PlaceOrder/1": "service"}
    seam = Router(TABLE, Switch(SERVICE), reachable=lambda: False, pinned=store.setdefault)
    assert seam.to_service("PlaceOrder", Request("carts/1", "1"))
    assert not seam.to_service("PlaceOrder", Request("carts/1", "2"))
