from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaffold.core import settings
from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError, Severity
from scaffold.core.settings import Settings, Unit

VERSION = "1.4.0"
CART = '[stores.cart]\nproto = "cart.proto"\n'


def load(text: str) -> Settings:
    return settings.load(text, VERSION)


def problems(text: str) -> tuple[Diagnostic, ...]:
    with pytest.raises(ScaffoldError) as caught:
        load(text)
    return caught.value.diagnostics


def process(name: str, **lists: list[str]) -> str:
    keys = "".join(f"{key} = {values!r}\n" for key, values in lists.items())
    return f'[processes.{name}]\nproto = "{name}.proto"\n{keys}'


# text, slug, line, column, a part of the message, a part of the remedy
BAD = [
    # Unknown keys, at every level.
    ('scafold = "==1.4.0"\n', "unknown-key", (1, 1), '"scafold" is not a setting', 'did you mean "scaffold"?'),
    ('[protos]\nrots = ["a"]\n', "unknown-key", (2, 1), '"protos.rots"', 'did you mean "roots"?'),
    (CART + 'pats = "x"\n', "unknown-key", (3, 1), '"stores.cart.pats"', 'did you mean "path"?'),
    (process("a", use=["b"]), "unknown-key", (3, 1), '"processes.a.use"', 'did you mean "uses"?'),
    ('[vendors.pay]\ntimeot = "3s"\n', "unknown-key", (2, 1), '"vendors.pay.timeot"', 'did you mean "timeout"?'),
    ("[metadata]\nforwards = []\n", "unknown-key", (2, 1), '"metadata.forwards"', 'did you mean "forward"?'),
    ('[python]\nzzz = "x"\n', "unknown-key", (2, 1), '"python.zzz"', "known here: package, requires, interpreter"),
    ('# a comment\n\n[store.cart]\nproto = "x"\n', "unknown-key", (3, 2), '"store"', 'did you mean "stores"?'),
    (CART + 'uses = ["x"]\n', "unknown-key", (3, 1), '"stores.cart.uses"', "known here:"),
    # What is no TOML.
    ('[protos\nroots = ["a"]\n', "settings-syntax", (1, 8), "Expected ']'", "not valid TOML"),
    ("[protos]\nroots = \n", "settings-syntax", (2, 9), "Invalid value", "not valid TOML"),
    ('\n\nx = "unclosed', "settings-syntax", (3, 1), "Unterminated string", "not valid TOML"),
    (CART + "[stores.cart]\n", "settings-syntax", (3, 13), "twice", "not valid TOML"),
    # The version.
    ('scaffold = "==1.5.0"\n', "wrong-version", (1, 1), "1.5.0, and this is 1.4.0", "apifirst-scaffold==1.5.0"),
    ('# c\nscaffold = "==1.3"\nfuture = 1\n', "wrong-version", (2, 1), "1.3, and this is 1.4.0", '"==1.4.0"'),
    ('scaffold = ">=1"\n', "settings-value", (1, 1), "pins no version", 'write scaffold = "==1.4.0"'),
    ("scaffold = 1\n", "settings-value", (1, 1), "valid string", "==VERSION"),
    # Values of another type.
    ('[protos]\nroots = "protos"\n', "settings-value", (2, 1), "protos.roots", "Import roots"),
    ("[protos]\nroots = []\n", "settings-value", (2, 1), "at least 1", "Import roots"),
    ("[protos]\nroots = [1]\n", "settings-value", (2, 1), "valid string", "Import roots"),
    ("[stores.cart]\n", "missing-key", (1, 2), '"stores.cart.proto" is missing', "add proto = …"),
    ("[stores.cart]\nproto = 1\n", "settings-value", (2, 1), "stores.cart.proto", "Proto file or files"),
    ("[stores.cart]\nproto = []\n", "settings-value", (2, 1), "names no file", 'write proto = "cart.proto"'),
    ("[stores]\ncart = 1\n", "settings-value", (2, 1), "stores.cart", "Data stores"),
    ('[vendors.pay]\ntimeout = "3 seconds"\n', "settings-value", (2, 1), "'3 seconds'", 'write "3s"'),
    ('[vendors.pay]\ntimeout = "0s"\n', "settings-value", (2, 1), "'0s'", 'write "3s"'),
    ("[vendors.pay]\ndev = []\n", "settings-value", (2, 1), "empty", '["python", "FILE"]'),
    ('[vendors.pay]\nenv = ["KEY=1"]\n', "settings-value", (2, 1), '"KEY=1"', "values never stand in this file"),
    ('[metadata]\nrequire = ["X-Tenant"]\n', "settings-value", (2, 1), '"X-Tenant"', "lower-case"),
    ('[metadata]\nforward = ["a b"]\n', "settings-value", (2, 1), '"a b"', "metadata keys"),
    # Names.
    ("[stores.logging]\nproto = 'a'\n", "name-shadows", (1, 2), "standard library's module `logging`", "shop_{name}"),
    ("[stores.sqlalchemy]\nproto = 'a'\n", "name-shadows", (1, 2), "the package `sqlalchemy`", "shop_{name}"),
    ("[stores.Cart]\nproto = 'a'\n", "invalid-name", (1, 2), '"Cart"', 'try "cart"'),
    ('[stores."my cart"]\nproto = "a"\n', "invalid-name", (1, 2), '"my cart"', 'try "my_cart"'),
    ("[stores.lambda]\nproto = 'a'\n", "invalid-name", (1, 2), "reserved word", "choose another name"),
    ("[vendors.Pay]\n", "invalid-name", (1, 2), '"Pay"', "rename the vendor"),
    (CART + "[vendors.cart]\n", "name-taken", (3, 2), '"cart" is a store already', "rename the vendor"),
    (CART + '[python]\npackage = "shop"\n', "settings-value", (4, 1), "no {name}", '"shop_{name}"'),
    (CART + '[python]\npackage = "a-{name}"\n', "name-shadows", (1, 2), "import a-cart", "shop_{name}"),
    # Who uses what.
    (CART + process("a", uses=["crt"]), "unknown-component", (5, 1), '"crt"', 'did you mean "cart"?'),
    (CART + process("a", uses=["zzz"]), "unknown-component", (5, 1), '"zzz"', "known: cart"),
    (process("a", uses=["zzz"]), "unknown-component", (3, 1), '"zzz"', "scaffold new store NAME"),
    (process("a", uses=["a"]), "uses-itself", (3, 1), '"a" uses itself', "call the function"),
    (CART + process("a", uses=["cart", "cart"]), "settings-value", (5, 1), '"cart" is in the list twice', "once"),
    (CART + 'services = ["a.B", "a.B"]\n', "settings-value", (3, 1), '"a.B" is in the list twice', "once"),
    (process("a", vendors=["pay"]), "unknown-vendor", (3, 1), "[vendors.pay]", "add a [vendors.pay] table"),
    ("[vendors.pay]\n" + process("a", vendors=["pai"]), "unknown-vendor", (4, 1), "[vendors.pai]", 'mean "pay"?'),
    # Paths.
    *(
        (CART + f"path = {path!r}\n", "settings-value", (3, 1), "not inside the workspace", "relative path")
        for path in ("../x", "/x", "a/../../x", "C:/x", "a\\b", ".")
    ),
    ('[protos]\nroots = ["../apis"]\n', "settings-value", (2, 1), '"../apis" is not inside', "relative path"),
    ('[protos]\nroots = ["ok", "/apis"]\n', "settings-value", (2, 1), '"/apis" is not inside', "relative path"),
    *(
        (
            f"{CART}path = 'apps/x'\n[stores.orders]\nproto = 'a'\npath = {path!r}\n",
            "settings-value",
            (6, 1),
            "share the folder",
            "a folder of its own",
        )
        for path in ("apps/x", "apps/x/", "apps/./x", "apps/x/y", "apps")
    ),
]  # fmt: skip


