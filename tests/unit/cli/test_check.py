from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support import scaffold, tree, write

CART_PROTO = "protos/shop/cart/v1/cart.proto"
HANDLER = "services/checkout/src/checkout/handlers/place_order.py"


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_nothing_found(shop: Path) -> None:
    before = tree(shop)
    said = scaffold(shop, "check")
    assert (said.code, said.out, said.err) == (0, "nothing found\n", "")
    assert tree(shop) == before


def test_drift(shop: Path) -> None:
    edit(shop / CART_PROTO, "  rpc EmptyCart(EmptyCartRequest) returns (Cart);\n", "")
    (shop / "services/cart/src/cart/gen/api.py").unlink()
    before = tree(shop)
    for arguments in (("check",), ("check", "--only", "drift"), ("regen", "--check")):
        said = scaffold(shop, *arguments)
        assert (said.code, said.err) == (1, "")
        assert "services/cart/src/cart/gen/api.py: drift: it is missing\n  help: run `scaffold regen`" in said.out
        assert "services/cart/src/cart/gen/service.py: drift: it is out of date" in said.out
        assert "services/cart/src/cart/handlers/empty_cart.py: drift: nothing wants it any more" in said.out
        assert said.out.endswith(" found\n")
        assert tree(shop) == before
    assert scaffold(shop, "check", "--only", "boundaries").code == 0
    assert scaffold(shop, "regen").code == 0
    assert scaffold(shop, "check").code == 0


def test_drift_of_what_was_edited(shop: Path) -> None:
    edit(shop / "services/cart/src/cart/gen/api.py", '"Cart"', '"Kart"')
    said = scaffold(shop, "check", "--only", "drift")
    assert said.code == 1
    assert "services/cart/src/cart/gen/api.py: edited-generated-file: " in said.out


@pytest.mark.parametrize(
    "statement", ["import sqlite3", "from sqlalchemy import create_engine", "import psycopg", "import redis"]
)
def test_a_database_in_a_process(statement: str, shop: Path) -> None:
    edit(shop / HANDLER, "async def place_order", f"{statement}\n\n\nasync def place_order")
    line = (shop / HANDLER).read_text(encoding="utf-8").splitlines().index(statement) + 1
    said = scaffold(shop, "check")
    assert said.code == 1
    imported = statement.split()[1]
    assert f"{HANDLER}:{line}: boundary: checkout.handlers.place_order imports {imported}\n" in said.out
    assert "the data stays behind the stores' APIs" in said.out


def test_a_component_that_imports_another(shop: Path) -> None:
    write(shop, {"services/cart/src/cart/help.py": "import json\n\nimport catalog\n"})
    said = scaffold(shop, "check", "--only", "boundaries")
    assert said.code == 1
    assert "services/cart/src/cart/help.py:3: boundary: cart.help imports catalog\n" in said.out
    assert "  help: cart imports no other component: it goes through a client in gen/clients" in said.out


def test_a_store_that_calls_somebody(shop: Path) -> None:
    handler = "services/cart/src/cart/handlers/get_cart.py"
    edit(shop / handler, "def get_cart", "import httpx\n\n\ndef get_cart")
    said = scaffold(shop, "check", "--only", "boundaries")
    assert said.code == 1
    assert "boundary: cart.handlers.get_cart imports httpx" in said.out
    assert "its handlers call nobody" in said.out


def test_every_breach_is_found(shop: Path) -> None:
    write(
        shop,
        {
            "services/cart/src/cart/one.py": "import catalog\n",
            "services/catalog/src/catalog/two.py": "import checkout\n",
        },
    )
    edit(shop / HANDLER, "async def place_order", "import sqlite3\n\n\nasync def place_order")
    said = scaffold(shop, "check", "--only", "boundaries")
    assert said.out.count(": boundary: ") == 3
    assert said.out.endswith("3 found\n")


def test_a_module_that_is_not_python(shop: Path) -> None:
    write(shop, {"services/cart/src/cart/broken.py": "def (\n"})
    said = scaffold(shop, "check", "--only", "boundaries")
    assert said.code == 2
    assert "boundaries-failed" in said.err
    assert "broken.py" in said.err


def test_for_programs(shop: Path) -> None:
    write(shop, {"services/cart/src/cart/help.py": "import catalog\n"})
    said = scaffold(shop, "check", "--format", "json")
    assert said.code == 1
    (finding,) = json.loads(said.out)["findings"]
    assert finding == {
        "slug": "boundary",
        "severity": "error",
        "message": "cart.help imports catalog",
        "path": "services/cart/src/cart/help.py",
        "line": 1,
        "column": 0,
        "remedy": "cart imports no other component: it goes through a client in gen/clients",
    }
    (shop / "services/cart/src/cart/help.py").unlink()
    assert json.loads(scaffold(shop, "check", "--format", "json").out) == {"findings": []}


def test_for_github(shop: Path) -> None:
    write(shop, {"services/cart/src/cart/help.py": "import catalog\n"})
    said = scaffold(shop, "check", "--format", "github")
    assert said.code == 1
    assert said.out == (
        "::error file=services/cart/src/cart/help.py,line=1,col=1,title=boundary::cart.help imports catalog. "
        "cart imports no other component: it goes through a client in gen/clients\n"
    )
