"""Renames: proposed with their evidence, done only when somebody says so, and then byte for byte."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest

from tests.support import REPO, Said, contents, python, scaffold, tree, write

CART_PROTO = "protos/shop/cart/v1/cart.proto"
CART = "services/cart/src/cart"
GET, EMPTY, CLEAR = (f"{CART}/handlers/{name}_cart.py" for name in ("get", "empty", "clear"))
CHECKOUT = "services/checkout/src/checkout"
RENAME = ("--rename", "CartService.EmptyCart=ClearCart")
UNCHANGED = re.compile(r"files: \d+ unchanged\n")


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def mine(root: Path, path: str = EMPTY) -> bytes:
    """Make a handler the user's, in a way that a careless copy would change."""
    content = (root / path).read_bytes().replace(b"\n", b"\r\n", 1) + "\n# Mine: ü\t ".encode()
    (root / path).write_bytes(content)
    (root / path).chmod(0o755)
    return content


def renamed(root: Path) -> None:
    """Rename the RPC in the proto, and its request along."""
    edit(root / CART_PROTO, "EmptyCart", "ClearCart")


def handlers(root: Path) -> list[str]:
    return sorted(f.name for f in (root / CART / "handlers").glob("*.py"))


def listed(root: Path) -> str:
    return (root / ".scaffold/files").read_text(encoding="utf-8")


def items(root: Path, *arguments: str) -> list[dict[str, object]]:
    said = scaffold(root, "plan", "--format", "json", *arguments)
    return [item for section in json.loads(said.out)["evolution"] for item in section["items"]]


# A proposal.


def test_a_rename_is_a_question_and_nothing_is_written(shop: Path) -> None:
    mine(shop)
    renamed(shop)
    before = tree(shop)
    for command in ("plan", "regen", "regen"):
        said = scaffold(shop, command)
        assert (said.code, said.err) == (1, "")
        assert "  rename? CartService.EmptyCart -> ClearCart" in said.out
        assert "1 decision needed\nNothing was written." in said.out
        assert "orphan:" not in said.out
        assert tree(shop) == before


def test_both_commands_are_printed_as_they_have_to_be_typed(shop: Path) -> None:
    content = mine(shop)
    renamed(shop)
    printed = re.findall(r"scaffold (regen --\S+ \S+)", scaffold(shop, "plan").out)
    yes, no = (tuple(shlex.split(command)) for command in printed)
    other = shop.parent / "other"
    shutil.copytree(shop, other)
    assert scaffold(shop, *yes).code == 0
    assert (handlers(shop), (shop / CLEAR).read_bytes()) == (["__init__.py", "clear_cart.py", "get_cart.py"], content)
    said = scaffold(other, *no)
    assert (said.code, "orphan: " in said.out) == (1, True)
    assert handlers(other) == ["__init__.py", "clear_cart.py", "empty_cart.py", "get_cart.py"]
    assert (other / EMPTY).read_bytes() == content


def test_a_rename_moves_the_file_as_it_is(shop: Path) -> None:
    content = mine(shop)
    mtime = (shop / EMPTY).stat().st_mtime_ns
    renamed(shop)
    said = scaffold(shop, "regen", *RENAME)
    assert (said.code, said.err) == (0, "")
    status = (shop / CLEAR).stat()
    assert ((shop / CLEAR).read_bytes(), status.st_mtime_ns, status.st_mode & 0o777) == (content, mtime, 0o755)
    assert f"{CLEAR}\tstub\tshop.cart.v1.CartService.ClearCart" in listed(shop)
    assert EMPTY not in listed(shop)
    before = tree(shop)
    assert UNCHANGED.fullmatch(scaffold(shop, "regen").out)
    assert tree(shop) == before


