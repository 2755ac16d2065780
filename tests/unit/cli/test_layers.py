"""What happens to components happens to layers: `burn`, `remove`, `restore`, another name, and what `plan` says."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.support import REPO, Said, contents, scaffold, shared, tree, write

LAYER = "acl/cart/src/cart_acl"
SNAPSHOT = REPO / "tests/golden/acl_layer/model.snapshot.json"
TRANSLATE = REPO / "tests/layers/django_cart/package/translate.py"
LOCAL = REPO / "tests/layers/django_cart/package/local.py"
PROTO = "protos/shop/cart/v1/cart.proto"
MODELS = ("--orm", "django", "--models", "basket.Basket", "--models", "basket.Line")


def _make(root: Path) -> None:
    assert scaffold(root.parent, "init", root.name).code == 0
    shutil.copytree(REPO / "protos/shop/cart", root / "protos/shop/cart")
    shutil.copyfile(SNAPSHOT, root / "model.snapshot.json")
    assert scaffold(root, "new", "store", "cart", "--proto", "shop/cart/v1/cart.proto").code == 0
    made = scaffold(root, "new", "acl", "cart", *MODELS)
    assert made.code == 0, made.text


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return shared(tmp_path_factory, "layered", _make)


@pytest.fixture
def layered(template: Path, tmp_path: Path) -> Path:
    """A store, its layer, and what somebody wrote in that."""
    root = tmp_path / "shop"
    shutil.copytree(template, root, ignore=shutil.ignore_patterns("__pycache__"))
    write(root, {f"{LAYER}/translate.py": TRANSLATE.read_text(), f"{LAYER}/local.py": LOCAL.read_text()})
    return root


def refused(root: Path, *arguments: str) -> Said:
    before = tree(root)
    said = scaffold(root, *arguments)
    assert said.code == 2, said.text
    assert tree(root) == before
    return said


def edit(root: Path, path: str, old: str, new: str) -> None:
    text = (root / path).read_text(encoding="utf-8")
    assert old in text
    (root / path).write_text(text.replace(old, new), encoding="utf-8")


def own_protos(root: Path) -> None:
    edit(root, "scaffold.toml", "[acls.cart]\n", '[acls.cart]\nproto = "shop/cart/v1/cart.proto"\n')


# burn and remove


def test_a_layer_starts_again_and_comes_back(layered: Path) -> None:
    write(layered, {f"{LAYER}/rules.py": "# mine\n"})
    before = contents(layered)
    said = scaffold(layered, "burn", "acl/cart", "--yes")
    assert said.code == 0, said.text
    assert f"to the attic (.scaffold/attic/1-burn-acl-cart/):\n  {LAYER}/local.py\n  {LAYER}/translate.py\n" in said.out
    assert f"stays:\n  {LAYER}/rules.py\n  model.snapshot.json\n" in said.out
    assert "todo(" in (layered / LAYER / "translate.py").read_text(encoding="utf-8")
    changed = {p for p, c in contents(layered).items() if before.get(p) != c and not p.startswith(".scaffold/")}
    assert changed == {f"{LAYER}/local.py", f"{LAYER}/translate.py"}
    assert scaffold(layered, "burn", "acl/cart", "--yes").out.startswith("acl/cart is as it is generated")
    assert scaffold(layered, "restore", "1").code == 0
    assert {p: c for p, c in contents(layered).items() if not p.startswith(".scaffold/")} == {
        p: c for p, c in before.items() if not p.startswith(".scaffold/")
    }


def test_the_component_of_the_same_name_is_another_one(layered: Path) -> None:
    before = contents(layered)
    assert scaffold(layered, "burn", "cart", "--yes").code == 0
    after = contents(layered)
    assert {p: c for p, c in after.items() if p.startswith("acl/")} == {
        p: c for p, c in before.items() if p.startswith("acl/")
    }


def test_a_layer_has_no_handlers_to_keep(layered: Path) -> None:
    assert "no-handlers" in refused(layered, "burn", "acl/cart", "--keep-handlers", "--yes").err


def test_a_layer_goes_and_its_table_comes_back_with_its_files(layered: Path) -> None:
    before = contents(layered)
    said = scaffold(layered, "remove", "acl/cart", "--yes")
    assert said.code == 0, said.text
    assert "and [acls.cart] in scaffold.toml" in said.out
    assert not (layered / "acl").exists()
    assert b"[acls.cart]" not in (layered / "scaffold.toml").read_bytes()
    assert scaffold(layered, "plan").code == 0
    assert scaffold(layered, "restore", "1").code == 0
    assert scaffold(layered, "regen").code == 0
    again = {p: c for p, c in contents(layered).items() if not p.startswith(".scaffold/")}
    assert again == {p: c for p, c in before.items() if not p.startswith(".scaffold/")}


def test_what_is_left_of_a_layer_without_a_table_goes_by_its_address(layered: Path) -> None:
    text = (layered / "scaffold.toml").read_text(encoding="utf-8")
    (layered / "scaffold.toml").write_text(text[: text.index("[acls.cart]")], encoding="utf-8")
    planned = scaffold(layered, "plan")
    assert "`scaffold remove acl/cart`" in planned.out and "--rename acls.cart=NEW" in planned.out
    assert scaffold(layered, "remove", "acl/cart", "--yes").code == 0
    assert not (layered / "acl").exists()
    assert (layered / "services/cart/pyproject.toml").is_file()


def test_a_component_stays_while_its_layer_is_there(layered: Path) -> None:
    said = refused(layered, "remove", "cart", "--yes")
    assert 'still-used: the layer "acl/cart" has its protos from "cart"' in said.err
    assert "`scaffold remove acl/cart` first" in said.err
    own_protos(layered)
    assert scaffold(layered, "remove", "cart", "--yes").code == 0
    assert scaffold(layered, "check", "--only", "drift").code == 0


@pytest.mark.parametrize("command", [("burn", "acl/crt"), ("remove", "acl/crt"), ("burn", "acl/")])
def test_a_layer_that_is_not_there(layered: Path, command: tuple[str, str]) -> None:
    assert "acl/cart" in refused(layered, *command, "--yes").err


# another name


def test_a_layer_gets_another_name(layered: Path) -> None:
    own_protos(layered)
    before = contents(layered)
    said = scaffold(layered, "regen", "--rename", "acls.cart=basket")
    assert said.code == 0, said.text
    package = "acl/basket/src/basket_acl"
    assert (layered / package / "translate.py").read_bytes() == before[f"{LAYER}/translate.py"]
    assert not (layered / "acl/cart").exists()
    assert "[acls.basket]" in (layered / "scaffold.toml").read_text(encoding="utf-8")
    assert f"{package}/translate.py:3: note: old-name: it still says cart: from cart_acl.gen import port" in said.out
    assert "a monolith imports this as cart_acl" in said.out
    # What nobody touched is made anew, with the new name in it.
    assert "from basket_acl.errors import ERRORS" in (layered / package / "app.py").read_text(encoding="utf-8")
    assert scaffold(layered, "check", "--only", "drift").out == "nothing found\n"


def test_a_rename_that_was_begun_by_hand_is_gone_on_with(layered: Path) -> None:
    own_protos(layered)
    edit(layered, "scaffold.toml", "[acls.cart]", "[acls.basket]")
    assert scaffold(layered, "regen", "--rename", "acls.cart=basket").code == 0
    assert not (layered / "acl/cart").exists()
    assert (layered / "acl/basket/src/basket_acl/translate.py").read_bytes() == TRANSLATE.read_bytes()


@pytest.mark.parametrize("typed", ["stores.cart=basket", "acls.cart=basket"])
def test_a_component_and_the_layer_that_is_called_after_it_keep_one_name(layered: Path, typed: str) -> None:
    said = refused(layered, "regen", "--rename", typed)
    assert 'still-used: the layer "acl/cart" has its protos from "cart"' in said.err
    own_protos(layered)
    assert scaffold(layered, "regen", "--rename", typed).code == 0


def test_a_name_that_is_taken(layered: Path) -> None:
    own_protos(layered)
    again = ("new", "acl", "other", "--proto", "shop/cart/v1/cart.proto", *MODELS)
    assert scaffold(layered, *again).code == 0
    assert '"other" is a layer already' in refused(layered, "regen", "--rename", "acls.cart=other").err


# what an API change touches


def planned(root: Path) -> dict[str, dict[str, dict[str, bool]]]:
    """Of each section of the plan, the lines to edit by file: their text, and whether the layer does not start with it."""
    data = json.loads(scaffold(root, "plan", "--format", "json").out)
    found: dict[str, dict[str, dict[str, bool]]] = {}
    for section in data["evolution"]:
        own = [line for item in section["items"] if item["edit"] for line in item["lines"]]
        for line in (*own, *section["edits"]):
            files = found.setdefault(section["component"], {})
            lines = files.setdefault(line["path"].rpartition("/")[2], {})
            lines[line["text"]] = lines.get(line["text"], False) or line["at_start"]
    return found


@pytest.mark.parametrize("alone", [False, True])
@pytest.mark.parametrize(
    ("change", "expected"),
    [
        # A field that came has to be mapped: the translator of its message, and nothing else.
        (("  int32 quantity = 2", "  string note = 9;\n  int32 quantity = 2"), {"translate.py": ["port.Item,"]}),
        (
            ("  int32 quantity = 2", "  int32 pieces = 2"),
            {
                "translate.py": ['"quantity": src("quantity"),'],
                "local.py": ["if not 1 <= item.quantity", "_basket(name).add("],
            },
        ),
        (
            ("rpc EmptyCart(EmptyCartRequest) returns (EmptyCartResponse)", "rpc ClearCart(Cart) returns (Cart)"),
            {"local.py": ["EmptyCartRequest,", "EmptyCartResponse,", "def empty_cart(", "return EmptyCartResponse()"]},
        ),
        # An RPC that came has to be written in the port: beside the last one that is there.
        (
            ("  rpc EmptyCart(", "  rpc CountItems(GetCartRequest) returns (Cart);\n  rpc EmptyCart("),
            {"local.py": ["def empty_cart("]},
        ),
    ],
    ids=["field", "field renamed", "rpc gone", "rpc"],
)
def test_the_plan_names_the_lines_of_a_layer(
    layered: Path, change: tuple[str, str], expected: dict[str, list[str]], alone: bool
) -> None:
    if alone:
        own_protos(layered)
        assert scaffold(layered, "remove", "cart", "--yes").code == 0
    edit(layered, PROTO, *change)
    before = contents(layered)
    found = planned(layered).get("acl/cart", {})
    assert contents(layered) == before
    assert set(found) == set(expected)
    for file, lines in expected.items():
        assert len(found[file]) == len(lines), found[file]
        assert all(text.startswith(line) for line, text in zip(lines, found[file], strict=True))
        assert any(found[file].values()) == (file == "translate.py" or len(lines) > 2)


def test_a_layer_that_nothing_touches_is_not_named(layered: Path) -> None:
    edit(layered, PROTO, "message Cart {", "message Unused {\n  string name = 1;\n}\n\nmessage Cart {")
    assert "acl/cart (acl" not in scaffold(layered, "plan").out
    assert "acl/cart" not in planned(layered)


# types


def test_the_types_of_a_layer_are_checked(layered: Path) -> None:
    """The monolith's models are not there, and are anything; the port is."""
    assert scaffold(layered, "check", "--only", "types").out == "nothing found\n"
    edit(layered, f"{LAYER}/local.py", "return CART(basket) if basket", "return request if basket")
    edit(layered, f"{LAYER}/local.py", "def remove_item(self", "def remove_items(self")
    said = scaffold(layered, "check", "--only", "types")
    assert said.code == 1
    assert f"{LAYER}/local.py:32:" in said.out
    # Where the layer is put together, what the port lacks is seen.
    assert f"{LAYER}/app.py:" in said.out and "remove_item" in said.out
