"""`scaffold remove` and `scaffold regen --rename stores.cart=basket`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import Said, contents, python, scaffold, tree, write

CART = "services/cart/src/cart"
BASKET = "services/basket/src/basket"
GET = f"{CART}/handlers/get_cart.py"
MINE = {
    GET: "from cart.app import Context\n# get: mine\n", f"{CART}/rules.py": "# rules: mine\n",
    "services/cart/deploy/extra.yaml": "mine\n", "services/cart/README.md": "# Cart\n\nSet CART_DATABASE_URL.\n",
}  # fmt: skip
GOLDEN_LAYER = Path(__file__).parents[2] / "golden/acl_layer"
CALLER = "services/checkout/src/checkout/handlers/place_order.py"


def refused(root: Path, *arguments: str) -> Said:
    """Run a command that has to be refused with 2, and see that nothing has changed."""
    before = tree(root)
    said = scaffold(root, *arguments)
    assert said.code == 2, said.text
    assert tree(root) == before
    return said


def table(root: Path, old: str, new: str) -> None:
    """Edit scaffold.toml by hand."""
    text = (root / "scaffold.toml").read_text(encoding="utf-8")
    assert old in text
    (root / "scaffold.toml").write_text(text.replace(old, new), encoding="utf-8")


# remove


def test_a_component_goes(shop: Path) -> None:
    write(shop, {"services/catalog/src/catalog/rules.py": "# mine\n", ".data/catalog.db": "rows"})
    before = (shop / "scaffold.toml").read_bytes()
    said = scaffold(shop, "remove", "catalog", "--yes")
    assert said.code == 0, said.text
    assert "  services/catalog/src/catalog/app.py\n" in said.out
    stays = (
        "stays:\n  services/catalog/src/catalog/rules.py\n  .data/catalog.db\n  protos/shop/catalog/v1/catalog.proto\n"
    )
    assert stays in said.out
    assert "[stores.catalog] in scaffold.toml" in said.out
    assert [p for p in contents(shop) if p.startswith("services/catalog/")] == ["services/catalog/src/catalog/rules.py"]
    text = (
        b'\n[stores.catalog]\nproto = "shop/catalog/v1/catalog.proto"\nservices = ["shop.catalog.v1.CatalogService"]\n'
    )
    assert (shop / "scaffold.toml").read_bytes() == before.replace(text, b"")
    assert scaffold(shop, "regen").code == 0
    assert "services/catalog/" not in (shop / ".scaffold/files").read_text(encoding="utf-8")


def test_new_and_remove_leave_nothing(shop: Path) -> None:
    """But what is the user's: a copy of the files that were made for them, and the starter proto."""
    before = contents(shop)
    assert scaffold(shop, "new", "store", "late").code == 0
    assert scaffold(shop, "remove", "late", "--yes").code == 0
    after = {p: c for p, c in contents(shop).items() if not p.startswith((".scaffold/", "protos/shop/late/"))}
    assert after == {p: c for p, c in before.items() if not p.startswith(".scaffold/")}


def test_the_last_one_goes_too(shop: Path) -> None:
    for name in ("checkout", "cart", "catalog"):
        assert scaffold(shop, "remove", name, "--yes").code == 0
    assert not (shop / "services").exists()
    assert scaffold(shop, "regen").code == 0


def test_one_that_is_used_stays(shop: Path) -> None:
    said = refused(shop, "remove", "cart", "--yes")
    line = 1 + next(
        n for n, text in enumerate((shop / "scaffold.toml").read_text(encoding="utf-8").splitlines()) if "uses" in text
    )
    assert said.err.startswith(f'scaffold.toml:{line}:1: still-used: "checkout" uses "cart"\n  help: take "cart" out')


def test_an_external_one_is_only_a_table(shop: Path) -> None:
    text = (shop / "scaffold.toml").read_text(encoding="utf-8")
    more = '\n[stores.stock]\nproto = "shop/catalog/v1/catalog.proto"\nexternal = true\n'
    (shop / "scaffold.toml").write_text(text + more, encoding="utf-8")
    assert scaffold(shop, "regen").code == 0
    said = scaffold(shop, "remove", "stock", "--yes")
    assert said.code == 0, said.text
    assert (shop / "scaffold.toml").read_text(encoding="utf-8") == text