def test_the_lines_that_say_the_old_name_are_listed_where_they_are_then(shop: Path) -> None:
    mine(shop)
    write(shop, {"services/cart/tests/test_empty.py": """
        from unittest.mock import patch
        from cart.handlers import empty_cart as module
        with patch("cart.handlers.empty_cart.Cart"):
            module.empty_cart(None, None)
    """})  # fmt: skip
    write(shop, {f"{CHECKOUT}/steps.py": """
        from checkout.gen.clients import cart
        from checkout.gen.clients.cart import EmptyCartRequest
        async def clean(clients): return await clients.cart.empty_cart(cart.EmptyCartRequest())
        class Fake(cart.Client):
            async def empty_cart(self, request, *, timeout=None): ...
        class Other:
            def empty_cart(self): ...
    """})  # fmt: skip
    renamed(shop)
    for arguments in (("plan",), ("regen", *RENAME)):
        said = scaffold(shop, *arguments)
        lines = re.findall(r"^ +((?:handlers|tests|steps)\S+:\d+)   (.*)$", said.out, re.MULTILINE)
        assert [place for place, _ in lines] == [
            "handlers/clear_cart.py:4", "handlers/clear_cart.py:8", "tests/test_empty.py:2", "tests/test_empty.py:3",
            "tests/test_empty.py:4", "steps.py:2", "steps.py:3", "steps.py:5",
        ]  # fmt: skip
        assert lines[0][1] == "from cart.gen.api import Cart, EmptyCartRequest"
        assert "then edit at least these, or cart will not start:" in said.out
        assert "  edit at least these, or checkout will not start:" in said.out


def test_what_fails_later_is_not_said_to_fail_at_the_start(shop: Path) -> None:
    mine(shop)
    write(shop, {f"{CHECKOUT}/steps.py": "async def clean(app):\n    return await app.cart.empty_cart(None)\n"})
    renamed(shop)
    said = scaffold(shop, "plan")
    assert (
        "  edit at least these, or they fail when they run:\n    steps.py:2   return await app.cart.empty_cart(None)\n"
        in said.out
    )


# No proposal.


def test_a_stub_that_nobody_edited_is_no_question(shop: Path) -> None:
    renamed(shop)
    said = scaffold(shop, "regen")
    assert said.code == 0
    assert handlers(shop) == ["__init__.py", "clear_cart.py", "get_cart.py"]


def test_a_rename_that_was_done_by_hand_is_done(shop: Path) -> None:
    content = mine(shop)
    renamed(shop)
    (shop / EMPTY).rename(shop / CLEAR)
    said = scaffold(shop, "regen")
    assert said.code == 0
    assert "rename?" not in said.out
    assert (shop / CLEAR).read_bytes() == content
    assert EMPTY not in listed(shop)


def test_where_both_are_written_there_is_nothing_to_carry(shop: Path) -> None:
    content = mine(shop)
    write(shop, {CLEAR: "def clear_cart(request, context): ..."})
    renamed(shop)
    said = scaffold(shop, "regen")
    assert (said.code, "rename?" in said.out) == (1, False)
    assert f"{EMPTY}: orphan: " in said.out
    assert (shop / EMPTY).read_bytes() == content
    assert (shop / CLEAR).read_text() == "def clear_cart(request, context): ..."


def test_what_shares_its_types_is_not_proposed_and_plan_says_why(shop: Path) -> None:
    """Code that was written for one must not answer the other."""
    edit(shop / CART_PROTO, "rpc EmptyCart(EmptyCartRequest)", "rpc ActivateCart(GetCartRequest)")
    assert scaffold(shop, "regen").code == 0
    mine(shop, f"{CART}/handlers/activate_cart.py")
    edit(shop / CART_PROTO, "rpc ActivateCart", "rpc DeleteCart")
    said = scaffold(shop, "plan")
    assert "rename?" not in said.out
    why = "not taken for CartService.DeleteCart: that both have GetCartRequest and Cart says nothing: neither is named"
    assert why in said.out
    assert "if it is, `scaffold regen --rename CartService.ActivateCart=DeleteCart`" in said.out
    regen = scaffold(shop, "regen")
    assert (regen.code, ": orphan: " in regen.out) == (1, True)
    assert "HandlerPending" in (shop / f"{CART}/handlers/delete_cart.py").read_text(encoding="utf-8")


