"""The handlers are functions: called here with a database in memory, and no server."""

import pytest

from catalog.app import Context, build
from catalog.gen.api import BatchGetProductsRequest, CreateProductRequest, DeleteProductRequest, Product
from catalog.gen.runtime import Call, InvalidArgument, NotFound, Settings
from catalog.handlers.batch_get_products import batch_get_products
from catalog.handlers.create_product import create_product
from catalog.handlers.delete_product import delete_product


@pytest.fixture
def context() -> Context:
    return Call(build(Settings.load("catalog", dev=True, environ={"DATABASE_URL": "sqlite://"})))


@pytest.fixture
def products(context: Context) -> list[Product]:
    ids = ("espresso-cup", "moka-pot", "grinder")
    return [
        create_product(CreateProductRequest(product=Product(title=id_.title()), product_id=id_), context) for id_ in ids
    ]


def test_products_come_back_in_the_order_of_the_names(context: Context, products: list[Product]) -> None:
    wanted = [products[2], products[0], products[2]]
    request = BatchGetProductsRequest(names=[product.name for product in wanted])
    assert list(batch_get_products(request, context).products) == wanted


def test_one_missing_product_fails_the_call_and_is_named(context: Context, products: list[Product]) -> None:
    delete_product(DeleteProductRequest(name="products/moka-pot"), context)
    with pytest.raises(NotFound) as raised:
        batch_get_products(BatchGetProductsRequest(names=[product.name for product in products]), context)
    assert raised.value.metadata == {"product": "products/moka-pot"}


def test_a_malformed_name_is_named_by_its_place(context: Context) -> None:
    with pytest.raises(InvalidArgument) as raised:
        batch_get_products(BatchGetProductsRequest(names=["products/grinder", "grinder"]), context)
    assert "names[1]" in str(raised.value.details)


@pytest.mark.parametrize("count", [0, 101])
def test_no_names_or_too_many_are_refused(context: Context, count: int) -> None:
    with pytest.raises(InvalidArgument):
        batch_get_products(BatchGetProductsRequest(names=["products/grinder"] * count), context)


def test_as_many_names_as_are_allowed(context: Context, products: list[Product]) -> None:
    request = BatchGetProductsRequest(names=[products[0].name] * 100)
    assert len(batch_get_products(request, context).products) == 100
