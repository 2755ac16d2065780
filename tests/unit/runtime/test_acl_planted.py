"""Mistakes that are usual in translators, each planted: which check it is that catches them.

Plainly written, a rule of the mappings catches them before anything runs; inside a function, where no rule can look, the
generated round trip of rows that the model can hold does. `python -m tests.bench layer` prints the table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC
from decimal import Decimal
from typing import Any

import pytest
from runtime.acl.roundtrip import trips
from runtime.acl.translate import Rule, const, src

from tests.unit.runtime.test_acl_translate import TODAY, Order, State, order, translation

_BY_NUMBER = list(State)


@dataclass(frozen=True)
class Plant:
    """A mistake, the field that has it, and what is to catch it."""

    what: str
    field: str
    rule: Callable[[], Rule | None]
    check: str


PLANTS = (
    Plant("enum by number", "state", lambda: src("status"), "ACL004"),
    Plant(
        "enum by number, in a function", "state",
        lambda: src("status", to=lambda n: _BY_NUMBER[n % 3], back=_BY_NUMBER.index), "ACL004",
    ),
    Plant("NULL to empty", "note", lambda: src("note"), "ACL003"),
    Plant("NULL to empty, in a function", "note", lambda: src("note", to=lambda n: n or "", back=str), "ACL003"),
    Plant("NULL to what a row may have", "note", lambda: src("note", null=""), "round trip"),
    Plant("naive datetime", "placed", lambda: src("placed_at"), "ACL006"),
    Plant(
        "naive datetime taken for UTC, in a function", "placed",
        lambda: src("placed_at", to=lambda d: d.replace(tzinfo=UTC), back=lambda d: d), "round trip",
    ),
    Plant("Decimal through float", "total", lambda: src("total", to=float), "ACL006"),
    Plant(
        "Decimal through float, in a function", "total",
        lambda: src("total", to=lambda d: f"{float(d):.2f}", back=Decimal), "round trip",
    ),
    Plant("field dropped", "total", lambda: None, "ACL001"),
    Plant("field dropped, as a constant", "total", lambda: const(""), "ACL002"),
    Plant("field dropped, in a function", "total", lambda: src("total", to=lambda d: "", back=lambda t: Decimal(0)),
          "round trip"),
)  # fmt: skip


class _Wire:
    """Carries what it is given: what the mappings do is looked at here, not the codec."""

    def encode(self, message: object, name: str) -> bytes:
        self.message = message
        return b""

    def decode(self, data: bytes, target: type) -> object:
        return self.message


def caught(field: str, rule: Rule | None) -> str:
    """The first check that finds something: a rule of the mappings, else the round trip; empty where none does."""
    changed: dict[str, Any] = {"note": src("note", null="(none)"), field: rule}
    made = translation(order(**changed))
    if codes := [finding.code for finding in made.findings(TODAY)]:
        return codes[0]
    made.checked()
    try:
        for trip in trips(made):
            trip.check(_Wire(), {Order: "shop.v1.Order"})  # type: ignore[arg-type]
    except AssertionError:
        return "round trip"
    return ""


def table() -> Iterator[str]:
    """A line for each mistake, with what catches it."""
    for plant in PLANTS:
        yield f"  {plant.what:<44} {caught(plant.field, plant.rule())}"


@pytest.mark.parametrize("plant", PLANTS, ids=lambda plant: plant.what)
def test_a_planted_mistake_is_caught(plant: Plant) -> None:
    assert caught(plant.field, plant.rule()) == plant.check


def test_what_is_right_is_not_caught() -> None:
    assert caught("state", src("status", values={0: State.NEW, 3: State.SHIPPED})) == ""
