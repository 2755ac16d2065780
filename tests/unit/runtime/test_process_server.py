"""The server of a process: what a caller sees of each kind of RPC, and how it starts, drains and stops."""

import asyncio
import logging
import signal
import subprocess
import sys
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import runtime.process
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from runtime.common import headers
from runtime.common import tracing as tracing_setup
from runtime.process import (
    Call,
    FailedPrecondition,
    MissingHandlers,
    NotFound,
    Service,
    Settings,
    SettingsError,
    StartError,
    Unauthenticated,
    start,
)
from runtime.process.server import _loop_factory

from . import desk
from .desk import KINDS, component, error_info, everywhere, invoke, raw, serving
from .library import PATIENCE, SERVICE, Book
from .test_tracing_settings import collecting
from .wire import eventually

HANDLERS = tuple(KINDS)
BOOK = Book(name="books/1", title="one")


def test_all_kinds_of_rpc() -> None:
    with serving() as (_, channel):
        assert invoke(channel, "get_book", BOOK) == [BOOK]
        assert invoke(channel, "list_books", BOOK) == [BOOK] * 3
        assert invoke(channel, "save_books", Book(title="a"), Book(title="b")) == [Book(title="a,b")]
        assert invoke(channel, "swap_books", BOOK, Book(), BOOK) == [BOOK, Book(), BOOK]
        assert invoke(channel, "swap_books") == []


def test_a_handler_gets_its_app_and_what_the_call_came_with() -> None:
    seen: list[Call[Any]] = []

    async def note(request: Any, call: Any) -> Any:
        seen.append(call)
        assert call.is_active()
        return request

    with serving(component(everywhere(note), build=lambda settings: "the app")) as (_, channel):
        for handler in HANDLERS:
            invoke(channel, handler, BOOK, timeout=3, metadata=(("k", "1"), ("k", "2"), ("k-bin", b"\xff")))
    assert [call.app for call in seen] == ["the app"] * 4
    assert [call.method for call in seen] == [f"{SERVICE}/{desk.NAMES[handler]}" for handler in HANDLERS]
    for call in seen:
        assert [pair for pair in call.metadata if pair[0].startswith("k")] == [
            ("k", "1"),
            ("k", "2"),
            ("k-bin", b"\xff"),
        ]
        remaining = call.time_remaining()
        assert remaining is not None
        assert 0 < remaining < 3.1  # gRPC rounds up to milliseconds


def test_the_app_is_built_on_the_running_loop() -> None:
    loops: list[object] = []

    async def note(request: Any, call: Any) -> Any:
        loops.append(asyncio.get_running_loop())
        return request

    build = lambda settings: loops.append(asyncio.get_running_loop())  # noqa: E731
    with serving(component(everywhere(note), build=build)) as (_, channel):
        invoke(channel, "get_book", BOOK)
    assert loops[0] is loops[1]


def health_stub(channel: grpc.Channel) -> Any:
    return health_pb2_grpc.HealthStub(channel)


# --- errors -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("handler", HANDLERS)
def test_an_error_becomes_its_status(handler: str) -> None:
    async def fail(request: Any, call: Any) -> Any:
        raise FailedPrecondition("the cart is empty", reason="CART_EMPTY")

    with serving(component(everywhere(fail))) as (_, channel), pytest.raises(grpc.RpcError) as caught:
        invoke(channel, handler, BOOK)
    assert caught.value.code() is grpc.StatusCode.FAILED_PRECONDITION
    assert caught.value.details() == "the cart is empty"
    assert (error_info(caught.value).reason, error_info(caught.value).domain) == ("CART_EMPTY", SERVICE)


