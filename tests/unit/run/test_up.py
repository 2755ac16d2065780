"""A workspace of small real services: order, environments, refusals, and that nothing is left over."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
import urllib.request
from pathlib import Path

import pytest

from scaffold.core.diagnostics import ScaffoldError
from scaffold.run import spans
from scaffold.run.up import Launchable, Session, running, start_all

REPOSITORY = Path(__file__).parents[3]

# Notes its environment and the order of events, then serves health. WAIT_FOR_NAME names an event to wait for first.
SERVICE = """
    import json, os, pathlib, signal, sys, threading, time
    from concurrent.futures import ThreadPoolExecutor
    import grpc
    from grpc_health.v1 import health, health_pb2, health_pb2_grpc

    name, root = sys.argv[0].split("/")[-2], pathlib.Path(os.environ["TEST_ROOT"])

    def note(event):
        with (root / "events").open("a") as file:
            file.write(f"{event} {name}\\n")

    note("started")
    (root / f"{name}.json").write_text(json.dumps({"argv": sys.argv[1:], "cwd": os.getcwd(), **os.environ}))
    while (awaited := os.environ.get(f"WAIT_FOR_{name.upper()}")) and awaited not in (root / "events").read_text():
        time.sleep(0.02)
    if name in os.environ.get("TEST_BROKEN", ""):
        sys.exit("broken on purpose")
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: "TEST_STUBBORN" in os.environ or ended.set())
    server = grpc.server(ThreadPoolExecutor(2))
    health_pb2_grpc.add_HealthServicer_to_server(health.HealthServicer(), server)
    server.add_insecure_port(f"{os.environ['HOST']}:{os.environ['PORT']}")
    server.start()
    note("serves")
    print("serving", flush=True)
    while not ended.wait(0.05):
        pass
    note("ended")
