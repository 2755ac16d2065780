"""QuoteBasket, called with a fake of the catalog: what is answered to each change of the basket."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from unittest.mock import Mock

import pytest

from checkout.app import App, Context
from checkout.gen.api import QuoteBasketRequest, QuoteBasketResponse
from checkout.gen.clients import catalog
from checkout.gen.messages.google_type import Money
from checkout.gen.runtime import Call, FailedPrecondition, InvalidArgument, NotFound
from checkout.handlers.quote_basket import quote_basket
from checkout.quote import MOST_PRODUCTS

CUP, POT, GONE = "products/espresso-cup", "products/moka-pot", "products/gone"


def euros(units: int, nanos: int = 0) -> Money:
    return Money(currency_code="EUR", units=units, nanos=nanos)


class FakeCatalog(catalog.Client):
    """A catalog in which every product costs nine euros ninety, but for one that is not there."""

    def __init__(self) -> None:
        self.price = euros(9, 900_000_000)
        self.asked: list[str] = []

    async def get_product(self, request: catalog.GetProductRequest, *, timeout: float | None = None) -> catalog.Product:
        self.asked.append(request.name)
        if request.name == GONE:
            raise NotFound(request.name)
        return catalog.Product(name=request.name, price=self.price)


@pytest.fixture
def shelves() -> FakeCatalog:
    return FakeCatalog()


@pytest.fixture
def context(shelves: FakeCatalog) -> Context:
    return Call(Mock(spec=App, catalog=shelves))


def quotes(
    context: Context, changes: Sequence[tuple[str, int]], into: list[QuoteBasketResponse] | None = None
) -> list[QuoteBasketResponse]:
    """Send changes, each after the answer to the one before; ``into`` keeps what came before an error."""
    received = [] if into is None else into

    async def converse() -> None:
        async def requests() -> AsyncIterator[QuoteBasketRequest]:
            for sent, (product, quantity) in enumerate(changes):
                assert len(received) == sent
                yield QuoteBasketRequest(product=product, quantity=quantity)

        async for quote in quote_basket(requests(), context):
            received.append(quote)

    asyncio.run(converse())
    return received


def test_each_change_is_answered_by_what_the_basket_costs_then(context: Context) -> None:
    found = quotes(context, [(CUP, 2), (POT, 1), (CUP, 1), (POT, 0)])
    assert [(quote.pieces, quote.total) for quote in found] == [
        (2, euros(19, 800_000_000)),
        (3, euros(29, 700_000_000)),
        (2, euros(19, 800_000_000)),
        (1, euros(9, 900_000_000)),
    ]


def test_nothing_sent_is_nothing_answered(context: Context) -> None:
    assert quotes(context, []) == []


def test_an_empty_basket_costs_nothing(context: Context) -> None:
    emptied = quotes(context, [(CUP, 2), (CUP, 0)])[-1]
    assert (emptied.pieces, emptied.HasField("total")) == (0, False)


def test_what_is_not_sold_is_named_and_costs_nothing(context: Context) -> None:
    first, second, third = quotes(context, [(GONE, 1), (CUP, 1), (GONE, 0)])
    assert (first.pieces, first.HasField("total"), list(first.gone)) == (0, False, [GONE])
    assert (second.pieces, second.total, list(second.gone)) == (1, euros(9, 900_000_000), [GONE])
    assert list(third.gone) == []


def test_only_the_product_that_changes_is_looked_up(context: Context, shelves: FakeCatalog) -> None:
    quotes(context, [(CUP, 1), (POT, 1), (POT, 2), (CUP, 0)])
    assert shelves.asked == [CUP, POT, POT]


@pytest.mark.parametrize("change", [("espresso-cup", 1), ("", 1), (CUP, -1), (CUP, 1001)])
def test_a_change_that_is_none_ends_the_stream_after_the_answers_before(
    context: Context, change: tuple[str, int]
) -> None:
    received: list[QuoteBasketResponse] = []
    with pytest.raises(InvalidArgument):
        quotes(context, [(CUP, 1), change], received)
    assert len(received) == 1


def test_prices_in_two_currencies_give_no_total(context: Context, shelves: FakeCatalog) -> None:
    quotes(context, [(CUP, 1)])
    shelves.price = Money(currency_code="", units=1)
    with pytest.raises(FailedPrecondition) as raised:
        quotes(context, [(CUP, 1)])
    assert raised.value.reason == "TOTAL_INVALID"


def test_a_basket_has_an_end(context: Context) -> None:
    full = [(f"products/{number}", 1) for number in range(MOST_PRODUCTS)]
    assert quotes(context, full)[-1].pieces == MOST_PRODUCTS
    with pytest.raises(FailedPrecondition) as raised:
        quotes(context, [*full, ("products/one-more", 1)])
    assert raised.value.reason == "BASKET_FULL"