def test_a_table_deleted_by_hand_leaves_files_that_are_named(shop: Path) -> None:
    added = '[stores.catalog]\nproto = "shop/catalog/v1/catalog.proto"\nservices = ["shop.catalog.v1.CatalogService"]\n'
    table(shop, added, "")
    said = scaffold(shop, "plan")
    assert said.code == 0
    assert "services/catalog: warning: left-behind: 9 files are left of a component" in said.out, said.out
    assert "`scaffold remove catalog` takes them to the attic" in said.out
    assert scaffold(shop, "regen").code == 0
    assert (shop / "services/catalog/src/catalog/app.py").exists()
    said = refused(shop, "new", "store", "catalog", "--proto", "shop/catalog/v1/catalog.proto")
    assert (
        "services/catalog: destination-not-empty: there is something already, left of a component of this name"
        in said.err
    )
    assert "`scaffold remove catalog`" in said.err
    said = scaffold(shop, "remove", "catalog", "--yes")
    assert said.code == 0, said.text
    assert not (shop / "services/catalog").exists()
    assert "left-behind" not in scaffold(shop, "plan").out
    assert scaffold(shop, "new", "store", "catalog", "--proto", "shop/catalog/v1/catalog.proto").code == 0


# A component under another name.


def test_a_component_gets_another_name(shop: Path) -> None:
    write(
        shop,
        {**MINE, CALLER: "from checkout.gen.clients import cart\n\nmine = cart.Client\n", ".data/cart.db": "rows\n"},
    )
    said = scaffold(shop, "regen", "--rename", "stores.cart=basket")
    assert said.code == 0, said.text
    after = contents(shop)
    assert not [p for p in after if p.startswith("services/cart")]
    for path, text in MINE.items():
        new = path.replace(CART, BASKET).replace("services/cart/", "services/basket/")
        assert after[new] == text.encode(), new
        assert f"> {path} -> {new}" in said.out
    assert b"from basket.gen" in after[f"{BASKET}/app.py"], "what nobody had touched is made for the new name"
    settings = after["scaffold.toml"].decode()
    assert "[stores.basket]" in settings
    assert 'uses = ["basket"]' in settings
    assert "services/cart/" not in after[".scaffold/files"].decode()
    for place, line in (
        (f"{BASKET}/handlers/get_cart.py:1", "from cart.app import Context"),
        ("services/basket/README.md:3", "Set CART_DATABASE_URL."),
        (f"{CALLER}:1", "from checkout.gen.clients import cart"),
    ):
        assert f"{place}: note: old-name: it still says cart: {line}" in said.out
    assert said.out.count(f"{CALLER}:") == 1, "a line that only uses what was imported needs no edit"
    assert ".data/cart.db: note: old-data:" in said.out
    assert "mv .data/cart.db .data/basket.db" in said.out
    assert scaffold(shop, "regen").out.endswith(" unchanged\n")


def test_what_nobody_had_touched_runs_under_its_new_name(shop: Path) -> None:
    assert scaffold(shop, "regen", "--rename", "stores.cart=basket").code == 0
    ran = python(
        "import basket.gen.main as main\nfor s in main.COMPONENT.services: s.load()\nprint(main.COMPONENT.name)",
        shop / "services/basket/src",
    )
    assert (ran.returncode, ran.stdout) == (0, "basket\n"), ran.stderr


def test_there_and_back(shop: Path) -> None:
    write(shop, MINE)
    before = contents(shop)
    assert scaffold(shop, "regen", "--rename", "stores.cart=basket").code == 0
    assert scaffold(shop, "regen", "--rename", "stores.basket=cart").code == 0
    assert contents(shop) == before


def test_plan_says_it_first(shop: Path) -> None:
    write(shop, MINE)
    before = tree(shop)
    said = scaffold(shop, "plan", "--rename", "stores.cart=basket")
    assert said.code == 0, said.text
    assert f"> {GET} -> {BASKET}/handlers/get_cart.py" in said.out
    assert tree(shop) == before


def test_a_path_of_its_own_stays(shop: Path) -> None:
    """Only the import package follows the name."""
    assert scaffold(shop, "remove", "catalog", "--yes").code == 0
    table(shop, "[stores.cart]\n", '[stores.cart]\npath = "apps/carts"\n')
    (shop / "apps").mkdir()
    (shop / "services/cart").rename(shop / "apps/carts")
    listed = (shop / ".scaffold/files").read_text(encoding="utf-8").replace("services/cart/", "apps/carts/")
    (shop / ".scaffold/files").write_text(listed, encoding="utf-8")
    said = scaffold(shop, "regen")
    assert said.code == 0, said.text
    write(shop, {"apps/carts/src/cart/rules.py": "# mine\n"})
    said = scaffold(shop, "regen", "--rename", "stores.cart=basket")
    assert said.code == 0, said.text
    assert (shop / "apps/carts/src/basket/rules.py").read_bytes() == b"# mine\n"
    assert not (shop / "apps/carts/src/cart").exists()


