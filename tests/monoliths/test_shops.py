"""The monoliths work, each on both databases: what is introspected and led out of them is no scenery."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.monoliths.conftest import run
from tests.monoliths.environments import DJANGO_SHOP, FLASK_SHOP
from tests.postgresql import PostgreSQL

SHOPS = [("django", DJANGO_SHOP), ("flask", FLASK_SHOP), ("flask20", FLASK_SHOP)]

SETUP = {
    "django": """
import django
django.setup()
from django.core.management import call_command
call_command("migrate", verbosity=0)
from django.test import Client
from shop.catalog.models import Product
from shop.partner.models import Partner, StockRecord
cup = Product.objects.create(slug="cup", title="Cup", price="12.50")
Product.objects.create(slug="priceless", title="Priceless")
StockRecord.objects.create(product=cup, partner=Partner.objects.create(name="P", code="p"), num_in_stock=10)
client = Client()
def post(path, body):
    answer = client.post(path, body, content_type="application/json")
    return answer.status_code, answer.json()
def get(path):
    return client.get(path).json()
ADD, SHOW, BUY, MISSING = "/basket/%s/lines", "/basket/%s", "/checkout/%s", "BasketEmpty"
""",
    "flask": """
from shop import create_app, db
app = create_app()
db.create_tables(app.engine)
from shop.store.catalog import Product
with app.app_context():
    db.session.add(Product(slug="cup", title="Cup", price="12.50"))
    db.session.add(Product(slug="priceless", title="Priceless"))
    db.session.commit()
client = app.test_client()
def post(path, body):
    answer = client.post(path, json=body)
    return answer.status_code, answer.get_json()
def get(path):
    return client.get(path).get_json()
ADD, SHOW, BUY, MISSING = "/carts/%s/lines", "/carts/%s", "/checkout/%s", "CartEmpty"
""",
}

STORY = """
def buy(token, request_id, payment="card"):
    return post(BUY % token, {"payment_token": payment, "request_id": request_id})
def lines(token):
    return [(line["sku"], line["quantity"]) for line in get(SHOW % token)["lines"]]
assert buy("1", "r0") == (409, {"error": MISSING})
for sku, quantity in (("cup", 2), ("nothing", 1), ("cup", 1)):
    assert post(ADD % "1", {"sku": sku, "quantity": quantity})[0] == 200
assert lines("1") == [("cup", 3), ("nothing", 1)]
for sku, quantity, error in (("cup", 0, "QuantityInvalid"), ("cup", 998, "QuantityExceeded")):
    assert post(ADD % "1", {"sku": sku, "quantity": quantity}) == (409, {"error": error})
assert buy("1", "r1") == (409, {"error": "ProductGone"})
assert client.delete(ADD % "1" + "/nothing").status_code == 200
assert client.delete(ADD % "1" + "/nothing").status_code == 409
assert buy("1", "r1", "declined") == (409, {"error": "PaymentDeclined"})
assert lines("1") == [("cup", 3)], "a declined payment leaves the basket as it is"
assert buy("1", "r2") == (200, {"order": "orders/r2", "total": "37.50"})
assert lines("1") == []
assert buy("1", "r2") == (200, {"order": "orders/r2", "total": "37.50"}), "a second try is no second order"
assert post(ADD % "2", {"sku": "priceless", "quantity": 1})[0] == 200
assert buy("2", "r3") == (409, {"error": "ProductGone"})
print("told")
"""


def story(name: str, folder: Path, url: str) -> None:
    code = SETUP[name.rstrip("20")] + STORY
    told = run(name, folder, "-c", code, SHOP_DATABASE_URL=url, DJANGO_SETTINGS_MODULE="shop.settings")
    assert told == "told\n"


@pytest.mark.parametrize(("name", "folder"), SHOPS, ids=[name for name, _ in SHOPS])
def test_the_shop_sells_on_sqlite(name: str, folder: Path, tmp_path: Path) -> None:
    story(name, folder, f"sqlite:///{tmp_path}/shop.sqlite3")


@pytest.mark.parametrize(("name", "folder"), SHOPS[:2], ids=[name for name, _ in SHOPS[:2]])
def test_the_shop_sells_on_postgresql(name: str, folder: Path, postgresql: PostgreSQL) -> None:
    story(name, folder, postgresql.create_for("postgresql"))


def test_the_django_shop_has_all_its_migrations(tmp_path: Path) -> None:
    run("django", DJANGO_SHOP, "manage.py", "makemigrations", "--check", SHOP_DATABASE_URL=f"sqlite:///{tmp_path}/x")
