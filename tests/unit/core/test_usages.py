from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaffold.core.diagnostics import ScaffoldError
from scaffold.core.usages import Source, problem, read

HANDLER = "services/cart/src/cart/handlers/get_cart.py"


def source(text: str, module: str = "cart.handlers.get_cart", path: str = HANDLER) -> Source:
    return read(path, textwrap.dedent(text).lstrip("\n").encode(), module)


def names(text: str, how: str = "", **where: str) -> list[tuple[int, str]]:
    return [(use.line, use.name) for use in source(text, **where).uses if not how or use.how == how]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("from cart.gen.api import Item\nx = Item()", "cart.gen.api.Item"),
        ("from cart.gen.api import Item as Line\nx = Line()", "cart.gen.api.Item"),
        ("from cart.gen import api\nx = api.Item()", "cart.gen.api.Item"),
        ("import cart.gen.api\nx = cart.gen.api.Item()", "cart.gen.api.Item"),
        ("import cart.gen.api as a\nx = a.Item.Kind.SMALL", "cart.gen.api.Item.Kind.SMALL"),
        ("from ..gen.api import Item\nx = Item", "cart.gen.api.Item"),
        ("from .. import gen\nx = gen.api.Item", "cart.gen.api.Item"),
        ("from cart.gen.api import *\nx = Item", "cart.gen.api.Item"),
    ],
)
def test_imports_are_followed(text: str, found: str) -> None:
    assert (2, found) in names(text, "name")


def test_relative_imports_of_a_package() -> None:
    text = "from .get_cart import get_cart\nget_cart()"
    path = "services/cart/src/cart/handlers/__init__.py"
    assert (2, "cart.handlers.get_cart.get_cart") in names(text, module="cart.handlers", path=path)


def test_translators_name_the_type_that_they_make_and_its_fields() -> None:
    text = """
        from cart_acl.gen import port
        from cart_acl.gen.translation import src, translator
        ITEM = translator(
            port.Item,
            "basket.Line",
            fields={
                "product": src("sku"),
                **MORE,
            },
        )
        other(port.Item, fields={"product": 1})
        """
    assert names(text, "mapping") == [(4, "cart_acl.gen.port.Item"), (7, "cart_acl.gen.port.Item.product")]


@pytest.mark.parametrize(
    "body",
    [
        "def f(item): return item.name",
        "def f():\n    item = 1\n    return item.name",
        "f = lambda item: item.name",
        "f = [item.name for item in ()]",
        "f = {item.name: 1 for (item, other) in ()}",
        "def f():\n    for item in (): print(item.name)",
        "def f():\n    def g():\n        return item.name\n    item = 1",
        "def f():\n    with open('x') as item: return item.name",
    ],
)
def test_what_hides_an_import_hides_it(body: str) -> None:
    text = f"from cart.gen import api as item\n{body}\n"
    assert not [name for _, name in names(text, "name") if name.startswith("cart.gen.api.name")]
    assert ".name" in [name for _, name in names(text, "attribute")]


def test_what_a_function_says_global_is_not_its_own() -> None:
    text = "from cart.gen import api\ndef f():\n    global api\n    api = api.Item\n"
    assert (4, "cart.gen.api.Item") in names(text, "name")


def test_a_class_hides_nothing_from_its_methods() -> None:
    text = """
        from cart.gen import api
        class Fake:
            api = 1
            def f(self): return api.Item
        """
    assert (4, "cart.gen.api.Item") in names(text, "name")


def test_imports_in_a_function_hold_there() -> None:
    text = """
        def f():
            from cart.gen.api import Item
            return Item()
        def g(): return Item()
        """
    assert [line for line, name in names(text, "name") if name == "cart.gen.api.Item"] == [3]


def test_attributes_of_what_nobody_knows() -> None:
    text = "async def f(context):\n    return (await context.app.cart.get_cart(1)).items[0].name\n"
    assert sorted(names(text, "attribute")) == [(2, ".app.cart.get_cart"), (2, ".items"), (2, ".name")]


def test_keywords_belong_to_what_is_called() -> None:
    text = """
        from cart.gen.api import Item
        def f(x, make):
            make(quantity=1)
            match x:
                case Item(quantity=q): return q
            return Item(
                product="a",
            )
        """
    found = [(3, ".quantity"), (5, "cart.gen.api.Item.quantity"), (7, "cart.gen.api.Item.product")]
    assert names(text, "keyword") == found


