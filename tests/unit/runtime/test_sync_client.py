"""Clients without an event loop: the same calls, errors, headers, deadlines and spans as those on one."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
from google.protobuf.message import Message
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from runtime.common import tracing as tracing_setup
from runtime.process import (
    DeadlineExceeded,
    FailedPrecondition,
    Internal,
    Settings,
    SettingsError,
    SyncConnection,
    Unavailable,
)

from . import library
from .desk import SyncLibraryClient, component, everywhere, invoke, serving
from .library import PATIENCE, SERVICE, Book
from .wire import eventually

BOOK = Book(name="books/1", title="one")
ASKS: dict[str, Callable[..., Any]] = {
    "get_book": lambda client, **options: client.get_book(BOOK, **options),
    "list_books": lambda client, **options: list(client.list_books(BOOK, **options)),
    "save_books": lambda client, **options: client.save_books([BOOK], **options),
    "swap_books": lambda client, **options: list(client.swap_books([BOOK], **options)),
}
kinds = pytest.mark.parametrize("handler", list(ASKS))


@pytest.mark.parametrize("store", [True, False])
def test_all_kinds_of_rpc(store: bool) -> None:
    served: Any = library.serving() if store else serving()
    with served as (running, _), SyncConnection("library", running.address) as connection:
        client = SyncLibraryClient(connection)
        assert client.get_book(BOOK) == BOOK
        assert list(client.list_books(BOOK)) == [BOOK] * 3
        assert client.save_books([Book(title="a"), Book(title="b")]) == Book(title="a,b")
        assert list(client.swap_books(iter([BOOK, Book()]))) == [BOOK, Book()]
        assert list(client.swap_books([])) == []
        assert client.save_books([]) == Book()


@kinds
def test_an_error_is_raised_as_what_it_is_with_its_details_and_whom_we_called(handler: str) -> None:
    async def fail(request: Any, call: Any) -> Any:
        raise FailedPrecondition("the cart is empty", reason="CART_EMPTY", metadata={"cart": "carts/1"})

    with (
        serving(component(everywhere(fail))) as (running, _),
        SyncConnection("library", running.address) as connection,
        pytest.raises(FailedPrecondition) as caught,
    ):
        ASKS[handler](SyncLibraryClient(connection))
    error = caught.value
    assert (error.component, error.reason, error.domain) == ("library", "CART_EMPTY", SERVICE)
    assert error.metadata == {"cart": "carts/1"}


@kinds
def test_nobody_there(handler: str) -> None:
    with (
        SyncConnection("library", "127.0.0.1:1") as connection,
        pytest.raises(Unavailable, match="library cannot be reached"),
    ):
        ASKS[handler](SyncLibraryClient(connection))


@kinds
def test_an_answer_that_is_no_message(handler: str) -> None:
    rpcs = tuple(type(rpc)(**{**vars(rpc), "response": library.StrictBook}) for rpc in library.RPCS)

    async def answer(request: Any, call: Any) -> Any:
        return library.StrictBook.FromString(b"\n\x01\xff")

    served = component(everywhere(answer), rpcs=rpcs)
    with (
        serving(served) as (running, _),
        SyncConnection("library", running.address) as connection,
        pytest.raises(Internal) as caught,
    ):
        ASKS[handler](SyncLibraryClient(connection))
    assert (caught.value.component, caught.value.reason) == ("library", "MALFORMED_RESPONSE")


@pytest.mark.parametrize("handler", ["save_books", "swap_books"])
def test_requests_that_fail_are_no_complete_stream(handler: str) -> None:
    ended: list[str] = []

    async def read(requests: Any, call: Any) -> Any:
        try:
            async for _ in requests:
                pass
            ended.append("complete")
        except BaseException as error:
            ended.append(type(error).__name__)
            raise
        return BOOK

    async def swap(requests: Any, call: Any) -> AsyncIterator[Any]:
        yield await read(requests, call)

    def requests() -> Iterator[Message]:
        yield BOOK
        raise KeyError("mine")

    served = component({"save_books": read, "swap_books": swap})
    with serving(served) as (running, _), SyncConnection("library", running.address) as connection:
        client = SyncLibraryClient(connection)
        with pytest.raises(KeyError, match="mine"):
            client.save_books(requests()) if handler == "save_books" else list(client.swap_books(requests()))
        assert eventually(lambda: bool(ended))
    assert ended != ["complete"]


@kinds
def test_a_component_that_does_not_answer_in_time(handler: str) -> None:
    async def wait(request: Any, call: Any) -> Any:
        await asyncio.sleep(PATIENCE)

    with (
        serving(component(everywhere(wait))) as (running, _),
        SyncConnection("library", running.address) as connection,
        pytest.raises(DeadlineExceeded) as caught,
    ):
        ASKS[handler](SyncLibraryClient(connection), timeout=0.2)
    assert caught.value.component == "library"


@pytest.mark.parametrize("handler", ["list_books", "swap_books"])
def test_a_reader_that_stops_early_ends_the_call(handler: str) -> None:
    closed = threading.Event()

    async def endless(request: Any, call: Any) -> AsyncIterator[Any]:
        try:
            while True:
                yield Book()
                await asyncio.sleep(0.001)
        finally:
            closed.set()

    with (
        serving(component({handler: endless})) as (running, _),
        SyncConnection("library", running.address) as connection,
    ):
        client = SyncLibraryClient(connection)
        answers = client.list_books(BOOK) if handler == "list_books" else client.swap_books([BOOK])
        next(answers)
        del answers
        assert closed.wait(1)


def test_in_a_thread_of_a_process_it_has_the_callers_time_and_headers() -> None:
    seen: list[Any] = []

    async def note(request: Any, call: Any) -> Any:
        seen.append(call)
        return request

    async def relay(request: Any, call: Any) -> Any:
        return await asyncio.to_thread(call.app.get_book, request)

    with serving(component(everywhere(note), name="library")) as (inner, _):
        served = component({"get_book": relay}, build=lambda settings: settings.connect(SyncLibraryClient))
        with serving(served, environ={"LIBRARY_ADDRESS": inner.address}) as (_, channel):
            invoke(channel, "get_book", BOOK, timeout=2, metadata=(("x-request-id", "r-1"),))
    (call,) = seen
    assert call.header("x-request-id") == "r-1"
    remaining = call.time_remaining()
    assert remaining is not None
    assert 0 < remaining < 2.1


def test_calls_make_spans() -> None:
    exporter = InMemorySpanExporter()
    tracing = tracing_setup.setup("tool", "", True, span_exporter=exporter)
    with serving() as (running, _), SyncConnection("library", running.address, tracing=tracing) as connection:
        client = SyncLibraryClient(connection)
        for ask in ASKS.values():
            ask(client)
        assert eventually(lambda: len(exporter.get_finished_spans()) == len(ASKS))
    spans = exporter.get_finished_spans()
    assert [span.kind for span in spans] == [SpanKind.CLIENT] * 4
    assert [(span.attributes or {})["peer.service"] for span in spans] == ["library"] * 4


def test_many_threads_share_a_client() -> None:
    answers: list[Any] = []
    with serving() as (running, _), SyncConnection("library", running.address) as connection:
        client = SyncLibraryClient(connection)

        def ask(number: int) -> None:
            answers.append((number, client.get_book(Book(title=str(number)))))

        threads = [threading.Thread(target=ask, args=(number,)) for number in range(20)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
    assert len(answers) == 20
    assert all(book == Book(title=str(number)) for number, book in answers)


def test_a_script_connects_by_settings() -> None:
    with serving() as (running, _):
        settings = Settings.load("checkout", environ={"LIBRARY_ADDRESS": running.address})
        assert settings.connect(SyncLibraryClient).get_book(BOOK) == BOOK
        asyncio.run(settings.close())
    with pytest.raises(SettingsError, match="LIBRARY_ADDRESS"):
        Settings.load("checkout", environ={}).connect(SyncLibraryClient)


def test_a_call_after_closing_is_an_error_and_no_hang() -> None:
    begun = time.monotonic()
    with serving() as (running, _):
        connection = SyncConnection("library", running.address)
        connection.close()
        with pytest.raises(Exception, match="closed"):
            SyncLibraryClient(connection).get_book(BOOK)
    assert time.monotonic() - begun < PATIENCE
