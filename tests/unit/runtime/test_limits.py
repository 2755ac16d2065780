"""Limits: of calls, streams and bytes. What is over is RESOURCE_EXHAUSTED, at once, and harms nobody else."""

import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from runtime.common import tracing as tracing_setup
from runtime.common.tracing import Tracing
from runtime.process import ResourceExhausted, SyncConnection
from runtime.store import Call

from . import desk, library
from .desk import KINDS, SyncLibraryClient, error_info, raw
from .library import PATIENCE, SERVICE, Book
from .test_client import on_its_own
from .wire import eventually

BOOK = Book(name="books/1", title="one")
DATA = BOOK.SerializeToString()
HANDLERS = list(KINDS)
LARGE = Book(title="x" * 20_000)


class Held:
    """Handlers of a store that wait until they are let go, and say where they run."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.begun: list[str] = []

    def get_book(self, request: Message, context: Call[object]) -> Message:
        self.begun.append(threading.current_thread().name)
        self.go.wait(PATIENCE)
        return request

    def list_books(self, request: Message, context: Call[object]) -> Iterator[Message]:
        yield self.get_book(request, context)

    def save_books(self, requests: Iterator[Message], context: Call[object]) -> Message:
        return self.get_book(next(requests), context)

    def swap_books(self, requests: Iterator[Message], context: Call[object]) -> Iterator[Message]:
        yield self.get_book(next(requests), context)

    def serving(self, tracing: Tracing | None = None, **settings: object) -> Any:
        handlers = {name: getattr(self, name) for name in HANDLERS}
        return library.serving(library.component(library.service(**handlers)), tracing, **settings)


def begin(channel: grpc.Channel, handler: str) -> Callable[[], list[bytes]]:
    """Begin a call; what it returns waits for the answers."""
    multi, kind = raw(channel, handler), KINDS[handler]
    request = iter([DATA]) if kind.startswith("stream") else DATA
    if kind.endswith("stream"):
        answers = multi(request, timeout=PATIENCE)
        return lambda: list(answers)
    future = multi.future(request, timeout=PATIENCE)
    return lambda: [future.result()]


def refused(channel: grpc.Channel, handler: str) -> Any:
    begun = time.monotonic()
    with pytest.raises(grpc.RpcError) as caught:
        begin(channel, handler)()
    assert time.monotonic() - begun < 1
    error: Any = caught.value
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    return error


def healthy(channel: grpc.Channel) -> bool:
    answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(service=SERVICE), timeout=1)
    return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)


# --- calls and streams of a store -------------------------------------------------------------------------------------


def test_calls_wait_for_a_thread_and_one_too_many_is_refused() -> None:
    held = Held()
    with held.serving(max_workers=1, max_waiting=1) as (_, channel):
        first = begin(channel, "get_book")
        assert eventually(lambda: len(held.begun) == 1)
        second = begin(channel, "get_book")
        assert eventually(lambda: _is_refused(channel, "get_book"))
        info = error_info(refused(channel, "get_book"))
        assert (info.reason, info.domain) == ("TOO_MANY_CALLS", SERVICE)
        assert healthy(channel), "who is busy is not ill"
        held.go.set()
        assert first() == second() == [DATA]
        assert begin(channel, "get_book")() == [DATA], "and then there is room again"


def _is_refused(channel: grpc.Channel, handler: str) -> bool:
    try:
        raw(channel, handler)(DATA, timeout=0.3)
    except grpc.RpcError as error:
        return bool(error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED)
    return False


@pytest.mark.parametrize("handler", ["list_books", "save_books", "swap_books"])
@pytest.mark.parametrize("traced", [True, False])
def test_streams_have_threads_of_their_own_and_one_too_many_is_refused(handler: str, traced: bool) -> None:
    exporter = InMemorySpanExporter()
    tracing = tracing_setup.setup("library", "", True, span_exporter=exporter) if traced else None
    held = Held()
    with held.serving(tracing, max_workers=1, max_streams=2) as (_, channel):
        streams = [begin(channel, handler) for _ in range(2)]
        assert eventually(lambda: len(held.begun) == 2)
        info = error_info(refused(channel, handler))
        assert (info.reason, info.domain) == ("TOO_MANY_STREAMS", SERVICE)
        assert healthy(channel)
        unary = begin(channel, "get_book")
        assert eventually(lambda: len(held.begun) == 3), "streams keep no ordinary call waiting"
        held.go.set()
        assert unary() == [DATA]
        assert [stream() for stream in streams] == [[DATA]] * 2
        assert begin(channel, handler)() == [DATA]
    assert ["stream-" in name for name in held.begun[:3]] == [True, True, False]
    if traced:
        codes = [(span.attributes or {})["rpc.response.status_code"] for span in exporter.get_finished_spans()]
        assert codes.count("RESOURCE_EXHAUSTED") == 1


def test_a_refusal_does_not_wait_for_the_request() -> None:
    """Whoever sends a request byte by byte must not keep those busy who turn calls away."""
    held = Held()
    with held.serving(max_workers=1, max_waiting=0) as (_, channel):
        first = begin(channel, "get_book")
        assert eventually(lambda: len(held.begun) == 1)
        silent = threading.Event()

        def nothing_yet() -> Iterator[bytes]:
            silent.wait(PATIENCE)
            yield DATA

        # The same method as a caller of streams sees it: on the wire both are the same.
        call = channel.stream_unary(f"/{SERVICE}/GetBook").future(nothing_yet(), timeout=PATIENCE)
        with pytest.raises(grpc.RpcError) as caught:
            call.result(timeout=1)
        silent.set()
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        held.go.set()
        assert first() == [DATA]


def test_calls_that_were_let_in_are_answered_when_the_server_stops() -> None:
    held = Held()
    with held.serving(max_workers=1, max_waiting=8) as (running, channel):
        calls = [begin(channel, "get_book") for _ in range(5)]
        assert eventually(lambda: len(held.begun) == 1)
        stopped: list[bool] = []
        stopping = threading.Thread(target=lambda: stopped.append(running.stop(PATIENCE)))
        stopping.start()
        time.sleep(0.1)
        held.go.set()
        assert [call() for call in calls] == [[DATA]] * 5
        stopping.join(PATIENCE)
    assert stopped == [True]


# --- bytes ------------------------------------------------------------------------------------------------------------

SMALL = 16 * 1024


def store() -> Any:
    return library.serving(max_message_bytes=SMALL)


def process() -> Any:
    return desk.serving(environ={"MAX_MESSAGE_BYTES": str(SMALL)})


servers = pytest.mark.parametrize("serve", [store, process])


@servers
@pytest.mark.parametrize("handler", HANDLERS)
def test_a_request_that_is_too_large(serve: Callable[[], Any], handler: str) -> None:
    with serve() as (_, channel):
        with pytest.raises(grpc.RpcError) as caught:
            desk.invoke(channel, handler, LARGE)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert desk.invoke(channel, "get_book", BOOK) == [BOOK]


@pytest.mark.parametrize("kind", ["store", "process"])
@pytest.mark.parametrize("handler", HANDLERS)
def test_a_response_that_is_too_large(kind: str, handler: str, caplog: pytest.LogCaptureFixture) -> None:
    def plain(request: object, context: object) -> Message:
        return LARGE

    def stream(request: object, context: object) -> Iterator[Message]:
        yield LARGE

    async def large(request: object, context: object) -> Message:
        return LARGE

    if kind == "store":
        handlers = {rpc.attribute: stream if rpc.server_streaming else plain for rpc in library.RPCS}
        served: Any = library.serving(library.component(library.service(**handlers)), max_message_bytes=SMALL)
    else:
        component = desk.component(desk.everywhere(large))
        served = desk.serving(component, environ={"MAX_MESSAGE_BYTES": str(SMALL)})
    with served as (_, channel), pytest.raises(grpc.RpcError) as caught:
        desk.invoke(channel, handler, BOOK)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    info = error_info(caught.value)
    assert (info.reason, info.metadata["most"]) == ("MESSAGE_TOO_LARGE", str(SMALL))
    assert "MAX_MESSAGE_BYTES" in caplog.text, "whoever runs the service must learn of it"


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize("loop", [True, False])
@pytest.mark.parametrize("way", ["sent", "received"])
def test_clients_neither_send_nor_take_what_is_too_large(handler: str, loop: bool, way: str) -> None:
    made = LARGE if way == "sent" else BOOK

    async def answer(request: Any, call: Any) -> Message:
        return LARGE

    async def use(client: Any) -> None:
        answers = getattr(client, handler)([made] if KINDS[handler].startswith("stream") else made)
        if KINDS[handler].endswith("stream"):
            async for _ in answers:
                pass
        else:
            await answers

    served = desk.component(desk.everywhere(answer)) if way == "received" else desk.component()
    with desk.serving(served) as (running, _), pytest.raises(ResourceExhausted) as caught:
        if loop:
            on_its_own(running.address, use, max_message_bytes=SMALL)
        else:
            with SyncConnection("library", running.address, max_message_bytes=SMALL) as connection:
                client = SyncLibraryClient(connection)
                answers = getattr(client, handler)([made] if KINDS[handler].startswith("stream") else made)
                list(answers) if KINDS[handler].endswith("stream") else None
    assert caught.value.component == "library"
