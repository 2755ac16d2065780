"""What a process's server does with bytes that no gRPC library would send: an answer or an end, and no handler is called."""

import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing, suppress
from typing import Any

import grpc
import pytest
from runtime.service.component import Running

from .desk import component, serving
from .http2 import Answer, framed, send
from .library import PATIENCE, SERVICE, Book
from .wire import eventually

DATA = Book(name="books/1", title="one").SerializeToString()
GET = f"/{SERVICE}/GetBook"
LIST = f"/{SERVICE}/ListBooks"
SAVE = f"/{SERVICE}/SaveBooks"
SWAP = f"/{SERVICE}/SwapBooks"
OK = "0"
FOUR_MEBIBYTES = 4 * 2**20

Code = grpc.StatusCode


class Desk:
    """A process that serves, and what reached its handlers."""

    def __init__(self, running: Running) -> None:
        self.running = running
        self.called: list[Any] = []
        self.working = 0

    def send(self, body: bytes = b"", *, path: str = GET, **options: Any) -> Answer:
        return send(self.running.port, path, body, **{"grpc_timeout": f"{int(PATIENCE)}S", **options})

    def unary(self) -> Any:
        async def handle(request: Any, call: Any) -> Any:
            self.called.append(request)
            return request

        return handle

    def reading(self) -> Any:
        async def handle(requests: AsyncIterator[Any], call: Any) -> Any:
            self.working += 1
            try:
                self.called.append([request async for request in requests])
            finally:
                self.working -= 1
            return Book()

        return handle


@pytest.fixture
def desk() -> Iterator[Desk]:
    found: Desk = Desk.__new__(Desk)
    found.called, found.working = [], 0

    async def list_books(request: Any, call: Any) -> AsyncIterator[Any]:
        found.called.append(request)
        yield request

    async def swap_books(requests: Any, call: Any) -> AsyncIterator[Any]:
        yield await found.reading()(requests, call)

    handlers = {
        "get_book": found.unary(),
        "list_books": list_books,
        "save_books": found.reading(),
        "swap_books": swap_books,
    }
    with serving(component(handlers)) as (running, channel):
        found.running = running
        yield found
        found.called.clear()
        # Whatever came before: it serves, and nothing is stuck.
        assert channel.unary_unary(GET)(DATA, timeout=PATIENCE) == DATA
        assert len(found.called) == 1
        assert eventually(lambda: found.working == 0)


def test_the_test_itself_speaks_grpc(desk: Desk) -> None:
    assert desk.send(framed(DATA)).status == OK
    assert desk.send(framed(DATA) + framed(DATA), path=SAVE).status == OK
    assert [len(call) if isinstance(call, list) else 1 for call in desk.called] == [1, 2]


@pytest.mark.parametrize(
    "body",
    [
        b"GET / HTTP/1.1\r\nHost: desk\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 4096,
        bytes(range(256)) * 256,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100,
    ],
    ids=["http1", "tls", "zeros", "bytes", "frames"],
)
def test_garbage_ends_the_connection(desk: Desk, body: bytes) -> None:
    with closing(socket.create_connection(("127.0.0.1", desk.running.port), timeout=PATIENCE)) as plug:
        try:
            plug.sendall(body)
            with suppress(OSError):  # it may be gone already
                plug.shutdown(socket.SHUT_WR)
            while plug.recv(65536):
                pass
        except ConnectionError:
            pass
    assert desk.called == []


