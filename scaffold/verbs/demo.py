"""`scaffold demo`: the sample shop, made, started, used, traced and tested, in a workspace that stays."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError
from scaffold.core.plan import Change, Listed, Plan
from scaffold.core.settings import Kind, Unit, table_text
from scaffold.run import require_extra, spans
from scaffold.run import trace as traces
from scaffold.shell import data
from scaffold.shell.workspace import Workspace
from scaffold.verbs import run, test
from scaffold.verbs.init import init
from scaffold.verbs.regen import regen

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    from scaffold.run.call import CallResult

_MARK = ".scaffold/demo"
_VENDOR = """[vendors.payments] # traced, timed and counted from the first call
peer_service = "acme-pay"
timeout = "3s"
dev = ["python", "standins/payments.py"] # started by up, test and demo
env = ["PAYMENTS_URL", "PAYMENTS_KEY"] # names only
"""


def _unit(kind: Kind, name: str, service: str, uses: tuple[str, ...] = (), vendors: tuple[str, ...] = ()) -> Unit:
    proto = f"shop/{name}/v1/{name}.proto"
    return Unit(name, kind, name, f"services/{name}", (proto,), (f"shop.{name}.v1.{service}",), uses, vendors)


_COMPONENTS = (
    _unit("store", "catalog", "CatalogService"),
    _unit("store", "cart", "CartService"),
    _unit("store", "orders", "OrderService"),
    _unit("process", "checkout", "CheckoutService", ("cart", "catalog", "orders"), ("payments",)),
)
_PRODUCTS = (("espresso-cup", "Espresso cup", 9, 900_000_000), ("moka-pot", "Moka pot", 49, 900_000_000))


@dataclass(frozen=True)
class Generated:
    """What `new` made: the files of the four components, how long it took, and how many are the user's."""

    services: int
    files: int
    seconds: float
    yours: int


@dataclass(frozen=True)
class Shown:
    """What the demo has to show: the placed order, its trace, the suites, what was generated (None: it was there).

    ``planted`` are the faults that were planted in a copy of the catalog; none where the suites had failed already.
    """

    order: str
    total: str
    items: int
    trace: spans.Trace
    waiting: float
    tested: test.Tested
    generated: Generated | None
    planted: tuple[test.Planted, ...] = ()


def demo(folder: Path, say: Callable[[str], None], progress: Callable[[int], None]) -> Shown:
    """Make the shop in a folder, or go on with the one there. Raises ScaffoldError.

    ``say`` is told of each step, ``progress`` how many contract checks have been carried out.
    """
    require_extra()
    test.require_extra()
    generated = None
    if (folder / _MARK).is_file():
        say(f"the demo in {folder} is there already: going on with it")
        _regenerate(folder)
    else:
        say(f"making a workspace in {folder}")
        generated = make_shop(folder)
        say(f"generated {generated.services} services, {generated.files} files, in {generated.seconds:.1f} s")
    say("starting everything: 3 stores, 1 process, 1 stand-in for the payment vendor")
    order, total, items, trace = _use(folder, say)
    say("testing all contracts")
    tested = test.test(folder, progress=progress)
    planted: tuple[test.Planted, ...] = ()
    if tested.exit_code == 0:
        say("planting faults in a copy of catalog, to see whether its tests are awake")
        planted = test.planted(folder, "catalog")
    return Shown(order, total, items, trace, traces.summary(trace).waiting.share, tested, generated, planted)


