"""A store's server, on loopback: four kinds of RPC, and everything that can go wrong with a handler."""

import asyncio
import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import grpc
import grpc.aio
import pytest
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from runtime.common import errors, headers
from runtime.common.call import Call
from runtime.common.tracing import Tracing
from runtime.service.problems import MissingHandlers, SettingsError, StartError
from runtime.service.rpc import Rpc, Service, require
from runtime.store import Component, Interceptor, Repository, Settings, start
from runtime.store.health import Health
from runtime.store.workers import Workers

from .library import METHODS, PATIENCE, RPCS, SERVICE, Book, StrictBook, component, service, serving, title

BOOK = Book(name="books/1", title="one")
DATA = BOOK.SerializeToString()
ATTRIBUTES = {rpc.name: rpc.attribute for rpc in RPCS}
KINDS = {rpc.name: rpc.kind for rpc in RPCS}


def call(
    channel: grpc.Channel,
    method: str,
    *requests: bytes,
    metadata: tuple[tuple[str, str | bytes], ...] = (),
    timeout: float = PATIENCE,
) -> list[bytes]:
    """The responses, whatever the kind of RPC; raises what the call raises."""
    kind = KINDS[method]
    call_it = getattr(channel, kind)(f"/{SERVICE}/{method}")
    request = iter(requests) if kind.startswith("stream") else requests[0]
    answer = call_it(request, timeout=timeout, metadata=metadata)
    return list(answer) if kind.endswith("stream") else [answer]


def failure(channel: grpc.Channel, method: str, *requests: bytes, **options: float) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as caught:
        call(channel, method, *(requests or (DATA,)), **options)  # type: ignore[arg-type]
    return caught.value


def told(error: grpc.RpcError) -> tuple[grpc.StatusCode, str, str]:
    """Code, message and reason; fails unless the status is whole, with one ErrorInfo."""
    (packed,) = [value for key, value in error.trailing_metadata() if key == "grpc-status-details-bin"]
    status = status_pb2.Status.FromString(packed)
    (info,) = [d for d in status.details if d.Is(error_details_pb2.ErrorInfo.DESCRIPTOR)]
    assert errors.code_of(status) is error.code()
    assert status.message == error.details()
    found = error_details_pb2.ErrorInfo.FromString(info.value)
    assert found.domain
    return error.code(), status.message, found.reason


INTERNAL = (grpc.StatusCode.INTERNAL, "internal error", "INTERNAL")


def raising(error: BaseException) -> dict[str, Callable[..., object]]:
    """Handlers that raise, plain ones at once and those with a stream of responses when it is read."""

    def plain(request: object, context: object) -> Message:
        raise error

    def stream(request: object, context: object) -> Iterator[Message]:
        raise error
        yield

    return {rpc.attribute: stream if rpc.server_streaming else plain for rpc in RPCS}


def returning(answer: object) -> dict[str, Callable[..., object]]:
    return {rpc.attribute: lambda request, context: answer for rpc in RPCS}


# --- answers ----------------------------------------------------------------------------------------------------------


def test_all_four_kinds() -> None:
    with serving() as (_, channel):
        assert call(channel, "GetBook", DATA) == [DATA]
        assert call(channel, "ListBooks", DATA) == [DATA] * 3
        (saved,) = call(channel, "SaveBooks", DATA, DATA)
        assert title(Book.FromString(saved)) == "one,one"
        assert call(channel, "SwapBooks", DATA, DATA) == [DATA, DATA]


def test_empty_streams() -> None:
    with serving(component(service(list_books=lambda request, context: []))) as (_, channel):
        assert call(channel, "ListBooks", DATA) == []
        assert call(channel, "SaveBooks") == [b""]
        assert call(channel, "SwapBooks") == []


def test_both_directions_of_a_stream_flow_at_once() -> None:
    with serving() as (_, channel):
        more: list[bytes] = []
        ready = threading.Semaphore(0)

        def requests() -> Iterator[bytes]:
            while ready.acquire(timeout=PATIENCE) and more:
                yield more.pop()

        answers = channel.stream_stream(f"/{SERVICE}/SwapBooks")(requests(), timeout=PATIENCE)
        for _ in range(3):
            more.append(DATA)
            ready.release()
            assert next(answers) == DATA
        ready.release()
        assert list(answers) == []


