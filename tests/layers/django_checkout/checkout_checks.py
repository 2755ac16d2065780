"""Orders under load while the share goes up and down, and attempts that are repeated on the other side of each change.

Three groups call at the same time, and nobody waits for them when the share moves:

- customers of the pool buy, with and without failures, and click again on what they have bought long ago;
- window shoppers ask for carts with nothing in them, under a new request_id each time: they go by the share alone;
- at each step, for each fault, a cart between the two shares makes its first attempt before the change and its second after.

Run by tests/generated/test_checkout_layer.py.
"""

import os
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from decimal import Decimal
from itertools import count, groupby
from pathlib import Path
from queue import Empty, Queue
from typing import NamedTuple

import django

django.setup()

from checkout_acl import app  # noqa: E402 - Django first
from checkout_acl.gen import port, wire  # noqa: E402
from checkout_acl.gen.runtime.acl.seam import SeamFile, point  # noqa: E402
from checkout_acl.gen.runtime.common.errors import DeadlineExceeded, Unavailable  # noqa: E402
from checkout_acl.gen.seam import Seam  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connections, transaction  # noqa: E402
from pins.models import Pin, pinned  # noqa: E402
from shop.basket.models import Basket  # noqa: E402
from shop.catalog.models import Product  # noqa: E402
from shop.orders.checkout import BasketEmpty  # noqa: E402
from shop.orders.models import Order  # noqa: E402
from shoppers import PATIENCE, Service, Side, Vendor, Watch  # noqa: E402

SHARES = (0, 10, 50, 100, 50, 10, 0)
CARTS = int(os.environ["CARTS"])
SEAM = Path(os.environ["CHECKOUT_SEAM"])
LEAST = 3  # purchases of the pool at each share, before it moves again

#: What a caller cannot know the outcome of: the vendor's failures in the monolith are OSErrors.
UNKNOWN = (Unavailable, DeadlineExceeded, OSError)


class Share(NamedTuple):
    """Which of SHARES counts now; not ``steady`` while it is being changed."""

    index: int
    percent: int
    steady: bool


def side_by(share, cart):
    return "service" if point(b"checkout", cart) < share.percent * 100 else "monolith"


def token(fault, number):
    return f"{fault}:order-{number}"


def purchase(fault, number):
    return port.PlaceOrderRequest(f"carts/{number}", token(fault, number), f"order-{number}")


@contextmanager
def database():
    """Connections are a thread's own, and go with it."""
    try:
        yield
    finally:
        connections.close_all()