"""

STAND_IN = """
    import os
    from http.server import BaseHTTPRequestHandler, HTTPServer

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            self.send_response(200)
            self.end_headers()
            self.wfile.write(os.path.basename(os.getcwd()).encode())

        def log_message(self, *_):
            pass

    HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A workspace with cart and orders (stores), checkout (a process) and a stand-in."""
    workspace = tmp_path / "shop"
    for name in ("cart", "orders", "checkout"):
        package = workspace / "services" / name / "src" / name
        package.mkdir(parents=True)
        (package / "__init__.py").touch()
        (package / "__main__.py").write_text(textwrap.dedent(SERVICE))
    (workspace / "standin.py").write_text(textwrap.dedent(STAND_IN))
    return workspace


def component(root: Path, name: str, *uses: str, vendors: tuple[str, ...] = ()) -> Launchable:
    src = root / "services" / name / "src"
    return Launchable(name, "process" if uses else "store", name, src, uses, vendors)


def shop(root: Path) -> list[Launchable]:
    return [
        component(root, "cart"),
        component(root, "orders"),
        component(root, "checkout", "cart", "orders", vendors=("payments",)),
        Launchable("payments", "vendor", command=("python", "standin.py"), env_names=("PAYMENTS_URL", "PAYMENTS_KEY")),
    ]


def start(root: Path, plan: list[Launchable], *, receiver: bool = False, **environ: str) -> Session:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    return start_all(
        plan, root=root, receiver=receiver, environ=environment | {"TEST_ROOT": str(root)} | environ, timeout=30
    )


def seen(root: Path, name: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((root / f"{name}.json").read_text())
    return found


def events(root: Path) -> list[str]:
    return (root / "events").read_text().splitlines()


def test_a_shop_is_up_and_down_again(root: Path) -> None:
    # Each store serves only when the other has started too: they start side by side.
    with start(
        root, shop(root), receiver=True, WAIT_FOR_CART="started orders", WAIT_FOR_ORDERS="started cart"
    ) as session:
        record = running(root)
        assert record is not None
        assert record == session.running
        assert record.pid == os.getpid()
        assert set(record.components) == {"cart", "orders", "checkout"}
        assert record.components["cart"].kind == "store"
        assert record.started.endswith("Z")
        written = json.loads((root / ".scaffold/cache/run.json").read_text())
        assert written["components"]["cart"] == {
            "address": record.components["cart"].address,
            "pid": record.components["cart"].pid,
            "kind": "store",
        }

        order = events(root)
        assert order.index("started checkout") > max(order.index("serves cart"), order.index("serves orders"))

        checkout = seen(root, "checkout")
        assert checkout["argv"] == ["--dev"]  # type: ignore[comparison-overlap]
        assert checkout["cwd"] == str(root / "services" / "checkout")
        assert f"{checkout['HOST']}:{checkout['PORT']}" == record.components["checkout"].address
        assert checkout["CART_ADDRESS"] == record.components["cart"].address
        assert checkout["ORDERS_ADDRESS"] == record.components["orders"].address
        assert checkout["PAYMENTS_URL"] == f"http://{record.vendors['payments'].address}"
        assert checkout["PAYMENTS_KEY"] == "dev"
        assert "CHECKOUT_DATABASE_URL" not in checkout
        assert checkout["OTEL_EXPORTER_OTLP_ENDPOINT"] == f"http://{record.receiver}"
        assert checkout["OTEL_EXPORTER_OTLP_INSECURE"] == "true"
        assert checkout["OTEL_SERVICE_NAME"] == "checkout"
        assert "127.0.0.1" in checkout["no_proxy"].split(",")
        assert seen(root, "cart")["CART_DATABASE_URL"] == f"sqlite:///{root}/.data/cart.db"
        assert (root / ".data").is_dir()
        assert "PAYMENTS_URL" not in seen(root, "cart")

        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        assert opener.open(checkout["PAYMENTS_URL"], timeout=10).read() == b"shop"

        ids = [process.pid for process in session.processes]
    order = events(root)
    assert order.index("ended checkout") < min(order.index("ended cart"), order.index("ended orders"))
    assert running(root) is None
    assert not (root / ".scaffold/cache/run.json").exists()
    for pid in ids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


def test_the_receiver_of_a_session_writes_the_workspaces_spans(root: Path) -> None:
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor

    with start(root, [], receiver=True) as session:
        provider = TracerProvider()
        exporter = OTLPSpanExporter(endpoint=f"http://{session.running.receiver}", insecure=True, timeout=10)
        provider.add_span_processor(SimpleSpanProcessor(exporter))
        provider.get_tracer("test").start_span("hello").end()
        provider.shutdown()
        assert session.spans_file == root / spans.FILE
    assert [span.name for span in spans.read(root / spans.FILE)] == ["hello"]


def test_what_is_inherited_does_not_mislead(root: Path) -> None:
    with start(
        root,
        [component(root, "cart"), component(root, "checkout", "cart")],
        receiver=True,
        PORT="1",
        CART_PORT="2",
        PORT_FILE="/nowhere",
        CHECKOUT_CART_ADDRESS="elsewhere:1",
        CART_DATABASE_URL="postgresql://mine",
        PYTHONPATH="/also/mine",
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT="https://elsewhere",
        OTEL_EXPORTER_OTLP_HEADERS="token=secret",
        OTEL_SDK_DISABLED="true",
        no_proxy="example.com",
    ):
        cart, checkout = seen(root, "cart"), seen(root, "checkout")
    assert cart["PORT"] not in ("1", "2")
    assert not {"CART_PORT", "PORT_FILE", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_HEADERS"} & set(
        cart
    )
    assert "CHECKOUT_CART_ADDRESS" not in checkout
    assert cart["CART_DATABASE_URL"] == "postgresql://mine"  # the user's word
    assert cart["PYTHONPATH"] == os.pathsep.join((str(root / "services/cart/src"), "/also/mine"))
    assert cart["OTEL_SDK_DISABLED"] == "true"
    assert cart["no_proxy"] == "example.com,127.0.0.1,localhost"


def test_without_a_receiver_tracing_is_the_users(root: Path) -> None:
    with start(root, [component(root, "cart")], OTEL_EXPORTER_OTLP_ENDPOINT="http://10.1.1.1:4317") as session:
        assert seen(root, "cart")["OTEL_EXPORTER_OTLP_ENDPOINT"] == "http://10.1.1.1:4317"
        assert session.running.receiver == ""


def test_a_real_vendor_is_never_reached_where_there_is_a_stand_in(root: Path) -> None:
    with start(root, shop(root), PAYMENTS_URL="https://pay.example", PAYMENTS_KEY="mine"):
        checkout = seen(root, "checkout")
    assert checkout["PAYMENTS_URL"].startswith("http://127.0.0.1:")
    assert checkout["PAYMENTS_KEY"] == "mine"


def test_what_is_not_in_the_plan_is_taken_from_the_environment(root: Path) -> None:
    plan = [component(root, "checkout", "stock", vendors=("payments", "mail")), Launchable("mail", "vendor")]
    with pytest.raises(ScaffoldError) as caught:
        start(root, plan)
    assert [(one.slug, one.message) for one in caught.value.diagnostics] == [
        ("address-missing", f"checkout uses {name}, which is not started here, and {variable} is not set")
        for name, variable in (("stock", "STOCK_ADDRESS"), ("payments", "PAYMENTS_URL"), ("mail", "MAIL_URL"))
    ]
    stock, payments, mail = "10.0.0.1:1", "http://10.0.0.2", "/run/secrets/mail"
    with start(root, plan, CHECKOUT_STOCK_ADDRESS=stock, PAYMENTS_URL=payments, MAIL_URL_FILE=mail):
        checkout = seen(root, "checkout")
    assert checkout["CHECKOUT_STOCK_ADDRESS"] == stock
    assert checkout["PAYMENTS_URL"] == payments
    assert checkout["MAIL_URL_FILE"] == mail


def test_one_that_does_not_start_takes_the_others_along(root: Path) -> None:
    with pytest.raises(ScaffoldError, match=r"(?s)checkout ended before it served .*broken on purpose"):
        start(root, shop(root), TEST_BROKEN="checkout")
    assert {"ended cart", "ended orders"} <= set(events(root))
    assert running(root) is None
    start(root, shop(root)).stop()  # the lock is free again


def test_components_that_use_one_another_are_refused(root: Path) -> None:
    plan = [component(root, "cart", "orders"), component(root, "orders", "cart")]
    with pytest.raises(ScaffoldError, match=r"dependency-cycle: .*cart, orders"):
        start(root, plan)


def test_a_second_session_is_refused_while_the_first_lives(root: Path) -> None:
    with start(root, [component(root, "cart")]) as first:
        with pytest.raises(ScaffoldError) as caught:
            start(root, [component(root, "cart")])
        (diagnostic,) = caught.value.diagnostics
        assert diagnostic.slug == "already-up"
        assert f"process {os.getpid()}" in diagnostic.message
        assert running(root) == first.running  # untouched
    start(root, [component(root, "cart")]).stop()


def test_a_service_that_dies_ends_the_wait(root: Path) -> None:
    with start(root, [component(root, "cart"), component(root, "orders")]) as session:
        os.kill(session.running.components["orders"].pid, signal.SIGKILL)
        outcome = session.wait()
    assert outcome.exit_code == 1
    (diagnostic,) = outcome.diagnostics
    assert diagnostic.slug == "service-died"
    assert "orders ended by itself (killed by SIGKILL)" in diagnostic.message
    assert "| serving" in diagnostic.message


@pytest.mark.parametrize("text", ["", "{", "[]", '{"pid": "x"}', '{"pid": 1}'])
def test_a_record_that_is_broken_counts_for_nothing(root: Path, text: str) -> None:
    (root / ".scaffold/cache").mkdir(parents=True)
    (root / ".scaffold/cache/run.json").write_text(text)
    assert running(root) is None


OWNER = """
    import os, sys
    from pathlib import Path
    from scaffold.run.up import Launchable, start_all

    root = Path(sys.argv[1])
    plan = [Launchable(name, "store", name, root / "services" / name / "src") for name in ("cart", "orders")]
    environ = {**os.environ, "TEST_ROOT": str(root)}
    try:
        with start_all(plan, root=root, environ=environ) as session:
            print(*(process.pid for process in session.processes), flush=True)
            code = session.wait().exit_code
    except KeyboardInterrupt:  # it came before the wait
        code = 0
    sys.exit(code)
