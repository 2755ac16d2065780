"""The layer in the shop's own process: the same calls, whoever answers. Run by tests/generated/test_django_layer.py."""

import os
import threading
from contextlib import contextmanager

import django

django.setup()

import pytest  # noqa: E402 - Django first
from django.core.management import call_command  # noqa: E402
from django.db import connection, transaction  # noqa: E402
from django.test.utils import CaptureQueriesContext  # noqa: E402
from shop.basket.exceptions import BasketChanged, BasketFrozen, NotInBasket, QuantityExceeded  # noqa: E402
from shop.basket.models import Basket  # noqa: E402

from cart_acl import app  # noqa: E402
from cart_acl.errors import ERRORS  # noqa: E402
from cart_acl.gen import port, wire  # noqa: E402
from cart_acl.gen.remote import Remote  # noqa: E402
from cart_acl.gen.runtime.acl.hooks import django_request  # noqa: E402
from cart_acl.gen.runtime.acl.seam import SeamFile  # noqa: E402
from cart_acl.gen.runtime.acl.transactions import InTransactionError  # noqa: E402
from cart_acl.gen.runtime.common.errors import InvalidArgument  # noqa: E402
from cart_acl.gen.seam import Seam  # noqa: E402
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
    """Django's, with DEBUG as it was afterwards."""
    from django.conf import settings

    before = settings.DEBUG
    yield settings
    settings.DEBUG = before


def test_the_number_of_queries_does_not_grow_with_the_cart():
    local, counts = app.local(), []
    for number in (1, 100):
        name = f"carts/queries-{number}"
        for product in range(number):
            add(local, name, f"p{product}")
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert len(local.get_cart(port.GetCartRequest(name)).items) == number
        counts.append(len(queries))
    assert counts[0] == counts[1] <= 2


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