class Shop:
    """The seam over both sides, everybody who calls it, and what they were told."""

    def __init__(self):
        self.share = Share(0, SHARES[0], False)
        self.watch, self.vendor, self.service = Watch(), Vendor(os.environ["PAYMENTS_URL"]), Service()
        self.remote = app.remote()
        local, remote = (
            Side(name, side, self.watch, lambda: self.share, side_by)
            for name, side in (("monolith", app.local()), ("service", self.remote))
        )
        self.seam = Seam(local, remote, SeamFile(SEAM, wire.TABLE, seconds=0), pinned=pinned)
        self.bought, self.straddled = {}, Counter()
        self.stop, self.stock = threading.Event(), Queue()
        self.fresh, self.rounds = count(), 0

    # The share.

    def move(self, index):
        """Change it, with everybody at work; return when it counts."""
        self.share = Share(index, SHARES[index], False)
        beside = SEAM.with_suffix(".new")
        beside.write_text(f'mode = "percent"\npercent = {SHARES[index]}\n[methods.QuoteBasket]\nmode = "monolith"\n')
        beside.replace(SEAM)
        self.until(lambda: str(self.seam.router.mode("PlaceOrder")) == f"percent:{SHARES[index]}")
        self.share = Share(index, SHARES[index], True)

    def until(self, true):
        end = time.monotonic() + PATIENCE
        while not true():
            assert time.monotonic() < end
            time.sleep(0.01)

    # Callers.

    def ask(self, request):
        self.watch.asking(self.share)
        return self.seam.place_order(request)

    def buy(self, request):
        """Try until there is an answer, as customers do: the same request again. The vendor is well from the second try on."""
        end = time.monotonic() + 2 * PATIENCE
        while time.monotonic() < end:
            try:
                return self.acknowledge(request, self.ask(request))
            except UNKNOWN:
                self.vendor.heal(request.payment_token)
                time.sleep(0.05)
        raise AssertionError(f"no answer for {request}")

    def acknowledge(self, request, placed):
        assert placed == port.PlaceOrderResponse(f"orders/{request.request_id}", port.Money("EUR", 9, 900_000_000))
        self.bought[request.request_id] = request
        return placed

    def customer(self, seed):
        """Of the pool: buys what is left, and clicks again on something old."""
        chance = random.Random(seed)
        with database():
            while not self.stop.wait(0.01):
                try:
                    number = self.stock.get_nowait()
                except Empty:
                    number = None
                if number is not None:
                    fault = ("card", "503", "cut", "lost")[number % 4]
                    if fault == "lost":
                        self.try_once(purchase(fault, number))
                    self.buy(purchase(fault, number))
                if self.bought:
                    self.buy(chance.choice(list(self.bought.values())))

    def window_shopper(self, carts):
        """Has nothing in the cart, and asks again and again."""
        with database():
            while not self.stop.wait(0.01):
                for cart in carts:
                    try:
                        self.ask(port.PlaceOrderRequest(f"carts/{cart}", "card:none", f"{cart}-{next(self.fresh)}"))
                        raise AssertionError("it bought nothing")
                    except (BasketEmpty, Unavailable):  # or the service has just been killed
                        pass
                self.rounds += 1

    def try_once(self, request):
        """An attempt whose outcome nobody gets to know."""
        with suppress(UNKNOWN):
            self.ask(request)

    # Attempts that are repeated on the other side of a change.

    def straddle(self, fault, request, tried, moved):
        with database():
            if fault == "undone":
                with transaction.atomic():  # as a view under ATOMIC_REQUESTS: what fails is undone, and the pin with it
                    self.try_and_undo(request)
            else:
                self.try_once(request)
            tried.release()
            assert moved.wait(2 * PATIENCE)
            self.buy(request)
            self.straddled[fault] += 1

    def try_and_undo(self, request):
        try:
            self.ask(request)
        except UNKNOWN:
            transaction.set_rollback(True)

    def step(self, pool, index, numbers):
        """From one share to the next, with attempts on either side of the change."""
        before, after = Share(index - 1, SHARES[index - 1], True), Share(index, SHARES[index], True)
        faults, killed = faults_of(index), before.percent == 100
        requests = [purchase("503" if f == "undone" else f, n) for f, n in zip(faults, numbers)]
        held = purchase("hold", numbers[len(faults)])
        for request in (*requests, held):
            assert side_by(before, request.cart) != side_by(after, request.cart)
        tried, moved = threading.Semaphore(0), threading.Event()
        waiting = [pool.submit(self.straddle, f, r, tried, moved) for f, r in zip(faults, requests)]
        for _ in requests:
            assert tried.acquire(timeout=PATIENCE)
        # Last, because a monolith that waits for the vendor keeps its locks meanwhile, and SQLite has one only.
        first = pool.submit(self.in_own_connection, self.try_once, held)
        self.vendor.reached(held.payment_token)
        if killed:
            self.service.kill()
            first.result(PATIENCE)
            self.service.start()
        self.move(index)
        moved.set()
        second = pool.submit(self.in_own_connection, self.buy, held)
        self.watch.wait_for(held.request_id, 2)
        self.straddled["killed" if killed else "timed out" if first.done() else "in flight"] += 1
        self.vendor.heal(held.payment_token)
        for future in (first, second, *waiting):
            future.result(4 * PATIENCE)

    def in_own_connection(self, call, request):
        with database():
            call(request)


def faults_of(index):
    """How first attempts before a step go wrong. A transaction is the monolith's: it is undone where the share goes up."""
    return ["503", "cut", "lost", *(["undone"] if SHARES[index] > SHARES[index - 1] else [])]


def between(one, other, carts):
    """Those carts that change side between two shares."""
    low, high = sorted((one, other))
    return [cart for cart in carts if low * 100 <= point(b"checkout", f"carts/{cart}") < high * 100]


