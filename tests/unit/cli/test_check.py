from __future__ import annotations

import contextlib
import importlib.util
import json
import shutil
import sqlite3
import subprocess
from pathlib import Path

import pytest

from tests.support import python, scaffold, shared, tree, write

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
        assert "services/cart/src/cart/gen/api.py: drift: it is missing\n" in said.out
        assert "  help: run `scaffold regen`" in said.out
        assert "type-error" not in said.out, "what is missing is said once, and not at every line that imports it"
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


def test_a_store_calls_nobody_by_way_of_a_module_of_its_own(shop: Path) -> None:
    """What app.py is put together from may know gRPC, as an interceptor does: a handler has it from there."""
    cart = shop / "services/cart/src/cart"
    write(cart, {"remote.py": "import grpc\n\nchannel = grpc.insecure_channel\n"})
    app = (cart / "app.py").read_text(encoding="utf-8")
    (cart / "app.py").write_text(app.replace("from cart.gen.runtime", "import cart.remote\nfrom cart.gen.runtime", 1))
    assert scaffold(shop, "check", "--only", "boundaries").code == 0
    handler = cart / "handlers/get_cart.py"
    handler.write_text(handler.read_text(encoding="utf-8") + "\n\nfrom cart.remote import channel\n", encoding="utf-8")
    said = scaffold(shop, "check", "--only", "boundaries")
    assert said.code == 1
    assert "boundary: cart.handlers.get_cart imports cart.remote\n" in said.out
    assert "services/cart/src/cart/remote.py:1: boundary: cart.remote imports grpc\n" in said.out


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
    """It is found once, and hides nothing: neither the others' imports nor the other parts' findings."""
    write(
        shop,
        {"services/cart/src/cart/broken.py": "def (\n", "services/catalog/src/catalog/two.py": "import checkout\n"},
    )
    said = scaffold(shop, "check", "--only", "boundaries", "--only", "drift")
    assert said.code == 1
    assert said.out.count("services/cart/src/cart/broken.py:1:") == 1
    assert "broken.py:1:5: not-python: it is no Python: " in said.out
    assert "services/catalog/src/catalog/two.py:1: boundary: catalog.two imports checkout" in said.out
    assert said.out.endswith("2 found\n")


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


# Types: what a process finds out of a store that has changed under it.

CALLS = """\
from checkout.app import Context
from checkout.gen.api import PlaceOrderRequest
from checkout.gen.clients.cart import EmptyCartRequest


async def place_order(request: PlaceOrderRequest, context: Context) -> PlaceOrderRequest:
    await context.app.cart.empty_cart(EmptyCartRequest(id="carts/1"))
    return request
"""