def test_without_a_previous_api_nothing_is_proposed(shop: Path) -> None:
    mine(shop)
    renamed(shop)
    descriptors = shop / CART / "gen/descriptors.py"
    kept = descriptors.read_bytes()
    for content in (
        None,
        b"FILES = (",
        kept.replace(b'b64decode(\n            """\n', b'b64decode(\n            """\n!', 1),
    ):
        other = shop.parent / f"other-{content is None}-{len(content or b'')}"
        shutil.copytree(shop, other)
        if content is None:
            shutil.rmtree(other / CART / "gen")
        else:
            (other / CART / "gen/descriptors.py").write_bytes(content)
        said = scaffold(other, "regen")
        assert (said.code, "rename?" in said.out) == (1, False)
        assert (other / EMPTY).exists()


# What was typed.


REFUSED = [
    (("--rename", "CartService.FillCart=ClearCart"), "there was no CartService.FillCart when", 'did you mean "'),
    (
        ("--rename", "Cart.EmptyCart=ClearCart"),
        "there was no Cart.EmptyCart when",
        'did you mean "CartService.EmptyCart"?',
    ),
    (("--rename", "CartService.EmptyCart=ClaerCart"), "no RPC ClaerCart in the API", 'did you mean "ClearCart"?'),
    (("--rename", "CartService.EmptyCart=GetCart"), "GetCart was in the API before", 'did you mean "ClearCart"?'),
    (
        ("--rename", "CartService.GetCart=ClearCart"),
        "CartService.GetCart is still in the API",
        "a rename is of what is gone",
    ),
    (("--rename", "CartService.EmptyCart=OtherService.ClearCart"), "no RPC OtherService.ClearCart", "did you mean"),
    (("--rename", "CartService=BasketService"), "CartService is still in the API", "a rename is of what is gone"),
    (("--rename", "CartService.EmptyCart"), '"CartService.EmptyCart" does not say from what to what', "write --rename"),
    (("--rename", "=ClearCart"), '"=ClearCart" does not say from what to what', "write --rename Service.Old=New"),
    (
        (*RENAME, "--rename", "CartService.EmptyCart=WipeCart"),
        "CartService.EmptyCart is to become ClearCart and WipeCart",
        "take one",
    ),
    (
        (*RENAME, "--no-rename", "CartService.EmptyCart"),
        "CartService.EmptyCart is said to be renamed, and not to be",
        "take one of the two",
    ),
    (
        ("--rename", "EmptyCart=ClearCart", "--no-rename", "CartService.EmptyCart"),
        "CartService.EmptyCart is said to be renamed, and not to be",
        "take one of the two",
    ),
    (("--no-rename", "CartService.GetCart"), "CartService.GetCart is still in the API", "take the option out"),
    (
        ("--no-rename", "Zzz"),
        "there was no Zzz when",
        "gone are: CartService.EmptyCart",
    ),
]


@pytest.mark.parametrize(("arguments", "message", "remedy"), REFUSED)
def test_what_does_not_exist_cannot_be_renamed(
    shop: Path, arguments: tuple[str, ...], message: str, remedy: str
) -> None:
    mine(shop)
    renamed(shop)
    before = tree(shop)
    for command in ("plan", "regen"):
        said = scaffold(shop, command, *arguments)
        assert (said.code, said.out) == (2, "")
        assert said.err.startswith("unknown-rename: ")
        assert message in said.err
        assert f"  help: {remedy}" in said.err
        assert tree(shop) == before