def planned():
    """The carts that change side with each step, one for each fault and one that is held; and all the others."""
    forced, free = {}, dict.fromkeys(range(CARTS))
    for index in range(1, len(SHARES)):
        forced[index] = between(SHARES[index - 1], SHARES[index], free)[: len(faults_of(index)) + 1]
        for number in forced[index]:
            del free[number]
    return forced, list(free)


def fill():
    call_command("migrate", run_syncdb=True, verbosity=0)
    Product.objects.create(slug="cup", title="Cup", price=Decimal("9.90"))
    with transaction.atomic():
        for number in range(CARTS):
            Basket.open.of(str(number)).add("cup", 1)


def test_no_order_twice_no_charge_twice_and_nobody_alternates():
    fill()
    names = [f"look-{number}" for number in range(100)]
    shop, shoppers = Shop(), [name for pair in ((0, 10), (10, 50), (50, 100)) for name in between(*pair, names)[:3]]
    shop.service.start()
    try:
        shop.move(0)
        shop.until(lambda: answers(shop.remote))
        with ThreadPoolExecutor(16) as pool:
            everybody = [pool.submit(shop.customer, seed) for seed in range(3)]
            everybody.append(pool.submit(shop.window_shopper, shoppers))
            try:
                go(shop, pool, everybody)
            finally:
                shop.stop.set()
            for future in everybody:
                future.result(2 * PATIENCE)
    finally:
        shop.service.kill()
    check(shop, shoppers)


def go(shop, pool, everybody):
    """Through all shares, each with new carts for the pool."""
    forced, free = planned()
    for index, share in enumerate(SHARES):
        if index:
            shop.step(pool, index, forced[index])
        enough, round_ = len(shop.bought) + LEAST, shop.rounds + 2
        for number in free[index :: len(SHARES)]:
            shop.stock.put(number)
        shop.until(lambda: len(shop.bought) >= enough and shop.rounds >= round_)  # noqa: B023
        assert not any(future.done() for future in everybody), "the pool goes on"
        there = sum(sides[-1] == "service" for sides in list(shop.watch.came.values()))
        print(f"{share} %: {len(shop.bought)} orders, {there} of {len(shop.watch.came)} requests went over")
    shop.until(shop.stock.empty)


def answers(remote):
    try:
        remote.place_order(port.PlaceOrderRequest("carts/nobody", "card:none", "nothing"))
    except BasketEmpty:
        return True
    except Unavailable:
        return False


def check(shop, shoppers):
    """What was told, and what is recorded here; the service's orders and the charges are looked at outside."""
    assert not shop.watch.wrong, "whoever comes for the first time goes by the share"
    late = shop.straddled.pop("timed out", 0)  # where the machine is that busy
    assert shop.straddled == {"503": 6, "cut": 6, "lost": 6, "undone": 3, "killed": 1, "in flight": 5 - late}
    assert late < 5
    came = shop.watch.came
    assert len(shop.bought) == CARTS, "no order is lost"
    there = {number for number in shop.bought if came[number][-1] == "service"}
    here = set(shop.bought) - there
    assert min(len(here), len(there)) > CARTS // 10, "both sides were used"
    orders = {order.number: order.status for order in Order.objects.all()}
    assert orders == dict.fromkeys(here, Order.PAID), "those that are not at the service, once, paid, and no other"
    sides = {pin.name.rpartition("/")[2]: pin.side for pin in Pin.objects.filter(name__contains="/order-")}
    assert sides == {**dict.fromkeys(here, "monolith"), **dict.fromkeys(there, "service")}
    changed = {number for number in shop.bought if len(set(came[number])) > 1}
    undone = {number for number in changed if came[number][0] == "monolith" and came[number].count("monolith") == 1}
    assert len(undone) == len(changed) == 3, (
        "a request changes side only where its first attempt and its pin were undone"
    )
    for cart in shoppers:
        sides = [came[name][0] for name in came if name.startswith(f"{cart}-")]
        assert [side for side, _ in groupby(sides)] == ["monolith", "service", "monolith"], cart
    Path(os.environ["SIDES"]).write_text("\n".join(there))
