"""Orders under load while the share of the service goes up and down. Run by tests/generated/test_checkout_layer.py."""

import os
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from pathlib import Path

import django

django.setup()

from checkout_acl import app  # noqa: E402 - Django first
from checkout_acl.gen import port, wire  # noqa: E402
from checkout_acl.gen.runtime.acl.seam import SeamFile  # noqa: E402
from checkout_acl.gen.seam import Seam  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import close_old_connections  # noqa: E402
from shop.basket.models import Basket  # noqa: E402
from shop.catalog.models import Product  # noqa: E402
from shop.orders.models import Order  # noqa: E402

SHARES = (0, 10, 50, 100, 50, 10, 0)
EACH = int(os.environ["CARTS"]) // len(SHARES)
SEAM = Path(os.environ["CHECKOUT_SEAM"])


def test_orders_at_every_share():
    call_command("migrate", verbosity=0)
    Product.objects.create(slug="cup", title="Cup", price=Decimal("9.90"))
    for number in range(EACH * len(SHARES)):
        Basket.open.of(str(number)).add("cup", 1)
    seam = Seam(app.local(), app.remote(), SeamFile(SEAM, wire.TABLE, seconds=0))
    sides, totals = {}, set()

    def buy(number):
        """As a customer does who clicks twice: the same request again."""
        close_old_connections()
        request = port.PlaceOrderRequest(f"carts/{number}", "card", f"order-{number}")
        went = []
        for _ in range(2):
            went.append(seam.router.to_service("PlaceOrder", request))
            placed = seam.place_order(request)
            assert placed.order == f"orders/order-{number}"
            totals.add(placed.total)
        assert went[0] == went[1]
        sides[number] = went[0]
        close_old_connections()

    for index, share in enumerate(SHARES):
        beside = SEAM.with_suffix(".new")
        beside.write_text(f'mode = "percent"\npercent = {share}\n[methods.QuoteBasket]\nmode = "monolith"\n')
        beside.replace(SEAM)
        # Whoever clicks twice while the share changes may be sent to either side: that is for the request's key to know.
        while str(seam.router.mode("PlaceOrder")) != f"percent:{share}":
            pass
        numbers = range(index * EACH, (index + 1) * EACH)
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(buy, numbers))
        there = sum(sides[number] for number in numbers)
        assert {0: there == 0, 100: there == EACH}.get(share, True), (share, there)
        print(f"{share} %: {there} of {EACH} orders at the service")
    assert 0 < sum(sides.values()) < len(sides)
    assert totals == {port.Money("EUR", 9, 900_000_000)}
    here = {order.number for order in Order.objects.all()}
    assert here == {f"order-{number}" for number, away in sides.items() if not away}, "no order twice, none lost"
    Path(os.environ["SIDES"]).write_text("\n".join(f"order-{n}" for n, away in sides.items() if away))
