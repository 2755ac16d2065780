"""The layer in the shop's own process: the same calls, whoever answers. Run by tests/generated/test_django_layer.py."""

import asyncio
import os
import sys
import threading
import time
from contextlib import contextmanager

import django

django.setup()

import pytest  # noqa: E402 - Django first
from django.core.handlers.asgi import ASGIHandler  # noqa: E402
from django.core.management import call_command  # noqa: E402
from django.db import connection, connections, transaction  # noqa: E402
from django.db.backends.signals import connection_created  # noqa: E402
from django.http import HttpResponse  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from django.urls import path  # noqa: E402
from shop.basket.exceptions import BasketChanged, BasketFrozen, NotInBasket, QuantityExceeded  # noqa: E402
from shop.basket.models import Basket  # noqa: E402

from cart_acl import app  # noqa: E402
from cart_acl.errors import ERRORS  # noqa: E402
from cart_acl.gen import port, wire  # noqa: E402
from cart_acl.gen.remote import AsyncRemote, Remote  # noqa: E402
from cart_acl.gen.runtime.acl.hooks import django_request  # noqa: E402
from cart_acl.gen.runtime.acl.seam import SeamFile  # noqa: E402
from cart_acl.gen.runtime.acl.transactions import InTransactionError  # noqa: E402
from cart_acl.gen.runtime.common.errors import InvalidArgument  # noqa: E402
from cart_acl.gen.seam import AsyncSeam, Seam  # noqa: E402
from cart_acl.gen.servicer import start  # noqa: E402

SERVICE = os.environ["CART_ADDRESS"]


@pytest.fixture(scope="module", autouse=True)
def database():
    call_command("migrate", verbosity=0)


def add(cart, name, product, quantity=1):
    return cart.add_item(port.AddItemRequest(name, port.Item(f"products/{product}", quantity)))


@pytest.fixture(params=["monolith", "service"])
def cart(request, tmp_path):
    file = tmp_path / "seam.toml"
    file.write_text(f'mode = "{request.param}"')
    return Seam(app.local(), Remote(SERVICE, errors=ERRORS), SeamFile(file, wire.TABLE, seconds=0))


def test_the_monolith_cannot_tell_who_answers(cart, request):
    name = f"carts/{request.node.name.replace('[', '-').rstrip(']')}"
    assert cart.get_cart(port.GetCartRequest(name)) == port.Cart(name=name)
    add(cart, name, "cup")
    found = add(cart, name, "pot", 2)
    assert found.items == (port.Item("products/cup", 1), port.Item("products/pot", 2))
    assert cart.get_cart(port.GetCartRequest(name)) == found
    with pytest.raises(QuantityExceeded):
        add(cart, name, "cup", 1000)
    with pytest.raises(NotInBasket):
        cart.remove_item(port.RemoveItemRequest(name, "products/none"))
    with pytest.raises(InvalidArgument):
        cart.get_cart(port.GetCartRequest("nonsense"))
    with pytest.raises(BasketChanged):
        cart.empty_cart(port.EmptyCartRequest(name, "another"))
    cart.empty_cart(port.EmptyCartRequest(name, found.etag))
    assert cart.get_cart(port.GetCartRequest(name)).items == ()


def test_no_call_goes_out_inside_a_transaction(tmp_path, settings, caplog):
    """An error in development; elsewhere a warning, once; and nothing at all while the monolith answers."""
    file = tmp_path / "seam.toml"
    file.write_text('mode = "monolith"')
    cart = Seam(app.local(), Remote(SERVICE, errors=ERRORS), SeamFile(file, wire.TABLE, seconds=0))
    request = port.GetCartRequest("carts/locked")
    settings.DEBUG = True
    with transaction.atomic():
        cart.get_cart(request)
    beside = tmp_path / "new.toml"
    beside.write_text('mode = "service"')
    beside.replace(file)
    cart.get_cart(request)
    with transaction.atomic():
        with pytest.raises(InTransactionError, match='GetCart goes to the service inside .* "default"'):
            cart.get_cart(request)
        settings.DEBUG = False
        assert [cart.get_cart(request).name for _ in range(3)] == ["carts/locked"] * 3
    assert [r.levelname for r in caplog.records if "inside of transaction.atomic" in r.getMessage()] == ["WARNING"]


@pytest.fixture
def settings():
    """Django's, as they were afterwards."""
    from django.conf import settings

    before = settings.DEBUG, settings.ROOT_URLCONF
    yield settings
    settings.DEBUG, settings.ROOT_URLCONF = before


CALLS = {
    "get_cart": lambda cart, name: cart.get_cart(port.GetCartRequest(name)),
    "add_item of what is there": lambda cart, name: add(cart, name, "p0"),
    "add_item of something new": lambda cart, name: add(cart, name, "new"),
    "remove_item": lambda cart, name: cart.remove_item(port.RemoveItemRequest(name, "products/p0")),
    "empty_cart": lambda cart, name: cart.empty_cart(port.EmptyCartRequest(name)),
}


@pytest.fixture
def counted():
    """The layer as the monolith serves it, and the queries of each RPC."""
    counts = []

    @contextmanager
    def hook(call):
        with django_request(call), CaptureQueriesContext(connection) as queries:
            yield
        counts.append([query["sql"] for query in queries])

    running = start(app.local(), hook=hook, errors=ERRORS)
    remote = Remote(running.address, errors=ERRORS)
    yield remote, counts
    remote.close()
    running.stop(0)


