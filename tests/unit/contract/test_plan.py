from __future__ import annotations

from pathlib import Path

import pytest

from scaffold.contract import plan

PLAN = plan.Plan(
    {
        "cart": plan.Component("store", "shop_cart", "services/cart/src", places={"a.B.C": "protos/a.proto:3"}),
        "checkout": plan.Component(
            "process",
            "checkout",
            "services/checkout/src",
            uses=("cart",),
            vendors={"payments": plan.Vendor(("python", "-m", "standin"), ("PAYMENTS_URL",), {"A": "1"})},
            environ={"FEATURE": "1"},
            metadata={"x-tenant-id": "contract"},
        ),
    }
)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text(PLAN.dumps(), encoding="utf-8")
    assert plan.load(tmp_path / "plan.json") == PLAN


def test_a_store_needs_three_keys(tmp_path: Path) -> None:
    (tmp_path / "plan.json").write_text('{"components": {"a": {"kind": "store", "package": "a", "src": "src"}}}')
    assert plan.load(tmp_path / "plan.json").components["a"] == plan.Component("store", "a", "src")


@pytest.mark.parametrize(
    "text", [None, "", "[]", "{}", '{"components": {"a": {}}}', '{"components": {"a": {"kind": "store", "colour": 1}}}']
)
def test_anything_else_is_no_plan(tmp_path: Path, text: str | None) -> None:
    if text is not None:
        (tmp_path / "plan.json").write_text(text)
    with pytest.raises(plan.PlanError, match=r"plan\.json is not a plan"):
        plan.load(tmp_path / "plan.json")
