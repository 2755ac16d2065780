"""Clients of other components, called from the handlers of a process as well as on their own."""

import asyncio
import shutil
import subprocess
import threading
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

import grpc
import pytest
from google.protobuf.message import Message
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from runtime.common import tracing as tracing_setup
from runtime.common.tracing import Tracing
from runtime.process import (
    Connection,
    DeadlineExceeded,
    FailedPrecondition,
    Internal,
    NotFound,
    Settings,
    SettingsError,
    Unavailable,
    Unimplemented,
)

from . import desk, library
from .desk import KINDS, LibraryClient, component, error_info, everywhere, invoke, serving
from .library import PATIENCE, SERVICE, Book
from .test_headers import EVERYTHING, PASSED_ON_ALWAYS, TRACE, TRACE_CONTEXT
from .wire import eventually

HANDLERS = tuple(KINDS)
BOOK = Book(name="books/1", title="one")


async def ask(client: LibraryClient, handler: str, request: Message, timeout: float | None = None) -> list[Message]:
    """Call the RPC of a handler with one request, and return all answers."""
    method = getattr(client, handler)
    kind = KINDS[handler]
    answer = method(iter([request]) if kind.startswith("stream") else request, timeout=timeout)
    return [item async for item in answer] if kind.endswith("stream") else [await answer]


def on_its_own(
    address: str, use: Callable[[LibraryClient], Awaitable[Any]], tracing: Tracing | None = None, **options: Any
) -> Any:
    """Use a client outside of any process."""

    async def run() -> Any:
        try:
            async with Connection("library", address, tracing=tracing, **options) as connection:
                return await use(LibraryClient(connection))
        finally:
            await asyncio.sleep(0.02)  # gRPC's loops share a queue: what comes for a closed one is an error in another

    return asyncio.run(asyncio.wait_for(run(), 2 * PATIENCE))


class Relay:
    """The process ``desk``, each of whose handlers calls the same RPC of ``library``, a process of its own."""

    def __init__(self, act: Callable[[Any, Any], Any], tracing: Tracing | None = None, **environ: str) -> None:
        self.seen: list[Any] = []
        self.errors: list[BaseException] = []
        self.timeout: float | None = None
        self._act = act
        self._tracing = tracing
        self._environ = environ
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        library, _ = self._stack.enter_context(serving(component(everywhere(self._note), name="library")))
        handlers = {handler: everywhere(self._passing(handler))[handler] for handler in HANDLERS}
        relay = component(handlers, build=lambda settings: settings.connect(LibraryClient))
        environ = {"LIBRARY_ADDRESS": library.address, **self._environ}
        _, self.channel = self._stack.enter_context(serving(relay, self._tracing, environ))
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    async def _note(self, request: Any, call: Any) -> Any:
        self.seen.append(call)
        return await self._act(request, call)

    def _passing(self, handler: str) -> Any:
        async def pass_on(request: Any, call: Any) -> Any:
            try:
                (answer,) = await ask(call.app, handler, request, self.timeout)
            except BaseException as error:
                self.errors.append(error)
                raise
            return answer

        return pass_on


async def echo(request: Any, call: Any) -> Any:
    return request


def own(metadata: Any) -> Counter[Any]:
    """The headers without those that gRPC itself sends."""
    return Counter((name, value) for name, value in metadata if name != "user-agent")


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def tracing(exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tracing]:
    monkeypatch.delenv("OTEL_PROPAGATORS", raising=False)
    made = tracing_setup.setup("desk", "", True, span_exporter=exporter)
    yield made
    made.shutdown()


