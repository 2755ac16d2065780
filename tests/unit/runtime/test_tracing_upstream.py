"""The faults of opentelemetry-instrumentation-grpc that common/spans.py mends, shown on its own interceptors.

Each test says that a fault is still there. One that fails brings good news: upstream has mended it, and the override in
spans.py that mends it can go, together with the test.
"""

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
import pytest
from opentelemetry.instrumentation import grpc as instrumentation
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode

from . import wire
from .wire import PATIENCE, Seen, eventually

upstream: Any = instrumentation  # it has no types


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def provider(exporter: InMemorySpanExporter) -> TracerProvider:
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    return provider


def span_of(exporter: InMemorySpanExporter) -> ReadableSpan:
    assert eventually(lambda: len(exporter.get_finished_spans()) == 1)
    return exporter.get_finished_spans()[0]


def server_span(exporter: InMemorySpanExporter, provider: TracerProvider, asyncio_: bool, **call: Any) -> ReadableSpan:
    """Make one call that fails, on a server with upstream's interceptor, and return the span."""
    serve: Callable[..., Any] = wire.asyncio_server if asyncio_ else wire.threaded
    interceptor = (upstream.aio_server_interceptor if asyncio_ else upstream.server_interceptor)(provider)
    with serve(Seen(), (interceptor,)) as address, grpc.insecure_channel(address) as channel:
        with pytest.raises(grpc.RpcError):
            wire.call(channel, "unary_unary", **call)
        return span_of(exporter)


def test_names_begin_with_a_slash(exporter: InMemorySpanExporter, provider: TracerProvider) -> None:
    assert server_span(exporter, provider, False, request=b"abort ABORTED").name.startswith("/")


@pytest.mark.parametrize("asyncio_", [False, True])
def test_a_normal_abort_makes_exception_events(
    asyncio_: bool, exporter: InMemorySpanExporter, provider: TracerProvider
) -> None:
    assert server_span(exporter, provider, asyncio_, request=b"abort NOT_FOUND").events


@pytest.mark.parametrize("asyncio_", [False, True])
def test_an_uncaught_exception_is_recorded_twice_on_a_span_without_error(
    asyncio_: bool, exporter: InMemorySpanExporter, provider: TracerProvider
) -> None:
    span = server_span(exporter, provider, asyncio_, request=b"raise")
    assert len(span.events) == 2
    assert span.status.status_code is StatusCode.UNSET


def test_an_expired_deadline_is_no_error(exporter: InMemorySpanExporter, provider: TracerProvider) -> None:
    span = server_span(exporter, provider, False, request=b"sleep", timeout=0.2)
    assert span.status.status_code is StatusCode.UNSET
    assert (span.attributes or {})["rpc.grpc.status_code"] == 0


def test_asyncio_cancellation_reaches_neither_the_call_nor_the_span(
    exporter: InMemorySpanExporter, provider: TracerProvider
) -> None:
    seen = Seen()

    async def run(address: str) -> None:
        interceptors = upstream.aio_client_interceptors(provider)
        async with grpc.aio.insecure_channel(address, interceptors=interceptors) as channel:
            waiting = asyncio.create_task(wire.acall(channel, "unary_unary", b"sleep"))
            await asyncio.to_thread(seen.started.wait, PATIENCE)
            waiting.cancel()
            await asyncio.wait([waiting])
            assert not await asyncio.to_thread(seen.cancelled.wait, 1)

    with wire.asyncio_server(seen) as address:
        asyncio.run(run(address))
    assert exporter.get_finished_spans() == ()


def test_writing_to_a_stream_unary_call_hangs(provider: TracerProvider) -> None:
    async def run(address: str) -> None:
        interceptors = upstream.aio_client_interceptors(provider)
        async with grpc.aio.insecure_channel(address, interceptors=interceptors) as channel:
            multi: Any = channel.stream_unary(wire.path("stream_unary"))
            call = multi(timeout=PATIENCE)
            writing = asyncio.create_task(call.write(b"ok"))
            _, waiting = await asyncio.wait([writing], timeout=0.5)
            assert waiting == {writing}
            call.cancel()
            await asyncio.wait([writing])
            writing.exception()  # asked for, so that asyncio does not complain

    with wire.asyncio_server(Seen()) as address:
        asyncio.run(run(address))


def test_a_synchronous_client_loses_repeated_metadata_and_the_stream_its_cancel(provider: TracerProvider) -> None:
    seen = Seen()
    with wire.threaded(seen) as address, grpc.insecure_channel(address) as plain:
        interceptor = upstream.client_interceptor(provider)
        channel: Any = upstream.grpcext.intercept_channel(plain, interceptor)
        call = channel.unary_stream(wire.path("unary_stream"))(
            b"ok", metadata=(("k", "1"), ("k", "2")), timeout=PATIENCE
        )
        assert not hasattr(call, "cancel")
        assert len(list(call)) == 3
    assert [pair for pair in seen.metadata[0] if pair[0] == "k"] == [("k", "2")]
