"""Mistakes that are usual in translators, each planted in every way to write a mapping: which check it is that catches them.

Plainly written, a rule of the mappings catches them before anything runs. Inside a function no rule can look: what has no
way back needs a reason, and whatever reason there is, the function is tried. The page about layers has the table, and
`python -m tests.bench layer` prints it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from zoneinfo import ZoneInfo

import pytest
from runtime.acl.facts import Column, Field, Message, Model
from runtime.acl.roundtrip import trips
from runtime.acl.translate import Place, Rule, Translation, computed, const, drop, src, translator

from tests.support import REPO
from tests.unit.runtime.test_acl_translate import TODAY

PAGE = REPO / "docs/explanation/anti-corruption-layers.md"


class State(Enum):
    UNSPECIFIED = "UNSPECIFIED"
    NEW = "NEW"
    SHIPPED = "SHIPPED"
    CANCELLED = "CANCELLED"


@dataclass(frozen=True)
class Parcel:
    state: State = State.UNSPECIFIED
    points: int = 0
    note: str = ""
    sent: datetime | None = None
    total: str = ""


PARCEL = Message(
    "shop.v1.Parcel",
    (
        Field("state", "state", "enum", values=tuple(s.name for s in State), unspecified="UNSPECIFIED"),
        Field("points", "points", "int"),
        Field("note", "note", "text"),
        Field("sent", "sent", "timestamp", presence=True),
        Field("total", "total", "text"),
    ),
)
ROWS = Model(
    "parcels.Parcel",
    (
        Column("status", "int", choices=(0, 3, 4), names=("new", "shipped", "cancelled")),
        Column("points", "int", null=True, low=0, high=32767),
        Column("note", "text", null=True),
        Column("sent_at", "datetime", aware=False),
        Column("total", "decimal", digits=10, places=2),
    ),
)

NUMBERS = list(State)
PAIRS = {0: State.NEW, 3: State.SHIPPED, 4: State.CANCELLED}
RIGHT: Mapping[str, Rule] = {
    "state": src("status", values=PAIRS),
    "points": src("points", null=0, lossy="who never had any has none"),
    "note": src("note", null=""),
    "sent": src("sent_at", zone="Europe/Berlin"),
    "total": src("total", to=str, back=Decimal),
}
BERLIN, REASON = "Europe/Berlin", "it is only read"


def by_number(number: int) -> State:
    return NUMBERS[number % len(NUMBERS)]


def cents(amount: Decimal) -> str:
    return f"{float(amount):.2f}"


def in_utc(moment: datetime) -> datetime:
    return moment.replace(tzinfo=UTC)


WAYS = (
    "plain",
    "`to=` and `back=`",
    "`to=` alone",
    "with `one_way=`",
    "`computed`",
    "with `one_way=`",
    "with `back=`",
)
NONE = None  # no such way to make the mistake

# By mistake: its field, and a mapping for each way.
PLANTS: Mapping[str, tuple[str, tuple[Callable[[], Rule | None] | None, ...]]] = {
    "enum by number": ("state", (
        lambda: src("status"),
        lambda: src("status", to=by_number, back=NUMBERS.index),
        lambda: src("status", to=by_number),
        lambda: src("status", to=by_number, one_way=REASON),
        lambda: computed(lambda r: by_number(r.status), uses=["status"]),
        lambda: computed(lambda r: by_number(r.status), uses=["status"], one_way=REASON),
        lambda: computed(
            lambda r: by_number(r.status), uses=["status"], back=lambda s: {"status": [0, 0, 3, 4][NUMBERS.index(s)]}
        ),
    )),
    "enum paired crosswise": ("state", (
        lambda: src("status", values={0: State.NEW, 3: State.CANCELLED, 4: State.SHIPPED}),
        NONE, NONE, NONE,
        lambda: computed(lambda r: {**PAIRS, 3: State.CANCELLED}[r.status], uses=["status"]),
        lambda: computed(lambda r: {**PAIRS, 3: State.CANCELLED}[r.status], uses=["status"], one_way=REASON),
        lambda: computed(
            lambda r: {0: State.NEW, 3: State.CANCELLED, 4: State.SHIPPED}[r.status], uses=["status"],
            back=lambda s: {"status": {State.NEW: 0, State.CANCELLED: 3, State.SHIPPED: 4}[s]},
        ),
    )),
    "NULL to 0": ("points", (
        lambda: src("points", null=0),
        lambda: src("points", to=lambda n: n or 0, back=int),
        lambda: src("points", to=lambda n: n or 0),
        lambda: src("points", to=lambda n: n or 0, one_way=REASON),
        lambda: computed(lambda r: r.points or 0, uses=["points"]),
        lambda: computed(lambda r: r.points or 0, uses=["points"], one_way=REASON),
        lambda: computed(lambda r: r.points or 0, uses=["points"], back=lambda n: {"points": n}),
    )),
    "NULL to empty text": ("note", (
        lambda: src("note"),
        lambda: src("note", to=lambda n: n or "", back=str),
        lambda: src("note", to=lambda n: n or ""),
        lambda: src("note", to=lambda n: n or "", one_way=REASON),
        lambda: computed(lambda r: r.note or "", uses=["note"]),
        NONE,  # said, and empty text is what proto3 has for no text
        lambda: computed(lambda r: r.note or "", uses=["note"], back=lambda n: {"note": n}),
    )),
    "naive datetime": ("sent", (
        lambda: src("sent_at"),
        lambda: src("sent_at", to=in_utc, back=lambda d: d.replace(tzinfo=None)),
        lambda: src("sent_at", to=in_utc),
        lambda: src("sent_at", to=in_utc, one_way=REASON),
        lambda: computed(lambda r: in_utc(r.sent_at), uses=["sent_at"]),
        lambda: computed(lambda r: in_utc(r.sent_at), uses=["sent_at"], one_way=REASON),
        lambda: computed(
            lambda r: in_utc(r.sent_at), uses=["sent_at"], back=lambda d: {"sent_at": d.replace(tzinfo=None)}
        ),
    )),
    "naive datetime, in another zone than `zone=`": ("sent", (
        NONE,
        lambda: src("sent_at", to=in_utc, back=lambda d: d.replace(tzinfo=None), zone=BERLIN),
        lambda: src("sent_at", to=in_utc, zone=BERLIN),
        lambda: src("sent_at", to=in_utc, zone=BERLIN, one_way=REASON),
        lambda: computed(lambda r: in_utc(r.sent_at), uses=["sent_at"], zone=BERLIN),
        lambda: computed(lambda r: in_utc(r.sent_at), uses=["sent_at"], zone=BERLIN, one_way=REASON),
        lambda: computed(
            lambda r: in_utc(r.sent_at), uses=["sent_at"], zone=BERLIN,
            back=lambda d: {"sent_at": d.replace(tzinfo=None)},
        ),
    )),
    "Decimal through float": ("total", (
        lambda: src("total", to=float),
        lambda: src("total", to=cents, back=Decimal),
        lambda: src("total", to=cents),
        lambda: src("total", to=cents, one_way=REASON),
        lambda: computed(lambda r: cents(r.total), uses=["total"]),
        lambda: computed(lambda r: cents(r.total), uses=["total"], one_way=REASON),
        lambda: computed(lambda r: cents(r.total), uses=["total"], back=lambda t: {"total": Decimal(t)}),
    )),
    "field dropped": ("total", (
        lambda: None,
        lambda: src("total", to=lambda d: "", back=lambda t: Decimal(0)),
        lambda: src("total", to=lambda d: ""),
        lambda: src("total", to=lambda d: "", one_way=REASON),
        lambda: computed(lambda r: "", uses=["total"]),
        lambda: computed(lambda r: "", uses=["total"], one_way=REASON),
        lambda: computed(lambda r: "", uses=["total"], back=lambda t: {"total": Decimal(0)}),
    )),
    "field dropped, its column with a reason": ("total", (
        lambda: const(""), NONE, NONE, NONE, lambda: computed(lambda r: ""), NONE, NONE,
    )),
    "column read and not named": ("total", (
        NONE, NONE, NONE, NONE,
        lambda: computed(lambda r: cents(r.total)),
        lambda: computed(lambda r: cents(r.total), one_way=REASON),
        lambda: computed(lambda r: cents(r.total), back=lambda t: {"total": Decimal(t)}),
    )),
}  # fmt: skip
_LEFT_BEHIND = ("field dropped, its column with a reason", "column read and not named")


class _Wire:
    """Carries what it is given: what the mappings do is looked at here, not the codec."""

    def encode(self, message: object, name: str) -> bytes:
        self.message = message
        return b""

    def decode(self, data: bytes, target: type) -> object:
        return self.message


def translation(rules: Mapping[str, Rule], *drops: str) -> Translation:
    said = [drop(*drops, reason="not the parcel's")] if drops else []
    return Translation({Parcel: PARCEL}, (ROWS,), [translator(Parcel, ROWS.name, fields=rules, drops=said)], {}, PLACE)


PLACE = Place(__file__, 1)


def caught(made: Translation) -> str:
    """The first check that finds something: a rule, a function that was tried, the round trip; empty where none does."""
    if codes := [finding.code for finding in made.findings(TODAY)]:
        return codes[0]
    made.checked()
    if codes := [finding.code for finding in made.tried()]:
        return f"{codes[0]}, tried"
    return "round trip" if _lost(made) else ""


def _lost(made: Translation) -> str:
    """What the round trip says."""
    try:
        for trip in trips(made):
            trip.check(_Wire(), {Parcel: PARCEL.name})  # type: ignore[arg-type]
    except AssertionError as error:
        return str(error)
    return ""


def planted(mistake: str, rule: Rule | None) -> Translation:
    field = PLANTS[mistake][0]
    rules = {name: rule if name == field else right for name, right in RIGHT.items()}
    drops = [field] if mistake in _LEFT_BEHIND else []
    return translation({name: rule for name, rule in rules.items() if rule is not None}, *drops)


def table() -> Iterator[str]:
    """A line for each mistake, with what catches it in each way."""
    yield f"| mistake | {' | '.join(WAYS)} |"
    yield "|---" * (len(WAYS) + 1) + "|"
    for mistake, (_, ways) in PLANTS.items():
        cells = (caught(planted(mistake, make())) or "nothing" if make else "" for make in ways)
        yield f"| {mistake} | {' | '.join(cells)} |"


CASES = [
    pytest.param(mistake, make, id=f"{mistake}, {number} {way}")
    for mistake, (_, ways) in PLANTS.items()
    for number, (way, make) in enumerate(zip(WAYS, ways, strict=True))
    if make is not None
]


@pytest.mark.parametrize(("mistake", "make"), CASES)
def test_a_planted_mistake_is_caught(mistake: str, make: Callable[[], Rule | None]) -> None:
    assert caught(planted(mistake, make()))


def test_the_page_about_layers_says_by_what() -> None:
    assert "\n".join(table()) in PAGE.read_text(encoding="utf-8")


def test_what_is_right_is_not_caught() -> None:
    assert caught(translation(RIGHT)) == ""


def in_berlin(moment: datetime) -> datetime:
    return moment.replace(tzinfo=ZoneInfo(BERLIN))


@dataclass(frozen=True)
class Money:
    units: int
    nanos: int


def money(amount: Decimal) -> Money:
    return Money(int(amount), int((amount - int(amount)) * 10**9))


FINE: Mapping[str, tuple[str, Callable[[], Rule]]] = {
    "text": ("total", lambda: src("total", to=str, one_way=REASON)),
    "minor units": ("total", lambda: src("total", to=lambda d: int(d.scaleb(2)), one_way=REASON)),
    "money": ("total", lambda: src("total", to=money, one_way=REASON)),
    "computed money": ("total", lambda: computed(lambda r: money(r.total), uses=["total"], one_way=REASON)),
    "for people": ("total", lambda: src("total", to=lambda d: f"{d} EUR", one_way=REASON)),
    "several columns": (
        "total",
        lambda: computed(lambda r: str(r.total * (-1 if r.points is None else r.points)), uses=["total", "points"],
                         one_way=REASON),
    ),
    "rounded, and said": ("total", lambda: src("total", to=lambda d: str(round(d)), lossy="whole euros will do")),
    "another amount": (
        "total", lambda: computed(lambda r: str(r.total * 119 / 100), uses=["total"], lossy="with tax"),
    ),
    "zone": ("sent", lambda: src("sent_at", to=in_berlin, zone=BERLIN, one_way=REASON)),
    "computed zone": (
        "sent", lambda: computed(lambda r: in_berlin(r.sent_at), uses=["sent_at"], zone=BERLIN, one_way=REASON),
    ),
    "by name": ("state", lambda: computed(lambda r: PAIRS[r.status], uses=["status"], one_way=REASON)),
    "renamed": (
        "state",
        lambda: src("status", values={0: State.NEW, 3: State.SHIPPED, 4: State.NEW}, unpaired=["CANCELLED"],
                    renamed="what is cancelled begins anew"),
    ),
    "two-way": (
        "points",
        lambda: computed(lambda r: -1 if r.points is None else r.points, uses=["points"],
                         back=lambda n: {"points": None if n == -1 else n}),
    ),
    "sentinel": (
        "points", lambda: computed(lambda r: -1 if r.points is None else r.points, uses=["points"], one_way=REASON),
    ),
    "constant": ("total", lambda: const("", reason="nothing is charged")),
    "a method": ("total", lambda: computed(lambda r: r.price_of_all(), uses=["total"], one_way=REASON)),
    "text one way": ("note", lambda: src("note", to=lambda n: f"notes/{n}", null="")),
}  # fmt: skip


@pytest.mark.parametrize("name", FINE)
def test_what_says_enough_and_keeps_its_word_is_not_caught(name: str) -> None:
    field, make = FINE[name]
    drops = ["total"] if name == "constant" else []
    assert caught(translation({**RIGHT, field: make()}, *drops)) == ""
