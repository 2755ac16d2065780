"""Constraints: kept in what is drawn, broken one at a time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import protovalidate
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from scaffold.contract import regex
from scaffold.contract.schema import Schema
from scaffold.contract.strategies import Requests, Style
from tests import support

GIFT = "gifts.v1.Gift"
REQUEST = "gifts.v1.CreateGiftRequest"

EVERY = settings(max_examples=40, suppress_health_check=list(HealthCheck), deadline=None, database=None)

# What the suite has to find in the request of a Create, each alone.
RULES = {
    ("required", "gift"),
    ("string.min_len", "title"),
    ("string.max_len", "title"),
    ("int32.gte_lte", "pieces"),
    ("repeated.min_items", "lines"),
    ("repeated.max_items", "lines"),
    ("int32.gte", "part"),
    ("int32.gt", "whole"),
    ("line.sum", "lines"),
    ("map.max_pairs", "labels"),
    ("string.pattern", "labels"),
    ("string.max_len", "labels"),
    ("enum.defined_only", "size"),
    ("enum.not_in", "size"),
    ("string.email", "email"),
    ("string.pattern", "sku"),
    ("duration.gte_lt", "keep"),
    ("string.uuid", "code"),
    ("repeated.unique", "tags"),
    ("string.in", "tags"),
    ("double.gt", "weight"),
    ("double.finite", "weight"),
}


@pytest.fixture(scope="session")
def gifts(compile_text: Callable[..., Schema]) -> Schema:
    text = (support.REPO / "tests/mutants/protos/gifts.proto").read_text(encoding="utf-8")
    return compile_text(text, "gifts.v1.GiftService")


def test_an_api_without_constraints_has_no_rules(library_schema: Schema) -> None:
    assert library_schema.rules is None


@pytest.mark.parametrize("style", [Style.PLAIN, Style.ODD, Style.EDGES])
def test_what_is_drawn_keeps_them(gifts: Schema, style: Style) -> None:
    @EVERY
    @given(Requests(gifts).message(REQUEST, style))
    def judge(request: Any) -> None:
        protovalidate.validate(request)

    judge()


def test_somebody_who_has_not_read_them_breaks_them(gifts: Schema) -> None:
    broken: set[str] = set()

    @EVERY
    @given(Requests(gifts).message(REQUEST, Style.LOOSE))
    def judge(request: Any) -> None:
        assert gifts.rules is not None
        broken.update(one.rule for one in gifts.rules.broken(request))

    judge()
    assert broken


def test_each_is_broken_alone(gifts: Schema) -> None:
    found: set[tuple[str, str]] = set()

    @EVERY
    @given(Requests(gifts).message(REQUEST, Style.ODD))
    def judge(request: Any) -> None:
        assert gifts.rules is not None
        for broken, changed in gifts.rules.singly(request):
            (violation,) = protovalidate.collect_violations(changed)
            assert violation.proto.rule_id == broken.rule
            assert request != changed
            found.add((broken.rule, broken.path[-1].name))

    judge()
    assert found >= RULES, RULES - found


def test_rules_are_found_below_and_only_where_they_are(gifts: Schema) -> None:
    rules = gifts.rules
    assert rules is not None
    assert rules.concern(REQUEST)
    assert rules.concern("gifts.v1.ListGiftsResponse")
    assert not rules.concern("gifts.v1.ListGiftsRequest")


@pytest.mark.parametrize(
    "pattern",
    [
        "^[a-z]+$", "^[A-Z]{2}-[0-9]{4}$", "^(?:red|blue)$", r"^\d{3}\.\w+$", "^[^/]+/[^/]+$", "^a?b*c+$", "^.{3}$", r"^\S+@\S+$",
        "^(?P<year>[0-9]{4})-(?P<month>[0-9]{2})$", r"\A[a-f]{8}\z",
    ],
)  # fmt: skip
@given(st.data())
@settings(max_examples=10, deadline=None)
def test_samples_match_their_pattern(pattern: str, data: st.DataObject) -> None:
    import re

    text = regex.sample(pattern, lambda among: data.draw(st.integers(0, among - 1)))
    assert text is not None
    assert re.search(pattern.replace(r"\z", r"\Z"), text), text


def test_a_pattern_that_cannot_be_read_has_no_sample() -> None:
    assert regex.sample("(", lambda among: 0) is None
