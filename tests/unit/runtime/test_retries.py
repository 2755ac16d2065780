"""Calls that are made again: only what is safe, only on UNAVAILABLE, after a jittered while, within budget and deadline."""

import random
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from google.protobuf.message import Message
from runtime.process import (
    Aborted,
    Cancelled,
    Connection,
    DeadlineExceeded,
    Internal,
    ResourceExhausted,
    StatusError,
    SyncConnection,
    Unavailable,
)
from runtime.process.retry import Attempts, Retries

from .desk import LibraryClient, SyncLibraryClient, component, serving
from .library import PATIENCE, Book
from .test_client import BOOK, on_its_own

TRIES = 3  # of a safe call, by default


class Flaky:
    """Answers with errors first; counts and times the calls."""

    def __init__(self, *errors: Exception, after: int = 0) -> None:
        self.errors = list(errors)
        self.after = after
        self.calls: list[float] = []

    def begin(self) -> None:
        self.calls.append(time.monotonic())

    def fail(self) -> None:
        if self.errors:
            raise self.errors.pop(0)

    async def get_book(self, request: Any, call: Any) -> Message:
        self.begin()
        self.fail()
        return Book(title=str(len(self.calls)))

    async def list_books(self, request: Any, call: Any) -> AsyncIterator[Message]:
        self.begin()
        for _ in range(self.after):
            yield BOOK
        self.fail()
        yield BOOK

    async def save_books(self, requests: Any, call: Any) -> Message:
        async for _ in requests:
            pass
        return await self.get_book(None, call)

    async def swap_books(self, requests: Any, call: Any) -> AsyncIterator[Message]:
        async for _ in requests:
            pass
        async for book in self.list_books(None, call):
            yield book

    def served(self) -> Any:
        return component({name: getattr(self, name) for name in ("get_book", "list_books", "save_books", "swap_books")})


def unavailable(times: int) -> list[Exception]:
    return [Unavailable("later, please") for _ in range(times)]


Ask = Callable[..., list[Message]]


def with_loop(address: str, handler: str, timeout: float | None = None, **options: Any) -> list[Message]:
    async def use(client: LibraryClient) -> list[Message]:
        if handler in ("list_books", "list_books_unsafe"):
            return [book async for book in getattr(client, handler)(BOOK, timeout=timeout)]
        if handler == "swap_books":
            return [book async for book in client.swap_books([BOOK], timeout=timeout)]
        return [await getattr(client, handler)([BOOK] if handler == "save_books" else BOOK, timeout=timeout)]

    found: list[Message] = on_its_own(address, use, **options)
    return found


def without_loop(address: str, handler: str, timeout: float | None = None, **options: Any) -> list[Message]:
    with SyncConnection("library", address, **options) as connection:
        client = SyncLibraryClient(connection)
        request: Any = [BOOK] if handler in ("save_books", "swap_books") else BOOK
        answer = getattr(client, handler)(request, timeout=timeout)
        return list(answer) if isinstance(answer, Iterator) else [answer]


both = pytest.mark.parametrize("ask", [with_loop, without_loop])


@both
@pytest.mark.parametrize("handler", ["get_book", "list_books"])
def test_a_safe_call_is_made_again_until_it_is_answered(ask: Ask, handler: str) -> None:
    flaky = Flaky(*unavailable(TRIES - 1))
    with serving(flaky.served()) as (running, _):
        assert len(ask(running.address, handler)) == 1
    assert len(flaky.calls) == TRIES


@both
@pytest.mark.parametrize("handler", ["get_book", "list_books"])
def test_in_the_end_the_error_is_raised(ask: Ask, handler: str) -> None:
    flaky = Flaky(*unavailable(9))
    with serving(flaky.served()) as (running, _), pytest.raises(Unavailable, match="later, please") as caught:
        ask(running.address, handler)
    assert len(flaky.calls) == TRIES
    assert caught.value.component == "library"


@both
@pytest.mark.parametrize("handler", ["get_book_unsafe", "list_books_unsafe", "save_books", "swap_books"])
def test_what_might_be_done_twice_is_not_made_again(ask: Ask, handler: str) -> None:
    flaky = Flaky(*unavailable(9))
    with serving(flaky.served()) as (running, _), pytest.raises(Unavailable):
        ask(running.address, handler)
    assert len(flaky.calls) == 1


@both
@pytest.mark.parametrize("error", [Aborted, DeadlineExceeded, ResourceExhausted, Internal])
def test_only_unavailable_is_worth_another_try(ask: Ask, error: type[StatusError]) -> None:
    flaky = Flaky(error("no"))
    with serving(flaky.served()) as (running, _), pytest.raises(error):
        ask(running.address, "get_book")
    assert len(flaky.calls) == 1