def test_all_that_is_wrong_is_said_at_once(shop: Path) -> None:
    renamed(shop)
    said = scaffold(shop, "regen", "--rename", "A.B=C", "--rename", "D.E=F", "--no-rename", "G.H")
    assert (said.code, said.err.count("unknown-rename: ")) == (2, 3)


def test_a_rename_that_was_done_cannot_be_done_again(shop: Path) -> None:
    mine(shop)
    renamed(shop)
    assert scaffold(shop, "regen", *RENAME).code == 0
    said = scaffold(shop, "regen", *RENAME)
    assert said.code == 2
    assert "or it was renamed already" in said.err


def test_a_decided_rename_need_not_be_a_likely_one(shop: Path) -> None:
    """Somebody said so: the types have nothing to do with it."""
    content = mine(shop)
    edit(shop / CART_PROTO, "rpc EmptyCart(EmptyCartRequest)", "rpc Vacate(GetCartRequest)")
    said = scaffold(shop, "regen", "--rename", "shop.cart.v1.CartService.EmptyCart=shop.cart.v1.CartService.Vacate")
    assert said.code == 0
    assert (shop / f"{CART}/handlers/vacate.py").read_bytes() == content
    assert "  request CartService.Vacate: takes EmptyCartRequest -> GetCartRequest" in said.out


def test_several_at_once(shop: Path) -> None:
    edit(shop / GET, "def get_cart", "# Mine.\ndef get_cart")
    one, other = mine(shop), (shop / GET).read_bytes()
    renamed(shop)
    edit(shop / CART_PROTO, "GetCart", "ReadCart")
    assert scaffold(shop, "regen", *RENAME, "--rename", "CartService.GetCart=ReadCart").code == 0
    assert (shop / CLEAR).read_bytes() == one
    assert (shop / f"{CART}/handlers/read_cart.py").read_bytes() == other


def test_one_answer_is_not_all(shop: Path) -> None:
    edit(shop / GET, "def get_cart", "# Mine.\ndef get_cart")
    edit(shop / CART_PROTO, "message GetCartRequest {\n  string id", "message GetCartRequest {\n  bytes id")
    assert scaffold(shop, "regen").code == 0
    mine(shop)
    renamed(shop)
    edit(shop / CART_PROTO, "GetCart", "ReadCart")
    assert "2 decisions needed" in scaffold(shop, "plan").out
    before = tree(shop)
    half = scaffold(shop, "regen", *RENAME)
    assert (half.code, "1 decision needed" in half.out, tree(shop)) == (1, True, before)


def test_where_two_fit_none_is_proposed(shop: Path) -> None:
    """Both requests have the same fields, so each of the new RPCs could be either of the old ones."""
    mine(shop)
    renamed(shop)
    edit(shop / CART_PROTO, "GetCart", "ReadCart")
    said = scaffold(shop, "plan")
    assert "rename?" not in said.out
    for new in ("ReadCart", "ClearCart"):
        hint = f"not taken for CartService.{new}: another one is as much like it; if it is, `scaffold regen --rename"
        assert hint in said.out


def test_names_that_two_components_have_are_written_in_full(shop: Path) -> None:
    """The commands that are printed say which one is meant, and so does the complaint about others."""
    catalog = "protos/shop/catalog/v1/catalog.proto"
    rpc = "  rpc EmptyCart(LookRequest) returns (LookRequest);\n"
    edit(shop / catalog, "service CatalogService {\n", f"service CartService {{\n{rpc}")
    edit(shop / "scaffold.toml", '["shop.catalog.v1.CatalogService"]', '["shop.catalog.v1.CartService"]')
    assert scaffold(shop, "regen").code == 0
    mine(shop)
    renamed(shop)
    # The other one is still there: there is no doubt about what is gone.
    assert f"scaffold regen {' '.join(RENAME)}\n" in scaffold(shop, "plan").out
    edit(shop / catalog, rpc, "")
    full = "shop.cart.v1.CartService.EmptyCart"
    assert f"scaffold regen --rename {full}=ClearCart\n" in scaffold(shop, "plan").out
    said = scaffold(shop, "regen", *RENAME)
    assert (said.code, f"CartService.EmptyCart can be {full} or shop.catalog" in said.err) == (2, True)
    assert scaffold(shop, "regen", "--rename", f"{full}=ClearCart").code == 0
    assert (shop / CLEAR).exists()


