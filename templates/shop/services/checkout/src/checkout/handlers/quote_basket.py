"""QuoteBasket prices a basket while a customer fills it: a change in, what the basket costs then out."""

from collections.abc import AsyncIterator

from checkout.app import App, Context
from checkout.gen.api import QuoteBasketRequest, QuoteBasketResponse
from checkout.gen.clients import catalog
from checkout.gen.runtime import InvalidArgument, NotFound
from checkout.names import ProductName
from checkout.quote import MOST_PIECES, Basket


async def quote_basket(
    requests: AsyncIterator[QuoteBasketRequest], context: Context
) -> AsyncIterator[QuoteBasketResponse]:
    """A malformed name, or a quantity that never fits, is INVALID_ARGUMENT; what was quoted before that stands.

    FAILED_PRECONDITION: BASKET_FULL and TOTAL_INVALID.
    """
    basket = Basket()
    async for change in requests:
        name = str(ProductName.parse(change.product, field="product"))
        if not 0 <= change.quantity <= MOST_PIECES:
            raise InvalidArgument(f"the quantity is 0 to {MOST_PIECES}, not {change.quantity}", field="quantity")
        product = await _look_up(name, context.app) if change.quantity else None
        basket.put(name, change.quantity, product)
        yield basket.quote()


async def _look_up(name: str, app: App) -> catalog.Product | None:
    """What the catalog says of a product now; None when it does not sell it."""
    try:
        return await app.catalog.get_product(catalog.GetProductRequest(name=name))
    except NotFound:
        return None
