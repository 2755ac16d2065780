"""Mistakes that are usual in translators, each planted in every way to write a mapping: which check it is that catches them.

Plainly written, a rule of the mappings catches them before anything runs. Inside a function no rule can look: what has no
way back needs a reason, and whatever reason there is, the function is tried. The page about layers has the table, and
`python -m tests.bench layer` prints it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runtime.acl.completeness import namesake
from runtime.acl.facts import Column, Field, Message, Model
from runtime.acl.roundtrip import trips
from runtime.acl.translate import Place, Rule, Translation, computed, const, drop, src, translator

from scaffold.acl.facts import facts
from scaffold.acl.snapshot import parse
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


def taking(**kinds: str) -> Message:
    """The parcel with fields of other kinds, in place of text and numbers."""
    return replace(PARCEL, fields=tuple(replace(f, kind=kinds.get(f.name, f.kind)) for f in PARCEL.fields))


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


def translation(rules: Mapping[str, Rule], *drops: str, model: Model = ROWS, message: Message = PARCEL) -> Translation:
    said = [drop(*drops, reason="not the parcel's")] if drops else []
    return Translation(
        {Parcel: message}, (model,), [translator(Parcel, ROWS.name, fields=rules, drops=said)], {}, PLACE
    )


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
    "another unit, and back": ("total", lambda: src("total", to=lambda d: str(d / 100), back=lambda t: Decimal(t) * 100)),
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
    "a question": ("points", lambda: computed(lambda r: r.note == "gold", uses=["note"], one_way=REASON)),
    "a method for some": (
        "total", lambda: computed(lambda r: r.words() if r.total > 0 else "", uses=["total"], one_way=REASON),
    ),
    "text one way": ("note", lambda: src("note", to=lambda n: f"notes/{n}", null="")),
}  # fmt: skip


# What is neither text nor a number goes into a field that takes it.
OTHERS = {
    "minor units": taking(total="int"),
    "money": taking(total="message"),
    "computed money": taking(total="message"),
    "money without cents": taking(total="message"),
    "a question": taking(points="bool"),
}


@pytest.mark.parametrize("name", FINE)
def test_what_says_enough_and_keeps_its_word_is_not_caught(name: str) -> None:
    field, make = FINE[name]
    drops = {"constant": ["total"], "a question": ["points"]}.get(name, [])
    assert caught(translation({**RIGHT, field: make()}, *drops, message=OTHERS.get(name, PARCEL))) == ""


# --- more of what is tried ------------------------------------------------------------------------------------------

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def signed(row: Any) -> int:
    return -1 if row.points is None else row.points


MORE: Mapping[str, tuple[str, Callable[[], Rule], str]] = {
    "two texts become one": ("note", lambda: src("note", to=str.lower, null=""), "ACL002, tried"),
    "and somebody says so": ("note", lambda: src("note", to=str.lower, null="", one_way="names have no case"), ""),
    "0 arrives as NULL": (
        "points", lambda: src("points", to=lambda n: n * 2, back=lambda n: n // 2, null=0), "ACL003, tried",
    ),
    "a pair that is none": ("note", lambda: src("note", to=str.upper, back=str.lower, null=""), "ACL002, tried"),
    "NULL is a value that another is paired with": ("state", lambda: src("status", values=PAIRS, null=State.NEW), "ACL003"),
    "digits of several columns": (
        "total",
        lambda: computed(lambda r: str(round(r.total / 1000) * signed(r)), uses=["total", "points"], one_way=REASON),
        "ACL006, tried",
    ),
    "a float among several columns": (
        "total",
        lambda: computed(lambda r: f"{float(r.total):.2f} {signed(r)}", uses=["total", "points"], one_way=REASON),
        "ACL006, tried",
    ),
    "a number where text is taken": ("total", lambda: src("total", to=int, one_way=REASON), "ACL001, tried"),
    "and of the row": ("total", lambda: computed(lambda r: r.total, uses=["total"], one_way=REASON), "ACL001, tried"),
    "nothing, where something is needed": (
        "note", lambda: computed(lambda r: r.note, uses=["note"], one_way=REASON), "ACL001, tried",
    ),
    "no zone at all": ("sent", lambda: src("sent_at", to=lambda d: d, zone=BERLIN, one_way=REASON), "ACL006, tried"),
    "money without cents": ("total", lambda: src("total", to=lambda d: Money(int(d), 0), one_way=REASON), "ACL006, tried"),
    "NULL is an instant": (
        "sent",
        lambda: computed(lambda r: in_berlin(r.sent_at) if r.sent_at else EPOCH, uses=["sent_at"], zone=BERLIN,
                         one_way=REASON),
        "ACL003, tried",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", MORE)
def test_what_a_function_did_is_seen(name: str) -> None:
    field, make, code = MORE[name]
    nullable = {"status", "sent_at"}
    model = Model(ROWS.name, tuple(replace(c, null=c.null or c.name in nullable) for c in ROWS.columns))
    state = src("status", values=PAIRS, null=State.UNSPECIFIED)
    assert (
        caught(translation({**RIGHT, "state": state, field: make()}, model=model, message=OTHERS.get(name, PARCEL)))
        == code
    )


def test_what_a_rule_has_found_is_not_said_again() -> None:
    made = planted("enum by number", computed(lambda r: by_number(r.status), uses=["status"]))
    for each in made.translators:
        each.prepare(PARCEL)
    assert [finding.code for finding in made.findings()] == ["ACL004"]
    assert made.tried() == ()


# --- in the models of the Django shop ------------------------------------------------------------------------------

SHOP = REPO / "tests/monoliths/snapshots/django.json"

# By mistake: the shop's model and column, the field, what a function makes of a value, and the code when it is tried.
IN_THE_SHOP: Mapping[str, tuple[str, str, str, Callable[[Any], object], str]] = {
    "enum by number": ("orders.Order", "status", "state", by_number, "ACL004"),
    "NULL to 0": ("basket.Basket", "total", "points", lambda total: int((total or 0) * 100), "ACL003"),
    "naive datetime": ("orders.Order", "placed_at", "sent", in_utc, "ACL006"),
    "Decimal through float": ("orders.Order", "total", "total", cents, "ACL006"),
    "field dropped": ("orders.Order", "number", "note", lambda number: "", "ACL002"),
}


@pytest.mark.parametrize("mistake", IN_THE_SHOP)
@pytest.mark.parametrize("reason", ["", REASON])
def test_a_mistake_in_the_shops_own_columns_is_caught(mistake: str, reason: str) -> None:
    name, column, field, function, code = IN_THE_SHOP[mistake]
    (shops,) = facts(parse(SHOP.read_text(encoding="utf-8")), [name], "django.json")
    model = Model(name, tuple(Column(**vars(c)) for c in shops.columns))
    message = Message("shop.v1.Parcel", tuple(f for f in PARCEL.fields if f.name == field))
    rule = computed(lambda row: function(getattr(row, column)), uses=[column], zone=BERLIN, one_way=reason)
    said = [drop(*(c.name for c in model.columns if c.stored and c.name != column), reason="not the parcel's")]
    made = Translation(
        {Parcel: message}, (model,), [translator(Parcel, name, fields={field: rule}, drops=said)], {}, PLACE
    )
    unsaid = {"field dropped": "ACL002, tried", "NULL to 0": "ACL006"}.get(mistake, code)
    assert caught(made) == (f"{code}, tried" if reason else unsaid)


# --- laws -----------------------------------------------------------------------------------------------------------

zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(zones, zones)
def test_an_instant_is_the_one_of_the_zone_that_is_named_and_no_other(named: timezone, meant: timezone) -> None:
    rule = src("sent_at", to=lambda d: d.replace(tzinfo=meant), zone=named, one_way=REASON)
    assert caught(translation({**RIGHT, "sent": rule})) == ("" if named == meant else "ACL006, tried")


@given(st.permutations(list(PAIRS.values())))
def test_pairs_that_have_namesakes_are_those(pairs: list[State]) -> None:
    crossed = dict(zip(PAIRS, pairs, strict=True)) != PAIRS
    rules = [src("status", values=dict(zip(PAIRS, pairs, strict=True)))]
    rules += [src("status", values=dict(zip(PAIRS, pairs, strict=True)), renamed="they say it so")]
    assert [caught(translation({**RIGHT, "state": rule})) for rule in rules] == ["ACL004" if crossed else "", ""]


@given(st.integers(0, 4), st.integers(0, 4))
def test_minor_units_have_as_many_places_as_the_column(places: int, power: int) -> None:
    columns = tuple(
        Column("total", "decimal", digits=8, places=places) if c.name == "total" else c for c in ROWS.columns
    )
    rule = src("total", to=lambda d: int(d.scaleb(power)), one_way=REASON)
    found = caught(translation({**RIGHT, "total": rule}, model=Model(ROWS.name, columns), message=taking(total="int")))
    assert found == ("" if power >= places else "ACL006, tried")


@pytest.mark.parametrize(
    ("column", "null", "code"),
    [
        (Column("points", "int", null=True), 0, "ACL003"),
        (Column("points", "int", null=True, low=1, high=99), 0, ""),
        (Column("points", "int", null=True, choices=(1, 2)), 0, ""),
        (Column("points", "int", null=True, choices=(1, 2)), 2, "ACL003"),
        (Column("points", "int", null=True), -1, ""),
        (Column("points", "bool", null=True), False, "ACL003"),
        (Column("points", "bool", null=True), True, "ACL003"),
        (Column("points", "decimal", null=True), Decimal(0), "ACL003"),
        (Column("points", "text", null=True), "", ""),
        (Column("points", "int"), 0, ""),
    ],
    ids=str,
)
def test_what_a_row_may_have_is_no_null_without_a_reason(column: Column, null: object, code: str) -> None:
    model = Model(ROWS.name, tuple(column if c.name == "points" else c for c in ROWS.columns))
    message = taking(points={"decimal": "other"}.get(column.kind, column.kind))  # so that only NULL is a question
    for reason, expected in (("", code), ("there are none", "")):
        rules = {**RIGHT, "points": src("points", null=null, lossy=reason)}
        assert caught(translation(rules, model=model, message=message)) == expected


def test_values_that_the_model_does_not_name_are_those_of_the_table() -> None:
    columns = (Column("status", "int", null=True), *ROWS.columns[1:])
    values = {0: State.NEW, 3: State.SHIPPED, 4: State.CANCELLED, 7: State.NEW}
    rule = src("status", values=values, null=State.UNSPECIFIED)
    assert caught(translation({**RIGHT, "state": rule}, model=Model(ROWS.name, columns))) == ""


def test_a_message_is_what_its_translator_makes_of_the_row() -> None:
    """A function that gives the row on needs no reason; one that makes the message itself is compared with it."""
    inner = translator(Parcel, ROWS.name, fields=RIGHT)
    holder = Message("shop.v1.Holder", (Field("parcel", "parcel", "message", presence=True, message=PARCEL.name),))

    columns = tuple(column.name for column in ROWS.columns)

    def made(function: Callable[[Any], object], uses: tuple[str, ...] = columns) -> list[str]:
        outer = translator(Holder, ROWS.name, fields={"parcel": computed(function, uses=uses)})
        whole = Translation({Parcel: PARCEL, Holder: holder}, (ROWS,), [outer, inner], {}, PLACE)
        return [f.code for f in whole.checked().tried()]

    assert made(lambda row: inner(row) if row.note else None) == []
    assert made(lambda row: inner(row) if row.note else None, ("note",)) == []  # the others are the translator's
    assert made(lambda row: replace(inner(row), sent=in_utc(row.sent_at))) == ["ACL006"]
    assert made(lambda row: replace(inner(row), points=row.points or 7)) == ["ACL003"]
    assert made(lambda row: replace(inner(row), total="0")) == ["ACL006"]


def test_the_message_of_a_related_row_is_its_translators() -> None:
    inner = translator(Parcel, ROWS.name, fields=RIGHT)
    holder = Message("shop.v1.Holder", (Field("parcel", "parcel", "message", presence=True, message=PARCEL.name),))
    model = Model("parcels.Van", (Column("load", "relation", null=True, attribute="load_id", model=ROWS.name),))
    rule = computed(lambda van: inner(van.load) if van.load else None, uses=["load"])
    outer = translator(Holder, model.name, fields={"parcel": rule})
    whole = Translation({Parcel: PARCEL, Holder: holder}, (ROWS, model), [outer, inner], {}, PLACE)
    assert (whole.findings(TODAY), whole.checked().tried()) == ((), ())


def test_values_may_have_the_prefix_of_their_enum() -> None:
    names = ("STATE_UNSPECIFIED", "STATE_SHIPPED", "STATE_ON_HOLD")
    target = Field("state", "state", "enum", values=names, unspecified=names[0])
    for own, found in (("shipped", names[1]), ("On hold", names[2]), ("State-shipped", names[1]), ("versandt", "")):
        assert namesake(own, target) == found


@pytest.mark.parametrize(
    ("arrives", "code"),
    [
        (lambda d: in_berlin(d).isoformat(), ""),
        (lambda d: in_berlin(d).astimezone(UTC).isoformat().replace("+00:00", "Z"), ""),
        (lambda d: in_utc(d).isoformat(), "ACL006, tried"),
        (lambda d: d.isoformat(" "), "ACL006, tried"),
        (lambda d: in_berlin(d).replace(microsecond=0).isoformat(), "ACL006, tried"),
        (lambda d: d.strftime("%Y%m%d%H%M%S"), ""),
        (lambda d: str(d.date()), ""),
    ],
)
def test_a_time_in_text_is_compared_where_it_is_one(arrives: Callable[[datetime], str], code: str) -> None:
    model = Model(ROWS.name, (*ROWS.columns, Column("closed_at", "datetime", aware=False)))
    rule = src("closed_at", to=arrives, zone=BERLIN, one_way=REASON)
    made = translation({**RIGHT, "total": rule}, "total", model=model)
    assert caught(made) == code


@dataclass(frozen=True)
class Holder:
    parcel: Parcel | None = None


def test_a_path_over_a_relation_is_tried_as_well() -> None:
    product = Model("catalog.Product", (Column("price", "decimal", digits=20, places=2),))
    model = Model(ROWS.name, (*ROWS.columns, Column("product", "relation", null=True, model=product.name)))

    def found(rule: Rule) -> list[str]:
        rules = {**RIGHT, "total": rule}
        said = [drop("total", reason="the product's")]
        made = Translation(
            {Parcel: PARCEL}, (model, product), [translator(Parcel, ROWS.name, fields=rules, drops=said)], {}, PLACE
        )
        return [f.code for f in made.findings(TODAY)] or [f"{f.code}, tried" for f in made.checked().tried()]

    uses = ["product.price"]
    assert found(computed(lambda r: cents(r.product.price), uses=uses)) == ["ACL006"]
    assert found(computed(lambda r: cents(r.product.price), uses=uses, one_way=REASON)) == ["ACL006, tried"]
    assert found(computed(lambda r: str(r.product.price), uses=uses, one_way=REASON)) == []
    assert found(src("product.price", null="", to=cents, back=Decimal)) == ["ACL006, tried"]


def test_what_needs_more_than_columns_is_not_tried_and_what_refuses_everything_is_said() -> None:
    def refuse(value: object) -> str:
        raise ValueError(value)

    def found(rule: Rule) -> str:
        return caught(translation({**RIGHT, "total": rule}))

    assert found(computed(lambda r: r.in_words(r.total), uses=["total"], one_way=REASON)) == ""
    assert found(computed(lambda r: refuse(r.total), uses=["total"], one_way=REASON)) == "ACL006, tried"
    assert found(src("total", to=refuse, one_way=REASON)) == "ACL006, tried"


def test_the_round_trip_says_which_line() -> None:
    made = planted("NULL to empty text", PLANTS["NULL to empty text"][1][-1]())  # type: ignore[misc]
    made.checked()
    rule = made.translators[0].rules["note"]
    assert _lost(made).startswith(f"{rule.where}: shop.v1.Parcel: note was None, and came back as ''")