# --- calls ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("store", [True, False])
def test_all_kinds_of_rpc(store: bool) -> None:
    async def use(client: LibraryClient) -> None:
        assert await client.get_book(BOOK) == BOOK
        assert [book async for book in client.list_books(BOOK)] == [BOOK] * 3
        assert await client.save_books([Book(title="a"), Book(title="b")]) == Book(title="a,b")
        assert [book async for book in client.swap_books(iter([BOOK, Book()]))] == [BOOK, Book()]

        async def requests() -> AsyncIterator[Message]:
            yield BOOK
            await asyncio.sleep(0)
            yield Book()

        assert await client.save_books(requests()) == Book(title="one,")
        assert [book async for book in client.swap_books(requests())] == [BOOK, Book()]

    served: Any = library.serving() if store else serving()
    with served as (running, _):
        on_its_own(running.address, use)


@pytest.mark.parametrize("handler", HANDLERS)
def test_an_error_is_raised_as_what_it_is_with_its_details_and_whom_we_called(handler: str) -> None:
    async def fail(request: Any, call: Any) -> Any:
        raise FailedPrecondition("the cart is empty", reason="CART_EMPTY", metadata={"cart": "carts/1"})

    with serving(component(everywhere(fail))) as (running, _), pytest.raises(FailedPrecondition) as caught:
        on_its_own(running.address, lambda client: ask(client, handler, BOOK))
    error = caught.value
    assert (error.component, error.reason, error.domain) == ("library", "CART_EMPTY", SERVICE)
    assert error.metadata == {"cart": "carts/1"}
    assert error.message == "the cart is empty"


@pytest.mark.parametrize("handler", HANDLERS)
def test_nobody_there(handler: str) -> None:
    with pytest.raises(Unavailable, match="library cannot be reached") as caught:
        on_its_own("127.0.0.1:1", lambda client: ask(client, handler, BOOK))
    assert caught.value.component == "library"


@pytest.mark.parametrize("handler", HANDLERS)
def test_an_answer_that_is_no_message(handler: str) -> None:
    rpcs = tuple(type(rpc)(**{**vars(rpc), "response": library.StrictBook}) for rpc in library.RPCS)

    async def answer(request: Any, call: Any) -> Any:
        return library.StrictBook.FromString(b"\n\x01\xff")  # proto2 takes any bytes for a string, proto3 only UTF-8

    with serving(component(everywhere(answer), rpcs=rpcs)) as (running, _), pytest.raises(Internal) as caught:
        on_its_own(running.address, lambda client: ask(client, handler, BOOK))
    assert (caught.value.component, caught.value.reason) == ("library", "MALFORMED_RESPONSE")


@pytest.mark.parametrize("handler", ["save_books", "swap_books"])
def test_what_the_requests_raise_is_raised(handler: str) -> None:
    async def requests() -> AsyncIterator[Message]:
        yield BOOK
        raise KeyError("mine")

    async def use(client: LibraryClient) -> None:
        with pytest.raises(KeyError, match="mine"):
            if handler == "save_books":
                await client.save_books(requests())
            else:
                async for _ in client.swap_books(requests()):
                    pass

    with serving() as (running, _):
        on_its_own(running.address, use)


def test_an_uncaught_error_of_a_component_reaches_our_caller_as_its_own_or_as_ours() -> None:
    async def fail(request: Any, call: Any) -> Any:
        raise (NotFound("books/1") if request.title == "missing" else Unimplemented("a secret of theirs"))

    with Relay(fail) as relay:
        with pytest.raises(grpc.RpcError) as caught:
            invoke(relay.channel, "get_book", Book(title="missing"))
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND
        with pytest.raises(grpc.RpcError) as caught:
            invoke(relay.channel, "get_book", Book(title="other"))
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in str(caught.value)
    info = error_info(caught.value)
    assert (info.reason, dict(info.metadata)) == ("DOWNSTREAM_FAILED", {"component": "library"})