def test_an_orphan_can_be_carried_later(shop: Path) -> None:
    content = mine(shop)
    renamed(shop)
    assert scaffold(shop, "regen", "--no-rename", "CartService.EmptyCart").code == 1
    refused = scaffold(shop, "regen", "--rename", "CartService.EmptyCart=NoCart")
    assert (refused.code, "there is no RPC NoCart in the API" in refused.err) == (2, True)
    said = scaffold(shop, "regen", *RENAME)
    assert said.code == 0
    assert "then edit at least these, or cart will not start:" in said.out
    assert "handlers/clear_cart.py:4   from cart.gen.api import Cart, EmptyCartRequest" in said.out
    assert ((shop / CLEAR).read_bytes(), (shop / EMPTY).exists()) == (content, False)
    assert UNCHANGED.fullmatch(scaffold(shop, "plan").out)


def test_an_orphan_never_replaces_what_somebody_wrote(shop: Path) -> None:
    mine(shop)
    edit(shop / GET, "def get_cart", "# Mine.\ndef get_cart")
    edit(shop / CART_PROTO, "  rpc EmptyCart(EmptyCartRequest) returns (Cart);\n", "")
    assert scaffold(shop, "regen").code == 1
    before = contents(shop)
    said = scaffold(shop, "regen", "--rename", "CartService.EmptyCart=GetCart")
    assert (said.code, "GetCart was in the API before: what it does has a handler" in said.err) == (2, True)
    assert contents(shop) == before


def test_check_reports_what_has_to_be_decided(shop: Path) -> None:
    mine(shop)
    renamed(shop)
    said = scaffold(shop, "check", "--only", "drift")
    assert said.code == 1
    assert f"{CART_PROTO}:8:3: rename-undecided: CartService.EmptyCart is gone" in said.out
    assert scaffold(shop, "regen", "--check").code == 1


# Services.

