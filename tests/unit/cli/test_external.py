"""Components that somebody else makes and runs: their clients are generated, and nothing else of them."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from scaffold.core.diagnostics import ScaffoldError
from scaffold.run import up
from scaffold.verbs import run
from scaffold.verbs.generate import open_workspace
from tests.support import scaffold, write

STOCK = """
    syntax = "proto3";
    package acme.stock.v2;

    service StockService {
      rpc GetStock(GetStockRequest) returns (Stock);
      rpc Reserve(ReserveRequest) returns (Stock);
    }
    message Stock { string name = 1; int32 pieces = 2; }
    message GetStockRequest { string name = 1; }
    message ReserveRequest { string name = 1; string request_id = 2; }
"""
CHECKOUT = """
    syntax = "proto3";
    package shop.checkout.v1;

    service CheckoutService {
      rpc PlaceOrder(PlaceOrderRequest) returns (PlaceOrderResponse);
    }
    message PlaceOrderRequest { string cart = 1; }
    message PlaceOrderResponse { string order = 1; }
"""
SETTINGS = """
    [stores.stock]
    proto = "acme/stock/v2/stock.proto"
    external = true

    [processes.checkout]
    proto = "shop/checkout/v1/checkout.proto"
    uses = ["stock"]

    [processes.desk]
    proto = "shop/desk/v1/desk.proto"
    uses = ["checkout"]
"""


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("STOCK_ADDRESS", "STOCK_ADDRESS_FILE", "CHECKOUT_STOCK_ADDRESS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    write(
        tmp_path,
        {
            "scaffold.toml": SETTINGS,
            "protos/acme/stock/v2/stock.proto": STOCK,
            "protos/shop/checkout/v1/checkout.proto": CHECKOUT,
            "protos/shop/desk/v1/desk.proto": CHECKOUT.replace("checkout", "desk").replace("Checkout", "Desk"),
        },
    )
    assert scaffold(tmp_path, "regen").code == 0
    return tmp_path


@pytest.fixture
def stock() -> Iterator[str]:
    """Somebody else's service: every stock has 7 pieces."""
    handler = grpc.unary_unary_rpc_method_handler(lambda request, context: request + b"\x10\x07")
    with ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool)
        server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler("acme.stock.v2.StockService", {"GetStock": handler}),)
        )
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        yield f"127.0.0.1:{port}"
        server.stop(0).wait(5)


def test_only_clients_are_generated(shop: Path) -> None:
    assert not (shop / "services/stock").exists()
    client = (shop / "services/checkout/src/checkout/gen/clients/stock.py").read_text()
    assert 'component = "stock"' in client
    assert '"Reserve", request, Stock, timeout, safe=request.request_id != ""' in client
    assert "stock" not in (shop / "services/checkout/.importlinter").read_text()
    assert scaffold(shop, "check", "--only", "drift").code in (0, 1)  # a process over a process is worth a word


def test_a_component_that_becomes_external_leaves_nothing_generated(shop: Path) -> None:
    toml = shop / "scaffold.toml"
    toml.write_text(toml.read_text().replace("external = true\n", ""))
    assert scaffold(shop, "regen").code == 0
    assert (shop / "services/stock/src/stock/gen/main.py").exists()
    toml.write_text(toml.read_text().replace('stock.proto"\n', 'stock.proto"\nexternal = true\n'))
    scaffold(shop, "regen")
    assert not (shop / "services/stock/src/stock/gen/main.py").exists()
    assert (shop / "services/stock/src/stock/app.py").exists(), "what is a person's stays"


def test_up_does_not_start_it_and_needs_its_address(shop: Path) -> None:
    plan = run.launchables(*open_workspace(shop))
    assert [item.name for item in plan] == ["checkout", "desk"]
    with pytest.raises(ScaffoldError) as caught:
        up.start_all(plan, root=shop, environ={})
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.slug == "address-missing"
    assert "STOCK_ADDRESS" in (diagnostic.remedy or "")


def test_a_process_without_the_address_is_undecided_and_no_failure(shop: Path) -> None:
    said = scaffold(shop, "test", "checkout")
    assert said.code == 0
    assert said.out == "undecided: checkout: it uses stock, which is external, and STOCK_ADDRESS is not set\n"
    said = scaffold(shop, "test")
    assert said.code == 0
    assert "undecided: desk: it uses checkout, which uses stock, which is external" in said.out


@pytest.mark.parametrize("variable", ["STOCK_ADDRESS", "CHECKOUT_STOCK_ADDRESS"])
def test_a_process_with_the_address_is_tested(
    shop: Path, stock: str, variable: str, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, stock)
    said = scaffold(shop, "test", "checkout", "--", "--contract-examples", "2")
    assert said.code in (0, 1), capfd.readouterr().out
    assert "undecided" not in said.out
    assert "pending" in said.out
    assert "0 failed" in said.out


def test_it_cannot_be_tested_itself(shop: Path) -> None:
    said = scaffold(shop, "test", "stock")
    assert said.code == 2
    assert "external-component: stock is external" in said.text


def test_it_can_be_called(shop: Path, stock: str, monkeypatch: pytest.MonkeyPatch) -> None:
    said = scaffold(shop, "call", "stock", "GetStock", "name=stocks/cup")
    assert said.code == 2
    assert "STOCK_ADDRESS is not set" in said.text
    assert '"pieces": 7' in scaffold(shop, "call", "stock", "GetStock", "name=stocks/cup", "--address", stock).out
    monkeypatch.setenv("STOCK_ADDRESS", stock)
    assert '"pieces": 7' in scaffold(shop, "call", "stock", "GetStock", "name=stocks/cup").out


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ('path = "elsewhere"', '"stock" is external: it has no folder here'),
        ("external = 1", "stores.stock.external"),
    ],
)
def test_what_makes_no_sense_of_an_external_component(shop: Path, table: str, said: str) -> None:
    toml = shop / "scaffold.toml"
    extra = table if table.startswith("path") else ""
    text = toml.read_text().replace("external = true", f"external = true\n{extra}" if extra else table)
    toml.write_text(text)
    result = scaffold(shop, "regen")
    assert result.code == 2
    assert said in result.text


def test_a_name_that_could_not_be_imported_is_no_trouble_for_somebody_elses(tmp_path: Path) -> None:
    write(
        tmp_path,
        {
            "scaffold.toml": SETTINGS.replace("stock]", "email]").replace('"stock"', '"email"'),
            "protos/acme/stock/v2/stock.proto": STOCK,
            "protos/shop/checkout/v1/checkout.proto": CHECKOUT,
            "protos/shop/desk/v1/desk.proto": CHECKOUT.replace("checkout", "desk").replace("Checkout", "Desk"),
        },
    )
    assert scaffold(tmp_path, "regen").code == 0
    assert (tmp_path / "services/checkout/src/checkout/gen/clients/email.py").exists()
