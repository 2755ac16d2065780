"""Resource names and ids."""

import re

import pytest
from google.rpc import error_details_pb2
from runtime.common.errors import InvalidArgument
from runtime.common.names import ResourceName, new_id, parent_of


class ProductName(ResourceName):
    pattern = "products/{product}"


class OrderName(ResourceName):
    pattern = "users/{user}/orders/{order}"


class ProfileName(ResourceName):
    pattern = "users/{user}/profile"


class EditionName(ResourceName):
    pattern = "books/{author}~{title}.v{edition}"


LONGEST = "a" * 63
GOOD_IDS = ["1", "espresso-cup", "A.b_c~d-e", LONGEST, "-", "..."]
BAD_IDS = ["", "a b", "a/b", "é", "a" * 64, "a\n", "*", "a:b", "a%20b", "\u0661"]


def violated(error: InvalidArgument) -> list[str]:
    (bad,) = [detail for detail in error.details if isinstance(detail, error_details_pb2.BadRequest)]
    return [violation.field for violation in bad.field_violations]


@pytest.mark.parametrize("value", GOOD_IDS)
def test_a_name_is_made_and_parsed(value: str) -> None:
    name = ProductName(value)
    assert str(name) == f"products/{value}"
    assert ProductName.parse(str(name)) == name
    assert name.ids == (value,)


@pytest.mark.parametrize("value", BAD_IDS)
def test_malformed_ids_are_refused_everywhere(value: str) -> None:
    with pytest.raises(InvalidArgument) as made:
        ProductName(value)
    assert violated(made.value) == ["product"]
    with pytest.raises(InvalidArgument) as parsed:
        ProductName.parse(f"products/{value}")
    assert violated(parsed.value) == ["name"]
    if value:
        with pytest.raises(InvalidArgument) as wanted:
            new_id(value, field="product_id")
        assert violated(wanted.value) == ["product_id"]


@pytest.mark.parametrize(
    "name", ["", "products", "products/", "/products/a", "products/a/", "product/a", "a", "products//a"]
)
def test_names_of_another_form_are_refused(name: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        ProductName.parse(name, field="product.name")
    assert violated(caught.value) == ["product.name"]
    assert "products/{product}" in caught.value.message


def test_several_variables() -> None:
    name = OrderName.parse("users/ann/orders/7")
    assert name == OrderName("ann", "7")
    assert (name.ids, OrderName.variables) == (("ann", "7"), ("user", "order"))
    with pytest.raises(TypeError, match="user, order"):
        OrderName("ann")


def test_variables_within_a_segment() -> None:
    name = EditionName("eco", "rose", "2")
    assert str(name) == "books/eco~rose.v2"
    assert EditionName.parse("books/eco~rose.v2").ids == ("eco", "rose", "2")
    with pytest.raises(InvalidArgument):
        EditionName.parse("books/eco~rosexv2")


@pytest.mark.parametrize("pattern", ["a/{b=**}", "*", "a/{b", "a/{1b}"])
def test_a_pattern_that_is_not_understood_is_refused_at_once(pattern: str) -> None:
    with pytest.raises(TypeError, match=re.escape(pattern)):
        type("Odd", (ResourceName,), {"pattern": pattern})


def test_parents() -> None:
    assert OrderName("ann", "7").parent == "users/ann"
    assert ProductName("cup").parent == ""
    assert ProfileName("ann").parent == "users/ann"
    assert [parent_of(name) for name in ("", "a", "a/b", "a/b/c", "a/b/c/d")] == ["", "", "", "a/b", "a/b"]


def test_equality_and_hash_are_by_type_and_name() -> None:
    class OtherName(ResourceName):
        pattern = "products/{other}"

    assert ProductName("a") == ProductName("a")
    assert ProductName("a") != ProductName("b")
    assert ProductName("a") != OtherName("a")
    assert ProductName("a") != "products/a"
    assert len({ProductName("a"), ProductName("a"), ProductName("b")}) == 2
    assert repr(OrderName("ann", "7")) == "OrderName('ann', '7')"


def test_new_ids() -> None:
    assert new_id("espresso-cup") == "espresso-cup"
    fresh = {new_id() for _ in range(100)}
    assert len(fresh) == 100
    assert all(re.fullmatch("[0-9a-f]{32}", value) for value in fresh)


def test_a_huge_name_is_not_repeated_in_full() -> None:
    with pytest.raises(InvalidArgument) as caught:
        ProductName.parse("x" * 100_000)
    assert len(caught.value.message) < 400


class BookOnShelf(ResourceName):
    pattern = "shelves/{shelf}/books/{book}"


def test_a_child_is_named_under_its_parent() -> None:
    assert str(BookOnShelf.under("shelves/1", "7")) == "shelves/1/books/7"


@pytest.mark.parametrize(
    "parent", ["", "shelves", "shelves/", "shelves/1/books/2", "shops/1", "shelves/-/", "shelves/a b"]
)
def test_a_parent_that_does_not_fit_is_named_by_its_field(parent: str) -> None:
    with pytest.raises(InvalidArgument) as caught:
        BookOnShelf.under(parent, "7")
    assert "parent" in str(caught.value.details)


class Chapter(ResourceName):
    pattern = "books/{book}/chapters/{chapter}"
    alternatives = ("authors/{author}/drafts/{draft}/chapters/{chapter}",)


def test_names_of_all_patterns_are_taken() -> None:
    draft = Chapter.parse("authors/ann/drafts/7/chapters/1")
    assert (str(draft), draft.ids, draft.parent) == (
        "authors/ann/drafts/7/chapters/1",
        ("ann", "7", "1"),
        "authors/ann/drafts/7",
    )
    assert str(Chapter("7", "1")) == "books/7/chapters/1"
    assert Chapter.under("authors/ann/drafts/7", "1") == draft
    assert Chapter.under("books/7", "1") == Chapter("7", "1")
    with pytest.raises(InvalidArgument, match=r"books/\{book\}/chapters/\{chapter\} or authors/"):
        Chapter.parse("authors/ann/chapters/1")


def test_several_names_are_refused_by_their_place() -> None:
    assert [str(name) for name in ProductName.parse_all(["products/a", "products/b"])] == ["products/a", "products/b"]
    with pytest.raises(InvalidArgument) as caught:
        ProductName.parse_all(["products/a", "b"])
    assert violated(caught.value) == ["names[1]"]


def test_a_wildcard_stands_for_parents_in_lists_only() -> None:
    assert BookOnShelf.check_parent("shelves/-") == "shelves/-"
    for work in (lambda: BookOnShelf.under("shelves/-", "7"), lambda: BookOnShelf.check_parent("shops/-")):
        with pytest.raises(InvalidArgument) as caught:
            work()
        assert violated(caught.value) == ["parent"]
    with pytest.raises(InvalidArgument):
        new_id("-")