# --- time -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize(
    ("inbound", "given", "default", "expected"),
    [
        (2.0, None, "4", 2.0),  # what is left of our caller's time
        (4.0, None, "2", 2.0),  # the default, where our caller waits longer
        (4.0, 1.0, "2", 1.0),
        (2.0, 9.0, "4", 2.0),
        (4.0, 3.0, "2", 3.0),  # said explicitly, it takes the place of the default
        (None, None, "3", 3.0),
        (None, 2.0, "9", 2.0),
    ],
)
def test_how_long_a_call_may_take(
    handler: str, inbound: float | None, given: float | None, default: str, expected: float
) -> None:
    remaining: list[float] = []

    async def note(request: Any, call: Any) -> Any:
        remaining.append(call.time_remaining())
        return request

    with Relay(note, DEFAULT_TIMEOUT_SECONDS=default) as relay:
        relay.timeout = given
        multi = desk.raw(relay.channel, handler)
        request = iter([b""]) if KINDS[handler].startswith("stream") else b""
        answer = multi(request, timeout=inbound) if inbound else multi(request)
        list(answer)
    (seconds,) = remaining
    assert expected - 0.5 < seconds < expected + 0.1


def test_when_no_time_is_left_nothing_is_called() -> None:
    with Relay(echo) as relay:
        for handler in HANDLERS:
            relay.timeout = 0.0
            with pytest.raises(grpc.RpcError) as caught:
                invoke(relay.channel, handler, BOOK)
            assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert relay.seen == []
    assert [type(error) for error in relay.errors] == [DeadlineExceeded] * 4


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_component_that_does_not_answer_in_time(handler: str) -> None:
    async def wait(request: Any, call: Any) -> Any:
        await asyncio.sleep(PATIENCE)

    with serving(component(everywhere(wait))) as (running, _), pytest.raises(DeadlineExceeded) as caught:
        on_its_own(running.address, lambda client: ask(client, handler, BOOK, 0.2))
    assert caught.value.component == "library"


# --- cancellation -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("handler", HANDLERS)
@pytest.mark.parametrize("traced", [True, False])
def test_when_our_caller_leaves_downstream_sees_it_within_a_second(
    traced: bool, handler: str, tracing: Tracing, exporter: InMemorySpanExporter
) -> None:
    started, cancelled = threading.Event(), threading.Event()

    async def wait(request: Any, call: Any) -> Any:
        started.set()
        try:
            await asyncio.sleep(PATIENCE)
        except asyncio.CancelledError:
            cancelled.set()
            raise

    with Relay(wait, tracing if traced else None) as relay:
        kind = KINDS[handler]
        multi = desk.raw(relay.channel, handler)
        request = iter([b""]) if kind.startswith("stream") else b""
        call = multi(request, timeout=PATIENCE) if kind.endswith("stream") else multi.future(request, timeout=PATIENCE)
        assert started.wait(PATIENCE)
        call.cancel()
        assert cancelled.wait(1)
        if traced:
            assert eventually(lambda: len(exporter.get_finished_spans()) == 2)
    found = {span.kind: span for span in exporter.get_finished_spans()}
    if traced:
        assert (found[SpanKind.CLIENT].attributes or {})["rpc.response.status_code"] == "CANCELLED"
        assert found[SpanKind.CLIENT].parent == found[SpanKind.SERVER].context


@pytest.mark.parametrize("handler", ["list_books", "swap_books"])
@pytest.mark.parametrize("traced", [True, False])
def test_a_consumer_that_stops_early_ends_the_call(traced: bool, handler: str, tracing: Tracing) -> None:
    closed = threading.Event()

    async def endless(request: Any, call: Any) -> AsyncIterator[Any]:
        try:
            while True:
                yield Book()
                await asyncio.sleep(0.001)
        finally:
            closed.set()

    async def use(client: LibraryClient) -> None:
        answers = client.list_books(BOOK) if handler == "list_books" else client.swap_books([BOOK])
        async for _ in answers:
            break
        del answers
        assert await asyncio.to_thread(closed.wait, 1)

    with serving(component({handler: endless})) as (running, _):
        on_its_own(running.address, use, tracing if traced else None)