@both
def test_a_stream_that_has_begun_is_not_made_again(ask: Ask) -> None:
    flaky = Flaky(*unavailable(9), after=1)
    with serving(flaky.served()) as (running, _), pytest.raises(Unavailable):
        ask(running.address, "list_books")
    assert len(flaky.calls) == 1


@both
def test_attempts_can_be_turned_off(ask: Ask) -> None:
    flaky = Flaky(*unavailable(9))
    with serving(flaky.served()) as (running, _), pytest.raises(Unavailable):
        ask(running.address, "get_book", retry_attempts=1)
    assert len(flaky.calls) == 1


@both
def test_no_retry_goes_past_the_deadline(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: 0.5)
    flaky = Flaky(*unavailable(9))
    begun = time.monotonic()
    with serving(flaky.served()) as (running, _), pytest.raises(Unavailable):
        ask(running.address, "get_book", timeout=0.4)
    assert len(flaky.calls) == 1
    assert time.monotonic() - begun < PATIENCE


@both
def test_a_later_attempt_has_only_the_time_that_is_left(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(random, "uniform", lambda low, high: 0.3)
    remaining: list[float] = []

    async def get_book(request: Any, call: Any) -> Message:
        remaining.append(call.time_remaining())
        if len(remaining) < 2:
            raise Unavailable("later")
        return BOOK

    with serving(component({"get_book": get_book})) as (running, _):
        ask(running.address, "get_book", timeout=2.0)
    assert 1.5 < remaining[0] < 2.1
    assert 1.0 < remaining[1] < 1.75


@both
def test_a_server_that_says_when_to_come_back_is_believed(ask: Ask) -> None:
    def serving_with(pushback: str, seen: list[float]) -> Any:
        class Interceptor(grpc.aio.ServerInterceptor):
            async def intercept_service(self, continuation: Any, details: Any) -> Any:
                seen.append(time.monotonic())
                if len(seen) > 1:
                    return await continuation(details)

                async def refuse(request: Any, context: Any) -> Any:
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "not now", (("grpc-retry-pushback-ms", pushback),))

                return grpc.unary_unary_rpc_method_handler(refuse)

        return serving(component(interceptors=[Interceptor()]))

    seen: list[float] = []
    with serving_with("300", seen) as (running, _):
        ask(running.address, "get_book")
    assert seen[1] - seen[0] >= 0.29
    seen = []
    with serving_with("-1", seen) as (running, _), pytest.raises(Unavailable):
        ask(running.address, "get_book")
    assert len(seen) == 1