"""


@pytest.mark.parametrize(
    ("ending", "code"),
    [(signal.SIGINT, 0), (signal.SIGTERM, 0), (signal.SIGHUP, 0), (signal.SIGKILL, -9)],
    ids=lambda value: getattr(value, "name", ""),
)
def test_nothing_is_left_however_it_ends(root: Path, tmp_path: Path, ending: signal.Signals, code: int) -> None:
    script = tmp_path / "owner.py"
    script.write_text(textwrap.dedent(OWNER))
    owner = subprocess.Popen(
        [sys.executable, str(script), str(root)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )
    assert owner.stdout is not None
    with owner:
        pids = [int(word) for word in owner.stdout.readline().split()]
        assert len(pids) == 2
        assert running(root) is not None
        owner.send_signal(ending)
        assert owner.wait(20) == code
    assert running(root) is None
    deadline = time.monotonic() + 10
    while len([event for event in events(root) if event.startswith("ended")]) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert {"ended cart", "ended orders"} <= set(events(root))
    start(root, [component(root, "cart")]).stop()  # also after a SIGKILL


IMPATIENT = """
    import os, signal, sys, threading, time
    from pathlib import Path
    from scaffold.run.up import Launchable, start_all

    root = Path(sys.argv[1])
    plan = [Launchable("cart", "store", "cart", root / "services" / "cart" / "src")]
    session = start_all(plan, root=root, environ={**os.environ, "TEST_ROOT": str(root), "TEST_STUBBORN": "1"})
    threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGINT)).start()
    begun = time.monotonic()
    session.stop(grace=60)
    print(int(time.monotonic() - begun), session.processes[0].ending)
"""


def test_a_second_ctrl_c_ends_the_patience(root: Path, tmp_path: Path) -> None:
    script = tmp_path / "owner.py"
    script.write_text(textwrap.dedent(IMPATIENT))
    done = subprocess.run(
        [sys.executable, str(script), str(root)],
        capture_output=True,
        text=True,
        timeout=50,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        check=True,
    )
    assert done.stdout == "0 killed by SIGKILL\n"