def test_closing_a_connection_ends_its_calls() -> None:
    started = threading.Event()

    async def wait(request: Any, call: Any) -> Any:
        started.set()
        await asyncio.sleep(PATIENCE)

    async def run(address: str) -> None:
        connection = Connection("library", address)
        waiting = asyncio.create_task(LibraryClient(connection).get_book(BOOK))
        await asyncio.to_thread(started.wait, PATIENCE)
        await connection.close()
        done, _ = await asyncio.wait([waiting], timeout=1)
        assert done == {waiting}
        assert waiting.cancelled() or waiting.exception() is not None

    with serving(component(everywhere(wait))) as (running, _):
        asyncio.run(run(running.address))


# --- headers ----------------------------------------------------------------------------------------------------------

# What may be sent: gRPC sets these two itself.
SENT = tuple(pair for pair in EVERYTHING if pair[0] not in {"user-agent", "grpc-accept-encoding"})


@pytest.mark.parametrize("handler", HANDLERS)
def test_forward_passes_the_headers_of_a_trace_on_verbatim(handler: str) -> None:
    with Relay(echo) as relay:
        invoke(relay.channel, handler, BOOK, metadata=SENT)
    assert own(relay.seen[0].metadata) == Counter(TRACE_CONTEXT + PASSED_ON_ALWAYS)


@pytest.mark.parametrize("handler", HANDLERS)
def test_participate_passes_our_own_span_on(handler: str, tracing: Tracing, exporter: InMemorySpanExporter) -> None:
    with Relay(echo, tracing) as relay:
        invoke(relay.channel, handler, BOOK, metadata=SENT)
        assert eventually(lambda: len(exporter.get_finished_spans()) == 2)
    client = next(span for span in exporter.get_finished_spans() if span.kind is SpanKind.CLIENT)
    assert client.context is not None
    assert f"{client.context.trace_id:032x}" == TRACE
    span_id = f"{client.context.span_id:016x}"
    assert own(relay.seen[0].metadata) == Counter(
        [
            *PASSED_ON_ALWAYS,
            ("traceparent", f"00-{TRACE}-{span_id}-{client.context.trace_flags:02x}"),
            ("tracestate", "vendor=1,other=2"),
            ("baggage", "tenant=a"),
            ("x-b3-traceid", TRACE),
            ("x-b3-spanid", span_id),
            ("x-b3-sampled", "1"),
        ]
    )
    assert (client.attributes or {})["peer.service"] == "library"
    assert (client.attributes or {})["guid:x-request-id"] == "r-1"


@pytest.mark.parametrize("traced", [True, False])
def test_named_headers_go_on(traced: bool, tracing: Tracing) -> None:
    with Relay(echo, tracing if traced else None, FORWARD_HEADERS="X-Tenant-Id,x-token-bin") as relay:
        invoke(relay.channel, "get_book", BOOK, metadata=SENT)
    named = {"x-tenant-id", "x-token-bin", "authorization"}
    assert [pair for pair in relay.seen[0].metadata if pair[0] in named] == [
        ("x-tenant-id", "t-1"),
        ("x-tenant-id", "t-2"),
        ("x-token-bin", b"\x00\xff"),
    ]


@pytest.mark.parametrize("traced", [True, False])
def test_a_request_id_is_made_once_for_all_that_a_call_leads_to(
    traced: bool, tracing: Tracing, exporter: InMemorySpanExporter
) -> None:
    with Relay(echo, tracing if traced else None) as relay:
        invoke(relay.channel, "get_book", BOOK)
        invoke(relay.channel, "get_book", BOOK)
        assert eventually(lambda: len(exporter.get_finished_spans()) == (4 if traced else 0))
    ids = [dict(call.metadata)["x-request-id"] for call in relay.seen]
    assert len(set(ids)) == 2
    if traced:
        spans = Counter((span.attributes or {})["guid:x-request-id"] for span in exporter.get_finished_spans())
        assert spans == Counter(dict.fromkeys(ids, 2))


