"""A process leaves the monolith: orders go to its function or to the new process, per cart, under load, and back."""

from __future__ import annotations

import os
import shlex
import shutil
import signal
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from scaffold.shell.services import free_port
from scaffold.verbs.demo import make_shop
from scaffold.verbs.run import start
from tests.layers.ground import HERE
from tests.monoliths.environments import DJANGO_SHOP
from tests.monoliths.environments import python as monolith_python
from tests.postgresql import PostgreSQL
from tests.support import scaffold

WRITTEN = HERE / "django_checkout"
CARTS = 160
SECONDS = 400


def run(command: list[str], environment: dict[str, str]) -> str:
    """Run something that starts processes itself; none is left. What it printed."""
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True
    ) as process:
        try:
            said, _ = process.communicate(timeout=SECONDS)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
    assert process.returncode == 0, said[-8000:]
    return said


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The shop's. In SQLite attempts wait for one another, in PostgreSQL they overlap."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/shop.sqlite3"
    server: PostgreSQL = request.getfixturevalue("postgresql")
    parts = urlsplit(server.create())
    return f"postgresql://postgres@{parts.path}?{parts.query}"


def test_no_order_is_lost_and_nobody_pays_twice(
    tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    python, root = monolith_python("django"), tmp_path / "shop"
    make_shop(root)
    shutil.copyfile(WRITTEN / "failing_payments.py", root / "standins/payments.py")
    settings = ("--settings", "shop.settings", "--python", str(python))
    assert scaffold(root, "acl", "introspect", str(DJANGO_SHOP), *settings).code == 0
    made = scaffold(root, "new", "acl", "checkout", "--orm", "django", "--models", "orders.Order")
    assert made.code == 0, made.text
    for file in (WRITTEN / "package").glob("*.py"):
        shutil.copyfile(file, root / "acl/checkout/src/checkout_acl" / file.name)
    said = scaffold(root, "acl", "check")
    assert "port-incomplete: Local has no quote_basket" in said.out  # a layer for one method of two
    assert "ACL0" not in said.out
    monkeypatch.setenv("CHARGES", str(tmp_path / "charges"))
    with start(root, lambda _name, _line: None) as session:
        up = session.running
        addresses = {name: endpoint.address for name, endpoint in up.components.items()}
        payments, source, port = f"http://{up.vendors['payments'].address}", root / "services/checkout/src", free_port()
        ours = {**os.environ, "PYTHONPATH": str(source)}
        run(
            [sys.executable, str(WRITTEN / "fill_stores.py"), addresses["catalog"], addresses["cart"], str(CARTS)], ours
        )
        # The checkout that is called is one that the checks can kill: not the session's, which would end all of it.
        service = [
            "env",
            f"PYTHONPATH={source}",
            f"PORT={port}",
            "HOST=127.0.0.1",
            f"PAYMENTS_URL={payments}",
            "PAYMENTS_KEY=dev",
        ]
        service += [f"{name.upper()}_ADDRESS={addresses[name]}" for name in ("cart", "catalog", "orders")]
        said_by_checks = run(
            [str(python), "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "--noconftest", "-c", os.devnull,
             str(WRITTEN / "checkout_checks.py")],
            {
                "PATH": os.environ["PATH"],
                "PYTHONPATH": os.pathsep.join(map(str, (DJANGO_SHOP, WRITTEN, root / "acl/checkout/src"))),
                "DJANGO_SETTINGS_MODULE": "layered_checkout",
                "SHOP_DATABASE_URL": database_url,
                "PAYMENTS_URL": payments,
                "PAYMENTS_KEY": "dev",
                "CHECKOUT_ADDRESS": f"127.0.0.1:{port}",
                "CHECKOUT_SEAM": str(tmp_path / "seam.toml"),
                "SERVICE": shlex.join([*service, sys.executable, "-m", "checkout"]),
                "SERVICE_LOG": str(tmp_path / "service.log"),
                "SIDES": str(tmp_path / "sides"),
                "CARTS": str(CARTS),
            },
        )  # fmt: skip
        print(said_by_checks)
        away = (tmp_path / "sides").read_text(encoding="utf-8").split()
        listed = scaffold(root, "call", "orders", "ListOrders", "page_size=1000")
        assert listed.code == 0, listed.text
        assert all(f'orders/{name}"' in listed.out for name in away)
        assert listed.out.count('"name": "orders/') == len(away), "those that went away, and no other"
        assert listed.out.count('"state": "PAID"') == len(away)
    charges = [line.partition(":")[2] for line in (tmp_path / "charges").read_text(encoding="utf-8").split()]
    assert sorted(charges) == sorted(f"order-{number}" for number in range(CARTS)), "each order is charged once"