def test_the_handler_is_given_app_method_and_headers() -> None:
    calls: list[Call[object]] = []

    def get_book(request: Message, context: Call[object]) -> Message:
        calls.append(context)
        return request

    app = object()
    with serving(component(service(get_book=get_book), build=lambda settings: app)) as (_, channel):
        call(channel, "GetBook", DATA, metadata=(("x-tenant", "a"), ("x-tenant", "b"), ("x-id-bin", b"\x00\xff")))
    (found,) = calls
    assert found.app is app
    assert found.method == f"{SERVICE}/GetBook"
    assert [pair for pair in found.metadata if pair[0] in ("x-tenant", "x-id-bin")] == [
        ("x-tenant", "a"),
        ("x-tenant", "b"),
        ("x-id-bin", b"\x00\xff"),
    ]
    assert found.header("x-tenant") == "a"
    assert found.header("x-none") is None
    assert found.header("x-id-bin") is None


@pytest.mark.parametrize("method", METHODS)
def test_headers_are_in_the_context_of_every_handler(method: str) -> None:
    seen: list[str] = []

    def plain(request: object, context: Call[object]) -> Message:
        seen.append(headers.request_id())
        return BOOK

    def stream(request: object, context: Call[object]) -> Iterator[Message]:
        for _ in range(2):
            seen.append(headers.request_id())
            yield BOOK

    handlers = {rpc.attribute: stream if rpc.server_streaming else plain for rpc in RPCS}
    with serving(component(service(**handlers))) as (_, channel):
        call(channel, method, DATA, metadata=(("x-request-id", "r-1"),))
        assert set(seen) == {"r-1"}
        call(channel, method, DATA)
        assert seen[-1] not in ("", "r-1")


def test_calls_at_once_do_not_mix() -> None:
    def get_book(request: Message, context: Call[object]) -> Message:
        time.sleep(0.002)
        return Book(title=f"{title(request)} {headers.request_id()} {context.header('x-request-id')}")

    def one(channel: grpc.Channel, number: int) -> None:
        data = Book(title=str(number)).SerializeToString()
        (answer,) = call(channel, "GetBook", data, metadata=(("x-request-id", f"r-{number}"),))
        assert title(Book.FromString(answer)) == f"{number} r-{number} r-{number}"

    with serving(component(service(get_book=get_book))) as (_, channel), ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda number: one(channel, number), range(200)))


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_a_raised_status_reaches_the_caller_whole(method: str, caplog: pytest.LogCaptureFixture) -> None:
    error = errors.FailedPrecondition("it is lent", reason="BOOK_LENT", metadata={"book": "books/1"})
    with serving(component(service(**raising(error)))) as (_, channel):
        found = failure(channel, method)
    assert told(found) == (grpc.StatusCode.FAILED_PRECONDITION, "it is lent", "BOOK_LENT")
    again = errors.from_rpc_error(found, "library")
    assert isinstance(again, errors.FailedPrecondition)
    assert (again.reason, again.metadata, again.domain) == ("BOOK_LENT", {"book": "books/1"}, SERVICE)
    assert caplog.records == []


