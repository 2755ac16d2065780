"""A small workspace to break things in: two stores and a process, generated once and copied for every test."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.support import scaffold, shared, write

CART = """\
syntax = "proto3";

package shop.cart.v1;

service CartService {
  // Returns one cart.
  rpc GetCart(GetCartRequest) returns (Cart);
  rpc EmptyCart(EmptyCartRequest) returns (Cart);
}

message Cart {
  string id = 1;
}

message GetCartRequest {
  string id = 1;
}

message EmptyCartRequest {
  string id = 1;
}
"""
CATALOG = """\
syntax = "proto3";

package shop.catalog.v1;

service CatalogService {
  rpc Look(LookRequest) returns (LookRequest);
}

message LookRequest {}
"""
CHECKOUT = """\
syntax = "proto3";

package shop.checkout.v1;

service CheckoutService {
  rpc PlaceOrder(PlaceOrderRequest) returns (PlaceOrderRequest);
}

message PlaceOrderRequest {}
"""


def _make(root: Path) -> None:
    assert scaffold(root.parent, "init", root.name).code == 0
    protos = {"cart": CART, "catalog": CATALOG, "checkout": CHECKOUT}
    write(root, {f"protos/shop/{name}/v1/{name}.proto": text for name, text in protos.items()})
    for arguments in (
        ("store", "cart", "--proto", "shop/cart/v1/cart.proto"),
        ("store", "catalog", "--proto", "shop/catalog/v1/catalog.proto"),
        ("process", "checkout", "--proto", "shop/checkout/v1/checkout.proto", "--uses", "cart"),
    ):
        said = scaffold(root, "new", *arguments)
        assert said.code == 0, said.text
    # Its copies keep what mypy has found out, or every check of one would take seconds.
    assert scaffold(root, "check", "--only", "types").code == 0


@pytest.fixture(scope="session")
def shop_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared(tmp_path_factory, "shop", _make)


@pytest.fixture
def shop(shop_template: Path, tmp_path: Path) -> Path:
    """A workspace of its own for one test."""
    root = tmp_path / "shop"
    shutil.copytree(shop_template, root, ignore=shutil.ignore_patterns("__pycache__"))
    return root
