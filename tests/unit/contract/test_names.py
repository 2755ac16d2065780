from __future__ import annotations

import pytest

from scaffold.contract import names

BOOKS = "shelves/{shelf}/books/{book}"


def test_fill_puts_one_identifier_everywhere() -> None:
    assert names.fill(BOOKS, "a1") == "shelves/a1/books/a1"


@pytest.mark.parametrize(
    ("pattern", "parent"), [(BOOKS, "shelves/{shelf}"), ("shelves/{shelf}", ""), ("{a}/b/{c}", "{a}")]
)
def test_parent_pattern(pattern: str, parent: str) -> None:
    assert names.parent_pattern(pattern) == parent


@pytest.mark.parametrize(
    ("name", "fits"),
    [
        ("shelves/a/books/b", True),
        ("shelves/a b/books/ü", True),  # what an identifier may hold is the server's to say
        ("shelves/a/books/", False),
        ("shelves/a/books", False),
        ("shelves/a/books/b/c", False),
        ("/shelves/a/books/b", False),
        ("Shelves/a/books/b", False),
        ("", False),
    ],
)
def test_fits(name: str, fits: bool) -> None:
    assert names.fits(BOOKS, name) is fits


def test_a_pattern_is_no_regular_expression() -> None:
    assert not names.fits("a.b/{c}", "axb/c")


@pytest.mark.parametrize(
    ("pattern", "structured"), [(BOOKS, True), ("*", False), ("{name=**}", False), ("{book}", False)]
)
def test_has_structure(pattern: str, structured: bool) -> None:
    assert names.has_structure(pattern) is structured


def test_malformed_names_fit_none_of_the_patterns() -> None:
    patterns = (BOOKS, "books/{book}")
    found = names.malformed(patterns, "a1")
    assert {"", "a1", "shelves/a1/books", "shelves/a1/books/", "/books/a1", "books/a1/"} <= set(found)
    assert not any(names.fits(p, name) for p in patterns for name in found)
    # A name that is malformed for one pattern can be a good one for the other: it is left out.
    assert "books/a1/a1" in names.malformed(("books/{book}",), "a1")
    assert "books/a1/a1" not in names.malformed(("books/{book}", "books/{book}/{page}"), "a1")
