"""Model-copy smell: copies are found, designed messages are not, and the score behaves."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaffold.acl import smell, snapshot
from scaffold.acl.smell import Likeness
from scaffold.acl.snapshot import Column, Model
from scaffold.core.api import Api, Field
from scaffold.verbs.generate import compile_api
from tests.monoliths.copies import FILE, api_of, copy
from tests.support import PROTOS, REPO

SNAPSHOTS = REPO / "tests/monoliths/snapshots"
SAMPLES = REPO / "tests/monoliths/protos"
SHOP = [f"shop/{name}/v1/{name}.proto" for name in ("cart", "catalog", "checkout", "orders")]

TABLES = {name: snapshot.read(SNAPSHOTS / f"{name}.json") for name in ("django", "flask")}
MODELS = [m for m in TABLES["django"].own if not m.proxy_of and len(m.columns) >= smell.LEAST]

models = st.sampled_from(MODELS)


def likeness(model: Model, columns: list[Column] | None = None, extra: int = 0) -> Likeness | None:
    """Of a copy to what it looks like most."""
    message = copy(model, columns)
    more = tuple(Field(f"of_its_own_{n}", 100 + n, "string") for n in range(extra))
    found = smell.likenesses(api_of(replace(message, fields=(*message.fields, *more))), [FILE], TABLES["django"])
    return found[0] if found else None


def score(model: Model, columns: list[Column] | None = None, extra: int = 0) -> int:
    found = likeness(model, columns, extra)
    return found.score if found else 0


def scores(root: Path, files: list[str], tables: str) -> dict[str, int]:
    api: Api
    api, _ = compile_api((("protos", root),), files)
    return {x.message.name: x.score for x in smell.likenesses(api, files, TABLES[tables])}


@pytest.mark.parametrize("model", MODELS, ids=lambda m: m.name)
def test_every_verbatim_copy_is_found(model: Model) -> None:
    found = likeness(model)
    assert found is not None
    assert found.score >= smell.FAIL
    assert found.model.columns == model.columns or found.score == score(model)


def test_a_service_that_can_do_more_is_less_of_a_table() -> None:
    """The sample's orders have four of five verbs, and a stream."""
    api, _ = compile_api((("protos", PROTOS),), SHOP)
    verbs = smell._verbs(api)
    assert verbs["shop.catalog.v1.Product"] == pytest.approx(4 / 5 * 4 / 5)
    assert verbs["shop.orders.v1.Order"] == pytest.approx(4 / 5 * 4 / 5)
    assert verbs["shop.cart.v1.Cart"] == pytest.approx(1 / 5 * 1 / 3)


def test_a_table_with_verbs_on_it_is_worse_than_the_table() -> None:
    found = scores(SAMPLES, ["copied.proto"], "django")
    assert found["StockRecord"] == 100
    stock = TABLES["django"].model_by_name["partner.StockRecord"]
    assert smell.FAIL <= score(stock) < 100


@pytest.mark.parametrize("tables", ["django", "flask"])
def test_no_designed_message_is_raised(tables: str) -> None:
    found = scores(SAMPLES, ["stock.proto"], tables) | scores(PROTOS, SHOP, tables)
    assert {name: s for name, s in found.items() if s >= smell.WARN} == {}


def test_it_says_what_made_the_score() -> None:
    stock = TABLES["django"].model_by_name["partner.StockRecord"]
    found = likeness(stock)
    assert found is not None
    said = str(found)
    assert said.startswith("11 of 11 fields are among its 11 columns (")
    assert said.endswith("in its order, with its keys")
    assert "id" not in found.names[:6], "a name that every table has tells little"
    assert "num_allocated" in found.names[:6]


@given(models, st.randoms(use_true_random=False))
def test_another_order_never_makes_it_worse(model: Model, random: object) -> None:
    columns = list(model.columns)
    random.shuffle(columns)  # type: ignore[attr-defined]
    assert score(model, columns) <= score(model)


@given(models, st.integers(0, 30))
def test_fields_of_its_own_never_make_it_worse(model: Model, extra: int) -> None:
    assert score(model, extra=extra + 1) <= score(model, extra=extra)


@given(models, st.data())
def test_a_score_is_a_score(model: Model, data: st.DataObject) -> None:
    columns = data.draw(st.lists(st.sampled_from(model.columns), unique=True, max_size=len(model.columns)))
    found = likeness(model, columns)
    if len(columns) < smell.LEAST:
        assert found is None
    if found is not None:
        assert 0 <= found.score <= 100
        assert all(0 <= part <= 1 for part in (found.alike, found.order, found.keys, found.verbs))


def test_how_a_name_is_written_does_not_hide_it() -> None:
    stock = TABLES["django"].model_by_name["partner.StockRecord"]
    message = copy(stock)
    camel = tuple(replace(f, name="".join(w.title() for w in f.name.split("_"))) for f in message.fields)
    (found,) = smell.likenesses(api_of(replace(message, fields=camel)), [FILE], TABLES["django"])
    assert found.score >= smell.FAIL


def test_messages_of_its_own_in_the_place_of_columns_are_design() -> None:
    stock = TABLES["django"].model_by_name["partner.StockRecord"]
    message = copy(stock)
    typed = tuple(replace(f, type="message", type_name="shop.Own") for f in message.fields)
    (found,) = smell.likenesses(api_of(replace(message, fields=typed)), [FILE], TABLES["django"])
    assert found.score < smell.WARN