@pytest.mark.parametrize(("text", "slug", "place", "message", "remedy"), BAD, ids=[b[0][:40] for b in BAD])
def test_what_is_wrong_is_said_with_place_and_remedy(
    text: str, slug: str, place: tuple[int, int], message: str, remedy: str
) -> None:
    found = problems(text)
    first = found[0]
    assert (first.slug, first.where) == (slug, Location("scaffold.toml", *place)), found
    assert message in first.message
    assert remedy in first.remedy
    assert all(d.severity is Severity.ERROR and d.remedy for d in found)


def test_one_name_for_two_components() -> None:
    first = problems(CART + process("cart"))[0]
    assert (first.slug, first.where) == ("name-taken", Location("scaffold.toml", 3, 2))
    assert first.message == '"cart" is a store already'


def test_every_mistake_is_reported_at_once() -> None:
    text = '[protos]\nrots = []\n[stores.cart]\n[vendors.pay]\ntimeot = "x"\n'
    assert [(d.slug, d.where and d.where.line) for d in problems(text)] == [
        ("unknown-key", 2),
        ("missing-key", 3),
        ("unknown-key", 5),
    ]
    text = "[stores.logging]\nproto = 'a'\n[stores.Cart]\nproto = 'b'\npath = '../x'\n"
    assert [d.slug for d in problems(text)] == ["name-shadows", "invalid-name", "settings-value"]