@pytest.mark.parametrize("handler", HANDLERS)
def test_an_unexpected_exception_is_logged_and_recorded_once_and_never_told(
    handler: str, caplog: pytest.LogCaptureFixture
) -> None:
    exporter = InMemorySpanExporter()
    tracing = tracing_setup.setup("desk", "", True, span_exporter=exporter)

    async def fail(request: Any, call: Any) -> Any:
        raise ValueError("a secret")

    with serving(component(everywhere(fail)), tracing) as (_, channel), pytest.raises(grpc.RpcError) as caught:
        invoke(channel, handler, BOOK)
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "secret" not in str(caught.value)
    assert "secret" not in str(caught.value.trailing_metadata())
    (record,) = [record for record in caplog.records if record.levelno >= logging.ERROR]
    assert record.exc_info is not None
    assert isinstance(record.exc_info[1], ValueError)
    assert eventually(lambda: len(exporter.get_finished_spans()) == 1)
    (span,) = exporter.get_finished_spans()
    assert [event.name for event in span.events] == ["exception"]
    assert (span.attributes or {})["rpc.response.status_code"] == "INTERNAL"


def test_what_was_sent_before_an_error_arrives() -> None:
    async def list_books(request: Any, call: Any) -> AsyncIterator[Any]:
        yield request
        yield request
        raise NotFound("books/3")

    received = []
    with serving(component({"list_books": list_books})) as (_, channel):
        stream = raw(channel, "list_books")(b"", timeout=PATIENCE)
        with pytest.raises(grpc.RpcError) as caught:
            for item in stream:
                received.append(item)
    assert received == [b"", b""]
    assert caught.value.code() is grpc.StatusCode.NOT_FOUND


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_request_that_is_none_is_internal_and_says_so(handler: str) -> None:
    with serving() as (_, channel), pytest.raises(grpc.RpcError) as caught:
        request = b"\xff\xff\xff"
        stream = KINDS[handler].startswith("stream")
        answer = raw(channel, handler)(iter([request]) if stream else request, timeout=PATIENCE)
        list(answer)
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert error_info(caught.value).reason == "MALFORMED_REQUEST"


@pytest.mark.parametrize("handler", HANDLERS)
def test_an_answer_of_the_wrong_type_is_internal(handler: str, caplog: pytest.LogCaptureFixture) -> None:
    async def nothing(request: Any, call: Any) -> Any:
        return None

    with serving(component(everywhere(nothing))) as (_, channel), pytest.raises(grpc.RpcError) as caught:
        invoke(channel, handler, BOOK)
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "library.v1.Book" in caplog.text


@pytest.mark.parametrize("handler", HANDLERS)
def test_a_plain_function_is_no_handler_of_a_process(handler: str, caplog: pytest.LogCaptureFixture) -> None:
    served = component({handler: lambda request, call: Book()})
    with serving(served) as (_, channel), pytest.raises(grpc.RpcError) as caught:
        invoke(channel, handler, BOOK)
    assert caught.value.code() is grpc.StatusCode.INTERNAL
    assert "async def" in caplog.text


@pytest.mark.parametrize("handler", HANDLERS)
def test_something_else_that_was_cancelled_leaves_no_caller_waiting(handler: str) -> None:
    async def fail(request: Any, call: Any) -> Any:
        other = asyncio.ensure_future(asyncio.sleep(PATIENCE))
        other.cancel()
        await other

    with serving(component(everywhere(fail))) as (_, channel), pytest.raises(grpc.RpcError) as caught:
        invoke(channel, handler, BOOK)
    assert caught.value.code() is grpc.StatusCode.INTERNAL


def test_required_headers() -> None:
    with serving(environ={"REQUIRE_HEADERS": "x-tenant-id"}) as (_, channel):
        with pytest.raises(grpc.RpcError) as caught:
            invoke(channel, "get_book", BOOK)
        assert caught.value.code() is grpc.StatusCode.INVALID_ARGUMENT
        assert invoke(channel, "get_book", BOOK, metadata=(("x-tenant-id", "1"),)) == [BOOK]


def test_one_call_too_many_is_refused_and_health_is_not() -> None:
    started = threading.Event()
    with serving(holding(0.5, started), environ={"MAX_WORKERS": "1"}) as (_, channel):
        call = raw(channel, "get_book").future(b"", timeout=PATIENCE)
        assert started.wait(PATIENCE)
        with pytest.raises(grpc.RpcError) as caught:
            invoke(channel, "get_book", BOOK)
        assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        health_stub(channel).Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
        assert call.result() == b""
        assert invoke(channel, "get_book", BOOK) == [BOOK]


