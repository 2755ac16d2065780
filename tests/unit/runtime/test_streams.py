"""Streams, in both kinds of service and by both kinds of client: ends, errors, cancellation both ways, and back-pressure."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from runtime.process import Cancelled, Connection, NotFound, StatusError, SyncConnection
from runtime.store import Call, Unavailable
from runtime.store import NotFound as StoreNotFound

from . import desk, library
from .desk import LibraryClient, SyncLibraryClient
from .library import PATIENCE, Book
from .test_client import on_its_own
from .wire import eventually

BOOK = Book(name="books/1", title="one")
LARGE = Book(title="x" * 64 * 1024)

# What flow control lets through before anybody has read it: gRPC's windows grow with what it measures of the connection, and
# the kernel's buffers by themselves, to 20 megabytes together on a busy machine. A tenth of MANY is a bound all the same.
AHEAD = 500
MANY = 5000


@dataclass
class Script:
    """What the handlers of a service do with a stream, in the terms of either kind of service."""

    read_first: bool = False
    answers: int = 0
    answer: Message = field(default_factory=lambda: BOOK)
    error: bool = False
    hold: threading.Event | None = None
    intercepted: bool = False
    made: int = 0
    read: list[Message] = field(default_factory=list)
    ended: threading.Event = field(default_factory=threading.Event)
    outcome: str = ""


class Passing(grpc.ServerInterceptor):
    """Stands in the way of a store's calls, and does nothing: streams take another way through the server then."""

    def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        return continuation(handler_call_details)


class AsyncPassing(grpc.aio.ServerInterceptor):
    """The same for a process."""

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        return await continuation(handler_call_details)


def store(script: Script) -> AbstractContextManager[Any]:
    """The script as a store."""

    def answers() -> Iterator[Message]:
        for _ in range(script.answers):
            script.made += 1
            yield script.answer
        if script.error:
            raise StoreNotFound("books/9")

    def reading(requests: Any) -> None:
        try:
            for book in requests:
                script.read.append(book)
                if script.hold is not None:
                    script.hold.wait(PATIENCE)
            script.outcome = "complete"
        except BaseException as error:
            script.outcome = type(error).__name__
            raise

    def list_books(request: Message, context: Call[object]) -> Iterator[Message]:
        try:
            yield from answers()
        finally:
            script.ended.set()

    def swap_books(requests: Iterator[Message], context: Call[object]) -> Iterator[Message]:
        try:
            if script.read_first:
                reading(requests)
            yield from answers()
            if not script.read_first and not script.error:
                reading(requests)
        finally:
            script.ended.set()

    def save_books(requests: Iterator[Message], context: Call[object]) -> Message:
        try:
            if not script.error:
                reading(requests)
            for _ in answers():
                pass
        finally:
            script.ended.set()
        return Book(title=str(len(script.read)))

    handlers = library.service(list_books=list_books, swap_books=swap_books, save_books=save_books)
    return library.serving(library.component(handlers, interceptors=[Passing()] if script.intercepted else []))


def process(script: Script) -> AbstractContextManager[Any]:
    """The script as a process."""

    async def answers() -> AsyncIterator[Message]:
        for _ in range(script.answers):
            script.made += 1
            yield script.answer
        if script.error:
            raise NotFound("books/9")

    async def reading(requests: Any) -> None:
        try:
            async for book in requests:
                script.read.append(book)
                if script.hold is not None:
                    await asyncio.to_thread(script.hold.wait, PATIENCE)
            script.outcome = "complete"
        except BaseException as error:
            script.outcome = type(error).__name__
            raise

    async def list_books(request: Message, context: Any) -> AsyncIterator[Message]:
        try:
            async for book in answers():
                yield book
        finally:
            script.ended.set()

    async def swap_books(requests: AsyncIterator[Message], context: Any) -> AsyncIterator[Message]:
        try:
            if script.read_first:
                await reading(requests)
            async for book in answers():
                yield book
            if not script.read_first and not script.error:
                await reading(requests)
        finally:
            script.ended.set()

    async def save_books(requests: AsyncIterator[Message], context: Any) -> Message:
        try:
            if not script.error:
                await reading(requests)
            async for _ in answers():
                pass
        finally:
            script.ended.set()
        return Book(title=str(len(script.read)))

    handlers = {"list_books": list_books, "swap_books": swap_books, "save_books": save_books}
    return desk.serving(desk.component(handlers, interceptors=[AsyncPassing()] if script.intercepted else []))