def make_shop(folder: Path) -> Generated:
    """Make the shop in an empty folder, as far as files go. Raises ScaffoldError."""
    init(folder)
    workspace = Workspace.find(folder)
    protos = data.folder("protos")
    files = {f"protos/{f.relative_to(protos).as_posix()}": f.read_bytes() for f in sorted(protos.rglob("*.proto"))}
    text = "\n".join([workspace.text, _VENDOR, *map(table_text, _COMPONENTS)])
    _write(workspace, {**files, _MARK: b"made by `scaffold demo`\n"}, text)
    begun = time.monotonic()
    regen(folder)
    seconds = time.monotonic() - begun
    shop = data.folder("templates") / "shop"
    sources = (f for f in shop.rglob("*") if f.is_file() and "__pycache__" not in f.parts)
    workspace = Workspace.find(folder)
    written = {f.relative_to(shop).as_posix(): f.read_bytes() for f in sorted(sources)}
    _write(workspace, written, None)
    listed = [e for e in workspace.listed().values() if e.path.startswith("services/")]
    yours = sum(e.owner != "generated" for e in listed)
    return Generated(len(_COMPONENTS), len(listed), seconds, yours)


def _regenerate(folder: Path) -> None:
    outcome = regen(folder)
    ScaffoldError.raise_if((*outcome.plan.decisions, *outcome.plan.conflicts))


def _write(workspace: Workspace, files: dict[str, bytes], settings: str | None) -> None:
    """Put files of the sample's into the workspace, as a person would."""
    snapshot = workspace.snapshot(files)
    changes = tuple(
        Change(path, "create" if before is None else "update", "yours", before, content, "templates/shop")
        for path, content in files.items()
        if (before := snapshot.files[path]) != content
    )
    # What is in .scaffold is state, and no line of the list.
    listing = {**snapshot.listed, **{p: snapshot.listed.get(p, Listed(p, "yours")) for p in files if p != _MARK}}
    workspace.apply(Plan(changes, tuple(listing.values())), settings)


def _use(folder: Path, say: Callable[[str], None]) -> tuple[str, str, int, spans.Trace]:
    """Fill the catalog and a cart, place an order, and wait for its trace."""
    lines: list[str] = []
    start = folder
    with run.start(start, lambda name, line: lines.append(f"{name}: {line}")) as session:
        addresses = {name: end.address for name, end in session.running.components.items()}

        def call(name: str, rpc: str, request: Iterable[str], allowed: tuple[str, ...] = ()) -> CallResult:
            result = run.call(start, name, rpc, tuple(request), address=addresses[name])
            if not result.ok and result.code not in allowed:
                raise ScaffoldError(_failed(name, rpc, result, lines))
            return result

        say("filling the catalog and a cart, placing an order")
        for product, title, units, nanos in _PRODUCTS:
            price = f'product.price={{"currency_code": "EUR", "units": "{units}", "nanos": {nanos}}}'
            words = (f"product_id={product}", f"product.title={title}", price)
            call("catalog", "CreateProduct", words, allowed=("ALREADY_EXISTS",))
            call("cart", "AddItem", ("cart=carts/1", f"item.product=products/{product}", "item.quantity=1"))
        request_id = f"demo-{int(time.time())}"
        placed = call("checkout", "PlaceOrder", ("cart=carts/1", "payment_token=card", f"request_id={request_id}"))
        trace = spans.wait_for(session.spans_file, placed.trace_id, placed.span_id)
        if trace is None:
            raise ScaffoldError(
                Diagnostic(
                    "no-trace", "the order's trace did not arrive", None, "run it again; see `scaffold up` for errors"
                )
            )
    return *_order(placed), len(_PRODUCTS), trace


def _order(placed: CallResult) -> tuple[str, str]:
    import json

    answer = json.loads(placed.json)
    total = answer["total"]
    amount = int(total.get("units", 0)) + total.get("nanos", 0) / 1e9
    return answer["order"], f"{total['currency_code']} {amount:.2f}"


def _failed(name: str, rpc: str, result: CallResult, lines: list[str]) -> Diagnostic:
    said = "\n".join(lines[-20:])
    return Diagnostic(
        "demo-failed",
        f"{name} {rpc} answered {result.code}: {result.message}\n{said}",
        Location(f"services/{name}"),
        "mend the handler, or make the demo again in an empty folder",
    )