# --- cancellation and deadlines ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", ["cancel", "deadline"])
@pytest.mark.parametrize("handler", HANDLERS)
def test_a_handler_whose_caller_leaves_is_cancelled(handler: str, how: str, caplog: pytest.LogCaptureFixture) -> None:
    started, ended = threading.Event(), threading.Event()

    async def wait(request: Any, call: Any) -> None:
        started.set()
        try:
            await asyncio.sleep(PATIENCE)
        finally:
            ended.set()

    with serving(component(everywhere(wait))) as (_, channel):
        stream = KINDS[handler]
        multi = raw(channel, handler)
        request = iter([b""]) if stream.startswith("stream") else b""
        timeout = 0.3 if how == "deadline" else PATIENCE
        call = multi(request, timeout=timeout) if stream.endswith("stream") else multi.future(request, timeout=timeout)
        assert started.wait(PATIENCE)
        if how == "cancel":
            call.cancel()
        assert ended.wait(1.3)
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_a_stream_that_nobody_reads_any_more_is_closed_with_all_that_it_holds() -> None:
    closed = threading.Event()

    async def list_books(request: Any, call: Any) -> AsyncIterator[Any]:
        try:
            while True:
                yield request
                await asyncio.sleep(0.001)
        finally:
            closed.set()

    with serving(component({"list_books": list_books})) as (_, channel):
        stream = raw(channel, "list_books")(b"", timeout=PATIENCE)
        next(stream)
        stream.cancel()
        assert closed.wait(1)


def test_a_stream_that_fails_is_closed_before_its_caller_hears_of_it() -> None:
    tasks: list[object] = []

    async def list_books(request: Any, call: Any) -> AsyncIterator[Any]:
        tasks.append(asyncio.current_task())
        try:
            yield "no book"
        finally:
            tasks.append(asyncio.current_task())

    with serving(component({"list_books": list_books})) as (_, channel), pytest.raises(grpc.RpcError):
        invoke(channel, "list_books", BOOK)
    assert tasks[0] is tasks[1]


def test_concurrent_calls_do_not_see_each_others_headers() -> None:
    async def echo(request: Any, call: Any) -> Any:
        await asyncio.sleep(0.01)
        return Book(title=headers.request_id())

    with serving(component(everywhere(echo))) as (_, channel):
        multi = raw(channel, "get_book")
        calls = [multi.future(b"", timeout=PATIENCE, metadata=(("x-request-id", str(n)),)) for n in range(50)]
        assert [call.result() for call in calls] == [Book(title=str(n)).SerializeToString() for n in range(50)]


# --- interceptors -----------------------------------------------------------------------------------------------------


class Interceptor(grpc.aio.ServerInterceptor):
    """Does one of the things that interceptors do."""

    def __init__(self, do: Callable[[Any, Any], Any]) -> None:
        self.do = do

    async def intercept_service(self, continuation: Any, handler_call_details: Any) -> Any:
        return await self.do(continuation, handler_call_details)


