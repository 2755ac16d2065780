from __future__ import annotations

import datetime
from dataclasses import MISSING, dataclass

import pytest

from scaffold.core import tables
from scaffold.core.tables import Mistake, read


@dataclass(frozen=True, kw_only=True)
class Door:
    wide: bool = False


@dataclass(frozen=True, kw_only=True)
class House:
    name: str = tables.key(description="What it is called.")
    rooms: tuple[str, ...] = tables.key(default=("hall",), at_least=1)
    street: str | None = None
    keys: str | tuple[str, ...] = ()
    front: Door = Door()
    doors: dict[str, Door] = tables.key(default={})


def test_what_is_there_and_what_is_not() -> None:
    assert read(House, {"name": "a"}) == (House(name="a"), ())
    raw = {
        "name": "a",
        "rooms": ["x", "y"],
        "street": "s",
        "keys": ["k"],
        "front": {"wide": True},
        "doors": {"back": {}},
    }
    found, mistakes = read(House, raw)
    assert mistakes == ()
    assert found == House(
        name="a", rooms=("x", "y"), street="s", keys=("k",), front=Door(wide=True), doors={"back": Door()}
    )
    assert read(House, {"name": "a", "keys": "k"})[0] == House(name="a", keys="k")


WRONG = [
    ({}, [Mistake("missing", ("name",))]),
    ({"name": "a", "nme": 1}, [Mistake("unknown", ("nme",))]),
    ({"name": 1}, [Mistake("value", ("name",), "should be a string, and is a whole number")]),
    ({"name": "a", "rooms": []}, [Mistake("value", ("rooms",), "should have at least 1 value")]),
    ({"name": "a", "rooms": "x"}, [Mistake("value", ("rooms",), "should be a list of strings, and is a string")]),
    (
        {"name": "a", "rooms": ["x", True]},
        [Mistake("value", ("rooms",), "should be a list of strings, and has true or false")],
    ),
    (
        {"name": "a", "keys": 1.5},
        [Mistake("value", ("keys",), "should be a string or a list of strings, and is a number")],
    ),
    (
        {"name": "a", "street": datetime.date(2000, 1, 1)},
        [Mistake("value", ("street",), "should be a string, and is a date or a time")],
    ),
    ({"name": "a", "front": 1}, [Mistake("value", ("front",), "should be a table, and is a whole number")]),
    (
        {"name": "a", "front": {"wide": 1}},
        [Mistake("value", ("front", "wide"), "should be true or false, and is a whole number")],
    ),
    ({"name": "a", "doors": {"b": 1}}, [Mistake("value", ("doors", "b"), "should be a table, and is a whole number")]),
    (
        {"front": {"wde": True}, "doors": {"b": {"x": 1}, "c": []}},
        [
            Mistake("unknown", ("front", "wde")),
            Mistake("unknown", ("doors", "b", "x")),
            Mistake("value", ("doors", "c"), "should be a table, and is a list"),
            Mistake("missing", ("name",)),
        ],
    ),
]  # fmt: skip


@pytest.mark.parametrize(("raw", "mistakes"), WRONG, ids=[str(raw) for raw, _ in WRONG])
def test_every_mistake_with_the_keys_that_lead_to_it(raw: dict[str, object], mistakes: list[Mistake]) -> None:
    assert read(House, raw) == (None, tuple(mistakes))


def test_what_is_declared() -> None:
    declared = tables.keys(House)
    assert list(declared) == ["name", "rooms", "street", "keys", "front", "doors"]
    assert (declared["name"].default, declared["name"].description) == (MISSING, "What it is called.")
    assert (declared["rooms"].default, declared["rooms"].at_least) == (("hall",), 1)
    assert declared["doors"].default == {}


def test_a_default_belongs_to_nobody() -> None:
    one, _ = read(House, {"name": "a"})
    other, _ = read(House, {"name": "a"})
    assert one is not None
    assert other is not None
    one.doors["back"] = Door()
    assert other.doors == {}