TWO = """
syntax = "proto3";
package two;
service First { rpc Read(ReadRequest) returns (Thing); }
service Second { rpc Read(ReadRequest) returns (Thing); rpc Sell(SellRequest) returns (Thing); }
message Thing { string name = 1; }
message ReadRequest { string name = 1; }
message SellRequest { string name = 1; }
"""


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A store of two services, with code of the user's in the second one's folder."""
    write(tmp_path, {"protos/two.proto": TWO, "scaffold.toml": """
        [stores.two]
        proto = "two.proto"
        services = ["two.First", "two.Second"]
    """})  # fmt: skip
    assert scaffold(tmp_path, "regen").code == 0
    mine(tmp_path, "services/two/src/two/handlers/second/sell.py")
    mine(tmp_path, "services/two/src/two/handlers/read.py")
    return tmp_path


def _now(root: Path, old: str, new: str) -> Said:
    """Rename a service in the proto; what scaffold says until scaffold.toml says so, too."""
    edit(root / "protos/two.proto", f"service {old} ", f"service {new} ")
    said = scaffold(root, "plan")
    edit(root / "scaffold.toml", f"two.{old}", f"two.{new}")
    return said


def test_a_service_under_a_new_name_keeps_its_handlers(two: Path) -> None:
    before = {path: data for path, data in contents(two).items() if "/handlers/" in path}
    said = _now(two, "First", "Leading")
    assert said.code == 2
    assert 'scaffold.toml:3:1: unknown-service: there is no service "two.First" in two.proto any more' in said.err
    assert 'if it is "two.Leading" now, write that in its place: its handlers stay where they are' in said.err
    said = scaffold(two, "regen")
    assert said.code == 0
    after = {path: data for path, data in contents(two).items() if "/handlers/" in path}
    assert {p: d for p, d in after.items() if d != before.get(p)}.keys() <= {
        "services/two/src/two/handlers/__init__.py"
    }
    assert "services/two/src/two/handlers/read.py\tstub\ttwo.Leading.Read" in listed(two)


def test_the_folder_of_a_further_service_goes_along_where_somebody_says_so(two: Path) -> None:
    old, new = (f"services/two/src/two/handlers/{name}/sell.py" for name in ("second", "last"))
    content = (two / old).read_bytes()
    assert _now(two, "Second", "Last").code == 2
    before = tree(two)
    said = scaffold(two, "regen")
    assert (said.code, tree(two)) == (1, before)
    assert "do it:      scaffold regen --rename Second=Last" in said.out
    assert "moves     handlers/second/sell.py -> handlers/last/sell.py" in said.out
    assert scaffold(two, "regen", "--rename", "Second=Last").code == 0
    assert ((two / new).read_bytes(), (two / old).exists()) == (content, False)
    assert (two / "services/two/src/two/handlers/last/read.py").exists()
    assert UNCHANGED.fullmatch(scaffold(two, "plan").out)


def test_a_new_version_of_a_package_moves_nothing(two: Path) -> None:
    before = {path: data for path, data in contents(two).items() if "/handlers/" in path}
    edit(two / "protos/two.proto", "package two;", "package two.v2;")
    edit(two / "scaffold.toml", '"two.First", "two.Second"', '"two.v2.First", "two.v2.Second"')
    said = scaffold(two, "regen")
    assert said.code == 0
    assert {p: d for p, d in contents(two).items() if p in before and "__init__" not in p} == {
        p: d for p, d in before.items() if "__init__" not in p
    }
    assert UNCHANGED.fullmatch(scaffold(two, "plan").out)


def test_an_rpc_that_moves_to_another_service_of_the_component(two: Path) -> None:
    old, new = "services/two/src/two/handlers/second/sell.py", "services/two/src/two/handlers/sell.py"
    content, rpc = (two / old).read_bytes(), " rpc Sell(SellRequest) returns (Thing);"
    edit(two / "protos/two.proto", f"{rpc} }}", " }")
    edit(two / "protos/two.proto", "service First {", f"service First {{{rpc}")
    said = scaffold(two, "plan")
    assert (said.code, "  rename? Second.Sell -> First.Sell" in said.out) == (1, True)
    assert "why: same name, same types, in another service" in said.out
    assert "do it:      scaffold regen --rename Second.Sell=First.Sell\n" in said.out
    assert scaffold(two, "regen", "--rename", "Second.Sell=First.Sell").code == 0
    assert ((two / new).read_bytes(), (two / old).exists()) == (content, False)


def test_who_imports_from_a_package_that_was_given_up_is_told(two: Path) -> None:
    write(two, {"services/two/src/two/rules.py": """
        from two.gen.messages import two as messages
        from two.gen.messages.two import Thing
        def make() -> Thing: return Thing(name=messages.Thing().name)
    """})  # fmt: skip
    edit(two / "protos/two.proto", "package two;", "package two.v2;")
    edit(two / "scaffold.toml", '"two.First", "two.Second"', '"two.v2.First", "two.v2.Second"')
    said = scaffold(two, "plan")
    assert said.code == 0
    assert "edit at least these, or two will not start:\n            rules.py:1 " in said.out
    assert re.findall(r"rules\.py:(\d)", said.out)[:2] == ["1", "2"]


def test_a_service_that_is_given_up(two: Path) -> None:
    edit(two / "scaffold.toml", ', "two.Second"', "")
    said = scaffold(two, "plan")
    assert said.code == 1
    for line in (
        "remove  service Second",
        "remove  Second.Sell",
        "handlers/second/sell.py has code of yours: an orphan",
    ):
        assert line in said.out


def test_a_service_in_another_file(two: Path) -> None:
    text = (two / "protos/two.proto").read_text(encoding="utf-8")
    second = next(line for line in text.splitlines(keepends=True) if line.startswith("service Second"))
    edit(two / "protos/two.proto", second, "")
    write(two, {"protos/deep/second.proto": 'syntax = "proto3";\npackage two;\nimport "two.proto";\n' + second})
    said = scaffold(two, "plan")
    assert said.code == 2
    assert 'help: it is declared in "deep/second.proto": add that to `proto` of the component' in said.err
    edit(two / "scaffold.toml", 'proto = "two.proto"', 'proto = ["two.proto", "deep/second.proto"]')
    said = scaffold(two, "plan")
    assert said.code == 0
    assert "  move    service Second: two.proto -> deep/second.proto" in said.out
    assert scaffold(two, "regen").code == 0


# Who is told.


def test_another_teams_component_has_its_callers(shop: Path) -> None:
    """Nothing is generated for it: what it was is known to those who use it."""
    with (shop / "scaffold.toml").open("a", encoding="utf-8") as file:
        file.write('\n[stores.stock]\nproto = "acme/stock.proto"\nservices = ["acme.Stock"]\nexternal = true\n')
    edit(shop / "scaffold.toml", 'uses = ["cart"]', 'uses = ["cart", "stock"]')
    stock = (
        'syntax = "proto3";\npackage acme;\nservice Stock {\n  rpc Take(T) returns (T);\n  rpc Put(T) returns (T);\n}\n'
    )
    write(shop, {"protos/acme/stock.proto": f"{stock}message T {{ int32 pieces = 1; }}\n"})
    assert scaffold(shop, "regen").code == 0
    write(
        shop,
        {f"{CHECKOUT}/steps.py": "async def take(app, t):\n    t.pieces = 1\n    return await app.stock.take(t)\n"},
    )
    edit(shop / "protos/acme/stock.proto", "  rpc Take(T) returns (T);\n", "")
    edit(shop / "protos/acme/stock.proto", "int32 pieces", "string pieces")
    said = scaffold(shop, "plan")
    assert said.code == 0
    assert "stock (external)\n  remove  Stock.Take\n  type    T.pieces: int32 -> string" in said.out
    assert "    steps.py:2   t.pieces = 1\n    steps.py:3   return await app.stock.take(t)\n" in said.out
    assert "rows" not in said.out, "nobody knows what another team stores"


def test_rows_are_spoken_of_where_they_are_stored(shop: Path) -> None:
    edit(shop / CART_PROTO, "message Cart {", "message Cart {\n  string note = 2;")
    edit(shop / CART_PROTO, "message GetCartRequest {", "message GetCartRequest {\n  string why = 2;")
    rows = {item["title"]: item["rows"] for item in items(shop)}
    assert rows == {
        "Cart.note = 2 (string)": 'rows written before read ""; no handler has to change',
        "GetCartRequest.why = 2 (string)": "",
    }


def test_messages_of_repositories_that_somebody_wrote_are_stored(shop: Path) -> None:
    with (shop / f"{CART}/app.py").open("a", encoding="utf-8") as file:
        file.write(
            '\nfrom cart.gen import api\nEMPTIED = lambda d: Repository(d, api.EmptyCartRequest, table="emptied")\n'
        )
    edit(shop / CART_PROTO, "message EmptyCartRequest {", "message EmptyCartRequest {\n  bool why = 2;")
    (item,) = items(shop)
    assert item["rows"] == "rows written before read false; no handler has to change"


def test_programs_get_the_same_facts(shop: Path) -> None:
    mine(shop)
    renamed(shop)
    (item,) = items(shop)
    assert (item["what"], item["before"], item["after"], item["proposed"]) == (
        "rename", "shop.cart.v1.CartService.EmptyCart", "shop.cart.v1.CartService.ClearCart", True
    )  # fmt: skip
    assert (item["path"], item["line"]) == (CART_PROTO, 8)
    assert item["commands"] == [
        f"scaffold regen {' '.join(RENAME)}",
        "scaffold regen --no-rename CartService.EmptyCart",
    ]
    length = len((shop / EMPTY).read_bytes().splitlines())
    assert item["moves"] == [{"from": EMPTY, "to": CLEAR, "lines": length}]
    text = scaffold(shop, "plan").out
    assert all(f":{line['line']}   {line['text']}" in text for line in item["lines"])  # type: ignore[attr-defined]
    assert str(item["why"]) in text
    (decided,) = items(shop, *RENAME)
    assert (decided["proposed"], decided["commands"], decided["moves"]) == (False, [], item["moves"])


def test_comments_alone(shop: Path) -> None:
    edit(shop / CART_PROTO, "// Returns one cart.", "// Returns a cart.")
    said = scaffold(shop, "plan")
    assert said.code == 0
    assert (
        "  comments only, nothing else\n          stubs that nobody has edited follow: CartService.GetCart\n"
        in said.out
    )


def test_lines_of_others_cannot_command_the_terminal(shop: Path) -> None:
    mine(shop)
    with (shop / EMPTY).open("a", encoding="utf-8") as file:
        file.write("\nEmptyCartRequest  # \x1b[31m \u202e reversed\n")
    renamed(shop)
    said = scaffold(shop, "plan")
    assert not set("\x1b\u202e") & set(said.out)
    assert "\\x1b[31m" in said.out


# Handlers that are no Python.


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("def empty_cart(:\n", f"{EMPTY}:1:16: not-python: it is no Python: invalid syntax"),
        (
            "<<<<<<< HEAD\nx = 1\n=======\n>>>>>>> other\n",
            f"{EMPTY}:1: merge-marker: git's conflict markers are still in it",
        ),
    ],
)
def test_a_handler_that_is_no_python(shop: Path, text: str, said: str) -> None:
    (shop / EMPTY).write_text(text, encoding="utf-8")
    edit(shop / CART_PROTO, "message Cart {", "message Cart {\n  string note = 2;")
    before = tree(shop)
    for arguments in (("plan",), ("regen",)):
        refused = scaffold(shop, *arguments)
        assert (refused.code, refused.err.startswith(said), "  help: " in refused.err) == (2, True, True), refused.err
        assert tree(shop) == before


def test_another_python_may_know_more(shop: Path) -> None:
    """Services that run in another Python can have syntax that this one does not know; a merge's markers nobody knows."""
    edit(shop / "scaffold.toml", "[python]", '[python]\ninterpreter = "python3.99"')
    (shop / EMPTY).write_text("def empty_cart[T](:\n", encoding="utf-8")
    assert scaffold(shop, "plan").code == 0
    (shop / EMPTY).write_text("<<<<<<< HEAD\n", encoding="utf-8")
    assert scaffold(shop, "plan").code == 2


def test_a_module_of_the_users_that_is_no_python_stops_nothing(shop: Path) -> None:
    write(shop, {f"{CART}/draft.py": "def (", "services/cart/tests/data/broken.py": "<<<<<<< HEAD\n"})
    edit(shop / CART_PROTO, "message Cart {", "message Cart {\n  string note = 2;")
    assert scaffold(shop, "regen").code == 0


# What it costs.


def test_nothing_is_compared_where_nothing_changed(shop: Path) -> None:
    ran = python(
        f"""
        import os, sys
        os.chdir({str(shop)!r})
        from scaffold.cli.main import run
        try:
            run(["plan"])
        finally:
            print(sorted(m for m in sys.modules if m in ("scaffold.core.evolve", "scaffold.verbs.evolution")))
        """,
        REPO,
    )
    assert ran.stdout.endswith("unchanged\n[]\n"), ran.stdout + ran.stderr
