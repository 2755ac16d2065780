"""What has changed between two snapshots: nothing where nothing has, one finding for each thing that has."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from scaffold.acl import compare, snapshot
from scaffold.acl.snapshot import Column, Model, Snapshot
from tests.support import REPO

KEPT = snapshot.read(REPO / "tests/monoliths/snapshots/django.json", "kept.json")
MODELS = [m for m in KEPT.own if m.columns]


def said(before: Snapshot, after: Snapshot) -> list[str]:
    return [d.message for d in compare.compare(before, after)]


def with_model(model: Model) -> Snapshot:
    return replace(KEPT, models=tuple(model if m.name == model.name else m for m in KEPT.models))


def test_nothing_has_changed() -> None:
    assert said(KEPT, KEPT) == []


@given(st.sampled_from(MODELS), st.data())
def test_each_column_that_goes_comes_or_changes_is_told_alone(model: Model, data: st.DataObject) -> None:
    column = data.draw(st.sampled_from(model.columns))
    without = with_model(replace(model, columns=tuple(c for c in model.columns if c is not column)))
    name = f"{model.name}.{column.name}"
    assert said(KEPT, without) == [f"the column {name} is gone"]
    assert said(without, KEPT) == [f"the column {name} is new"]
    other = tuple(replace(c, null=not c.null) if c is column else c for c in model.columns)
    assert said(KEPT, with_model(replace(model, columns=other))) == [f"the column {name} has changed: null"]


def test_a_finding_has_the_line_that_says_otherwise() -> None:
    (model,) = [m for m in MODELS if m.name == "basket.Line"]
    sku = model.column("sku")
    assert sku is not None
    after = with_model(
        replace(model, columns=tuple(replace(c, max_length=9) if c is sku else c for c in model.columns))
    )
    (found,) = compare.compare(KEPT, after)
    assert found.where == sku.where
    assert found.where.line > 1


@given(st.sampled_from(MODELS))
def test_models_come_and_go(model: Model) -> None:
    without = replace(KEPT, models=tuple(m for m in KEPT.models if m is not model))
    assert said(KEPT, without) == [f"the model {model.name} is gone"]
    assert said(without, KEPT) == [f"the model {model.name} is new"]


def test_the_rest_is_told_as_a_whole() -> None:
    assert said(KEPT, replace(KEPT, transactions=())) == ["the transactions are others"]
    (line,) = [m for m in MODELS if m.name == "basket.Line"]
    assert said(KEPT, with_model(replace(line, table="lines"))) == [
        "basket.Line has another table: lines, not basket_line"
    ]
    more = (*line.columns, Column("x", "x", "int", "IntegerField"))
    assert said(KEPT, with_model(replace(line, columns=more, managed=False))) == [
        "the column basket.Line.x is new",
        "basket.Line has another managed: False, not True",
    ]