@pytest.mark.parametrize("error", [errors.NotFound("books/ü\n1"), errors.InvalidArgument("no", field="name")])
def test_an_asyncio_client_reads_the_same(error: errors.StatusError) -> None:
    async def ask(address: str) -> errors.StatusError:
        async with grpc.aio.insecure_channel(address) as channel:
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await channel.unary_unary(f"/{SERVICE}/GetBook")(DATA, timeout=PATIENCE)
            return errors.from_rpc_error(caught.value, "library")

    with serving(component(service(**raising(error)))) as (running, channel):
        found = asyncio.run(ask(running.address))
        same = errors.from_rpc_error(failure(channel, "GetBook"), "library")
    assert type(found) is type(same) is type(error)
    assert found.message == same.message == error.message
    assert found.details == same.details == error.details


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", [ValueError, SystemExit, StopIteration, Exception])
def test_an_unexpected_exception_is_internal_and_logged_once(
    method: str, kind: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    with serving(component(service(**raising(kind("secret"))))) as (_, channel):
        found = failure(channel, method)
        assert told(found) == INTERNAL
        assert b"secret" not in found.trailing_metadata()[-1][1]
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert f"{SERVICE}/{method}" in record.getMessage()
    assert "secret" not in record.getMessage()
    assert record.exc_info
    assert record.exc_info[1] is not None


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("answer", "kind"), [(None, "None"), ("text", "a str"), (StrictBook(name="x"), "a Book"), ([None], "")], ids=str
)
def test_an_answer_that_is_none_is_internal_and_explained_in_the_log(
    method: str, answer: object, kind: str, caplog: pytest.LogCaptureFixture
) -> None:
    with serving(component(service(**returning(answer)))) as (_, channel):
        assert told(failure(channel, method)) == INTERNAL
    (record,) = caplog.records
    assert record.exc_info
    text = str(record.exc_info[1])
    assert ATTRIBUTES[method] in text
    assert "library.v1.Book" in text
    assert kind in text or method in ("ListBooks", "SwapBooks")


def test_an_async_handler_in_a_store_is_explained(caplog: pytest.LogCaptureFixture) -> None:
    async def get_book(request: Message, context: object) -> Message:
        return request

    coroutine = get_book(BOOK, None)
    with serving(component(service(get_book=lambda request, context: coroutine))) as (_, channel):
        assert told(failure(channel, "GetBook")) == INTERNAL
    coroutine.close()
    (record,) = caplog.records
    assert record.exc_info
    assert "gave a coroutine" in str(record.exc_info[1])


def test_an_answer_that_cannot_be_encoded(caplog: pytest.LogCaptureFixture) -> None:
    rpc = Rpc("GetBook", "get_book", Book, StrictBook)
    strict = Service(SERVICE, (rpc,), lambda: service(get_book=lambda request, context: StrictBook()).load())
    with serving(component(strict)) as (_, channel):
        assert told(failure(channel, "GetBook")) == INTERNAL
    assert "library.strict.Book" in str(caplog.records[0].exc_info[1])  # type: ignore[index]


@pytest.mark.parametrize("method", ["ListBooks", "SwapBooks"])
def test_an_error_after_some_responses_delivers_those(method: str) -> None:
    def stream(request: object, context: object) -> Iterator[Message]:
        yield BOOK
        yield BOOK
        raise errors.OutOfRange("no more")

    with serving(component(service(list_books=stream, swap_books=stream))) as (_, channel):
        kind = KINDS[method]
        request = iter([DATA]) if kind.startswith("stream") else DATA
        answers = getattr(channel, kind)(f"/{SERVICE}/{method}")(request, timeout=PATIENCE)
        assert [next(answers), next(answers)] == [DATA, DATA]
        with pytest.raises(grpc.RpcError) as caught:
            next(answers)
    assert told(caught.value) == (grpc.StatusCode.OUT_OF_RANGE, "no more", "OUT_OF_RANGE")


