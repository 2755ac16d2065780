"""The Flask shop's cart, behind a layer: an application factory, SQLAlchemy 1.4, a composite key."""

from __future__ import annotations

import pytest

from tests.layers.ground import HERE, Ground, make
from tests.monoliths.environments import FLASK_SHOP
from tests.monoliths.environments import python as monolith_python
from tests.postgresql import PostgreSQL


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Ground:
    root = tmp_path_factory.mktemp("flask-layer") / "shop"
    models = ("--models", "shop.store.carts.Cart", "--models", "shop.store.carts.CartLine")
    ground = make(
        root, FLASK_SHOP, HERE / "flask_cart", monolith_python("flask"), ("--app", "shop:create_app()"),
        ("--orm", "sqlalchemy", *models), SHOP_DATABASE_URL=f"sqlite:///{root.parent}/shop.sqlite3",
    )  # fmt: skip
    ground.write("-m", "cart_acl")
    create_tables(ground)
    return ground


def create_tables(ground: Ground, **environment: str) -> None:
    made = ground.run("-c", "import shop; shop.db.create_tables(shop.create_app().engine)", **environment)
    assert made.returncode == 0, made.stderr


def test_what_is_written_passes(ground: Ground) -> None:
    # The mappings are complete; errors.py knows exceptions from where the models are, as this shop has it.
    assert ground.scaffold("check").out == "nothing found\n"


def test_the_generated_tests_pass_in_the_monolith(ground: Ground) -> None:
    ran = ground.run("-m", "pytest", "-q", "-p", "no:cacheprovider", "acl/cart/tests/acl")
    assert ran.returncode == 0, ran.stdout
    assert "5 passed" in ran.stdout


def test_the_monolith_passes_the_suite(ground: Ground) -> None:
    said = ground.scaffold("test", "cart", "--against", "acl")
    assert said.code == 0, said.text
    assert "0 pending, 0 failed" in said.out


def test_the_same_on_postgresql(ground: Ground, postgresql: PostgreSQL) -> None:
    url = postgresql.create_for("postgresql+psycopg2")
    create_tables(ground, SHOP_DATABASE_URL=url)
    with ground.served("-m", "cart_acl", SHOP_DATABASE_URL=url) as address:
        said = ground.scaffold("test", "cart", "--against", address)
    assert said.code == 0, said.text
    assert "0 pending, 0 failed" in said.out
