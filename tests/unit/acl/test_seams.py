"""The line around some models: both sides together are all, and nothing crosses a line around everything."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaffold.acl import seams, snapshot
from scaffold.acl.snapshot import Column, Default, Model
from scaffold.core.diagnostics import ScaffoldError
from tests.support import REPO

KEPT = {name: snapshot.read(REPO / f"tests/monoliths/snapshots/{name}.json") for name in ("django", "flask")}
DJANGO = KEPT["django"]

some = st.lists(st.sampled_from(DJANGO.own), unique=True)


@given(some)
def test_what_leads_out_of_one_side_leads_into_the_other(models: list[Model]) -> None:
    rest = [m for m in DJANGO.own if m not in models]
    one, other = seams.seam(DJANGO, models), seams.seam(DJANGO, rest)
    own = {m.name for m in DJANGO.own}
    out = {(k.model.name, k.column.name) for k in one.keys_out if k.column.references in own and not k.model.proxy_of}
    assert out == {(k.model.name, k.column.name) for k in other.keys_in}
    assert set(one.transactions) == set(other.transactions)


def test_nothing_crosses_a_line_around_all() -> None:
    seam = seams.seam(DJANGO, DJANGO.own)
    assert {k.column.references for k in seam.keys_out} == {"auth.User", "contenttypes.ContentType"}
    assert (seam.keys_in, seam.transactions) == ((), ())


def test_apps_add_up_to_all() -> None:
    for found in KEPT.values():
        every, parts = seams.counts(found), [c for _, c in seams.by_app(found)]
        for name in ("models", "columns", "keys", "keys_out", "properties", "methods", "saves"):
            assert getattr(every, name) == sum(getattr(part, name) for part in parts)
        assert sum(n for _, _, n in seams.between_apps(found)) == every.keys_out


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["basket.Line"], ["basket.Line"]),
        (["BASKET.line"], ["basket.Line"]),
        (["StockRecord", "basket"], ["partner.StockRecord", "basket.Basket", "basket.Line"]),
    ],
)
def test_a_model_has_several_names(names: list[str], chosen: list[str]) -> None:
    assert [m.name for m in seams.choose(DJANGO, names)] == chosen


def test_names_that_are_none_are_told_at_once() -> None:
    with pytest.raises(ScaffoldError) as caught:
        seams.choose(DJANGO, ["basket.Lne", "User", "basket"])
    assert [d.slug for d in caught.value.diagnostics] == ["unknown-model"] * 2
    assert "did you mean basket.Line" in caught.value.diagnostics[0].remedy


@pytest.mark.parametrize(
    ("column", "why"),
    [
        (Column("x", "x", "string", "CharField"), ""),
        (Column("x", "x", "decimal", "DecimalField", null=True), "NULL, Decimal"),
        (Column("x", "x", "datetime", "DateTimeField", aware=False), "naive datetime"),
        (Column("x", "x", "datetime", "DateTimeField", aware=True, default=Default("server")), ""),
        (Column("x", "x", "int", "ForeignKey", null=True, references="a.B"), ""),
        (
            Column("x", "x", "int", "IntegerField", choices=(snapshot.Choice(1, "A"), snapshot.Choice(2))),
            "2 choices, not all named",
        ),
    ],
)
def test_what_a_translator_stumbles_over(column: Column, why: str) -> None:
    assert seams.watch(column) == why
