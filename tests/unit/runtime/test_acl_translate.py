"""Translators: what is complete translates, what is not is found, at the line to look at."""

from __future__ import annotations

import datetime
import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from decimal import Decimal
from enum import Enum
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from runtime.acl.facts import Column, Field, Message, Model
from runtime.acl.translate import (
    Place,
    Rule,
    Translation,
    Translator,
    TranslatorsError,
    UntranslatableError,
    collecting,
    computed,
    const,
    drop,
    ignore,
    src,
    todo,
    translator,
)

TODAY = datetime.date(2027, 1, 1)
BERLIN = ZoneInfo("Europe/Berlin")


class State(Enum):
    UNSPECIFIED = "UNSPECIFIED"
    NEW = "NEW"
    SHIPPED = "SHIPPED"


@dataclass(frozen=True)
class Order:
    name: str = ""
    state: State = State.UNSPECIFIED
    total: str = ""
    placed: datetime.datetime | None = None
    note: str = ""
    weight: float = 0.0
    mail: str | None = None
    post: str | None = None


STATES = {0: State.NEW, 3: State.SHIPPED}
ORDER = Message(
    "shop.v1.Order",
    (
        Field("name", "name", "text", place="o.proto:1"),
        Field("state", "state", "enum", values=("UNSPECIFIED", "NEW", "SHIPPED"), unspecified="UNSPECIFIED"),
        Field("total", "total", "text", place="o.proto:3"),
        Field("placed", "placed", "timestamp", presence=True, place="o.proto:4"),
        Field("note", "note", "text", place="o.proto:5"),
        Field("weight", "weight", "float", place="o.proto:6"),
        Field("mail", "mail", "text", presence=True, oneof="contact", place="o.proto:7"),
        Field("post", "post", "text", presence=True, oneof="contact", place="o.proto:8"),
    ),
    required=True,
    place="o.proto:0",
)
ROWS = Model(
    "orders.Order",
    (
        Column("number", "text"),
        Column("status", "int", choices=(0, 3)),
        Column("total", "decimal"),
        Column("placed_at", "datetime", aware=False),
        Column("note", "text", null=True),
        Column("weight", "float"),
        Column("mail", "text", null=True),
        Column("post", "text", null=True),
        Column("customer", "relation", null=True, attribute="customer_id", model="auth.User"),
        Column("lines", "relation", stored=False, model="orders.Line"),
    ),
)


def rules(**changed: Rule | None) -> dict[str, Rule]:
    made: dict[str, Rule | None] = {
        "name": src("number", to=lambda n: f"orders/{n}", back=lambda n: n[7:]),
        "state": src("status", values=STATES),
        "total": src("total", to=str, back=Decimal),
        "placed": src("placed_at", zone="Europe/Berlin"),
        "note": src("note", null=""),
        "weight": src("weight"),
        "mail": src("mail"),
        "post": src("post"),
        **changed,
    }
    return {name: rule for name, rule in made.items() if rule is not None}


def order(*, drops: tuple[str, ...] = ("customer",), **changed: Rule | None) -> Translator[Order]:
    return translator(Order, "orders.Order", fields=rules(**changed), drops=[drop(*drops, reason="not the order's")])


def translation(*translators: Translator[Any], messages: Any = None, models: Any = None) -> Translation:
    where = Place(__file__, 1)
    return Translation(messages or {Order: ORDER}, models or (ROWS,), translators, {}, where)


def codes(*translators: Translator[Any], **others: Any) -> list[str]:
    return [f.code for f in translation(*translators, **others).findings(TODAY)]


def row(**changed: object) -> SimpleNamespace:
    values: dict[str, object] = {
        "number": "7", "status": 3, "total": Decimal("9.90"), "placed_at": datetime.datetime(2026, 7, 1, 12),
        "note": None, "weight": 1.5, "mail": "a@b", "post": None,
    }  # fmt: skip
    return SimpleNamespace(**{**values, **changed})


def test_what_is_complete_has_no_findings_and_translates() -> None:
    made = order()
    assert translation(made).findings(TODAY) == ()
    translation(made).checked()
    found = made(row())
    assert found == Order(
        "orders/7", State.SHIPPED, "9.90", datetime.datetime(2026, 7, 1, 12, tzinfo=BERLIN), "", 1.5, "a@b"
    )
    back = made.columns(found)
    assert back == {name: getattr(row(), name) for name in back}
    assert set(back) == {c.name for c in ROWS.columns if c.stored} - {"customer"}


PLANTED: dict[str, tuple[Callable[[], Rule], str]] = {
    "state": (lambda: src("status"), "ACL004"),  # an enum by number
    "note": (lambda: src("note"), "ACL003"),  # NULL to empty
    "placed": (lambda: src("placed_at"), "ACL006"),  # a naive datetime
    "weight": (lambda: src("total"), "ACL006"),  # a Decimal into a double
    "total": (lambda: src("total", to=float), "ACL006"),  # a Decimal through float
    "name": (lambda: todo('src("number")'), "ACL001"),
    "mail": (lambda: todo("src"), "ACL005"),
    "post": (lambda: ignore("nobody writes letters", until="2026-12-31"), "ACL007"),
}