def test_every_circle_is_named_once() -> None:
    text = "".join(
        process(name, uses=uses) for name, uses in {"b": ["c"], "c": ["b"], "x": ["y"], "y": ["z"], "z": ["x"]}.items()
    )
    found = problems(text)
    assert [d.slug for d in found] == ["uses-cycle", "uses-cycle"]
    assert "b → c → b" in found[0].message
    assert "x → y → z → x" in found[1].message
    assert "take a `uses` out" in found[0].remedy


def test_defaults_are_filled_in() -> None:
    found = load(
        CART + "[processes.checkout]\nproto = ['a.proto', 'b.proto']\nuses = ['cart']\npath = 'apps/./checkout/'\n"
    )
    cart, checkout = found.components()
    assert cart == Unit("cart", "store", "cart", "services/cart", ("cart.proto",))
    assert (checkout.kind, checkout.path, checkout.protos) == ("process", "apps/checkout", ("a.proto", "b.proto"))
    assert (checkout.uses, checkout.root) == (("cart",), "apps/checkout/src/checkout")
    assert found.protos.roots == ["protos"]
    assert found.python.requires == ">=3.11"


def test_the_import_name_can_have_a_prefix() -> None:
    (logging,) = load("[python]\npackage = 'shop_{name}'\n[stores.logging]\nproto = 'a'\n").components()
    assert (logging.package, logging.root) == ("shop_logging", "services/logging/src/shop_logging")


def test_an_empty_file_is_a_workspace() -> None:
    assert load("").components() == ()
    assert load('scaffold = "==1.4.0"\n').components() == ()


@pytest.mark.parametrize(("text", "seconds"), [("500ms", 0.5), ("3s", 3.0), ("1m", 60.0), ("1.5s", 1.5)])
def test_durations(text: str, seconds: float) -> None:
    assert settings.seconds(text) == seconds


@pytest.mark.parametrize("text", ["", "3", "s", "-3s", "3S", "3 s", "3s ", "3h", "0ms", "1.s"])
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match="is not a duration"):
        settings.seconds(text)


def test_a_process_over_a_process_is_worth_a_word() -> None:
    text = process("inner") + process("outer", uses=["inner"])
    (note,) = settings.notes(load(text), text=text)
    assert (note.slug, note.severity) == ("process-uses-process", Severity.NOTE)
    assert note.where == Location("scaffold.toml", 5, 1)
    assert note.remedy
    assert settings.notes(load(CART)) == ()


PATHS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12)


@given(PATHS, st.lists(PATHS, max_size=3))
def test_the_table_that_new_writes_reads_back(proto: str, services: list[str]) -> None:
    unit = Unit("cart", "process", "cart", "apps/x", (proto,), tuple(services), ("a",), ("v",))
    table = tomllib.loads(settings.table_text(unit))["processes"]["cart"]
    assert table == {"proto": proto, "path": "apps/x", "services": services, "uses": ["a"], "vendors": ["v"]}


def test_the_table_says_only_what_is_not_the_default() -> None:
    unit = Unit("cart", "store", "cart", "services/cart", ("a.proto", "b.proto"), ("shop.Cart",))
    assert settings.table_text(unit) == '[stores.cart]\nproto = ["a.proto", "b.proto"]\nservices = ["shop.Cart"]\n'