Serve = Callable[[Script], AbstractContextManager[Any]]


class Caller:
    """A client of either kind, with the same few things to do."""

    def __init__(self, loop: bool) -> None:
        self.loop = loop

    def read(self, address: str, handler: str, requests: list[Message] | None = None) -> tuple[list[Message], str]:
        """Read a stream to its end: what came, and the error's name."""
        received: list[Message] = []
        try:
            if self.loop:

                async def use(client: LibraryClient) -> None:
                    stream = client.list_books(BOOK) if requests is None else client.swap_books(requests)
                    async for book in stream:
                        received.append(book)

                on_its_own(address, use)
            else:
                with SyncConnection("library", address) as connection:
                    client = SyncLibraryClient(connection)
                    for book in client.list_books(BOOK) if requests is None else client.swap_books(requests):
                        received.append(book)
        except StatusError as error:
            return received, type(error).__name__
        return received, ""

    def save(self, address: str, requests: Any) -> Message:
        """Send a stream; ``requests`` is a plain iterator."""
        if self.loop:

            async def stream() -> AsyncIterator[Message]:
                try:
                    for book in requests:
                        yield book
                        await asyncio.sleep(0)
                finally:
                    if hasattr(requests, "close"):
                        requests.close()

            async def use(client: LibraryClient) -> Message:
                return await client.save_books(stream())

            answer: Message = on_its_own(address, use)
            return answer
        with SyncConnection("library", address) as connection:
            return SyncLibraryClient(connection).save_books(requests)


everywhere = [
    pytest.mark.parametrize("serve", [store, process]),
    pytest.mark.parametrize("caller", [Caller(True), Caller(False)], ids=["loop", "sync"]),
]


def both(test: Any) -> Any:
    for mark in everywhere:
        test = mark(test)
    return test


# --- ends and errors --------------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("requests", [None, [], [BOOK]], ids=["list", "swap-none", "swap-one"])
@pytest.mark.parametrize("answers", [0, 1, 5])
def test_count_and_order_of_answers(serve: Serve, caller: Caller, requests: Any, answers: int) -> None:
    script = Script(answers=answers, read_first=True)
    with serve(script) as (running, _):
        assert caller.read(running.address, "", requests) == ([BOOK] * answers, "")
    assert script.read == (requests or [])


@both
@pytest.mark.parametrize("count", [0, 1, 300])
def test_every_request_arrives_in_order_and_the_end_is_seen(serve: Serve, caller: Caller, count: int) -> None:
    books = [Book(title=str(number)) for number in range(count)]
    script = Script()
    with serve(script) as (running, _):
        assert caller.save(running.address, iter(books)) == Book(title=str(count))
    assert script.read == books
    assert script.outcome == "complete"


@both
@pytest.mark.parametrize("requests", [None, [BOOK]], ids=["list", "swap"])
@pytest.mark.parametrize("before", [0, 3])
def test_what_came_before_an_error_is_delivered(serve: Serve, caller: Caller, requests: Any, before: int) -> None:
    script = Script(answers=before, error=True)
    with serve(script) as (running, _):
        assert caller.read(running.address, "", requests) == ([BOOK] * before, "NotFound")


