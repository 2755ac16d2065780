"""A basket while somebody fills it: what is in it, and what that costs."""

from dataclasses import dataclass, field

from checkout.gen.api import QuoteBasketResponse
from checkout.gen.clients import catalog, orders
from checkout.gen.runtime import FailedPrecondition
from checkout.rules import total

MOST_PRODUCTS = 100
MOST_PIECES = 1000


@dataclass
class Basket:
    """Products by name, each with its pieces and what the catalog said of it; None where that does not sell it."""

    _lines: dict[str, tuple[int, catalog.Product | None]] = field(default_factory=dict)

    def put(self, name: str, quantity: int, product: catalog.Product | None) -> None:
        """So many pieces of a product, instead of those before. FAILED_PRECONDITION, BASKET_FULL for one too many."""
        self._lines.pop(name, None)
        if not quantity:
            return
        if len(self._lines) == MOST_PRODUCTS:
            raise FailedPrecondition(
                f"a basket has room for {MOST_PRODUCTS} different products",
                reason="BASKET_FULL",
                metadata={"most": str(MOST_PRODUCTS)},
            )
        self._lines[name] = quantity, product

    def quote(self) -> QuoteBasketResponse:
        """What all of it costs. FAILED_PRECONDITION, TOTAL_INVALID: the prices give no sum that could be charged."""
        lines = [
            orders.OrderLine(product=name, quantity=quantity, price=product.price)
            for name, (quantity, product) in self._lines.items()
            if product is not None
        ]
        return QuoteBasketResponse(
            pieces=sum(line.quantity for line in lines),
            total=total(lines) if lines else None,
            gone=[name for name, (_, product) in self._lines.items() if product is None],
        )
