"""Edits of scaffold.toml: one table goes or gets another name, every other byte stays."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaffold.core.diagnostics import ScaffoldError
from scaffold.core.settings import Unit, table_text
from scaffold.core.tomltext import renamed, without

TEXT = """\
# ours
scaffold = "==1.0"   # pinned

[stores.cart] # the first
proto = "cart.proto"
services = [
  "shop.Cart",  # in two lines
]

# about the catalog
[stores.catalog]
proto = "catalog.proto"

[processes.checkout]
proto = "checkout.proto"
uses = [ "cart", 'catalog' ] # both
vendors = []
"""


def test_a_table_goes_alone() -> None:
    left, table = without(TEXT, "store", "cart")
    assert table == '[stores.cart] # the first\nproto = "cart.proto"\nservices = [\n  "shop.Cart",  # in two lines\n]\n'
    assert left == TEXT.replace(f"{table}\n", "")
    left, table = without(TEXT, "process", "checkout")
    assert f"{left}\n{table}" == TEXT
    left, table = without(TEXT, "store", "catalog")
    assert "# about the catalog\n" in left, "what stands above a table may be about more than the table"
    assert left == TEXT.replace(table, "").replace("catalog\n\n\n", "catalog\n\n")


def test_what_is_not_there_does_not_go() -> None:
    assert without(TEXT, "process", "cart") == (TEXT, "")
    assert without("", "store", "cart") == ("", "")


def test_a_name_changes_where_it_is_a_name() -> None:
    text = renamed(TEXT, "store", "cart", "basket")
    assert text == TEXT.replace("[stores.cart]", "[stores.basket]").replace('"cart"', '"basket"')
    assert renamed(TEXT, "store", "catalog", "goods") == TEXT.replace("[stores.catalog]", "[stores.goods]").replace(
        "'catalog'", "'goods'"
    )


def test_a_process_that_another_uses() -> None:
    text = '[processes.a]\nproto = "a.proto"\nuses = ["b"]\n\n[processes.b]\nproto = "b.proto"\nuses = ["c"]\n'
    text += '\n[processes.c]\nproto = "c.proto"\n'
    assert renamed(text, "process", "b", "z") == text.replace("[processes.b]", "[processes.z]").replace(
        '["b"]', '["z"]'
    )


@pytest.mark.parametrize(
    "text",
    [
        'stores.cart.proto = "cart.proto"\n',
        'stores = {cart = {proto = "cart.proto"}}\n',
        '[stores]\ncart = {proto = "cart.proto"}\n',
        '[stores]\ncart.proto = "cart.proto"\n',
        '[stores.cart]\nproto = """\n[stores.x]\n"""\n',
        '[stores.cart]\nproto = "cart.proto"\n[stores.cart.more]\nx = 1\n',
    ],
)
def test_what_is_not_written_plainly_is_refused(text: str) -> None:
    tomllib.loads(text)
    with pytest.raises(ScaffoldError) as caught:
        without(text, "store", "cart")
    (found,) = caught.value.diagnostics
    assert found.slug == "table-not-plain"
    assert "[stores.cart]" in found.remedy


@pytest.mark.parametrize("uses", ['uses = """cart"""', 'uses = ["c\\u0061rt"]', 'uses = [\n # ]\n "cart"]'])
def test_a_list_that_is_not_written_plainly_is_refused(uses: str) -> None:
    with pytest.raises(ScaffoldError, match="table-not-plain"):
        renamed(f'[stores.cart]\nproto = "c"\n[processes.p]\nproto = "p"\n{uses}\n', "store", "cart", "basket")


@pytest.mark.parametrize(
    "header", ["[stores.cart]", "[ stores . cart ]", '[stores."cart"]', "[stores.'cart']  # x", "  [stores.cart]"]
)
def test_a_header_in_every_form(header: str) -> None:
    text = f'{header}\nproto = "x"\n'
    assert without(text, "store", "cart")[0] == ""
    assert tomllib.loads(renamed(text, "store", "cart", "basket")) == {"stores": {"basket": {"proto": "x"}}}


NAMES = st.lists(st.sampled_from(["a", "b", "cart", "cart_x", "x_cart", "carts"]), unique=True, min_size=1)
BETWEEN = st.sampled_from(["", "\n", "# [stores.cart]\n", "\n# about\n\n", "[vendors.v]\n\n"])


@given(names=NAMES, between=st.lists(BETWEEN, min_size=7, max_size=7), eol=st.sampled_from(["\n", "\r\n"]))
def test_new_and_remove_are_each_others_reverse(names: list[str], between: list[str], eol: str) -> None:
    """Whatever stands around: each table is taken out, and nothing else is."""
    parts = [between[0].replace("[vendors.v]\n", "")]
    for name, gap in zip(names, between[1:], strict=False):
        unit = Unit(name=name, kind="store", package=name, path=f"services/{name}", protos=(f"{name}.proto",))
        parts += ["\n", table_text(unit), gap.replace("[vendors.v]", f"[vendors.v_{name}]")]
    text = "".join(parts).replace("\n", eol)
    for name in names:
        left, table = without(text, "store", name)
        expected = tomllib.loads(text)
        del expected["stores"][name]
        assert {k: v for k, v in tomllib.loads(left).items() if v} == {k: v for k, v in expected.items() if v}
        assert tomllib.loads(table) == {"stores": {name: tomllib.loads(text)["stores"][name]}}
        before, _, after = text.partition(table)
        assert left in (before + after, before.removesuffix(eol) + after), "an empty line may go with it"
        back = renamed(renamed(text, "store", name, "new"), "store", "new", name)
        assert back == text