def test_answers_come_while_requests_are_still_to_be_sent() -> None:
    """A conversation: each request is made from the answer before it."""

    async def use(client: LibraryClient) -> list[str]:
        seen: asyncio.Queue[str] = asyncio.Queue()
        titles = []

        async def requests() -> AsyncIterator[Message]:
            for _ in range(3):
                yield Book(title=f"{await seen.get()}+")

        seen.put_nowait("")
        async for book in client.swap_books(requests()):
            titles.append(library.title(book))
            seen.put_nowait(titles[-1])
        return titles

    for served in (library.serving(), desk.serving()):
        with served as (running, _):
            assert on_its_own(running.address, use) == ["+", "++", "+++"]


# --- the other side leaves --------------------------------------------------------------------------------------------


@both
def test_a_service_that_ends_a_call_ends_the_callers_stream_of_requests(serve: Serve, caller: Caller) -> None:
    closed = threading.Event()

    def requests() -> Iterator[Message]:
        try:
            while True:
                yield BOOK
        finally:
            closed.set()

    with serve(Script(error=True)) as (running, _):
        for _ in range(10):  # what grpc.aio makes of it, it makes by chance
            closed.clear()
            with pytest.raises(NotFound, match="books/9"):
                caller.save(running.address, requests())
            assert closed.wait(PATIENCE)


@pytest.mark.parametrize("serve", [store, process])
@pytest.mark.parametrize("handler", ["save_books", "swap_books"])
def test_half_a_stream_of_requests_never_passes_for_the_whole(serve: Serve, handler: str) -> None:
    """gRPC's core ends both alike; without more, every tenth (store) to second (process) looked complete."""
    outcomes: list[str] = []

    def requests() -> Iterator[Message]:
        yield BOOK
        raise KeyError("mine")

    for _ in range(2):
        script = Script(read_first=True)
        with serve(script) as (running, _), SyncConnection("library", running.address) as connection:
            client = SyncLibraryClient(connection)
            for _ in range(40):
                script.ended.clear()
                with pytest.raises(KeyError):
                    client.save_books(requests()) if handler == "save_books" else list(client.swap_books(requests()))
                # One that never reached its handler has no outcome.
                script.ended.wait(0.05)
                outcomes.append(script.outcome)
    assert set(outcomes) - {""} <= {"Cancelled", "CancelledError"}
    assert set(outcomes) - {""} != set()


# --- back-pressure ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("intercepted", [False, True], ids=["", "intercepted"])
@both
def test_a_slow_reader_bounds_what_a_service_makes(serve: Serve, caller: Caller, intercepted: bool) -> None:
    script = Script(answers=MANY, answer=LARGE, intercepted=intercepted)
    with serve(script) as (running, _):
        if caller.loop:

            async def use(client: LibraryClient) -> None:
                stream: Any = client.list_books(BOOK)
                await anext(stream)
                await asyncio.to_thread(_until_it_rests, script)
                await stream.aclose()

            on_its_own(running.address, use)
        else:
            with SyncConnection("library", running.address) as connection:
                stream: Any = SyncLibraryClient(connection).list_books(BOOK)
                next(stream)
                _until_it_rests(script)
                stream.close()
        assert script.ended.wait(PATIENCE)
    assert 1 <= script.made < AHEAD


@both
def test_a_slow_service_bounds_what_a_caller_makes(serve: Serve, caller: Caller) -> None:
    script = Script(hold=threading.Event())
    sent = Script()

    def requests() -> Iterator[Message]:
        for _ in range(AHEAD):
            sent.made += 1
            yield LARGE

    with serve(script) as (running, _):
        saving = threading.Thread(target=caller.save, args=(running.address, requests()))
        saving.start()
        assert eventually(lambda: len(script.read) == 1)
        _until_it_rests(sent)
        ahead = sent.made
        assert script.hold is not None
        script.hold.set()
        saving.join(2 * PATIENCE)
    assert ahead < AHEAD
    assert len(script.read) == AHEAD