@pytest.mark.parametrize("field", PLANTED)
def test_a_planted_mistake_is_found_at_its_own_line(field: str) -> None:
    make, code = PLANTED[field]
    line = inspect.getsourcelines(make)[1]
    found = [f for f in translation(order(**{field: make()})).findings(TODAY) if f.code == code]
    assert [(f.where.path, f.where.line) for f in found] == [(__file__, line)], found


def test_a_deleted_mapping_a_new_field_and_a_new_column_lead_to_the_translator() -> None:
    made = order(total=None, drops=("customer", "total"))
    assert [(f.code, f.where) for f in translation(made).findings(TODAY)] == [("ACL001", made.where)]
    newer = Message(ORDER.name, (*ORDER.fields, Field("gift", "gift", "bool", place="o.proto:9")), place="o.proto:0")
    made = order()
    (found,) = translation(made, messages={Order: newer}).findings(TODAY)
    assert (found.code, found.where) == ("ACL001", made.where)
    assert "o.proto:9" in found.message
    wider = Model(ROWS.name, (*ROWS.columns, Column("iban", "text")))
    (found,) = translation(made, models=(wider,)).findings(TODAY)
    assert (found.code, found.where) == ("ACL002", made.where)
    assert "iban" in found.message


def test_what_was_renamed_or_removed_leads_to_its_own_line() -> None:
    made = order()
    fewer = Message(ORDER.name, ORDER.fields[1:], place="o.proto:0")
    (found,) = translation(made, messages={Order: fewer}).findings(TODAY)
    assert (found.code, found.where) == ("ACL001", made.rules["name"].where)
    narrower = Model(ROWS.name, ROWS.columns[1:])
    (found,) = translation(made, models=(narrower,)).findings(TODAY)
    assert (found.code, found.where) == ("ACL002", made.rules["name"].where)


def test_a_column_that_may_be_null_by_now_leads_to_its_line() -> None:
    made = order()
    columns = tuple(Column("number", "text", null=True) if c.name == "number" else c for c in ROWS.columns)
    (found,) = translation(made, models=(Model(ROWS.name, columns),)).findings(TODAY)
    assert (found.code, found.where) == ("ACL003", made.rules["name"].where)


def test_enums_are_paired_on_both_sides() -> None:
    assert codes(order(state=src("status", values={0: State.NEW}))) == ["ACL004", "ACL004"]  # SHIPPED, and 3
    assert codes(order(state=src("status", values={0: State.NEW, 3: State.NEW}, unpaired=["SHIPPED"]))) == []
    assert codes(order(state=src("status", values=STATES, unpaired=["GONE"]))) == ["ACL004"]


def test_a_branch_that_is_always_set_shuts_the_others_out() -> None:
    assert codes(order(mail=const("x", reason="one desk"), drops=("customer", "mail"))) == ["ACL005"]
    quiet = ignore("no letters yet", until="2027-06-30")
    assert codes(order(mail=const("x", reason="one desk"), post=quiet, drops=("customer", "mail", "post"))) == []
    made = order()
    translation(made).checked()
    with pytest.raises(UntranslatableError, match="more than one of mail, post"):
        made(row(post="Berlin"))


def test_what_is_used_and_dropped_or_dropped_for_nothing_is_found() -> None:
    assert codes(order(drops=("customer", "number"))) == ["ACL002"]
    made = translator(Order, "orders.Order", fields=rules(), drops=[drop("customer", reason=" ")])
    assert codes(made) == ["ACL002"]
    assert codes(order(drops=("customer", "gone"))) == ["ACL002"]


def test_a_relation_is_accounted_for_by_its_name_or_its_column() -> None:
    assert codes(order(note=src("customer_id", null="", to=str), drops=("note",))) == []
    assert codes(order(note=src("customer.email", null=""), drops=("note",))) == []
    assert codes(order(note=src("customer.email"), drops=("note",))) == ["ACL003"]


def test_a_decimal_may_be_a_float_where_somebody_says_why() -> None:
    assert codes(order(weight=src("total", lossy="a weight, in fact"), drops=("customer", "weight"))) == []


PLAIN = ("bool", "bytes", "date", "datetime", "decimal", "duration", "float", "int", "text", "time", "uuid")
TAKEN = {
    "bool": {"bool"}, "bytes": {"bytes"}, "duration": {"duration"}, "float": {"float", "int"}, "int": {"int"},
    "text": {"text"}, "timestamp": {"datetime"}, "message": set(), "other": set(PLAIN), "enum": set(PLAIN),
}  # fmt: skip


