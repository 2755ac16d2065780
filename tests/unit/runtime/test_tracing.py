"""Spans of RPCs, on real servers and channels: what is exported, what downstream sees, what is never done."""

import asyncio
import logging
from collections import Counter
from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import grpc
import grpc.aio
import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from runtime.common import tracing as module
from runtime.common.tracing import Tracing

from . import wire
from .wire import KINDS, PATIENCE, SERVICE, Seen, eventually

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"
TRACEPARENT = ("traceparent", f"00-{TRACE}-{SPAN}-01")
B3 = (("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN), ("x-b3-sampled", "1"))

SERVERS = ("threaded", "asyncio")


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OTEL_PROPAGATORS", "OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER", "OTEL_SERVICE_NAME", "BAGGAGE_KEYS"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter: InMemorySpanExporter) -> Iterator[Tracing]:
    made = module.setup("echo", "d1ge57", True, span_exporter=exporter)
    yield made
    made.shutdown()


@pytest.fixture
def seen() -> Seen:
    return Seen()


def serve(server: str, seen: Seen, tracing: Tracing) -> AbstractContextManager[str]:
    if server == "threaded":
        return wire.threaded(seen, tracing.server_interceptors())
    return wire.asyncio_server(seen, tracing.aio_server_interceptors())


def spans(exporter: InMemorySpanExporter, count: int = 1) -> tuple[ReadableSpan, ...]:
    """The spans that were exported, once there are as many: a server's span ends after its client has the answer."""
    assert eventually(lambda: len(exporter.get_finished_spans()) >= count), "a span is missing"
    found = exporter.get_finished_spans()
    assert len(found) == count
    return found


def attributes(span: ReadableSpan) -> dict[str, Any]:
    return dict(span.attributes or {})


def status_of(error: grpc.RpcError) -> grpc.StatusCode:
    return error.code()


# --- server -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("server", SERVERS)
def test_server_span(server: str, kind: str, tracing: Tracing, exporter: InMemorySpanExporter, seen: Seen) -> None:
    with serve(server, seen, tracing) as address, grpc.insecure_channel(address) as channel:
        wire.call(channel, kind, metadata=(TRACEPARENT, ("x-request-id", "r-1")))
        (span,) = spans(exporter)
    assert span.name == f"{SERVICE}/{wire.name(kind)}"
    assert span.kind is SpanKind.SERVER
    assert span.status.status_code is StatusCode.UNSET
    assert span.events == ()
    found = attributes(span)
    assert found.pop("network.peer.port") > 0
    assert found == {
        "guid:x-request-id": "r-1",
        "network.peer.address": "127.0.0.1",
        "rpc.system": "grpc",
        "rpc.service": SERVICE,
        "rpc.method": wire.name(kind),
        "rpc.response.status_code": "OK",
        "rpc.grpc.status_code": 0,
    }


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("headers", [(TRACEPARENT,), B3, (*B3[:2],), (("b3", f"{TRACE}-{SPAN}-1"),)])
def test_the_inbound_span_is_the_parent(
    server: str, headers: Any, tracing: Tracing, exporter: InMemorySpanExporter, seen: Seen
) -> None:
    with serve(server, seen, tracing) as address, grpc.insecure_channel(address) as channel:
        wire.call(channel, "unary_unary", metadata=headers)
        (span,) = spans(exporter)
    assert span.parent is not None
    assert span.parent.is_remote
    assert (f"{span.parent.trace_id:032x}", f"{span.parent.span_id:016x}") == (TRACE, SPAN)


@pytest.mark.parametrize(
    "headers",
    [
        (TRACEPARENT, ("x-b3-traceid", "1" * 32), ("x-b3-spanid", "1" * 16), ("x-b3-sampled", "0")),
        (*B3, ("b3", "1" * 32 + "-" + "1" * 16 + "-0")),  # a stale `b3` that some proxy passed on
        (*B3[:2], ("x-b3-flags", "1")),
    ],
)
def test_which_parent_wins(headers: Any, tracing: Tracing, exporter: InMemorySpanExporter, seen: Seen) -> None:
    with serve("threaded", seen, tracing) as address, grpc.insecure_channel(address) as channel:
        wire.call(channel, "unary_unary", metadata=headers)
        (span,) = spans(exporter)
    assert span.parent is not None
    assert f"{span.parent.trace_id:032x}" == TRACE


@pytest.mark.parametrize("headers", [(("b3", "0"),), (("x-b3-sampled", "0"),), (*B3[:2], ("x-b3-sampled", "0"))])
def test_a_caller_that_wants_no_trace_gets_none(
    headers: Any, tracing: Tracing, exporter: InMemorySpanExporter, seen: Seen
) -> None:
    with serve("threaded", seen, tracing) as address, grpc.insecure_channel(address) as channel:
        wire.call(channel, "unary_unary", metadata=headers)
        wire.call(channel, "unary_stream", metadata=(TRACEPARENT,))
        (span,) = spans(exporter)
    assert span.name.endswith("/UnaryStream")


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("kind", ["unary_unary", "unary_stream", "stream_stream"])
@pytest.mark.parametrize(
    ("request_", "code", "status"),
    [
        (b"abort NOT_FOUND", "NOT_FOUND", StatusCode.UNSET),
        (b"abort FAILED_PRECONDITION", "FAILED_PRECONDITION", StatusCode.UNSET),
        (b"abort INTERNAL", "INTERNAL", StatusCode.ERROR),
        (b"abort UNAVAILABLE", "UNAVAILABLE", StatusCode.ERROR),
        (b"set ABORTED", "ABORTED", StatusCode.UNSET),
        (b"set DATA_LOSS", "DATA_LOSS", StatusCode.ERROR),
    ],
)
def test_server_status_without_exception_events(
    server: str,
    kind: str,
    request_: bytes,
    code: str,
    status: StatusCode,
    tracing: Tracing,
    exporter: InMemorySpanExporter,
    seen: Seen,
) -> None:
    with serve(server, seen, tracing) as address, grpc.insecure_channel(address) as channel:
        with pytest.raises(grpc.RpcError):
            wire.call(channel, kind, request_)
        (span,) = spans(exporter)
    found = attributes(span)
    assert found["rpc.response.status_code"] == code
    assert found["rpc.grpc.status_code"] == grpc.StatusCode[code].value[0]
    assert found.get("error.type") == (code if status is StatusCode.ERROR else None)
    assert span.status.status_code is status
    assert span.events == ()


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("kind", ["unary_unary", "unary_stream"])
def test_an_uncaught_exception_is_recorded_once(
    server: str, kind: str, tracing: Tracing, exporter: InMemorySpanExporter, seen: Seen
) -> None:
    with serve(server, seen, tracing) as address, grpc.insecure_channel(address) as channel:
        with pytest.raises(grpc.RpcError):
            wire.call(channel, kind, b"raise")
        (span,) = spans(exporter)
    assert [event.name for event in span.events] == ["exception"]
    assert span.status.status_code is StatusCode.ERROR
    assert attributes(span)["rpc.response.status_code"] == "UNKNOWN"


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("kind", KINDS)
def test_an_expired_deadline_is_the_servers_error(
    server: str, kind: str, tracing: Tracing, exporter: InMemorySpanExporter, seen: Seen
) -> None:
    with serve(server, seen, tracing) as address, grpc.insecure_channel(address) as channel:
        with pytest.raises(grpc.RpcError):
            wire.call(channel, kind, b"sleep", timeout=0.2)
        (span,) = spans(exporter)
    assert attributes(span)["rpc.response.status_code"] == "DEADLINE_EXCEEDED"
    assert span.status.status_code is StatusCode.ERROR
    assert span.events == ()


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("kind", ["unary_unary", "unary_stream", "stream_stream"])
def test_a_caller_that_leaves_is_no_error_of_the_servers(
    server: str,
    kind: str,
    tracing: Tracing,
    exporter: InMemorySpanExporter,
    seen: Seen,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.ERROR, "opentelemetry")
    with serve(server, seen, tracing) as address, grpc.insecure_channel(address) as channel:
        multi = getattr(channel, kind)(wire.path(kind))
        request = iter([b"sleep"]) if kind.startswith("stream") else b"sleep"
        call = multi(request, timeout=PATIENCE) if kind.endswith("stream") else multi.future(request, timeout=PATIENCE)
        assert seen.started.wait(PATIENCE)
        call.cancel()
        (span,) = spans(exporter)
    assert attributes(span)["rpc.response.status_code"] == "CANCELLED"
    assert span.status.status_code is StatusCode.UNSET
    assert span.events == ()
    assert caplog.records == []


@pytest.mark.parametrize("server", SERVERS)
def test_a_stream_that_the_caller_stops_reading(
    server: str, tracing: Tracing, exporter: InMemorySpanExporter, seen: Seen, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR, "opentelemetry")
    with serve(server, seen, tracing) as address, grpc.insecure_channel(address) as channel:
        multi: Any = channel.unary_stream(wire.path("unary_stream"))
        call = multi(b"endless", timeout=PATIENCE)
        next(call)
        call.cancel()
        (span,) = spans(exporter)
    assert attributes(span)["rpc.response.status_code"] == "CANCELLED"
    assert caplog.records == []


@pytest.mark.parametrize("server", SERVERS)
@pytest.mark.parametrize("method", ["/grpc.health.v1.Health/Check", "/grpc.reflection.v1alpha.ServerReflection/Check"])
def test_health_and_reflection_are_left_out(
    server: str, method: str, tracing: Tracing, exporter: InMemorySpanExporter, seen: Seen
) -> None:
    with serve(server, seen, tracing) as address, grpc.insecure_channel(address) as channel:
        left_out: Any = channel.unary_unary(method)
        left_out(b"ok", timeout=PATIENCE)
        wire.call(channel, "unary_unary")
        (span,) = spans(exporter)
    assert span.name == f"{SERVICE}/UnaryUnary"


@pytest.mark.parametrize("server", SERVERS)
def test_every_span_of_a_call_carries_the_request_id_that_was_made(
    server: str, tracing: Tracing, exporter: InMemorySpanExporter, seen: Seen
) -> None:
    with serve(server, seen, tracing) as address, grpc.insecure_channel(address) as channel:
        wire.call(channel, "unary_unary")
        (span,) = spans(exporter)
    assert len(str(attributes(span)["guid:x-request-id"])) == 36


# --- client -----------------------------------------------------------------------------------------------------------


class OpenSpans(SpanProcessor):
    """Counts spans that begin and end."""

    started = ended = 0

    def on_start(self, span: Any, parent_context: Any = None) -> None:
        self.started += 1

    def on_end(self, span: ReadableSpan) -> None:
        self.ended += 1


def call_downstream(
    client: str, tracing: Tracing, address: str, kind: str, request: bytes = b"ok", **options: Any
) -> None:
    """Make one call with a client of either sort, inside the span that is current."""
    if client == "threaded":
        with grpc.insecure_channel(address) as plain:
            channel = grpc.intercept_channel(plain, *tracing.client_interceptors("stock", address))
            wire.call(channel, kind, request, **options)
        return

    async def run() -> None:
        interceptors = tracing.aio_client_interceptors("stock", address)
        async with grpc.aio.insecure_channel(address, interceptors=interceptors) as channel:
            await wire.acall(channel, kind, request, **options)

    asyncio.run(run())


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("client", SERVERS)
def test_client_span_and_what_downstream_sees(
    client: str, kind: str, tracing: Tracing, exporter: InMemorySpanExporter, seen: Seen
) -> None:
    sent = (
        ("x-request-id", "r-1"),
        ("k", "1"),
        ("k", "2"),
        ("k-bin", b"\x00"),
        ("k-bin", b"\xff"),
        ("tracestate", "old=1"),
    )
    with wire.threaded(seen) as address:
        with tracing.span("parent", {}):
            trace_id = tracing.trace_id()
            call_downstream(client, tracing, address, kind, metadata=sent[:-1])
        span, parent = spans(exporter, 2)
    port = int(address.rpartition(":")[2])
    assert span.name == f"{SERVICE}/{wire.name(kind)}"
    assert span.kind is SpanKind.CLIENT
    assert parent.context is not None
    assert span.context is not None
    assert span.parent == parent.context
    assert attributes(span) == {
        "peer.service": "stock",
        "server.address": "127.0.0.1",
        "server.port": port,
        "rpc.system": "grpc",
        "rpc.service": SERVICE,
        "rpc.method": wire.name(kind),
        "rpc.response.status_code": "OK",
        "rpc.grpc.status_code": 0,
    }
    span_id = f"{span.context.span_id:016x}"
    assert Counter(seen.metadata[0]) == Counter(
        [
            *sent[:-1],
            ("traceparent", f"00-{trace_id}-{span_id}-{int(span.context.trace_flags):02x}"),
            ("x-b3-traceid", trace_id),
            ("x-b3-spanid", span_id),
            ("x-b3-sampled", "1"),
        ]
    )


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("client", SERVERS)
def test_every_status_but_ok_is_the_clients_error(
    client: str, kind: str, tracing: Tracing, exporter: InMemorySpanExporter, seen: Seen
) -> None:
    with wire.threaded(seen) as address:
        with pytest.raises(grpc.RpcError) as caught:
            call_downstream(client, tracing, address, kind, b"abort NOT_FOUND")
        (span,) = spans(exporter)
    assert status_of(caught.value) is grpc.StatusCode.NOT_FOUND
    assert attributes(span)["error.type"] == attributes(span)["rpc.response.status_code"] == "NOT_FOUND"
    assert span.status.status_code is StatusCode.ERROR
    assert span.status.description == "said so"
    assert span.events == ()


@pytest.mark.parametrize("client", SERVERS)
def test_nobody_there(client: str, tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    with pytest.raises(grpc.RpcError):
        call_downstream(client, tracing, "127.0.0.1:1", "unary_unary")
    (span,) = spans(exporter)
    assert attributes(span)["rpc.response.status_code"] == "UNAVAILABLE"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("traced", [True, False])
def test_cancelling_the_waiting_task_cancels_the_call(
    traced: bool, kind: str, tracing: Tracing, exporter: InMemorySpanExporter, seen: Seen
) -> None:
    async def run(address: str) -> None:
        interceptors = (tracing if traced else Tracing()).aio_client_interceptors("stock")
        async with grpc.aio.insecure_channel(address, interceptors=interceptors) as channel:
            waiting = asyncio.create_task(wire.acall(channel, kind, b"sleep"))
            await asyncio.to_thread(seen.started.wait, PATIENCE)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            # The downstream server sees it within a second, while the channel is still open.
            assert await asyncio.to_thread(seen.cancelled.wait, 1)
            if traced:
                (span,) = await asyncio.to_thread(spans, exporter)
                assert attributes(span)["rpc.response.status_code"] == "CANCELLED"
                assert span.events == ()

    with wire.asyncio_server(seen) as address:
        asyncio.run(run(address))


def test_a_call_cancelled_before_it_began_leaves_no_open_span(
    tracing: Tracing, exporter: InMemorySpanExporter, seen: Seen
) -> None:
    async def run(address: str) -> None:
        async with grpc.aio.insecure_channel(address, interceptors=tracing.aio_client_interceptors("stock")) as channel:
            for steps in range(4):
                waiting = asyncio.create_task(wire.acall(channel, "unary_unary", b"sleep"))
                for _ in range(steps):
                    await asyncio.sleep(0)
                waiting.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await waiting

    open_spans = OpenSpans()
    tracing._provider.add_span_processor(open_spans)  # type: ignore[attr-defined]  # no other way to see what started
    with wire.asyncio_server(seen) as address:
        asyncio.run(run(address))
    assert open_spans.started > 0
    assert eventually(lambda: open_spans.started == open_spans.ended)


def test_a_call_held_back_by_another_interceptor_and_cancelled_there(
    tracing: Tracing, exporter: InMemorySpanExporter, seen: Seen
) -> None:
    class HoldBack(grpc.aio.UnaryUnaryClientInterceptor):
        async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
            await asyncio.sleep(PATIENCE)

    async def run(address: str) -> None:
        interceptors = (*tracing.aio_client_interceptors("stock"), HoldBack())
        async with grpc.aio.insecure_channel(address, interceptors=interceptors) as channel:
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(wire.acall(channel, "unary_unary"), 0.1)

    with wire.asyncio_server(seen) as address:
        asyncio.run(run(address))
    (span,) = spans(exporter)
    assert attributes(span)["rpc.response.status_code"] == "CANCELLED"
    assert seen.metadata == []


def test_a_call_that_another_interceptor_answers(tracing: Tracing, exporter: InMemorySpanExporter, seen: Seen) -> None:
    class Answer(grpc.aio.UnaryUnaryClientInterceptor):
        async def intercept_unary_unary(self, continuation: Any, client_call_details: Any, request: Any) -> Any:
            return b"from a cache"

    async def run(address: str) -> list[bytes]:
        interceptors = (*tracing.aio_client_interceptors("stock"), Answer())
        async with grpc.aio.insecure_channel(address, interceptors=interceptors) as channel:
            return await wire.acall(channel, "unary_unary")

    with wire.asyncio_server(seen) as address:
        assert asyncio.run(run(address)) == [b"from a cache"]
    (span,) = spans(exporter)
    assert attributes(span)["rpc.response.status_code"] == "OK"


@pytest.mark.parametrize("kind", ["unary_stream", "stream_stream"])
def test_a_consumer_that_cancels_its_stream_ends_the_span(
    kind: str, tracing: Tracing, exporter: InMemorySpanExporter, seen: Seen
) -> None:
    async def run(address: str) -> None:
        async with grpc.aio.insecure_channel(address, interceptors=tracing.aio_client_interceptors("stock")) as channel:
            request = iter([b"ok"]) if kind.startswith("stream") else b"ok"
            call = getattr(channel, kind)(wire.path(kind))(request, timeout=PATIENCE)
            async for _ in call:
                call.cancel()
                break
            await asyncio.to_thread(spans, exporter)

    with wire.asyncio_server(seen) as address:
        asyncio.run(run(address))


def test_writing_to_a_stream_unary_call(tracing: Tracing, exporter: InMemorySpanExporter, seen: Seen) -> None:
    async def run(address: str) -> bytes:
        async with grpc.aio.insecure_channel(address, interceptors=tracing.aio_client_interceptors("stock")) as channel:
            multi: Any = channel.stream_unary(wire.path("stream_unary"))
            call = multi(timeout=PATIENCE)
            await call.write(b"ok")
            await call.done_writing()
            answer: bytes = await call
            return answer

    with wire.asyncio_server(seen) as address:
        assert asyncio.run(asyncio.wait_for(run(address), PATIENCE)) == b"ok"
    spans(exporter)


def test_a_synchronous_response_stream_can_be_cancelled_and_leaves_the_context_alone(
    tracing: Tracing, exporter: InMemorySpanExporter, seen: Seen
) -> None:
    with wire.threaded(seen) as address, grpc.insecure_channel(address) as plain:
        channel = grpc.intercept_channel(plain, *tracing.client_interceptors("stock"))
        multi: Any = channel.unary_stream(wire.path("unary_stream"))
        call = multi(b"ok", timeout=PATIENCE)
        assert next(call) == b"ok"
        assert not trace.get_current_span().get_span_context().is_valid
        call.cancel()
        spans(exporter)


def test_concurrent_calls_keep_their_own_traces(tracing: Tracing, exporter: InMemorySpanExporter, seen: Seen) -> None:
    async def one(channel: grpc.aio.Channel, number: int) -> None:
        with tracing.span(f"parent {number}", {}):
            trace_id = tracing.trace_id()
            await asyncio.sleep(0)
            await wire.acall(channel, "unary_unary", metadata=(("number", trace_id),))

    async def run(address: str) -> None:
        interceptors = tracing.aio_client_interceptors("stock")
        async with grpc.aio.insecure_channel(address, interceptors=interceptors) as channel:
            await asyncio.gather(*(one(channel, number) for number in range(20)))

    with wire.asyncio_server(seen) as address:
        asyncio.run(run(address))
    assert len(seen.metadata) == 20
    for metadata in seen.metadata:
        found = dict(metadata)
        assert str(found["traceparent"]).split("-")[1] == found["number"] == found["x-b3-traceid"]


# --- baggage ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("allowed", "expected"), [("", "a=1,b=2,c=3"), ("b, x", "b=2")])
def test_baggage_goes_on_as_far_as_it_is_allowed(
    allowed: str, expected: str, monkeypatch: pytest.MonkeyPatch, seen: Seen
) -> None:
    monkeypatch.setenv("BAGGAGE_KEYS", allowed)
    tracing = module.setup("echo", "", True, span_exporter=InMemorySpanExporter())
    with wire.threaded(seen) as downstream:

        class Relay(Seen):
            def note(self, context: Any) -> None:
                call_downstream("threaded", tracing, downstream, "unary_unary")

        with (
            wire.threaded(Relay(), tracing.server_interceptors()) as address,
            grpc.insecure_channel(address) as channel,
        ):
            wire.call(channel, "unary_unary", metadata=(("baggage", "a=1"), ("baggage", "b=2,c=3")))
    assert [value for key, value in seen.metadata[0] if key == "baggage"] == [expected]
