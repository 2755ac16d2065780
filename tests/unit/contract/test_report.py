from __future__ import annotations

import json
from pathlib import Path

from scaffold.contract.report import Line, Report


def test_a_report_counts_and_names(tmp_path: Path) -> None:
    report = Report("inprocess", 3, seconds=1.23456)
    report.add("cart", Line("cart-health", "passed", 0.5))
    report.add("cart", Line("Cart.Get-x", "pending", 0.25, "Cart.Get: write get.py"))
    report.add("orders", Line("orders-health", "skipped", 0.0, "orders did not start"))
    report.write(tmp_path / "report.json")

    written = json.loads((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert {key: written[key] for key in ("target", "seed", "seconds")} == {
        "target": "inprocess",
        "seed": 3,
        "seconds": 1.235,
    }
    cart = written["components"]["cart"]
    assert [cart[r] for r in ("passed", "failed", "pending", "skipped", "seconds")] == [1, 0, 1, 0, 0.75]
    assert cart["checks"][1] == {
        "name": "Cart.Get-x",
        "result": "pending",
        "seconds": 0.25,
        "text": "Cart.Get: write get.py",
        "summary": "",
        "rpc": "",
        "check": "",
        "where": "",
    }
    assert report.judged == 2
    assert [line.name for line in report.lines("pending")] == ["Cart.Get-x"]