def test_a_stream_with_a_wrong_response_ends_its_handler_first() -> None:
    closed = threading.Event()

    def list_books(request: object, context: object) -> Iterator[object]:
        try:
            yield BOOK
            yield None
        finally:
            closed.set()

    with serving(component(service(list_books=list_books))) as (_, channel):
        assert told(failure(channel, "ListBooks")) == INTERNAL
        assert closed.is_set()


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x05ab", b"\x0a\x01\xff"], ids=["tag", "truncated", "not UTF-8"])
def test_a_request_that_cannot_be_decoded(method: str, data: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with serving() as (_, channel):
        code, message, reason = told(failure(channel, method, data))
    # The caller's fault: a line in the log, and no traceback for everybody who sends garbage.
    assert [(record.levelname, record.exc_info) for record in caplog.records] == [("WARNING", None)]
    assert (code, reason) == (grpc.StatusCode.INTERNAL, "MALFORMED_REQUEST")
    assert message == "the request is not a valid library.v1.Book"


def test_a_stream_with_garbage_in_it_does_not_look_complete() -> None:
    saved: list[str] = []

    def save_books(requests: Iterator[Message], context: object) -> Message:
        found = [title(book) for book in requests]
        saved.extend(found)
        return BOOK

    with serving(component(service(save_books=save_books))) as (_, channel):
        found = failure(channel, "SaveBooks", DATA, b"\xff", DATA)
    assert told(found)[2] == "MALFORMED_REQUEST"
    assert saved == []


def test_a_failed_component_is_named_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    error = errors.from_rpc_error(grpc.RpcError(), "catalog")
    with serving(component(service(**raising(error)))) as (_, channel):
        assert told(failure(channel, "GetBook"))[2] == "DOWNSTREAM_FAILED"
    (record,) = caplog.records
    assert "catalog" in record.getMessage()


def test_unexpected_exceptions_are_noted_on_the_span() -> None:
    class Noting(Tracing):
        noted: list[BaseException] = []  # noqa: RUF012

        def record_exception(self, error: BaseException) -> None:
            self.noted.append(error)

    tracing, error = Noting(), ValueError("x")
    handlers = {**raising(error), "list_books": raising(errors.OutOfRange("x"))["list_books"]}
    with serving(component(service(**handlers)), tracing) as (_, channel):
        failure(channel, "GetBook")
        failure(channel, "ListBooks")
    assert tracing.noted == [error]


# --- deadlines and callers that go away -------------------------------------------------------------------------------


def test_the_remaining_time_is_known() -> None:
    remaining: list[float | None] = []

    def get_book(request: Message, context: Call[object]) -> Message:
        remaining.append(context.time_remaining())
        assert context.is_active()
        return request

    with serving(component(service(get_book=get_book))) as (_, channel):
        call(channel, "GetBook", DATA, timeout=3)
        channel.unary_unary(f"/{SERVICE}/GetBook")(DATA)
    timed, untimed = remaining
    assert timed is not None
    assert 2 < timed < 3.5
    assert untimed is None


def test_a_call_made_by_hand() -> None:
    made = Call(app=1)
    assert (made.time_remaining(), made.is_active(), made.method, made.metadata) == (None, True, "", ())
    assert Call(app=1, deadline=time.monotonic() - 1).time_remaining() == 0
    assert Call(app=1, active=lambda: False).is_active() is False


def test_work_that_nobody_waits_for_any_more_is_not_begun() -> None:
    begun: list[str] = []
    release = threading.Event()

    def get_book(request: Message, context: Call[object]) -> Message:
        begun.append(title(request))
        release.wait(PATIENCE)
        return request

    with serving(component(service(get_book=get_book)), max_workers=1) as (_, channel):
        get = channel.unary_unary(f"/{SERVICE}/GetBook")
        first = get.future(DATA, timeout=PATIENCE)
        while not begun:
            time.sleep(0.005)
        late = get.future(Book(title="late").SerializeToString(), timeout=0.1)
        with pytest.raises(grpc.RpcError) as caught:
            late.result(PATIENCE)
        assert caught.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
        release.set()
        assert first.result(PATIENCE) == DATA
        call(channel, "GetBook", DATA)
    assert begun == ["one", "one"]


@pytest.mark.parametrize("method", METHODS)
def test_a_handler_learns_that_its_caller_has_gone(method: str, caplog: pytest.LogCaptureFixture) -> None:
    begun, ended = threading.Event(), threading.Event()

    def plain(request: object, context: Call[object]) -> Message:
        begun.set()
        until = time.monotonic() + PATIENCE
        while context.is_active() and time.monotonic() < until:
            time.sleep(0.005)
        if not context.is_active():
            ended.set()
        raise RuntimeError("whatever happens then")

    def stream(request: object, context: Call[object]) -> Iterator[Message]:
        yield BOOK
        plain(request, context)

    handlers = {rpc.attribute: stream if rpc.server_streaming else plain for rpc in RPCS}
    with serving(component(service(**handlers))) as (_, channel):
        kind = KINDS[method]
        request = iter([DATA]) if kind.startswith("stream") else DATA
        caller = getattr(channel, kind)(f"/{SERVICE}/{method}")
        running = (
            caller(request, timeout=PATIENCE) if kind.endswith("stream") else caller.future(request, timeout=PATIENCE)
        )
        assert begun.wait(PATIENCE)
        running.cancel()
        assert ended.wait(PATIENCE)
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


@pytest.mark.parametrize("method", ["ListBooks", "SwapBooks"])
def test_a_stream_that_nobody_reads_any_more_is_closed(method: str) -> None:
    closed = threading.Event()

    def endless(request: object, context: object) -> Iterator[Message]:
        try:
            while True:
                yield BOOK
        finally:
            closed.set()

    with serving(component(service(list_books=endless, swap_books=endless))) as (_, channel):
        kind = KINDS[method]
        request = iter([DATA]) if kind.startswith("stream") else DATA
        answers = getattr(channel, kind)(f"/{SERVICE}/{method}")(request, timeout=PATIENCE)
        assert next(answers) == DATA
        answers.cancel()
        assert closed.wait(PATIENCE)


def test_a_broken_stream_of_requests_does_not_look_complete(caplog: pytest.LogCaptureFixture) -> None:
    begun, outcome, release = threading.Event(), [], threading.Event()

    def save_books(requests: Iterator[Message], context: object) -> Message:
        try:
            next(requests)
            begun.set()
            outcome.append(list(requests))
        except errors.Cancelled as error:
            outcome.append(error)
            raise
        finally:
            release.set()
        return BOOK

    def requests() -> Iterator[bytes]:
        yield DATA
        release.wait(PATIENCE)

    with serving(component(service(save_books=save_books))) as (_, channel):
        running = channel.stream_unary(f"/{SERVICE}/SaveBooks").future(requests(), timeout=PATIENCE)
        assert begun.wait(PATIENCE)
        running.cancel()
        assert release.wait(PATIENCE)
    assert isinstance(outcome[0], errors.Cancelled)
    assert [record for record in caplog.records if record.levelno > logging.INFO] == []


# --- headers that a call must have ------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS)
def test_required_headers(method: str) -> None:
    with serving(require_headers=("x-tenant-id", "x-region")) as (_, channel):
        with pytest.raises(grpc.RpcError) as caught:
            call(channel, method, DATA, metadata=(("x-region", "eu"),))
        code, message, reason = told(caught.value)
        assert (code, reason) == (grpc.StatusCode.INVALID_ARGUMENT, "HEADER_MISSING")
        assert "x-tenant-id" in message
        assert "x-region" not in message
        assert call(channel, method, DATA, metadata=(("x-region", "eu"), ("x-tenant-id", "t")))


# --- interceptors -----------------------------------------------------------------------------------------------------


class Wrapping(grpc.ServerInterceptor):
    """Wraps handlers as people do, by the messages that go in and out."""

    def __init__(self, name: str, seen: list[object]) -> None:
        self.name, self.seen = name, seen

    def intercept_service(self, continuation, details):  # type: ignore[no-untyped-def]
        self.seen.append((self.name, details.method, dict(details.invocation_metadata).get("x-key")))
        handler = continuation(details)

        def behaviour(request: object, context: grpc.ServicerContext) -> object:
            self.seen.append(request)
            try:
                answer = handler.unary_unary(request, context)
            except errors.StatusError as error:
                self.seen.append(error)
                raise
            self.seen.append(answer)
            return answer

        if handler.unary_unary is None:
            return handler
        return grpc.unary_unary_rpc_method_handler(behaviour, handler.request_deserializer, handler.response_serializer)


def test_interceptors_stand_around_the_handler_in_order_and_see_messages() -> None:
    seen: list[object] = []
    around = [Wrapping("outer", seen), Wrapping("inner", seen)]
    with serving(component(interceptors=around)) as (_, channel):
        assert call(channel, "GetBook", DATA, metadata=(("x-key", "k"),)) == [DATA]
        assert seen == [
            ("outer", f"/{SERVICE}/GetBook", "k"),
            ("inner", f"/{SERVICE}/GetBook", "k"),
            BOOK,
            BOOK,
            BOOK,
            BOOK,
        ]
        for method in METHODS[1:]:
            assert call(channel, method, DATA)


def test_interceptors_see_the_errors_that_handlers_raise() -> None:
    seen: list[object] = []
    error = errors.NotFound("books/1")
    with serving(component(service(**raising(error)), interceptors=[Wrapping("it", seen)])) as (_, channel):
        assert told(failure(channel, "GetBook"))[2] == "NOT_FOUND"
    assert seen[-1] is error


class Refusing(grpc.ServerInterceptor):
    """Refuses every call: by raising, by a handler that aborts (as grpc's examples do), or by no handler."""

    def __init__(self, how: str | BaseException) -> None:
        self.how = how

    def intercept_service(self, continuation, details):  # type: ignore[no-untyped-def]
        if isinstance(self.how, BaseException):
            raise self.how
        if self.how == "none":
            return None

        def refuse(request: object, context: grpc.ServicerContext) -> None:
            if self.how == "abort":
                context.abort(grpc.StatusCode.UNAUTHENTICATED, "no key")

        return grpc.unary_unary_rpc_method_handler(refuse)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("how", "expected"),
    [
        (errors.Unauthenticated("no key"), (grpc.StatusCode.UNAUTHENTICATED, "no key", "UNAUTHENTICATED")),
        (ValueError("secret"), INTERNAL),
        ("none", (grpc.StatusCode.UNIMPLEMENTED, "the method is not available", "UNIMPLEMENTED")),
        ("forgot to abort", INTERNAL),
    ],
    ids=str,
)
def test_interceptors_that_refuse(method: str, how: str | BaseException, expected: tuple[object, ...]) -> None:
    with serving(component(interceptors=[Refusing(how)])) as (_, channel):
        assert told(failure(channel, method)) == expected