@pytest.mark.parametrize("handler", HANDLERS)
def test_an_interceptor_may_refuse_a_call_by_raising(handler: str) -> None:
    async def refuse(continuation: Any, details: Any) -> Any:
        raise Unauthenticated("who are you?")

    with serving(component(interceptors=[Interceptor(refuse)])) as (_, channel):
        with pytest.raises(grpc.RpcError) as caught:
            invoke(channel, handler, BOOK)
        health = health_stub(channel).Check(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
    assert caught.value.code() is grpc.StatusCode.UNAUTHENTICATED
    assert health.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("handler", HANDLERS)
def test_an_interceptor_may_answer_with_a_handler_that_aborts(handler: str, caplog: pytest.LogCaptureFixture) -> None:
    async def abort(request: Any, context: Any) -> Any:
        await context.abort(grpc.StatusCode.PERMISSION_DENIED, "not you")

    async def refuse(continuation: Any, details: Any) -> Any:
        return grpc.unary_unary_rpc_method_handler(abort)

    with serving(component(interceptors=[Interceptor(refuse)])) as (_, channel), pytest.raises(grpc.RpcError) as caught:
        invoke(channel, handler, BOOK)
    assert (caught.value.code(), caught.value.details()) == (grpc.StatusCode.PERMISSION_DENIED, "not you")
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


def test_interceptors_stand_around_the_handler_outermost_first() -> None:
    seen: list[str] = []

    def noting(name: str) -> Interceptor:
        async def pass_on(continuation: Any, details: Any) -> Any:
            seen.append(f"{name} {details.method} {dict(details.invocation_metadata)['k']}")
            return await continuation(details)

        return Interceptor(pass_on)

    with serving(component(interceptors=[noting("a"), noting("b")])) as (_, channel):
        assert invoke(channel, "get_book", BOOK, metadata=(("k", "v"),)) == [BOOK]
    assert seen == [f"a /{SERVICE}/GetBook v", f"b /{SERVICE}/GetBook v"]


# --- starting ---------------------------------------------------------------------------------------------------------


def test_health_of_the_whole_and_of_each_service() -> None:
    with serving() as (_, channel):
        stub = health_stub(channel)
        for name in ("", SERVICE):
            answer = stub.Check(health_pb2.HealthCheckRequest(service=name), timeout=PATIENCE)
            assert answer.status == health_pb2.HealthCheckResponse.SERVING


@pytest.mark.parametrize("dev", [True, False])
def test_reflection_is_for_development(dev: bool) -> None:
    with serving(dev=dev) as (_, channel):
        stub: Any = reflection_pb2_grpc.ServerReflectionStub(channel)
        request = reflection_pb2.ServerReflectionRequest(list_services="")
        answers = stub.ServerReflectionInfo(iter([request]), timeout=PATIENCE)
        if dev:
            assert SERVICE in [service.name for service in next(answers).list_services_response.service]
        else:
            with pytest.raises(grpc.RpcError) as caught:
                next(answers)
            assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


def test_missing_handlers_stop_it_before_anything_is_built() -> None:
    def load() -> object:
        raise MissingHandlers(["src/desk/handlers/get_book.py"])

    built: list[object] = []
    served = component(build=built.append)
    served = type(served)(**{**vars(served), "services": (Service(SERVICE, (), load),)})
    with pytest.raises(MissingHandlers, match=r"src/desk/handlers/get_book\.py"):
        start(served, desk.settings())
    assert built == []


def test_what_the_app_raises_is_raised_by_start_and_what_it_opened_is_closed() -> None:
    closed: list[str] = []

    async def close() -> None:
        closed.append("it")

    def build(settings: Settings) -> object:
        settings.on_stop(close)
        return settings.secret("API_KEYS")

    threads = threading.active_count()
    with pytest.raises(SettingsError, match="API_KEYS"):
        start(component(build=build), desk.settings())
    assert closed == ["it"]
    assert eventually(lambda: threading.active_count() <= threads)


def test_a_port_in_use_is_no_place_to_start() -> None:
    with serving() as (running, _), pytest.raises(StartError, match=r"PORT"):
        start(component(), desk.settings({"PORT": str(running.port)}))


def test_it_runs_on_uvloop_where_that_is_installed() -> None:
    import uvloop

    assert _loop_factory() is uvloop.new_event_loop


# --- stopping ---------------------------------------------------------------------------------------------------------


def holding(seconds: float, started: threading.Event) -> Any:
    async def hold(request: Any, call: Any) -> Any:
        started.set()
        await asyncio.sleep(seconds)
        return request

    return component(everywhere(hold))


def test_stopping_lets_calls_end_and_takes_no_new_ones() -> None:
    started = threading.Event()
    running = start(holding(0.4, started), desk.settings())
    with grpc.insecure_channel(running.address) as channel, grpc.insecure_channel(running.address) as late:
        call = raw(channel, "get_book").future(b"", timeout=PATIENCE)
        assert started.wait(PATIENCE)
        stopping = threading.Thread(target=running.stop, args=(PATIENCE,))
        stopping.start()
        time.sleep(0.1)
        with pytest.raises(grpc.RpcError) as caught:
            invoke(late, "get_book", BOOK, timeout=1)
        assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
        assert not running.wait(0)
        assert call.result() == b""
        stopping.join(PATIENCE)
    assert running.wait(0)


def test_while_it_drains_it_is_not_serving() -> None:
    started = threading.Event()
    running = start(holding(0.5, started), desk.settings())
    with grpc.insecure_channel(running.address) as channel:
        watch = health_stub(channel).Watch(health_pb2.HealthCheckRequest(), timeout=PATIENCE)
        assert next(watch).status == health_pb2.HealthCheckResponse.SERVING
        call = raw(channel, "get_book").future(b"", timeout=PATIENCE)
        assert started.wait(PATIENCE)
        stopping = threading.Thread(target=running.stop, args=(1,))
        stopping.start()
        assert next(watch).status == health_pb2.HealthCheckResponse.NOT_SERVING
        watch.cancel()
        assert call.result() == b""
        stopping.join(PATIENCE)


@pytest.mark.parametrize("name", ["", "nobody"])
def test_who_watches_its_health_does_not_hold_it_up(name: str) -> None:
    running = start(desk.component(), desk.settings())
    with grpc.insecure_channel(running.address) as channel:
        watch = health_stub(channel).Watch(health_pb2.HealthCheckRequest(service=name), timeout=2 * PATIENCE)
        first = next(watch).status
        begun = time.monotonic()
        assert running.stop(2 * PATIENCE) is True
        assert time.monotonic() - begun < PATIENCE
        told = [answer.status for answer in watch]
    serving, unknown = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    assert first == (unknown if name else serving)
    assert told == ([] if name else [health_pb2.HealthCheckResponse.NOT_SERVING])


def test_calls_that_take_longer_than_the_grace_are_cancelled() -> None:
    started = threading.Event()
    running = start(holding(PATIENCE, started), desk.settings())
    with grpc.insecure_channel(running.address) as channel:
        call = raw(channel, "get_book").future(b"", timeout=PATIENCE)
        assert started.wait(PATIENCE)
        before = time.monotonic()
        assert running.stop(0.2)
        assert time.monotonic() - before < 1.5
        assert call.exception(PATIENCE) is not None
    assert running.stop()  # again: nothing happens


def test_a_handler_that_will_not_end_is_left_behind() -> None:
    started, release = threading.Event(), threading.Event()

    async def stubborn(request: Any, call: Any) -> Any:
        started.set()
        while not release.is_set():
            try:
                await asyncio.sleep(0.05)
            except asyncio.CancelledError:
                continue

    running = start(component(everywhere(stubborn)), desk.settings())
    with grpc.insecure_channel(running.address) as channel:
        call = raw(channel, "get_book").future(b"", timeout=PATIENCE)
        assert started.wait(PATIENCE)
        before = time.monotonic()
        assert not running.stop(0.1)
        assert time.monotonic() - before < PATIENCE
        assert call.exception(PATIENCE) is not None
    release.set()


def test_a_thread_that_will_not_end_is_left_behind() -> None:
    started, release = threading.Event(), threading.Event()

    async def blocking(request: Any, call: Any) -> Any:
        started.set()
        await asyncio.to_thread(release.wait, PATIENCE)

    running = start(component(everywhere(blocking)), desk.settings())
    with grpc.insecure_channel(running.address) as channel:
        call = raw(channel, "get_book").future(b"", timeout=PATIENCE)
        assert started.wait(PATIENCE)
        assert not running.stop(0.1)
        assert call.exception(PATIENCE) is not None
    release.set()


def test_what_was_opened_is_closed_last_first_and_one_failure_does_not_stop_the_rest(
    caplog: pytest.LogCaptureFixture,
) -> None:
    closed: list[str] = []

    def build(settings: Settings) -> None:
        async def first() -> None:
            closed.append("first")

        async def broken() -> None:
            raise OSError("no")

        settings.on_stop(first)
        settings.on_stop(broken)

    with serving(component(build=build)):
        pass
    assert closed == ["first"]
    assert "was not closed properly" in caplog.text


# --- the program ------------------------------------------------------------------------------------------------------

PROGRAM = """
import sys
from google.protobuf.wrappers_pb2 import StringValue
from runtime.process import Component, Rpc, Service, run, require
import types, asyncio, os
async def echo(request, call):
    await asyncio.sleep(float(os.environ.get("DELAY", "0.3")))
    return request
def load():
    if "--missing" in sys.argv:
        sys.argv.remove("--missing")
        from runtime.process import MissingHandlers
        raise MissingHandlers(["handlers/echo.py"])
    return types.SimpleNamespace(echo=echo)
rpc = Rpc("Echo", "echo", StringValue, StringValue)
component = Component("desk", "process", "desk", "0", lambda s: None, lambda s: (), (Service("desk.v1.Desk", (rpc,), load),))
sys.exit(run(component, [a for a in sys.argv[1:] if a != "--missing"]))
"""


def program(*options: str, **environ: str) -> "subprocess.Popen[str]":
    templates = Path(runtime.process.__file__).parents[2]
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *options],
        env={"PYTHONPATH": str(templates), "PATH": "", **environ},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("sign", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_drains_and_ends_it(sign: signal.Signals) -> None:
    process = program("--host", "127.0.0.1", "--port", "0")
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("desk serves desk.v1.Desk on 127.0.0.1:")
        with grpc.insecure_channel(line.split(" on ")[1].strip()) as channel:
            multi: Any = channel.unary_unary("/desk.v1.Desk/Echo")
            call = multi.future(b"\n\x01x", timeout=PATIENCE)
            time.sleep(0.15)
            process.send_signal(sign)
            assert call.result(PATIENCE) == b"\n\x01x"
        _, errors = process.communicate(timeout=10)
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors


def test_who_asks_twice_does_not_want_to_wait() -> None:
    process = program("--host", "127.0.0.1", "--port", "0", DELAY="9", GRACE_SECONDS="9")
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        with grpc.insecure_channel(line.split(" on ")[1].strip()) as channel:
            multi: Any = channel.unary_unary("/desk.v1.Desk/Echo")
            call = multi.future(b"\n\x01x", timeout=9)
            time.sleep(0.3)
            before = time.monotonic()
            process.send_signal(signal.SIGINT)
            time.sleep(0.3)
            assert process.poll() is None
            process.send_signal(signal.SIGINT)
            _, errors = process.communicate(timeout=8)
            assert time.monotonic() - before < 4
            assert call.exception(PATIENCE) is not None
    finally:
        process.kill()
    assert process.returncode == 0, errors
    assert "Traceback" not in errors, errors


def test_what_it_traced_is_sent_before_it_ends() -> None:
    with collecting() as (collector, endpoint):
        process = program("--host", "127.0.0.1", "--port", "0", OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            with grpc.insecure_channel(line.split(" on ")[1].strip()) as channel:
                multi: Any = channel.unary_unary("/desk.v1.Desk/Echo")
                multi(b"\n\x01x", timeout=PATIENCE)
            process.terminate()
            process.communicate(timeout=10)
        finally:
            process.kill()
    assert process.returncode == 0
    assert collector.names() == ["desk.v1.Desk/Echo"]


def test_check_loads_everything_and_serves_nothing() -> None:
    output, errors = program("--check").communicate(timeout=20)
    assert "none is missing" in output, errors


def test_the_program_names_what_is_missing() -> None:
    process = program("--missing")
    _, errors = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "handlers/echo.py" in errors
