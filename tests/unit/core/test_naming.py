from __future__ import annotations

import keyword
import tomllib
from importlib import metadata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from scaffold.core import naming
from tests.support import REPO

# What a compiler lets through as a name.
PROTO_NAMES = st.from_regex(r"[A-Za-z_][A-Za-z0-9_]{0,12}", fullmatch=True) | st.sampled_from(
    [*keyword.kwlist, "GetURL", "GetUrl", "getUrl", "get_url", "__Audit", "_", "__", "Get2", "Get_2", "get_url_2"]
)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("GetCart", "get_cart"),
        ("GetURL", "get_url"),
        ("GetUrl", "get_url"),
        ("GetURLInfo", "get_url_info"),
        ("HTTPServer2Go", "http_server2_go"),
        ("__Audit", "audit"),
        ("already_snake", "already_snake"),
        ("Double__Under", "double_under"),
        ("A", "a"),
        ("_", "unnamed"),
        ("V1", "v1"),
    ],
)
def test_snake(name: str, expected: str) -> None:
    assert naming.snake(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"), [("line_item", "LineItem"), ("cart", "Cart"), ("a-b.c", "ABC"), ("URL_list", "URLList")]
)
def test_pascal(name: str, expected: str) -> None:
    assert naming.pascal(name) == expected


@given(PROTO_NAMES)
def test_every_proto_name_makes_identifiers(name: str) -> None:
    for made in (naming.identifier(name), naming.identifier(naming.snake(name)), naming.module(name)):
        assert made.isidentifier()
        assert not keyword.iskeyword(made)


@given(st.text(alphabet="abcXYZ019_-. /", max_size=8))
def test_identifier_takes_any_name(text: str) -> None:
    made = naming.identifier(text)
    assert made.isidentifier()
    assert not keyword.iskeyword(made)


@given(PROTO_NAMES)
def test_a_valid_name_stays(name: str) -> None:
    if not keyword.iskeyword(name):
        assert naming.identifier(name) == name


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        ("shop.cart.v1", "shop_cart_v1"),
        ("", "no_package"),
        ("Shop.Cart", "shop_cart"),
        ("class", "class_"),
    ],
)
def test_module(package: str, expected: str) -> None:
    assert naming.module(package) == expected


@given(st.lists(PROTO_NAMES, max_size=12), st.randoms(use_true_random=False))
def test_unique_is_injective_and_blind_to_order(names: list[str], random: object) -> None:
    convert = {n: naming.identifier(naming.snake(n)) for n in names}
    made = naming.unique(names, convert)
    assert set(made) == set(names)
    assert len({v.lower() for v in made.values()}) == len(made), "two names became one, or one file where case is lost"
    assert all(v.isidentifier() and not keyword.iskeyword(v) for v in made.values())
    shuffled = list(names)
    random.shuffle(shuffled)  # type: ignore[attr-defined]  # a random.Random
    assert naming.unique(shuffled, dict(reversed(convert.items()))) == made


@given(st.lists(PROTO_NAMES, max_size=8))
def test_unique_changes_no_name_that_stands_alone(names: list[str]) -> None:
    convert = {n: naming.snake(n) for n in names}
    made = naming.unique(names, convert)
    for name in set(names):
        if sum(convert[other].lower() == convert[name].lower() for other in set(names)) == 1 and not any(
            made[other].lower() == convert[name].lower() for other in set(names) - {name}
        ):
            assert made[name] == convert[name]


def test_unique_numbers_in_alphabetical_order() -> None:
    names = ["GetUrl", "GetURL", "get_url"]
    assert naming.unique(names, {n: naming.snake(n) for n in names}) == {
        "GetURL": "get_url",
        "GetUrl": "get_url_2",
        "get_url": "get_url_3",
    }


def test_unique_is_unique_where_case_is_lost() -> None:
    names = ["AB", "Ab", "ab", "ab_2"]
    assert naming.unique(names, {n: n for n in names}) == {"AB": "AB", "Ab": "Ab_2", "ab": "ab_3", "ab_2": "ab_2_2"}


def test_unique_steps_over_a_number_that_is_taken() -> None:
    names = ["A", "B", "C"]
    assert naming.unique(names, {"A": "x", "B": "x_2", "C": "x"}) == {"A": "x", "B": "x_2", "C": "x_3"}


@pytest.mark.parametrize(
    ("one", "many"),
    [
        ("cart", "carts"),
        ("category", "categories"),
        ("box", "boxes"),
        ("address", "addresses"),
        ("day", "days"),
        ("line_item", "line_items"),
        ("branch", "branches"),
        ("dish", "dishes"),
    ],
)
def test_plural_and_singular(one: str, many: str) -> None:
    assert naming.plural(one) == many
    assert naming.singular(many) == one
    assert naming.singular(one) == one


@pytest.mark.parametrize("name", ["cart", "a", "line_items", "v2", "import_"])
def test_names_for_components(name: str) -> None:
    assert naming.component_problem(name) is None


@pytest.mark.parametrize(
    "name", ["", "Cart", "2cart", "_cart", "my-cart", "a b", "càrt", "cart\n", "a/b", "..", "import", "lambda", "async"]
)
def test_names_that_no_component_can_have(name: str) -> None:
    assert naming.component_problem(name)


@pytest.mark.parametrize(
    ("package", "said"),
    [
        ("logging", "standard library"),
        ("email", "standard library"),
        ("grpc", "generated services use"),
        ("google", "generated services use"),
        ("scaffold", "generated services use"),
        ("class", "not valid Python"),
        ("a-b", "not valid Python"),
    ],
)
def test_packages_that_would_hide_something(package: str, said: str) -> None:
    problem = naming.package_problem(package)
    assert problem is not None
    assert said in problem


def test_a_package_that_hides_nothing() -> None:
    assert naming.package_problem("cart") is None
    assert naming.package_problem("shop_logging") is None


def test_law_nothing_that_services_stand_on_can_be_hidden() -> None:
    """What services need, what tests and checks them, and what these need: no component takes its name."""
    ours = tomllib.loads((REPO / "pyproject.toml").read_text(encoding="utf-8"))["project"]["optional-dependencies"]
    asked = {text for extra in ("run", "rules", "test", "check") for text in ours[extra]}
    for kind in ("store", "process"):
        skeleton = (REPO / "templates" / kind / "{{cookiecutter.name}}" / "pyproject.toml").read_text(encoding="utf-8")
        asked |= {line.strip(' ",') for line in skeleton.splitlines() if line.startswith('    "')}
    waiting = [Requirement(text) for text in asked if not text.startswith("apifirst-scaffold")]
    needed: set[str] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        if name in needed or (requirement.marker and not requirement.marker.evaluate({"extra": ""})):
            continue
        try:
            waiting += [Requirement(text) for text in metadata.requires(name) or ()]
        except metadata.PackageNotFoundError:
            continue  # an extra that is not installed here
        needed.add(name)
    assert {"sqlalchemy", "grpcio", "pytest", "mypy", "import-linter"} <= needed
    hidden = {
        package
        for package, distributions in metadata.packages_distributions().items()
        if package.isidentifier() and not package.startswith("_") and not naming.package_problem(package)
        for distribution in distributions
        if canonicalize_name(distribution) in needed
    }
    assert hidden == set()