@pytest.mark.parametrize("method", METHODS)
def test_an_interceptor_that_aborts(method: str, caplog: pytest.LogCaptureFixture) -> None:
    with serving(component(interceptors=[Refusing("abort")])) as (_, channel):
        found = failure(channel, method)
    assert (found.code(), found.details()) == (grpc.StatusCode.UNAUTHENTICATED, "no key")
    assert caplog.records == []


def test_health_checks_need_no_credentials() -> None:
    refusing: list[Interceptor] = [Refusing(errors.Unauthenticated("no key"))]
    with serving(component(interceptors=refusing)) as (_, channel):
        assert health(channel) is health_pb2.HealthCheckResponse.SERVING


# --- health, reflection, ports ----------------------------------------------------------------------------------------


def health(channel: grpc.Channel, name: str = "") -> int:
    request = health_pb2.HealthCheckRequest(service=name)
    return int(health_pb2_grpc.HealthStub(channel).Check(request, timeout=PATIENCE).status)


def test_health() -> None:
    with serving() as (_, channel):
        assert health(channel) == health(channel, SERVICE) == health_pb2.HealthCheckResponse.SERVING
        with pytest.raises(grpc.RpcError) as caught:
            health(channel, "nobody")
        assert caught.value.code() is grpc.StatusCode.NOT_FOUND