def test_strings_that_could_be_names() -> None:
    text = "a = 'cart.handlers.get_cart'\nb = 'two words'\nc = 'quantity'\nd = f'{a} x'\ne = b'bytes'\nf = '1a'\n"
    assert names(text, "text") == [(1, "cart.handlers.get_cart"), (3, "quantity")]


def test_functions_belong_to_their_module_or_to_the_base_of_their_class_or_to_that() -> None:
    text = """
        from checkout.gen.clients import cart
        def get_cart(request): ...
        class Fake(cart.Client):
            async def get_cart(self, request):
                def inner(): ...
        class Own:
            def get_cart(self): ...
        """
    found = [
        (2, "cart.handlers.get_cart.get_cart"),
        (4, "checkout.gen.clients.cart.Client.get_cart"),
        (7, "cart.handlers.get_cart.Own.get_cart"),
    ]
    assert names(text, "def") == found


def test_what_is_carried_out_at_the_import() -> None:
    text = """
        from typing import TYPE_CHECKING
        from cart.gen import api
        if TYPE_CHECKING:
            from cart.gen.api import Item
        A = api.A
        def f(a: api.B = api.C) -> api.D:
            b: api.E = api.F
            return api.G
        class H(api.I):
            j: api.K
            def l(self): return api.M
        """
    assert at_import(text) == ["A", "B", "C", "D", "I", "K"]
    assert at_import("from __future__ import annotations\n" + textwrap.dedent(text)) == ["A", "C", "I"]


def at_import(text: str) -> list[str]:
    uses = [use for use in source(text).uses if use.how == "name" and use.at_import]
    return sorted(use.name.removeprefix("cart.gen.api.") for use in uses if use.name.startswith("cart.gen.api."))


def test_a_line_is_where_the_name_is() -> None:
    text = """
        from cart.gen.api import (
            Cart,
            Item,
        )
        x = (
            Cart
        )
        """
    found = source(text)
    assert [(use.line, found.text(use.line)) for use in found.uses] == [(2, "Cart,"), (3, "Item,"), (6, "Cart")]
    assert found.length == 7


def test_encodings_and_line_ends() -> None:
    found = read("a.py", "# coding: latin-1\r\nfrom a import b # ü\r\nb\r\n".encode("latin-1"))
    assert [(use.line, found.text(use.line)) for use in found.uses] == [(2, "from a import b # ü"), (3, "b")]
    assert read("a.py", b"\xef\xbb\xbfimport a").text(1) == "import a"
    assert (read("a.py", b"").length, read("a.py", b"a").length, read("a.py", b"a\n").length) == (0, 1, 1)


@pytest.mark.parametrize(
    ("content", "slug", "place", "message"),
    [
        (b"def f(:\n", "not-python", "a.py:1:7", "it is no Python: invalid syntax"),
        (b"x = 1\n\n  y = 2\n", "not-python", "a.py:3", "it is no Python: unexpected indent"),
        (b"x = '\xff'\n", "not-python", "a.py", "it is no Python: "),
        (b"\x00", "not-python", "a.py", "it is no Python: "),
        (b"x" + b"[" * 5000, "not-python", "a.py", "it is no Python: "),
        (b"# coding: nonsense\n", "not-python", "a.py", "it is no Python: "),
        (b"a = 1\n<<<<<<< HEAD\nb = 1\n=======\n>>>>>>> main\n", "merge-marker", "a.py:2", "git's conflict markers"),
    ],
)
def test_what_is_no_python(content: bytes, slug: str, place: str, message: str) -> None:
    found = problem("a.py", content)
    assert found is not None
    assert (found.slug, str(found.where).startswith(place)) == (slug, True), found
    assert found.message.startswith(message)
    assert found.remedy
    with pytest.raises(ScaffoldError) as raised:
        read("a.py", content)
    assert raised.value.diagnostics == (found,)


def test_a_strange_escape_is_nobodys_business(recwarn: pytest.WarningsRecorder) -> None:
    assert problem("a.py", b"x = '\\d'\n") is None
    assert not recwarn.list


@given(st.text(alphabet="abc .:=()[]{}'\"\n\t\\@#_<>,", max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    found = problem("a.py", text.encode())
    if found is None:
        lines = text.count("\n") + 1
        assert all(1 <= use.line <= lines for use in read("a.py", text.encode(), "a").uses)