@pytest.mark.parametrize(
    ("code", "ask"),
    [
        (Code.UNIMPLEMENTED, lambda desk: desk.send(framed(DATA), path=f"/{SERVICE}/Nothing")),
        (Code.UNIMPLEMENTED, lambda desk: desk.send(framed(DATA), path="/other.v1.Service/GetBook")),
        (Code.UNIMPLEMENTED, lambda desk: desk.send(framed(DATA), path="nonsense")),
        (Code.INTERNAL, lambda desk: desk.send(framed(b"\x0a\x01\xff"))),
        (Code.INTERNAL, lambda desk: desk.send(framed(b"\x0a\x01\xff"), path=LIST)),
        (Code.INTERNAL, lambda desk: desk.send(framed(DATA) + framed(b"\xff"), path=SAVE)),
        (Code.INTERNAL, lambda desk: desk.send(framed(DATA) + framed(b"\xff"), path=SWAP)),
        (Code.INTERNAL, lambda desk: desk.send(framed(DATA), grpc_timeout="soon")),
        (Code.INTERNAL, lambda desk: desk.send(framed(DATA), x_id_bin="!!!")),
        (Code.DEADLINE_EXCEEDED, lambda desk: desk.send(framed(DATA), grpc_timeout="0n")),
        (Code.RESOURCE_EXHAUSTED, lambda desk: desk.send(framed(DATA, length=FOUR_MEBIBYTES + 1))),
        (Code.RESOURCE_EXHAUSTED, lambda desk: desk.send(framed(DATA, length=2**32 - 1))),
        (Code.RESOURCE_EXHAUSTED, lambda desk: desk.send(framed(DATA, length=2**32 - 1), path=SAVE)),
    ],
    ids=[
        "unknown method",
        "unknown service",
        "no path",
        "not the message",
        "not the message, of a stream",
        "garbage amid a stream",
        "garbage amid a conversation",
        "deadline that is none",
        "binary header that is none",
        "deadline over",
        "a byte too large",
        "far too large",
        "far too large, in a stream",
    ],
)
def test_what_cannot_be_a_call_is_answered_and_reaches_no_handler(
    desk: Desk, code: grpc.StatusCode, ask: Callable[[Desk], Answer]
) -> None:
    answer = ask(desk)
    assert answer.status == str(code.value[0])
    said = answer.headers.get("grpc-message", "").lower()
    assert not [leak for leak in ("traceback", "error:", ".py", "python", "/home", "/tmp") if leak in said], said
    assert desk.called == []


@pytest.mark.parametrize("path", [GET, LIST])
@pytest.mark.parametrize("body", [b"", b"\0\0", framed(DATA, length=1000)], ids=["none", "half a length", "half"])
def test_a_call_without_its_message_ends_with_its_deadline(desk: Desk, path: str, body: bytes) -> None:
    """The specification says UNIMPLEMENTED; grpc.aio answers nothing, and holds nothing either: no task, no handler."""
    begun = time.monotonic()
    answer = desk.send(body, path=path, grpc_timeout="300m")
    assert answer.status != OK
    assert time.monotonic() - begun < PATIENCE
    assert desk.called == []


def test_the_core_of_grpc_drops_half_a_message_at_the_end_of_a_stream(desk: Desk) -> None:
    """Only a caller that is broken ends its stream there; one that is cut off ends it otherwise, see below."""
    assert desk.send(framed(DATA) + framed(DATA, length=1000), path=SAVE).status == OK
    assert [len(call) for call in desk.called] == [1]


def test_a_connection_that_is_cut_amid_a_stream_ends_its_handler(desk: Desk) -> None:
    done = threading.Event()

    def cut() -> None:
        desk.send(framed(DATA), path=SAVE, end=False, patience=0.3, grpc_timeout="")
        done.set()

    threading.Thread(target=cut).start()
    assert eventually(lambda: desk.working == 1)
    assert done.wait(PATIENCE)
    assert eventually(lambda: desk.working == 0), "a caller without a deadline, and without a word, is gone"
    assert desk.called == []


@pytest.mark.parametrize("headers", [{"method": "GET"}, {"te": ""}], ids=["GET", "no te"])
def test_http_that_is_not_grpc_is_reset(desk: Desk, headers: dict[str, str]) -> None:
    answer = desk.send(framed(DATA), **headers)
    assert answer.reset is not None or answer.closed or answer.headers.get(":status") != "200"
    assert desk.called == []


def test_the_core_of_grpc_takes_any_content_type(desk: Desk) -> None:
    """The specification says HTTP 415; grpcio's core does not look, and does not show the header to anybody."""
    assert desk.send(framed(DATA), content_type="text/plain").status == OK


def test_callers_that_connect_and_say_nothing(desk: Desk) -> None:
    plugs = [socket.create_connection(("127.0.0.1", desk.running.port)) for _ in range(50)]
    try:
        assert desk.send(framed(DATA)).status == OK
    finally:
        for plug in plugs:
            plug.close()


def test_callers_that_only_begin_a_call_do_not_stop_others(desk: Desk) -> None:
    """A request that never comes holds no thread of a process, and no place among MAX_WORKERS."""
    threads = [
        threading.Thread(target=desk.send, kwargs={"end": False, "patience": 1.0, "grpc_timeout": ""})
        for _ in range(30)
    ]
    for thread in threads:
        thread.start()
    assert desk.send(framed(DATA)).status == OK
    for thread in threads:
        thread.join(PATIENCE)
