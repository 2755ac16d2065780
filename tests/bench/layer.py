"""What an anti-corruption layer costs: the seam before a call, translating rows into messages; and what catches mistakes.

The peer of the seam is the bare call, that of the translators what one writes without them: keyword arguments, then
`MessageToDict` for whoever wants plain values. Both in turn, in one process; nothing goes over a wire.
"""

from __future__ import annotations

import importlib
import json
import shutil
import sqlite3
import statistics
import sys
import time
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from tests.support import PROTOS, REPO, scaffold

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_ROUNDS, _CALLS, _LINES = 7, 2000, 20
_TRANSLATE = REPO / "tests/layers/django_cart/package/translate.py"
_SNAPSHOT = REPO / "tests/golden/acl_layer/model.snapshot.json"


def layer(folder: Path) -> None:
    """Print the figures of a layer."""
    _make(folder)
    sys.path.insert(0, str(folder / "shop/acl/cart/src"))
    _seam(folder)
    _translators()
    _planted()


def _make(folder: Path) -> None:
    assert scaffold(folder, "init", "shop").code == 0
    root = folder / "shop"
    shutil.copytree(PROTOS / "shop", root / "protos/shop")
    shutil.copyfile(_SNAPSHOT, root / "model.snapshot.json")
    models = ("--models", "basket.Basket", "--models", "basket.Line")
    made = scaffold(root, "new", "acl", "cart", "--orm", "django", "--proto", "shop/cart/v1/cart.proto", *models)
    assert made.code == 0, made.text
    shutil.copyfile(_TRANSLATE, root / "acl/cart/src/cart_acl/translate.py")


def _seam(folder: Path) -> None:
    """A call through the seam in `monolith` mode and at 50 %, against the bare call of the port: one that does nothing, and
    one that reads a row of a SQLite file in memory, which is the least that a monolith does."""
    port = importlib.import_module("cart_acl.gen.port")
    rows = sqlite3.connect(":memory:")
    rows.execute("CREATE TABLE basket (token TEXT PRIMARY KEY, etag TEXT)")
    rows.execute("INSERT INTO basket VALUES ('1', '1-7')")
    request, answer = port.GetCartRequest("carts/1"), port.Cart("carts/1")

    def reads(request: Any) -> object:
        found = rows.execute("SELECT token, etag FROM basket WHERE token = ?", (request.name[6:],)).fetchone()
        return port.Cart(f"carts/{found[0]}", etag=found[1])

    print(f"\nThe seam, {_ROUNDS * _CALLS} calls each, in turn: microseconds, and the ratio to the bare call")
    for title, bare in (("nothing", lambda request: answer), ("reads a row", reads)):
        print(f"  a call that does {title}" if title == "nothing" else f"  a call that {title}")
        _compared(_through_the_seam(folder, bare), request)


def _through_the_seam(folder: Path, bare: Callable[[Any], object]) -> dict[str, Callable[[Any], object]]:
    """The bare call, and the same through a seam in each mode; both sides are the bare call."""
    seam = importlib.import_module("cart_acl.gen.seam")
    local, there = SimpleNamespace(get_cart=bare), SimpleNamespace(get_cart=bare, reachable=True)
    calls = {"bare": bare}
    for mode in ('mode = "monolith"', 'mode = "percent"\npercent = 50'):
        name = mode.split('"')[1]
        file = folder / f"{name}.toml"
        file.write_text(mode + "\n", encoding="utf-8")
        calls[name] = seam.Seam(local, there, file).get_cart
    return calls


def _compared(calls: dict[str, Callable[[Any], object]], request: object) -> None:
    """Call each in turn, so that whatever else the machine does falls on all of them."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(_ROUNDS * _CALLS):
        for name, call in calls.items():
            begun = time.perf_counter()
            call(request)
            taken[name].append(time.perf_counter() - begun)
    figures = {name: _percentiles(values) for name, values in taken.items()}
    p50_bare, p99_bare = figures["bare"]
    for name, (p50, p99) in figures.items():
        ratios = f"p50 {p50 / p50_bare:5.2f}   p99 {p99 / p99_bare:5.2f}"
        print(f"    {name:<9} p50 {p50 * 1e6:6.2f}   p99 {p99 * 1e6:6.2f}   / bare: {ratios}")


def _percentiles(values: list[float]) -> tuple[float, float]:
    return statistics.median(values), statistics.quantiles(values, n=100)[98]


def _translators() -> None:
    """A basket of 20 lines to bytes: translators and codec, against code by hand and `MessageToDict`."""
    from google.protobuf.json_format import MessageToDict

    translate = importlib.import_module("cart_acl.translate")
    wire = importlib.import_module("cart_acl.gen.wire")
    messages = importlib.import_module("cart_acl.gen.runtime.acl.codec")
    descriptors = importlib.import_module("cart_acl.gen.descriptors")
    from google.protobuf import message_factory

    pool = messages.pool(descriptors.FILES, descriptors.INSTALLED)
    Cart: Any = message_factory.GetMessageClass(pool.FindMessageTypeByName("shop.cart.v1.Cart"))  # noqa: N806
    lines = [SimpleNamespace(sku=f"p{number}", quantity=number + 1) for number in range(_LINES)]
    basket = SimpleNamespace(token="1", etag="1-7", id=1, version=7, lines=SimpleNamespace(all=lambda: lines))

    def ours() -> object:
        data = wire.CODEC.encode(translate.CART(basket), "shop.cart.v1.Cart")
        return wire.CODEC.decode(data, translate.CART.target)

    def by_hand() -> object:
        cart = Cart(name=f"carts/{basket.token}", etag=basket.etag)
        for line in basket.lines.all():
            cart.items.add(product=f"products/{line.sku}", quantity=line.quantity)
        return MessageToDict(Cart.FromString(cart.SerializeToString(deterministic=True)))

    assert json.loads(json.dumps(by_hand()))["items"][0]["product"] == ours().items[0].product  # type: ignore[attr-defined]
    functions = {"translators": ours, "by hand": by_hand}
    rounds = [{name: _seconds(function) for name, function in functions.items()} for _ in range(_ROUNDS)]
    rates = {name: 1 / min(each[name] for each in rounds) for name in functions}
    print(f"\nA basket of {_LINES} lines into a message and back into plain values")
    for name, rate in rates.items():
        print(f"  {name:<11} {rate:8.0f} a second")
    print(f"  ratio {rates['translators'] / rates['by hand']:.2f}")


def _planted() -> None:
    """Which check catches which mistake of a translator."""
    sys.path.insert(0, str(REPO / "templates"))
    planted = importlib.import_module("tests.unit.runtime.test_acl_planted")
    print("\nPlanted mistakes of translators, and the check that catches each")
    for line in planted.table():
        print(line)


def _seconds(function: Callable[[], object], times: int = 300) -> float:
    begun = time.perf_counter()
    for _ in range(times):
        function()
    return (time.perf_counter() - begun) / times
