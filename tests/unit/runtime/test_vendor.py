"""Vendors: what is sent, what the span says, and how long anybody waits."""

import asyncio
import json
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from runtime.common import headers
from runtime.common import tracing as tracing_setup
from runtime.common.tracing import Tracing
from runtime.process import DeadlineExceeded, SettingsError, Unavailable, Vendor, budget
from runtime.process.vendor import _route

from . import desk
from .desk import component, everywhere, invoke, serving
from .library import PATIENCE, Book


class Payments(Vendor):
    name = "payments"
    peer_service = "acme-pay"
    timeout_seconds = 2.0
    url_variable = "PAYMENTS_URL"


class Stand(ThreadingHTTPServer):
    """A vendor on loopback. Its answer is the status and the delay that the path asks for: /status/402, /sleep/3."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), StandHandler)
        self.requests: list[tuple[str, str, dict[str, str], bytes]] = []
        self.url = f"http://127.0.0.1:{self.server_port}"


class StandHandler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Stand)
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        sent = {name.lower(): value for name, value in self.headers.items()}
        self.server.requests.append((self.command, self.path, sent, body))
        _, word, argument = f"{self.path}//".split("/")[:3]
        if word == "break":
            self.connection.close()
            return
        self.send_response(int(argument) if word == "status" else 200)
        self.end_headers()
        if word == "drip":  # a byte now and then: each read is quick, the whole is not
            for _ in range(40):
                time.sleep(0.05)
                self.wfile.write(b".")
                self.wfile.flush()
        if word == "sleep":
            time.sleep(float(argument))
        self.wfile.write(b'{"ok": true}')

    do_POST = do_GET  # noqa: N815  the name is the method's

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  named by the standard library
        pass

    def handle(self) -> None:
        with suppress(OSError, ValueError):  # who asked has gone
            super().handle()


@pytest.fixture
def stand() -> Iterator[Stand]:
    with Stand() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join(PATIENCE)


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter: InMemorySpanExporter) -> Iterator[Tracing]:
    made = tracing_setup.setup("desk", "", True, span_exporter=exporter)
    yield made
    made.shutdown()


def use(url: str, do: Callable[[Payments], Awaitable[Any]], tracing: Tracing | None = None, **options: Any) -> Any:
    """Do something with a vendor outside of any process."""

    async def run() -> Any:
        settings = desk.settings({"PAYMENTS_URL": url})
        settings.attach(tracing or Tracing())
        try:
            return await do(Payments(settings, **options))
        finally:
            await settings.close()

    return asyncio.run(asyncio.wait_for(run(), 2 * PATIENCE))


def span_of(exporter: InMemorySpanExporter) -> ReadableSpan:
    (span,) = exporter.get_finished_spans()
    return span


@contextmanager
def within_a_call(*metadata: tuple[str, str], seconds: float | None = None) -> Iterator[None]:
    """As a handler is, that serves a call."""
    token = headers.incoming.set(metadata)
    until = budget.deadline.set(None if seconds is None else time.monotonic() + seconds)
    try:
        yield
    finally:
        headers.incoming.reset(token)
        budget.deadline.reset(until)


def test_a_request_and_its_span(stand: Stand, tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    async def do(payments: Payments) -> None:
        response = await payments.post("/v1/charges?secret=1", json={"amount": 3}, headers={"Idempotency-Key": "o-1"})
        assert (response.status_code, response.json()) == (200, {"ok": True})

    with within_a_call(("x-request-id", "r-1"), ("authorization", "secret"), ("baggage", "customer=7")):
        use(stand.url, do, tracing)
    span = span_of(exporter)
    assert span.name == "POST /v1/charges"
    assert span.kind is SpanKind.CLIENT
    assert span.status.status_code is StatusCode.UNSET
    assert dict(span.attributes or {}) == {
        "guid:x-request-id": "r-1",
        "peer.service": "acme-pay",
        "server.address": "127.0.0.1",
        "server.port": stand.server_port,
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "url.template": "/v1/charges",
    }
    ((method, path, sent, body),) = stand.requests
    assert (method, path, json.loads(body)) == ("POST", "/v1/charges?secret=1", {"amount": 3})
    assert sent["idempotency-key"] == "o-1"
    assert sent["x-request-id"] == "r-1"
    assert span.context is not None
    assert sent["traceparent"].split("-")[1:3] == [f"{span.context.trace_id:032x}", f"{span.context.span_id:016x}"]
    assert not set(sent) & {"authorization", "baggage", "x-b3-traceid", "b3"}


def test_without_tracing_only_the_request_id_goes_on(stand: Stand) -> None:
    with within_a_call(("x-request-id", "r-1"), ("traceparent", "00-" + "1" * 32 + "-" + "1" * 16 + "-01")):
        use(stand.url, lambda payments: payments.get("/v1/charges"))
    sent = stand.requests[0][2]
    assert sent["x-request-id"] == "r-1"
    assert "traceparent" not in sent


@pytest.mark.parametrize("status", [402, 404, 500])
def test_an_answer_of_any_status_is_an_answer_and_an_error_of_the_spans(
    status: int, stand: Stand, tracing: Tracing, exporter: InMemorySpanExporter
) -> None:
    response = use(stand.url, lambda payments: payments.get(f"/status/{status}"), tracing)
    assert response.status_code == status
    span = span_of(exporter)
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == str(status)
    assert (span.attributes or {})["http.response.status_code"] == status


def test_nobody_there(tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    with pytest.raises(Unavailable, match="payments cannot be reached") as caught:
        use("http://127.0.0.1:1", lambda payments: payments.get("/"), tracing)
    assert caught.value.component == "payments"
    span = span_of(exporter)
    assert span.status.status_code is StatusCode.ERROR
    assert (span.attributes or {})["error.type"] == "ConnectError"
    assert span.events == ()


def test_a_vendor_that_breaks_off(stand: Stand) -> None:
    with pytest.raises(Unavailable):
        use(stand.url, lambda payments: payments.get("/break"))


@pytest.mark.parametrize("path", ["/sleep/5", "/drip"])
def test_what_takes_too_long_in_all_is_given_up(
    path: str, stand: Stand, tracing: Tracing, exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Payments, "timeout_seconds", 0.3)
    before = time.monotonic()
    with pytest.raises(DeadlineExceeded) as caught:
        use(stand.url, lambda payments: payments.get(path), tracing)
    assert time.monotonic() - before < 1.5
    assert caught.value.component == "payments"
    assert (span_of(exporter).attributes or {})["error.type"] == "timeout"


def test_our_callers_time_bounds_it_too(stand: Stand) -> None:
    before = time.monotonic()
    with pytest.raises(DeadlineExceeded), within_a_call(seconds=0.3):
        use(stand.url, lambda payments: payments.get("/sleep/5"))
    assert time.monotonic() - before < 1.5


def test_when_no_time_is_left_nothing_is_sent(stand: Stand) -> None:
    with pytest.raises(DeadlineExceeded), within_a_call(seconds=-1):
        use(stand.url, lambda payments: payments.get("/"))
    assert stand.requests == []


def test_a_request_whose_caller_leaves_is_given_up(
    stand: Stand, tracing: Tracing, exporter: InMemorySpanExporter
) -> None:
    async def do(payments: Payments) -> None:
        waiting = asyncio.create_task(payments.get("/sleep/5"))
        await asyncio.sleep(0.2)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting

    use(stand.url, do, tracing)
    assert (span_of(exporter).attributes or {})["error.type"] == "CancelledError"


def test_a_test_may_stand_in_for_the_network() -> None:
    transport = httpx.MockTransport(lambda request: httpx.Response(201, json={"url": str(request.url)}))
    response = use("https://pay.test/base", lambda payments: payments.post("/v1/charges"), transport=transport)
    assert response.json() == {"url": "https://pay.test/base/v1/charges"}


@pytest.mark.parametrize("environ", [{}, {"PAYMENTS_URL": "pay.test"}, {"PAYMENTS_URL": "ftp://user:secret@pay.test"}])
def test_a_base_url_that_is_missing_or_none(environ: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="PAYMENTS_URL is") as caught:
        Payments(desk.settings(environ))
    assert "secret" not in str(caught.value)


def test_a_vendor_in_a_process(stand: Stand, tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    made: list[Payments] = []

    def build(settings: Any) -> Payments:
        made.append(Payments(settings))
        return made[0]

    async def charge(request: Any, call: Any) -> Any:
        response = await call.app.post("/v1/charges", json={})
        return Book(title=str(response.status_code))

    environ = {"PAYMENTS_URL": stand.url}
    with serving(component(everywhere(charge), build=build), tracing, environ) as (_, channel):
        assert invoke(channel, "get_book", Book()) == [Book(title="200")]
    assert made[0]._client.is_closed
    client, server = exporter.get_finished_spans()
    assert client.parent == server.context
    assert (client.attributes or {})["guid:x-request-id"] == (server.attributes or {})["guid:x-request-id"]


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/v1/charges", "/v1/charges"),
        ("/v1beta2/charges/ch_3MmlLrLkdIwHu7ix/capture?x=1", "/v1beta2/charges/{id}/capture"),
        ("/users/42#top", "/users/{id}"),
        ("/users/ada@example.org", "/users/{id}"),
        ("/users/ada%40example.org", "/users/{id}"),
        ("/oauth2/token", "/oauth2/token"),
        ("/carts/9b2d4f6a-0d2e-4a7b-8f67-2f6f6ea5c6b1/items", "/carts/{id}/items"),
        ("/blobs/" + "a" * 64, "/blobs/{id}"),
        ("", ""),
    ],
)
def test_the_name_of_a_span_has_no_ids(path: str, expected: str) -> None:
    assert _route(path) == expected