def reflected(channel: grpc.Channel) -> list[str]:
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    (answer,) = stub.ServerReflectionInfo(iter([request]), timeout=PATIENCE)
    return sorted(found.name for found in answer.list_services_response.service)


def test_reflection_is_for_development() -> None:
    with serving() as (_, channel):
        assert SERVICE in reflected(channel)
    with serving(dev=False, host="127.0.0.1") as (_, channel):
        with pytest.raises(grpc.RpcError) as caught:
            reflected(channel)
        assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_a_port_in_use() -> None:
    with serving() as (running, _), pytest.raises(StartError, match=rf"127\.0\.0\.1:{running.port}.*PORT"):
        start(component(), Settings(component="library", dev=True, port=running.port), Tracing())


def test_an_address_of_another_machine() -> None:
    with pytest.raises(StartError, match=r"192\.0\.2\.1:0"):
        start(component(), Settings(component="library", dev=True, host="192.0.2.1", port=0), Tracing())


def test_the_address_says_where_it_is_reached() -> None:
    with serving(host="127.0.0.1") as (running, _):
        assert running.address == f"127.0.0.1:{running.port}"
        with socket.create_connection(("127.0.0.1", running.port), timeout=PATIENCE):
            pass


# --- starting ---------------------------------------------------------------------------------------------------------