@pytest.mark.parametrize("traced", [True, False])
def test_concurrent_calls_and_fan_out_never_mix(traced: bool, tracing: Tracing) -> None:
    seen: list[tuple[str, str]] = []

    async def note(request: Any, call: Any) -> Any:
        await asyncio.sleep(0.005)
        seen.append((request.title, call.header("x-request-id")))
        return request

    async def fan_out(request: Any, call: Any) -> Any:
        await asyncio.gather(*(call.app.get_book(request) for _ in range(3)))
        return request

    with serving(component(everywhere(note), name="library")) as (downstream, _):
        relay = component(everywhere(fan_out), build=lambda settings: settings.connect(LibraryClient))
        environ = {"LIBRARY_ADDRESS": downstream.address}
        with serving(relay, tracing if traced else None, environ) as (_, channel):
            multi = desk.raw(channel, "get_book")
            calls = [
                multi.future(
                    Book(title=str(n)).SerializeToString(), timeout=PATIENCE, metadata=(("x-request-id", str(n)),)
                )
                for n in range(20)
            ]
            for call in calls:
                call.result()
    assert Counter(seen) == Counter({(str(n), str(n)): 3 for n in range(20)})


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, r"LIBRARY_ADDRESS is not set: set it to where library listens"),
        ({"LIBRARY_ADDRESS": "library"}, r"LIBRARY_ADDRESS: 'library' has no port"),
        ({"LIBRARY_ADDRESS_FILE": "/nowhere"}, r"LIBRARY_ADDRESS_FILE"),
    ],
)
def test_an_address_that_is_missing_or_wrong(environ: dict[str, str], expected: str) -> None:
    with pytest.raises(SettingsError, match=expected):
        desk.settings(environ).connect(LibraryClient)


def test_the_address_of_the_components_own_name_wins_and_clients_share_a_connection() -> None:
    def build(settings: Settings) -> tuple[LibraryClient, LibraryClient]:
        return settings.connect(LibraryClient), settings.connect(LibraryClient)

    async def relay(request: Any, call: Any) -> Any:
        one, two = call.app
        assert one._connection is two._connection
        return await one.get_book(request)

    with serving(component(name="library")) as (downstream, _):
        environ = {"LIBRARY_ADDRESS": "127.0.0.1:1", "DESK_LIBRARY_ADDRESS": downstream.address}
        with serving(component(everywhere(relay), build=build), environ=environ) as (_, channel):
            assert invoke(channel, "get_book", BOOK) == [BOOK]


@pytest.fixture
def certificate(tmp_path: Path) -> tuple[bytes, bytes]:
    """A key and a certificate of this machine's, made for one test."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("openssl is not installed")
    made = [tmp_path / "key.pem", tmp_path / "certificate.pem"]
    command = f"{openssl} req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj /CN=localhost"
    options = ["-addext", "subjectAltName=DNS:localhost", "-keyout", str(made[0]), "-out", str(made[1])]
    subprocess.run([*command.split(), *options], check=True, capture_output=True, timeout=PATIENCE)
    return made[0].read_bytes(), made[1].read_bytes()


def test_an_encrypted_connection_trusts_the_roots_it_is_given(certificate: tuple[bytes, bytes]) -> None:
    with ThreadPoolExecutor(1) as pool:
        server = grpc.server(pool)
        handler: Any = grpc.unary_unary_rpc_method_handler(lambda request, context: request)
        server.add_registered_method_handlers(SERVICE, {"GetBook": handler})
        port = server.add_secure_port("localhost:0", grpc.ssl_server_credentials([certificate]))
        server.start()
        environ = {"LIBRARY_ADDRESS": f"https://localhost:{port}", "LIBRARY_CA": certificate[1].decode()}

        async def use(environ: dict[str, str]) -> Message:
            settings = desk.settings(environ)
            try:
                return await settings.connect(LibraryClient).get_book(BOOK)
            finally:
                await settings.close()

        try:
            assert asyncio.run(use(environ)) == BOOK
            del environ["LIBRARY_CA"]
            with pytest.raises(Unavailable):
                asyncio.run(use(environ))
        finally:
            server.stop(0).wait(PATIENCE)
