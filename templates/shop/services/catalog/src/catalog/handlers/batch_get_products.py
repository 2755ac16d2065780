"""BatchGetProducts returns several products in one call (AIP-231): a checkout prices a whole cart at once."""

from catalog.app import Context
from catalog.gen.api import BatchGetProductsRequest, BatchGetProductsResponse
from catalog.gen.names import ProductName
from catalog.gen.runtime import InvalidArgument, NotFound

MOST_NAMES = 100


def batch_get_products(request: BatchGetProductsRequest, context: Context) -> BatchGetProductsResponse:
    """A malformed name, none at all or too many are INVALID_ARGUMENT; one missing product makes the call NOT_FOUND."""
    if not 1 <= len(request.names) <= MOST_NAMES:
        raise InvalidArgument(f"give 1 to {MOST_NAMES} names, not {len(request.names)}", field="names")
    names = [ProductName.parse(name, field=f"names[{index}]") for index, name in enumerate(request.names)]
    products = []
    for name, product in zip(names, context.app.products.get_many(names), strict=True):
        if product is None:
            raise NotFound(name, metadata={"product": str(name)})
        products.append(product)
    return BatchGetProductsResponse(products=products)