def test_settings_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATABASE_URL", raising=False)
    with pytest.raises(SettingsError, match="DATABASE_URL"):
        start(component())
    monkeypatch.setenv("LIBRARY_DATABASE_URL", "sqlite://")
    monkeypatch.setenv("LIBRARY_PORT", "0")
    monkeypatch.setenv("LIBRARY_HOST", "127.0.0.1")
    running = start(component())
    try:
        with grpc.insecure_channel(running.address) as channel:
            assert call(channel, "GetBook", DATA) == [DATA]
    finally:
        running.stop(0)


def test_all_missing_handlers_are_named_before_anything_is_built(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    package = tmp_path / "half_written"
    (package / "handlers").mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "handlers" / "get_book.py").touch()
    (package / "handlers" / "save_books").mkdir()
    (package / "handlers" / "save_books" / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)

    def lacking(folder: str) -> Service:
        def load() -> object:
            require("half_written", {rpc.attribute: f"{folder}/{rpc.attribute}.py" for rpc in RPCS})
            raise AssertionError("not reached")

        return Service(SERVICE, RPCS, load)

    built: list[Settings] = []
    lame: Component = component(lacking("handlers"), service(), lacking("handlers/v2"), build=built.append)
    with pytest.raises(MissingHandlers) as caught:
        start(lame, Settings(component="library", dev=True, port=0), Tracing())
    assert caught.value.files == (
        "half_written/handlers/list_books.py",
        "half_written/handlers/swap_books.py",
        *(f"half_written/handlers/v2/{rpc.attribute}.py" for rpc in RPCS),
    )
    assert all(file in str(caught.value) for file in caught.value.files)
    assert built == []


def test_tracing_is_attached_before_the_app_is_built_and_its_interceptors_are_used() -> None:
    seen: list[object] = []

    class Counting(Tracing):
        def server_interceptors(self) -> tuple[grpc.ServerInterceptor, ...]:
            return (Wrapping("tracing", seen),)

    tracing, attached = Counting(), []
    with serving(component(build=lambda settings: attached.append(settings.tracing)), tracing) as (_, channel):
        call(channel, "GetBook", DATA)
    assert attached == [tracing]
    assert ("tracing", f"/{SERVICE}/GetBook", None) in seen
    assert DATA in seen


def test_a_start_that_fails_closes_the_database(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    closed: list[bool] = []
    monkeypatch.setattr("runtime.store.database.Database.close", lambda self: closed.append(True))

    def build(settings: Settings) -> object:
        Repository(settings.database(), Book, table="books")
        raise SettingsError("API_KEYS is not set")

    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError):
        start(component(build=build), Settings(component="library", dev=True, port=0), Tracing())
    assert closed == [True]