def test_back_pressure_goes_through_a_process_to_the_store_behind_it() -> None:
    script = Script(answers=MANY, answer=LARGE)

    async def relay(request: Any, call: Any) -> AsyncIterator[Any]:
        async for book in call.app.list_books(request):
            yield book

    with store(script) as (behind, _):
        served = desk.component({"list_books": relay}, build=lambda settings: settings.connect(LibraryClient))
        with (
            desk.serving(served, environ={"LIBRARY_ADDRESS": behind.address}) as (running, _),
            SyncConnection("desk", running.address) as connection,
        ):
            stream: Any = SyncLibraryClient(connection).list_books(BOOK)
            next(stream)
            _until_it_rests(script)
            stream.close()
            assert script.ended.wait(PATIENCE), "the caller's leaving reaches the store"
    assert 1 <= script.made < 2 * AHEAD


def _until_it_rests(script: Script) -> None:
    """Wait until a quarter of a second brings nothing new."""
    made = -1
    until = time.monotonic() + PATIENCE
    while script.made != made and time.monotonic() < until:
        made = script.made
        time.sleep(0.25)


# --- streams of a store that wait -------------------------------------------------------------------------------------


def waiting(script: Script) -> AbstractContextManager[Any]:
    def list_books(request: Message, context: Call[object]) -> Iterator[Message]:
        try:
            yield BOOK
            while context.wait(60):
                yield BOOK
            script.outcome = "left"
        except GeneratorExit:
            script.outcome = "left"
            raise
        except Unavailable as error:
            script.outcome = error.reason
            raise
        finally:
            script.ended.set()

    return library.serving(library.component(library.service(list_books=list_books)))


@pytest.mark.parametrize("how", ["cancel", "deadline", "gone"])
def test_a_handler_that_waits_is_woken_when_its_caller_goes(how: str) -> None:
    script = Script()
    with waiting(script) as (running, _):
        channel = grpc.insecure_channel(running.address)
        stream = channel.unary_stream(f"/{library.SERVICE}/ListBooks")(b"", timeout=0.5 if how == "deadline" else 9)
        next(stream)
        if how == "cancel":
            stream.cancel()
        elif how == "gone":
            channel.close()
        assert script.ended.wait(PATIENCE)
        channel.close()
    assert script.outcome == "left"


def test_a_server_that_stops_does_not_wait_for_those_who_watch() -> None:
    script = Script()
    with waiting(script) as (running, channel):
        stream = channel.unary_stream(f"/{library.SERVICE}/ListBooks")(b"", timeout=PATIENCE)
        next(stream)
        begun = time.monotonic()
        assert running.stop(PATIENCE)
        assert time.monotonic() - begun < 1
        with pytest.raises(grpc.RpcError) as caught:
            next(stream)
    assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    assert script.outcome == "STOPPING"


def test_waiting_in_a_handler_that_is_called_by_a_test() -> None:
    begun = time.monotonic()
    assert Call(app=None).wait(0.02)
    assert time.monotonic() - begun >= 0.02


def test_a_process_does_not_wait_by_stopping_its_loop() -> None:
    async def get_book(request: Any, call: Any) -> Any:
        with pytest.raises(RuntimeError, match=r"asyncio\.sleep"):
            call.wait(0.1)
        return request

    with desk.serving(desk.component({"get_book": get_book})) as (_, channel):
        assert desk.invoke(channel, "get_book", BOOK) == [BOOK]


def test_cancelled_is_what_a_closed_connection_raises() -> None:
    """A reader whose connection is closed under it hears of it, and does not take it for the stream's end."""
    outcome: list[object] = []

    async def run(address: str) -> None:
        connection = Connection("library", address)

        async def read() -> None:
            try:
                async for _ in LibraryClient(connection).list_books(BOOK):
                    pass
                outcome.append("complete")
            except (Cancelled, asyncio.CancelledError) as error:
                outcome.append(type(error))

        reading = asyncio.ensure_future(read())
        await asyncio.sleep(0.3)
        await connection.close()
        await asyncio.wait([reading], timeout=PATIENCE)
        await asyncio.sleep(0.02)

    with waiting(Script()) as (running, _):
        asyncio.run(run(running.address))
    assert outcome in ([Cancelled], [asyncio.CancelledError])
