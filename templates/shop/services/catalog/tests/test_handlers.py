"""The handlers are functions: called here with a database in memory, and no server."""

import pytest

from catalog.app import Context, build
from catalog.gen.api import BatchGetProductsRequest, CreateProductRequest, DeleteProductRequest, Product
from catalog.gen.messages.google_type import Money
from catalog.gen.runtime import Call, InvalidArgument, NotFound, Settings
from catalog.handlers.batch_get_products import batch_get_products
from catalog.handlers.create_product import create_product
from catalog.handlers.delete_product import delete_product

PRICE = Money(currency_code="EUR", units=9, nanos=900_000_000)


@pytest.fixture
def context() -> Context:
    return Call(build(Settings.load("catalog", dev=True, environ={"DATABASE_URL": "sqlite://"})))


@pytest.fixture
def products(context: Context) -> list[Product]:
    return [create(context, product_id) for product_id in ("espresso-cup", "moka-pot", "grinder")]


def create(context: Context, product_id: str) -> Product:
    product = Product(title=product_id.title(), price=PRICE)
    return create_product(CreateProductRequest(product=product, product_id=product_id), context)


@pytest.mark.parametrize("product", [Product(title="Cup"), Product(price=PRICE)], ids=["no price", "no title"])
def test_a_product_has_a_title_and_a_price(context: Context, product: Product) -> None:
    with pytest.raises(InvalidArgument):
        create_product(CreateProductRequest(product=product), context)


def test_products_come_back_in_the_order_of_the_names(context: Context, products: list[Product]) -> None:
    wanted = [products[2], products[0], products[2]]
    request = BatchGetProductsRequest(names=[product.name for product in wanted])
    assert list(batch_get_products(request, context).products) == wanted


def test_one_missing_product_fails_the_call_and_is_named(context: Context, products: list[Product]) -> None:
    delete_product(DeleteProductRequest(name="products/moka-pot"), context)
    with pytest.raises(NotFound) as raised:
        batch_get_products(BatchGetProductsRequest(names=[product.name for product in products]), context)
    assert raised.value.metadata == {"name": "products/moka-pot"}


def test_a_malformed_name_is_named_by_its_place(context: Context) -> None:
    with pytest.raises(InvalidArgument) as raised:
        batch_get_products(BatchGetProductsRequest(names=["products/grinder", "grinder"]), context)
    assert "names[1]" in str(raised.value.details)


@pytest.mark.parametrize("count", [0, 1001])
def test_no_names_or_too_many_are_refused(context: Context, count: int) -> None:
    with pytest.raises(InvalidArgument):
        batch_get_products(BatchGetProductsRequest(names=["products/grinder"] * count), context)


def test_as_many_names_as_are_allowed(context: Context, products: list[Product]) -> None:
    request = BatchGetProductsRequest(names=[products[0].name] * 1000)
    assert len(batch_get_products(request, context).products) == 1000