def test_data_survives_a_restart(tmp_path, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.chdir(tmp_path)

    def build(settings: Settings) -> Repository[Message]:
        return Repository(settings.database(), Book, table="books")

    def get_book(request: Message, context: Call[Repository[Message]]) -> Message:
        found = context.app.get(getattr(request, "name"))  # noqa: B009
        if found is None:
            raise errors.NotFound(getattr(request, "name"))  # noqa: B009
        return found

    def save_books(requests: Iterator[Message], context: Call[Repository[Message]]) -> Message:
        for request in requests:
            context.app.add(getattr(request, "name"), request)  # noqa: B009
        return Book()

    kept = component(service(get_book=get_book, save_books=save_books), build=build)
    with serving(kept) as (_, channel):
        assert told(failure(channel, "GetBook"))[2] == "NOT_FOUND"
        call(channel, "SaveBooks", DATA)
        assert told(failure(channel, "SaveBooks", DATA))[2] == "ALREADY_EXISTS"
    with serving(kept) as (_, channel):
        assert call(channel, "GetBook", DATA) == [DATA]


# --- stopping ---------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def blocked(watches: bool, grace: float) -> Iterator[tuple[object, grpc.Channel, object, threading.Event]]:
    """A store in the midst of a call, which ends when the event is set, or when it is cancelled if it watches for that."""
    begun, release = threading.Event(), threading.Event()

    def get_book(request: Message, context: Call[object]) -> Message:
        begun.set()
        until = time.monotonic() + PATIENCE
        while not release.is_set() and time.monotonic() < until and (context.is_active() or not watches):
            time.sleep(0.005)
        return request

    with serving(component(service(get_book=get_book)), grace_seconds=grace) as (running, channel):
        answer = channel.unary_unary(f"/{SERVICE}/GetBook").future(DATA, timeout=PATIENCE)
        assert begun.wait(PATIENCE)
        try:
            yield running, channel, answer, release
        finally:
            release.set()


def test_running_calls_end_before_it_stops() -> None:
    with blocked(watches=False, grace=PATIENCE) as (running, channel, answer, release), ThreadPoolExecutor(1) as pool:
        stopping = pool.submit(running.stop)  # type: ignore[attr-defined]
        while health_or_gone(channel) == health_pb2.HealthCheckResponse.SERVING:
            time.sleep(0.005)
        assert not stopping.done()
        release.set()
        assert answer.result(PATIENCE) == DATA  # type: ignore[attr-defined]
        assert stopping.result(PATIENCE) is True
        assert running.wait(0) is True  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", ["", "nobody"])
def test_who_watches_its_health_does_not_hold_it_up(name: str) -> None:
    with serving(grace_seconds=2 * PATIENCE) as (running, channel):
        request = health_pb2.HealthCheckRequest(service=name)
        watch = health_pb2_grpc.HealthStub(channel).Watch(request, timeout=2 * PATIENCE)
        first = next(watch).status
        begun = time.monotonic()
        assert running.stop() is True
        assert time.monotonic() - begun < PATIENCE
        told = [answer.status for answer in watch]
    serving_, unknown = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    assert first == (unknown if name else serving_)
    assert told == ([] if name else [health_pb2.HealthCheckResponse.NOT_SERVING])


@contextlib.contextmanager
def only_health(healthy: Health) -> Iterator[grpc.Channel]:
    """A server that goes on when its health has ended: a store's stops at once, and takes no new calls."""
    server, door = grpc.server(ThreadPoolExecutor(1)), Workers("door-", 2, 8)
    healthy.add_to(server, door)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
            yield channel
    finally:
        server.stop(0).wait()
        door.shutdown()


@pytest.mark.parametrize("name", ["", SERVICE, "nobody"])
def test_a_watch_that_begins_after_the_end_is_ended(name: str) -> None:
    healthy = Health([SERVICE])
    healthy.end()
    with only_health(healthy) as channel:
        request = health_pb2.HealthCheckRequest(service=name)
        told = [answer.status for answer in health_pb2_grpc.HealthStub(channel).Watch(request, timeout=PATIENCE)]
    answer = health_pb2.HealthCheckResponse
    assert told == [answer.SERVICE_UNKNOWN if name == "nobody" else answer.NOT_SERVING]


def test_a_watcher_that_is_gone_before_it_is_noted_is_not_kept() -> None:
    class Gone:
        def add_callback(self, callback: object) -> bool:
            return False

    healthy, told = Health([SERVICE]), []
    healthy._watch(health_pb2.HealthCheckRequest(), Gone(), told.append)  # type: ignore[arg-type]
    healthy.end()
    assert (told, healthy._watching) == ([], set())


def health_or_gone(channel: grpc.Channel) -> int:
    try:
        return health(channel)
    except grpc.RpcError:
        return 0


def test_after_the_grace_calls_are_cancelled() -> None:
    with blocked(watches=True, grace=0.1) as (running, _, answer, _):
        assert running.stop() is True  # type: ignore[attr-defined]
        with pytest.raises(grpc.RpcError):
            answer.result(PATIENCE)  # type: ignore[attr-defined]


def test_a_handler_that_does_not_end_is_reported() -> None:
    with blocked(watches=False, grace=0.1) as (running, _, _, _):
        begun = time.monotonic()
        assert running.stop() is False  # type: ignore[attr-defined]
        assert time.monotonic() - begun < PATIENCE


def test_stopping_twice_and_waiting() -> None:
    with serving() as (running, _):
        assert running.wait(0.01) is False
        assert running.stop(0) is True
        assert running.stop(0) is True
        assert running.wait(PATIENCE) is True


def test_a_stopped_store_leaves_no_threads() -> None:
    before = threading.active_count()
    for _ in range(3):
        with serving() as (_, channel):
            call(channel, "GetBook", DATA)
    until = time.monotonic() + PATIENCE
    while threading.active_count() > before + 1 and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= before + 1