@pytest.mark.parametrize("taken", TAKEN)
@pytest.mark.parametrize("kind", PLAIN)
def test_a_column_goes_as_it_is_only_into_a_field_that_takes_it(kind: str, taken: str) -> None:
    """Else each call would fail at the wire, in the monolith, and no rule had said a word."""
    field = Field("note", "note", taken, message="google.type.Money" if taken == "message" else "", place="o.proto:5")
    found = _of_note(Column("note", kind), field, src("note", values={} if taken == "enum" else None))
    floated = (kind, taken) == ("decimal", "float")  # which has a code of its own
    assert ("ACL001" in found) == (kind not in TAKEN[taken] and not floated)
    assert "ACL001" in _of_note(Column("note", kind), replace(field, repeated=True), src("note")) or taken == "enum"
    assert "ACL001" not in _of_note(
        Column("note", kind), field, src("note", to=lambda v: v, one_way="tried, not ruled")
    )


@pytest.mark.parametrize(("path", "found"), [("customer", True), ("lines", True), ("customer_id", False)])
def test_a_row_of_another_model_is_no_value(path: str, found: bool) -> None:
    for field in (
        Field("note", "note", "text", presence=True),
        Field("note", "note", "message", presence=True, message="M"),
    ):
        assert ("ACL001" in _of_note(Column("note", "text"), field, src(path))) == found


def _of_note(column: Column, field: Field, rule: Rule) -> list[str]:
    """The codes at the line of a rule for "note", where the field and the column are these."""
    message = replace(ORDER, fields=tuple(field if f.name == "note" else f for f in ORDER.fields))
    model = Model(ROWS.name, tuple(column if c.name == "note" else c for c in ROWS.columns))
    made = translation(order(note=rule, drops=()), messages={Order: message}, models=(model,))
    return [f.code for f in made.findings(TODAY) if f.where == rule.where]


def test_ignores_have_a_reason_and_a_date() -> None:
    for reason, until in (("", "2027-06-30"), ("later", "soon"), ("later", "2027-02-30")):
        assert codes(order(note=ignore(reason, until=until), drops=("customer", "note"))) == ["ACL007"]


def test_a_type_that_nobody_makes_is_found() -> None:
    assert codes() == ["ACL001"] + ["ACL002"] * 9
    by_hand = Translation({Order: ORDER}, (), (), {Order: "made of two reports"}, Place("", 1))
    assert by_hand.findings(TODAY) == ()
    unsaid = Translation({Order: ORDER}, (), (), {Order: ""}, Place("", 1))
    assert [f.code for f in unsaid.findings(TODAY)] == ["ACL001"]


def test_the_import_of_what_is_incomplete_fails_and_says_where() -> None:
    with pytest.raises(TranslatorsError) as caught:
        translation(order(note=src("note"))).checked()
    assert f"{__file__}:" in str(caught.value)
    assert "ACL003" in str(caught.value)
    with collecting() as collected:
        translation(order(note=src("note"))).checked()
    assert len(collected) == 1


def test_no_program_stops_because_of_a_date(caplog: pytest.LogCaptureFixture) -> None:
    made = order(note=ignore("later", until="2020-01-01"), drops=("customer", "note"))
    translation(made).checked()
    assert "ACL007" in caplog.text


def test_what_the_snapshot_did_not_know_is_no_other_value() -> None:
    made = order(name=src("number"), placed=src("placed_at", to=None, zone="UTC"))
    translation(made).checked()
    with pytest.raises(UntranslatableError, match="NULL"):
        made(row(number=None))
    with pytest.raises(UntranslatableError, match="2, which is paired with nothing"):
        made(row(status=2))
    with pytest.raises(UntranslatableError, match="paired with no value"):
        made.columns(Order(state=State.UNSPECIFIED))


def test_computed_fields_read_rows_and_a_path_over_an_absent_relation_is_null() -> None:
    made = order(
        total=computed(lambda r: f"{r.total:.2f}", uses=["total"], back=lambda t: {"total": Decimal(t)}),
        note=src("customer.email", null="nobody"),
        drops=("note",),
    )
    assert codes(made) == []
    translation(made).checked()
    assert made(row(customer=None)).note == "nobody"
    assert made(row(customer=SimpleNamespace(email="a@b"))).note == "a@b"
    assert made.columns(made(row(customer=None)))["total"] == Decimal("9.90")
    with pytest.raises(AttributeError):  # a misspelled path is no NULL
        made(row(customer=SimpleNamespace(mail="a@b")))


@given(
    st.builds(
        row,
        number=st.text(),
        status=st.sampled_from([0, 3]),
        total=st.decimals(allow_nan=False, allow_infinity=False, places=2),
        placed_at=st.datetimes(datetime.datetime(1990, 1, 1), datetime.datetime(2090, 1, 1)).map(
            lambda d: d.replace(hour=12)
        ),
        note=st.one_of(st.none(), st.text(min_size=1)),
        weight=st.floats(allow_nan=False),
        mail=st.one_of(st.none(), st.text()),
    )
)
def test_a_row_comes_back_from_its_message(given_row: SimpleNamespace) -> None:
    made = order()
    translation(made).checked()
    back = made.columns(made(given_row))
    assert back == {name: getattr(given_row, name) for name in back}