@pytest.fixture(scope="session")
def calling_template(shop_template: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shop with a handler that calls a store, checked once; copy it."""

    def make(root: Path) -> None:
        shutil.copytree(shop_template, root, dirs_exist_ok=True)
        write(root, {HANDLER: CALLS})
        said = scaffold(root, "check", "--only", "types")
        assert (said.code, said.text) == (0, "nothing found\n")

    return shared(tmp_path_factory, "calling", make)


@pytest.fixture
def calling(calling_template: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(calling_template, tmp_path / "calling"))


def test_a_store_has_lost_an_rpc(calling: Path) -> None:
    """Its caller is found by file and line; the message it named is still there, so it starts, and fails on the call."""
    edit(calling / CART_PROTO, "  rpc EmptyCart(EmptyCartRequest) returns (Cart);\n", "")
    assert scaffold(calling, "regen").code == 0
    said = scaffold(calling, "check")
    assert said.code == 1
    assert f'{HANDLER}:7:11: type-error: "Client" has no attribute "empty_cart"' in said.out
    assert said.out.endswith("\n1 found\n")
    assert starts(calling, "checkout").returncode == 0


def test_an_imported_name_is_gone(calling: Path) -> None:
    """Found by `check`, and by the process itself when it starts: it names the line."""
    text = (calling / CART_PROTO).read_text(encoding="utf-8").replace("EmptyCart", "ClearCart")
    (calling / CART_PROTO).write_text(text, encoding="utf-8")
    assert scaffold(calling, "regen").code == 0
    said = scaffold(calling, "check", "--only", "types")
    assert said.code == 1
    assert (
        f'{HANDLER}:3:1: type-error: Module "checkout.gen.clients.cart" has no attribute "EmptyCartRequest"' in said.out
    )
    assert f'{HANDLER}:7:11: type-error: "Client" has no attribute "empty_cart"' in said.out
    started = starts(calling, "checkout")
    assert started.returncode not in (0, None)
    assert f'{HANDLER}", line 3, in <module>' in started.stderr
    assert "ImportError: cannot import name 'EmptyCartRequest'" in started.stderr


def starts(root: Path, package: str) -> subprocess.CompletedProcess[str]:
    """Let a component do what it does before it serves."""
    code = f"import sys; sys.argv = ['{package}', '--check']; import {package}.__main__"
    return python(code, root / f"services/{package}/src", CART_ADDRESS="127.0.0.1:1")


def test_a_handler_that_does_not_fit_its_rpc(calling: Path) -> None:
    """Said of the handler, although the types meet in a generated file."""
    handler = "services/cart/src/cart/handlers/empty_cart.py"
    edit(calling / handler, "def empty_cart(", "# Mine.\ndef empty_cart(")
    edit(calling / CART_PROTO, "rpc EmptyCart(EmptyCartRequest)", "rpc EmptyCart(GetCartRequest)")
    assert scaffold(calling, "regen").code == 0
    line = (calling / handler).read_text(encoding="utf-8").splitlines().index("# Mine.") + 2
    said = scaffold(calling, "check", "--only", "types", "--format", "json")
    assert said.code == 1
    mine = [f for f in json.loads(said.out)["findings"] if f["path"] == handler]
    assert [(f["slug"], f["line"]) for f in mine] == [("type-error", line)]
    assert "the handler empty_cart does not fit its RPC" in mine[0]["message"]
    assert "expected" in mine[0]["message"] and "GetCartRequest" in mine[0]["message"]


def test_code_without_annotations_is_read_too(calling: Path) -> None:
    write(
        calling,
        {
            "services/checkout/src/checkout/help.py": """\
            from checkout.gen.clients.cart import Cart, Client


            def anything(x):
                return Cart(idd=x), Client.get_basket
            """
        },
    )
    said = scaffold(calling, "check", "--only", "types")
    assert said.code == 1
    assert 'help.py:5:12: type-error: Unexpected keyword argument "idd" for "Cart"' in said.out
    assert 'help.py:5:25: type-error: "type[Client]" has no attribute "get_basket"' in said.out


def test_a_line_that_is_meant(calling: Path) -> None:
    edit(calling / HANDLER, "    return request", "    return context.nothing  # type: ignore[attr-defined]")
    assert scaffold(calling, "check", "--only", "types").code == 0


def test_types_of_what_is_no_python(calling: Path) -> None:
    write(calling, {"services/cart/src/cart/broken.py": "x = 1\ndef (\n"})
    said = scaffold(calling, "check", "--only", "types")
    assert said.code == 1
    assert "services/cart/src/cart/broken.py:2:" in said.out


def test_types_of_what_is_not_generated_yet(tmp_path: Path) -> None:
    assert scaffold(tmp_path, "init", "empty").code == 0
    assert scaffold(tmp_path / "empty", "check").out == "nothing found\n"
    write(tmp_path / "empty", {"scaffold.toml": '[stores.late]\nproto = "late.proto"\n'})
    assert scaffold(tmp_path / "empty", "check", "--only", "types").out == "nothing found\n"


def test_an_unchanged_workspace_is_not_checked_again(calling: Path) -> None:
    """mypy finds what it knew, wherever the workspace is now: it writes no module's state anew."""
    before = known_to_mypy(calling)
    assert sum(path.startswith("checkout/gen/") for path in before) > 10
    assert scaffold(calling, "check", "--only", "types").code == 0
    assert known_to_mypy(calling) == before


def test_a_component_that_has_another_name_now(calling: Path) -> None:
    """Its own files that still import it by the old one are found: that is no third party's module."""
    with (calling / "services/cart/src/cart/app.py").open("a", encoding="utf-8") as app:
        app.write("# mine\n")
    assert scaffold(calling, "regen", "--rename", "stores.cart=basket").code == 0
    said = scaffold(calling, "check", "--only", "types")
    assert said.code == 1
    assert "services/basket/src/basket/app.py:" in said.out
    assert 'module named "cart.gen' in said.out


def test_a_client_that_comes_later(calling: Path) -> None:
    """What mypy knew of a package before it had a module more is not what it says afterwards."""
    write(calling, {"services/checkout/src/checkout/extra.py": "from checkout.gen.clients import catalog\n"})
    said = scaffold(calling, "check", "--only", "types")
    assert (said.code, "extra.py:1:1: type-error" in said.out) == (1, True)
    edit(calling / "scaffold.toml", 'uses = ["cart"]', 'uses = ["cart", "catalog"]')
    assert scaffold(calling, "regen").code == 0
    assert scaffold(calling, "check", "--only", "types").text == "nothing found\n"


def known_to_mypy(root: Path) -> dict[str, float]:
    """What mypy knows of each module, and since when."""
    found: dict[str, float] = {}
    for file in sorted((root / ".scaffold/cache/mypy").rglob("*.db")):
        with contextlib.closing(sqlite3.connect(file)) as database:
            rows = database.execute("SELECT path, mtime FROM files2 WHERE path LIKE '%.data.%'")
            found |= dict(rows.fetchall())
    return found


def test_a_cache_that_cannot_be_written(calling: Path) -> None:
    shutil.rmtree(calling / ".scaffold/cache")
    (calling / ".scaffold/cache").write_text("in the way", encoding="utf-8")
    assert scaffold(calling, "check", "--only", "types").out == "nothing found\n"


def test_without_mypy(calling: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A note, and the rest is checked; an error for those who ask for it by name."""
    real = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == "mypy" else real(name, *a))
    said = scaffold(calling, "check")
    assert said.code == 0
    assert said.out == (
        "note: extra-missing: the types are checked by mypy, which is not installed\n"
        "  help: pip install 'apifirst-scaffold[check]'\n"
        "nothing found\n"
    )
    said = scaffold(calling, "check", "--only", "types")
    assert (said.code, said.out) == (2, "")
    assert said.err.startswith("extra-missing: the types are checked by mypy")


def test_a_mypy_that_fails(calling: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scaffold.shell.types._CONFIG", "[mypy]\nplugins = not_there\nmypy_path = {path}\n")
    said = scaffold(calling, "check", "--only", "types")
    assert said.code == 2
    assert "types-failed: " in said.err
    assert "  help: " in said.err