@pytest.mark.parametrize("call", CALLS)
def test_the_number_of_queries_does_not_grow_with_the_cart(counted, call):
    """Of every RPC, reads and writes, as it is served.

    The shop's audit is its own: signals write an entry for each line that goes, and no port can have them do it at once.
    """
    remote, counts = counted
    found = []
    for number in (1, 100):
        name = f"carts/queries-{call.replace(' ', '-').replace('_', '-')}-{number}"
        for product in range(number):
            add(remote, name, f"p{product}")
        counts.clear()
        CALLS[call](remote, name)
        (queries,) = counts
        entries = [query for query in queries if 'INSERT INTO "audit_entry"' in query]
        found.append((len(queries) - len(entries), len(entries)))
    (one, written), (hundred, written_by_hundred) = found
    assert one == hundred > 0
    assert written_by_hundred - written == (99 if call == "empty_cart" else 0)
    assert call != "get_cart" or (one, written) == (2, 0)


def test_a_state_that_the_api_does_not_know_is_an_error_with_a_reason():
    local = app.local()
    add(local, "carts/frozen", "cup")
    Basket.objects.get(token="frozen").freeze()
    running = start(local, errors=ERRORS)
    remote = Remote(running.address, errors=ERRORS)
    try:
        with pytest.raises(BasketFrozen):
            remote.remove_item(port.RemoveItemRequest("carts/frozen", "products/cup"))
    finally:
        remote.close()
        running.stop(0)


def test_each_rpc_gives_its_connections_back():
    """RPC threads run outside of Django's requests: the hook closes what is broken or too old."""
    closed = []

    @contextmanager
    def hook(call):
        with django_request(call):
            yield
        closed.append((threading.current_thread().name, connection.connection))

    connection.settings_dict["CONN_MAX_AGE"] = 0
    running = start(app.local(), hook=hook)
    remote = Remote(running.address)
    try:
        for _ in range(3):
            remote.get_cart(port.GetCartRequest("carts/1"))
    finally:
        remote.close()
        running.stop(0)
    assert len(closed) == 3
    assert all(name.startswith("cart-rpc") and open_one is None for name, open_one in closed)


class Opened:
    """The connections that Django has opened, whichever thread they belong to."""

    def __init__(self):
        self.wrappers = []
        self.threads = set()

    def note(self, connection, **_):
        self.wrappers.append(connection)
        self.threads.add(threading.get_ident())

    @property
    def left(self):
        return [wrapper for wrapper in self.wrappers if wrapper.connection is not None]


@pytest.fixture
def opened():
    connections.close_all()
    found = Opened()
    connection_created.connect(found.note)
    yield found
    connection_created.disconnect(found.note)


def at_the_server():
    """How many connections the database has, this one apart; it keeps a list on PostgreSQL only."""
    if connection.vendor != "postgresql":
        return 0
    with connection.cursor() as cursor:
        cursor.execute(
            "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
            " and backend_type = 'client backend'"
        )
        return cursor.fetchone()[0]


def until(holds):
    """The server takes a moment to see that a connection has gone."""
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.02)


def async_cart(tmp_path, **options):
    file = tmp_path / "seam.toml"
    file.write_text('mode = "monolith"')
    return AsyncSeam(app.local(), AsyncRemote(""), SeamFile(file, wire.TABLE), **options)


@pytest.mark.parametrize("options", [{}, {"run": asyncio.to_thread}], ids=["as Django", "on threads"])
def test_async_code_leaves_no_connections_open(tmp_path, opened, options):
    """A consumer of a queue, say: no request of Django's is around it, and nobody else closes anything."""

    async def calls():
        cart = async_cart(tmp_path, **options)
        for _ in range(3):
            names = [f"carts/async-{number}" for number in range(20)]
            found = await asyncio.gather(*(cart.get_cart(port.GetCartRequest(name)) for name in names))
            assert [each.name for each in found] == names
        await cart.add_item(port.AddItemRequest("carts/async-1", port.Item("products/cup", 1)))
        with pytest.raises(NotInBasket):
            await cart.remove_item(port.RemoveItemRequest("carts/async-1", "products/none"))

    before = at_the_server()
    connection.close()
    asyncio.run(calls())
    assert len(opened.wrappers) >= 1
    assert opened.left == []
    threads = opened.threads - {threading.get_ident()}
    assert len(threads) == 1 if not options else threads, "Django's one thread for what blocks"
    until(lambda: at_the_server() <= before)  # those of earlier tests' threads go when they do


async def view(request):
    """An async view of the shop's."""
    cart = await view.cart.add_item(port.AddItemRequest("carts/view", port.Item("products/cup", 1)))
    return HttpResponse(str(cart.items[0].quantity))


urlpatterns = [path("add", view)]


def test_an_async_view_leaves_no_connections_open(tmp_path, opened, settings):
    """Through Django's own handler for ASGI, with its signals around each request."""
    settings.ROOT_URLCONF = __name__
    sys.modules.setdefault(__name__, sys.modules[view.__module__])
    view.cart = async_cart(tmp_path)
    scope = {"type": "http", "method": "GET", "path": "/add", "headers": [], "query_string": b""}

    async def get(handler):
        sent, body = [], [{"type": "http.request", "body": b""}]

        async def receive():
            return body.pop() if body else await asyncio.sleep(3600)

        async def send(message):
            sent.append(message)

        await handler(scope, receive, send)
        return sent[0]["status"], sent[1]["body"]

    async def gets():
        handler = ASGIHandler()
        return [await get(handler) for _ in range(10)]

    assert asyncio.run(gets()) == [(200, str(number).encode()) for number in range(1, 11)]
    assert len(opened.wrappers) >= 1
    assert opened.left == []
