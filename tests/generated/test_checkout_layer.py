"""A process leaves the monolith: orders go to its function or to the new process, per cart, under load, and back."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from scaffold.verbs.demo import make_shop
from scaffold.verbs.run import start
from tests.layers.ground import HERE
from tests.monoliths.environments import DJANGO_SHOP
from tests.monoliths.environments import python as monolith_python
from tests.support import scaffold

WRITTEN = HERE / "django_checkout"
CARTS = 70


def test_no_order_is_lost_and_nobody_pays_twice(tmp_path: Path) -> None:
    python, root = monolith_python("django"), tmp_path / "shop"
    make_shop(root)
    shutil.copyfile(WRITTEN / "counting_payments.py", root / "standins/payments.py")
    settings = ("--settings", "shop.settings", "--python", str(python))
    assert scaffold(root, "acl", "introspect", str(DJANGO_SHOP), *settings).code == 0
    made = scaffold(root, "new", "acl", "checkout", "--orm", "django", "--models", "orders.Order")
    assert made.code == 0, made.text
    for file in (WRITTEN / "package").glob("*.py"):
        shutil.copyfile(file, root / "acl/checkout/src/checkout_acl" / file.name)
    said = scaffold(root, "acl", "check")
    assert "port-incomplete: Local has no quote_basket" in said.out  # a layer for one method of two
    assert "ACL0" not in said.out
    os.environ["CHARGES"] = str(tmp_path / "charges")
    try:
        with start(root, lambda _name, _line: None) as session:
            up = session.running
            addresses = {name: endpoint.address for name, endpoint in up.components.items()}
            filled = subprocess.run(
                [sys.executable, str(WRITTEN / "fill_stores.py"), addresses["catalog"], addresses["cart"], str(CARTS)],
                env={**os.environ, "PYTHONPATH": str(root / "services/checkout/src")},
                capture_output=True, text=True, timeout=120, check=False,
            )  # fmt: skip
            assert filled.returncode == 0, filled.stderr
            ran = subprocess.run(
                [str(python), "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "--noconftest", "-c", os.devnull,
                 str(WRITTEN / "checkout_checks.py")],
                env={
                    "PATH": os.environ["PATH"],
                    "PYTHONPATH": os.pathsep.join(map(str, (DJANGO_SHOP, WRITTEN, root / "acl/checkout/src"))),
                    "DJANGO_SETTINGS_MODULE": "layered_checkout",
                    "SHOP_DATABASE_URL": f"sqlite:///{tmp_path}/shop.sqlite3",
                    "PAYMENTS_URL": f"http://{up.vendors['payments'].address}",
                    "PAYMENTS_KEY": "dev",
                    "CHECKOUT_ADDRESS": addresses["checkout"],
                    "CHECKOUT_SEAM": str(tmp_path / "seam.toml"),
                    "SIDES": str(tmp_path / "sides"),
                    "CARTS": str(CARTS),
                },
                capture_output=True, text=True, timeout=240, check=False,
            )  # fmt: skip
            assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
            away = (tmp_path / "sides").read_text(encoding="utf-8").split()
            listed = scaffold(root, "call", "orders", "ListOrders", "page_size=1000")
            assert listed.code == 0, listed.text
            assert all(f'orders/{name}"' in listed.out for name in away)
            assert listed.out.count('"name": "orders/') == len(away), "those that went away, and no other"
    finally:
        del os.environ["CHARGES"]
    charges = (tmp_path / "charges").read_text(encoding="utf-8").split()
    assert len(charges) == len(set(charges)) == CARTS, "one charge for each order"
    assert {charge.rpartition("/")[2] for charge in charges} == {f"order-{number}" for number in range(CARTS)}