@contextmanager
def stopping(times: int) -> Iterator[tuple[str, list[str]]]:
    """Somebody who ends calls as gRPC's core does with those that it has not handed to a server that stops."""
    ended: list[str] = []

    def end(request: bytes, context: grpc.ServicerContext) -> bytes:
        ended.append("cancelled" if len(ended) < times else "answered")
        if ended[-1] == "cancelled":
            context.abort(grpc.StatusCode.CANCELLED, "CANCELLED")
        return BOOK.SerializeToString()

    class Anything(grpc.GenericRpcHandler):
        def service(self, details: grpc.HandlerCallDetails) -> Any:
            if details.method.endswith("Books"):
                return grpc.unary_stream_rpc_method_handler(lambda request, context: iter([end(request, context)]))
            return grpc.unary_unary_rpc_method_handler(end)

    server = grpc.server(ThreadPoolExecutor(1), handlers=[Anything()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}", ended
    finally:
        server.stop(0).wait(PATIENCE)


@both
@pytest.mark.parametrize("handler", ["get_book", "list_books"])
def test_a_call_that_a_stopping_server_never_took_up_is_made_again(ask: Ask, handler: str) -> None:
    with stopping(TRIES - 1) as (address, ended):
        assert ask(address, handler) == [BOOK]
    assert ended == ["cancelled"] * (TRIES - 1) + ["answered"]


@both
@pytest.mark.parametrize("handler", ["get_book_unsafe", "list_books_unsafe"])
def test_what_might_be_done_twice_is_unavailable_then(ask: Ask, handler: str) -> None:
    with stopping(TRIES) as (address, ended), pytest.raises(Unavailable):
        ask(address, handler)
    assert ended == ["cancelled"]


def test_whoever_calls_a_server_that_stops_never_hears_of_a_cancelled_call() -> None:
    """Under load, so that calls are on their way when it stops: gRPC's core answers some of those CANCELLED."""
    heard: set[type[StatusError]] = set()

    def call(address: str, over: threading.Event) -> None:
        with SyncConnection("library", address) as connection:
            client = SyncLibraryClient(connection)
            while not over.is_set():
                try:
                    client.get_book_unsafe(BOOK, timeout=PATIENCE)
                except StatusError as error:
                    heard.add(type(error))

    for _ in range(3):
        server = grpc.server(ThreadPoolExecutor(8), handlers=[Slowly()])
        address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
        server.start()
        over = threading.Event()
        with ThreadPoolExecutor(24) as callers:
            for _ in range(24):
                callers.submit(call, address, over)
            time.sleep(0.2)
            server.stop(PATIENCE).wait(PATIENCE)
            over.set()
    assert heard == {Unavailable}


class Slowly(grpc.GenericRpcHandler):
    """Answers everything, after a while."""

    def service(self, details: grpc.HandlerCallDetails) -> Any:
        def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
            time.sleep(0.0005)
            return request

        return grpc.unary_unary_rpc_method_handler(answer)


@both
def test_what_a_service_cancels_is_cancelled(ask: Ask) -> None:
    flaky = Flaky(Cancelled("CANCELLED"))
    with serving(flaky.served()) as (running, _), pytest.raises(Cancelled):
        ask(running.address, "get_book")
    assert len(flaky.calls) == 1


@both
def test_a_component_that_is_down_for_long_gets_one_call_for_each(ask: Ask) -> None:
    """The budget: ten tokens, one for each failure; at five and below nothing is made again."""
    flaky = Flaky(*unavailable(99))
    with serving(flaky.served()) as (running, _):
        if ask is without_loop:
            with SyncConnection("library", running.address) as connection:
                client = SyncLibraryClient(connection)
                for _ in range(10):
                    with pytest.raises(Unavailable):
                        client.get_book(BOOK)
        else:

            async def use(client: LibraryClient) -> None:
                for _ in range(10):
                    with pytest.raises(Unavailable):
                        await client.get_book(BOOK)

            on_its_own(running.address, use)
    # 3 + 2 (the fifth failure takes the budget to a half) + 8 times 1
    assert len(flaky.calls) == 13


# --- the arithmetic ---------------------------------------------------------------------------------------------------


class Failed(grpc.RpcError):
    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def trailing_metadata(self) -> tuple[()]:
        return ()


def test_the_backoff_doubles_up_to_a_second_and_all_of_it_is_jitter(monkeypatch: pytest.MonkeyPatch) -> None:
    ranges: list[tuple[float, float]] = []

    def uniform(low: float, high: float) -> float:
        ranges.append((low, high))
        return 0.0

    monkeypatch.setattr(random, "uniform", uniform)
    attempts = Attempts(Retries(99), True, 60.0)
    retries = attempts._retries
    for _ in range(6):
        attempts.seconds()
        retries._tokens = 10.0
        assert attempts.pause_after(Failed()) == 0.0
    assert ranges == [(0.0, 0.1), (0.0, 0.2), (0.0, 0.4), (0.0, 0.8), (0.0, 1.0), (0.0, 1.0)]


def test_successes_fill_the_budget_a_tenth_of_a_token_each() -> None:
    retries = Retries()
    assert [retries.failed() for _ in range(6)] == [True] * 4 + [False] * 2
    for _ in range(20):
        retries.succeeded()
    assert retries.failed() is False  # 4 + 2 - 1
    for _ in range(15):
        retries.succeeded()
    assert retries.failed() is True  # 5 + 1.5 - 1
    for _ in range(1000):
        retries.succeeded()
    assert [retries.failed() for _ in range(5)] == [True] * 4 + [False]  # never more than ten


def test_a_component_that_is_started_again_is_found_in_time() -> None:
    """A connection that failed is tried again soon, so that the attempts have somewhere to go."""
    with serving() as (running, _):
        address = running.address
    with SyncConnection("library", address, retry_attempts=5) as connection:
        client = SyncLibraryClient(connection)
        with pytest.raises(Unavailable):
            client.get_book(BOOK, timeout=1)
        port = address.rpartition(":")[2]
        with serving(environ={"PORT": port}):
            until = time.monotonic() + 2.0
            while True:
                try:
                    assert client.get_book(BOOK, timeout=1) == BOOK
                    break
                except Unavailable:
                    assert time.monotonic() < until


def test_connection_is_the_one_of_its_kind() -> None:
    assert LibraryClient.connection_type is Connection
    assert SyncLibraryClient.connection_type is SyncConnection