def test_a_name_changed_by_hand_is_gone_on_with(shop: Path) -> None:
    write(shop, MINE)
    table(shop, "[stores.cart]", "[stores.basket]")
    table(shop, 'uses = ["cart"]', 'uses = ["basket"]')
    said = scaffold(shop, "regen", "--rename", "stores.cart=basket")
    assert said.code == 0, said.text
    assert (shop / BASKET / "handlers/get_cart.py").read_text(encoding="utf-8") == MINE[GET]
    assert not (shop / "services/cart").exists()


def test_something_is_there_already(shop: Path) -> None:
    write(shop, {**MINE, f"{BASKET}/rules.py": "# mine, too\n"})
    before = tree(shop)
    said = scaffold(shop, "regen", "--rename", "stores.cart=basket")
    assert said.code == 1
    assert f"{BASKET}/rules.py: rename-occupied: {CART}/rules.py is to be moved here" in said.out
    assert tree(shop) == before


@pytest.mark.parametrize(
    ("options", "slug", "message"),
    [
        (["stores.crat=basket"], "unknown-component", 'did you mean "cart"?'),
        (["processes.cart=basket"], "unknown-component", '"cart"'),
        (["stores.cart=catalog"], "name-taken", '"catalog" is a store already'),
        (["stores.cart=Basket"], "invalid-name", "lower-case"),
        (["stores.cart=grpc"], "name-shadows", "grpc"),
        (["stores.cart="], "unknown-rename", "from what to what"),
        (["stores.cart=basket", "stores.catalog=goods"], "unknown-rename", "by itself"),
        (["stores.cart=basket", "CartService.GetCart=FetchCart"], "unknown-rename", "by itself"),
    ],
)
def test_names_that_cannot_be_had(options: list[str], slug: str, message: str, shop: Path) -> None:
    said = refused(shop, "regen", *(part for option in options for part in ("--rename", option)))
    assert slug in said.err
    assert message in said.err


def test_an_edited_generated_file_is_decided_first(shop: Path) -> None:
    api = f"{CART}/gen/api.py"
    write(shop, {api: "# mine\n"})
    before = tree(shop)
    said = scaffold(shop, "regen", "--rename", "stores.cart=basket")
    assert said.code == 1
    assert f"{api}: edited-generated-file" in said.out
    assert tree(shop) == before
    said = scaffold(shop, "regen", "--rename", "stores.cart=basket", "--force", api)
    assert said.code == 0, said.text
    assert (shop / ".scaffold/attic/1-force-workspace" / api).read_bytes() == b"# mine\n"


# layers


@pytest.fixture
def layered(shop: Path) -> Path:
    """A workspace with a component `cart`, and a layer of the same name."""
    write(shop, {"model.snapshot.json": (GOLDEN_LAYER / "model.snapshot.json").read_text(encoding="utf-8")})
    models = ("--models", "basket.Basket", "--models", "basket.Line")
    said = scaffold(shop, "new", "acl", "cart", "--orm", "django", *models)
    assert said.code == 0, said.text
    return shop


def test_a_layer_goes_and_the_component_of_its_name_stays(layered: Path) -> None:
    services = {path: data for path, data in contents(layered).items() if path.startswith("services/")}
    said = scaffold(layered, "remove", "acl/cart", "--yes")
    assert said.code == 0, said.text
    assert "[acls.cart] in scaffold.toml" in said.out
    assert not [path for path in contents(layered) if path.startswith("acl/")]
    assert {p: d for p, d in contents(layered).items() if p.startswith("services/")} == services
    text = (layered / "scaffold.toml").read_text(encoding="utf-8")
    assert "[stores.cart]" in text and "[acls.cart]" not in text
    assert scaffold(layered, "regen", "--check").code == 0


def test_a_layer_without_its_table_is_named_so_that_the_component_stays(layered: Path) -> None:
    text = (layered / "scaffold.toml").read_text(encoding="utf-8")
    (layered / "scaffold.toml").write_text(text[: text.index("[acls.cart]")], encoding="utf-8")
    assert "`scaffold remove acl/cart`" in scaffold(layered, "regen").text
    assert scaffold(layered, "remove", "acl/cart", "--yes").code == 0
    assert not [path for path in contents(layered) if path.startswith("acl/")]
    assert [path for path in contents(layered) if path.startswith("services/cart/")]


def test_the_name_alone_is_no_layer(layered: Path) -> None:
    assert scaffold(layered, "remove", "cart", "--yes").code == 2, "checkout uses the component"
    said = refused(layered, "remove", "acl/carts", "--yes")
    assert "acl/cart" in said.text
