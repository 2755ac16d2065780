"""django-oscar 4.2.1: somebody else's monolith, and a large one."""

from __future__ import annotations

from pathlib import Path

import pytest

from scaffold.acl import seams, smell, snapshot
from scaffold.acl.snapshot import Snapshot
from tests.bench.oscar import DESIGNED, OSCAR_SHOP, found_again, tables
from tests.monoliths import environments
from tests.monoliths.test_introspect import everything
from tests.support import scaffold

HOW = ("--settings", "oscar_settings", "--package", "oscar")


@pytest.fixture(scope="module")
def oscar(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    """Its snapshot, and proof that its tree is as it was."""
    python = environments.python("oscar")
    (installed,) = python.parents[1].glob("lib/python3*/site-packages/oscar")
    before = everything(installed), everything(OSCAR_SHOP)
    folder = tmp_path_factory.mktemp("oscar")
    said = scaffold(folder, "acl", "introspect", str(OSCAR_SHOP), "--python", str(python), *HOW)
    assert (said.code, said.err) == (0, ""), said.text
    assert (everything(installed), everything(OSCAR_SHOP)) == before
    return snapshot.read(folder / "model.snapshot.json")


def test_how_much_there_is(oscar: Snapshot) -> None:
    """212 properties by the names of their classes, as one would count by hand; but there are two models called Line."""
    assert seams.counts(oscar) == seams.Counts(
        models=80, columns=606, keys=108, keys_out=40, properties=213, methods=49, saves=18
    )
    assert len({(m.class_name, p.name) for m in oscar.own for p in m.properties if not p.name.startswith("_")}) == 212
    assert oscar.problems == ()


def test_what_an_order_takes_with_it(oscar: Snapshot) -> None:
    """One transaction over four apps, found through three classes of oscar's own loading."""
    placed = next(t for t in oscar.transactions if t.function.endswith("OrderCreator.place_order"))
    assert {name.partition(".")[0] for name in placed.models} == {"offer", "order", "voucher"}
    seam = seams.seam(oscar, seams.choose(oscar, ["partner"]))
    assert {f"{k.model.name}.{k.column.name}" for k in seam.keys_in} >= {
        "basket.Line.stockrecord_id",
        "order.Line.partner_id",
    }
    assert {r.function.rpartition(".")[2] for r in seam.receivers} >= {"update_stock_alerts", "send_product_alerts"}
    assert "oscar.apps.partner.strategy" in {m.name for m in seam.modules}


def test_the_stock_record_as_a_table_with_verbs_smells_and_as_an_api_does_not(oscar: Snapshot) -> None:
    scores = {x.message.full_name: x for x in DESIGNED.likenesses(oscar)}
    copied = scores["shop.copied.v1.StockRecord"]
    assert (copied.model.name, copied.score >= smell.FAIL) == ("partner.StockRecord", True)
    assert {name: x.score for name, x in scores.items() if x.score >= smell.WARN and x is not copied} == {}
    assert len(DESIGNED.messages()) >= 16


def test_copies_are_found_again(oscar: Snapshot) -> None:
    """All verbatim ones, and 92 of 100 where a fifth of the columns was left out."""
    assert len(tables(oscar)) >= 60
    assert found_again(oscar, 0.0) == 1.0
    assert found_again(oscar, 0.2) >= 0.92


def test_the_snapshot_does_not_know_the_machine(oscar: Snapshot) -> None:
    assert all(not Path(m.at.path).is_absolute() and m.at.path.startswith("oscar/") for m in oscar.own)
