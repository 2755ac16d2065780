"""The Django shop's cart, behind a layer: served by the monolith, called from it, and the same suite for both."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator

import pytest

from scaffold.shell.services import Launch, ServiceProcess, free_port
from tests.layers.ground import HERE, PACKAGE, Ground, make
from tests.monoliths.environments import DJANGO_SHOP
from tests.monoliths.environments import python as monolith_python
from tests.support import Said

WRITTEN = HERE / "django_cart"


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    root = tmp_path_factory.mktemp("django-layer") / "shop"
    return make(
        root, DJANGO_SHOP, WRITTEN, monolith_python("django"), ("--settings", "shop.settings"),
        ("--orm", "django", "--models", "basket.Basket", "--models", "basket.Line"),
        DJANGO_SETTINGS_MODULE="layered_settings", SHOP_DATABASE_URL=f"sqlite:///{root.parent}/shop.sqlite3",
    )  # fmt: skip


@pytest.fixture(scope="module")
def proposed(ground: Ground) -> Said:
    """What `acl check` says before anybody has decided anything."""
    return ground.scaffold("acl", "check")


@pytest.fixture(scope="module")
def written(ground: Ground, proposed: Said) -> Ground:
    """The same, after somebody has written the mappings and the port, and said how the monolith serves."""
    ground.write("-m", "django", "serve_cart")
    migrated = ground.run("-m", "django", "migrate", "-v", "0")
    assert migrated.returncode == 0, migrated.stderr
    return ground


@pytest.fixture(scope="module")
def store(written: Ground) -> Iterator[str]:
    """The address of the new store."""
    port = free_port()
    environment = {
        **os.environ,
        "PYTHONPATH": str(written.root / "services/cart/src"),
        "DATABASE_URL": f"sqlite:///{written.root.parent}/store.sqlite3",
    }
    command = (sys.executable, "-m", "cart", "--dev", "--port", str(port))
    process = ServiceProcess(Launch("cart", command, written.root, environment, port))
    try:
        process.wait_healthy(60)
        yield process.address
    finally:
        process.stop()


def test_proposals_do_not_pass(proposed: Said) -> None:
    assert proposed.code == 1
    assert proposed.out.count("ACL001") == 5
    assert "ACL002: basket.Basket.status is neither used nor dropped" in proposed.out


def test_what_is_written_passes(written: Ground) -> None:
    for command in (("acl", "check"), ("check",)):
        said = written.scaffold(*command)
        assert (said.code, said.out) == (0, "nothing found\n"), said.text


def test_the_generated_tests_pass_in_the_monolith(written: Ground) -> None:
    ran = written.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "acl/cart/tests/acl")
    assert ran.returncode == 0, ran.stdout
    assert "3 passed" in ran.stdout


def test_the_monolith_passes_the_suite(written: Ground) -> None:
    said = written.scaffold("test", "cart", "--against", "acl")
    assert said.code == 0, said.text
    assert "0 pending, 0 failed" in said.out


def test_the_new_store_passes_it_through_the_layer(written: Ground, store: str) -> None:
    said = written.scaffold("test", "cart", "--against", f"acl:{store}")
    assert said.code == 0, said.text
    assert "0 pending, 0 failed" in said.out


def test_in_the_monolith(written: Ground, store: str) -> None:
    file = str(WRITTEN / "monolith_checks.py")
    ran = written.run(
        "-m", "pytest", "-q", "-x", "-p", "no:cacheprovider", "--noconftest", "-c", os.devnull, file, CART_ADDRESS=store
    )
    assert ran.returncode == 0, ran.stdout[-6000:]


def test_models_in_the_mappings_cross_the_boundary(written: Ground) -> None:
    file = written.root / PACKAGE / "translate.py"
    before = file.read_text(encoding="utf-8")
    file.write_text(f"from shop.basket.models import Basket\n{before}\nBasket\n", encoding="utf-8")
    try:
        said = written.scaffold("check", "--only", "boundaries")
        assert said.code == 1
        assert f"{PACKAGE}/translate.py:1: boundary: cart_acl.translate imports shop" in said.out
        unreadable = written.scaffold("acl", "check")
        assert f"{PACKAGE}/translate.py:1: translators-unreadable" in unreadable.out
    finally:
        file.write_text(before, encoding="utf-8")
