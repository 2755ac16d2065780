"""What a store's server does with bytes that no gRPC library would send: an answer or an end, and no handler is called."""

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass, field

import grpc
import h2.config
import h2.connection
import h2.events
import pytest
from google.protobuf.message import Message
from runtime.service.component import Running

from .library import PATIENCE, SERVICE, Book, component, service, serving

DATA = Book(name="books/1", title="one").SerializeToString()
GET = f"/{SERVICE}/GetBook"
OK = "0"
FOUR_MEBIBYTES = 4 * 2**20


@dataclass
class Answer:
    """What came back on one HTTP/2 stream."""

    headers: dict[str, str] = field(default_factory=dict)
    reset: int | None = None
    closed: bool = False

    @property
    def status(self) -> str | None:
        return self.headers.get("grpc-status")


@dataclass
class Wire:
    """A server that notes the calls which reach its handler."""

    running: Running
    called: list[Message]

    def send(self, body: bytes = b"", *, path: str = GET, end: bool = True, **headers: str) -> Answer:
        """Make one request by hand, over a connection of its own."""
        given = {"content_type": "application/grpc", "te": "trailers", "grpc_timeout": f"{int(PATIENCE)}S", **headers}
        method = given.pop("method", "POST")
        pseudo = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "library")]
        rest = [(name.replace("_", "-"), value) for name, value in given.items() if value]
        # Without checks of its own: it has to send what is wrong.
        connection = h2.connection.H2Connection(
            h2.config.H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False)
        )
        with closing(self.connect()) as plug:
            connection.initiate_connection()
            connection.send_headers(1, pseudo + rest, end_stream=end and not body)
            if body:
                connection.send_data(1, body, end_stream=end)
            plug.sendall(connection.data_to_send())
            return self._answer(connection, plug)

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.running.port), timeout=PATIENCE)

    def _answer(self, connection: h2.connection.H2Connection, plug: socket.socket) -> Answer:
        answer = Answer()
        while True:
            data = plug.recv(65536)
            if not data:
                answer.closed = True
                return answer
            for event in connection.receive_data(data):
                if isinstance(event, h2.events.ResponseReceived | h2.events.TrailersReceived):
                    answer.headers.update((key.decode(), value.decode()) for key, value in event.headers)
                elif isinstance(event, h2.events.StreamReset):
                    answer.reset = event.error_code
                    return answer
                elif isinstance(event, h2.events.StreamEnded):
                    return answer
            plug.sendall(connection.data_to_send())


def framed(message: bytes, flag: int = 0, length: int | None = None) -> bytes:
    return struct.pack(">BI", flag, len(message) if length is None else length) + message


@pytest.fixture
def wire() -> Iterator[Wire]:
    called: list[Message] = []

    def get_book(request: Message, context: object) -> Message:
        called.append(request)
        return request

    before = threading.active_count()
    with serving(component(service(get_book=get_book))) as (running, channel):
        yield Wire(running, called)
        called.clear()
        # Whatever came before: it serves, and nothing is stuck.
        assert channel.unary_unary(GET)(DATA, timeout=PATIENCE) == DATA
        assert len(called) == 1
    until = time.monotonic() + PATIENCE
    while threading.active_count() > before + 1 and time.monotonic() < until:
        time.sleep(0.01)
    assert threading.active_count() <= before + 1


def test_the_test_itself_speaks_grpc(wire: Wire) -> None:
    assert wire.send(framed(DATA)).status == OK
    assert len(wire.called) == 1


@pytest.mark.parametrize(
    "body",
    [
        b"GET / HTTP/1.1\r\nHost: library\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"\x00" * 4096,
        bytes(range(256)) * 256,
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + b"\xff" * 100,
    ],
    ids=["http1", "tls", "zeros", "bytes", "frames"],
)
def test_garbage_ends_the_connection(wire: Wire, body: bytes) -> None:
    with closing(wire.connect()) as plug:
        try:
            plug.sendall(body)
            with suppress(OSError):  # it may be gone already
                plug.shutdown(socket.SHUT_WR)
            while plug.recv(65536):
                pass
        except OSError:  # the server may have closed it before we had sent all
            pass
    assert wire.called == []


@pytest.mark.parametrize(
    ("code", "send"),
    [
        (grpc.StatusCode.UNIMPLEMENTED, lambda wire: wire.send(framed(DATA), path=f"/{SERVICE}/Nothing")),
        (grpc.StatusCode.UNIMPLEMENTED, lambda wire: wire.send(framed(DATA), path="/other.v1.Service/GetBook")),
        (grpc.StatusCode.UNIMPLEMENTED, lambda wire: wire.send(framed(DATA), path="nonsense")),
        (grpc.StatusCode.UNIMPLEMENTED, lambda wire: wire.send()),
        (grpc.StatusCode.UNIMPLEMENTED, lambda wire: wire.send(b"\0\0")),
        (grpc.StatusCode.UNIMPLEMENTED, lambda wire: wire.send(framed(DATA, length=1000))),
        (grpc.StatusCode.INTERNAL, lambda wire: wire.send(framed(b"\x0a\x01\xff"))),
        (grpc.StatusCode.INTERNAL, lambda wire: wire.send(framed(DATA, flag=1))),
        (grpc.StatusCode.INTERNAL, lambda wire: wire.send(framed(DATA, flag=1), grpc_encoding="snappy")),
        (grpc.StatusCode.INTERNAL, lambda wire: wire.send(framed(DATA, flag=1), grpc_encoding="gzip")),
        (grpc.StatusCode.INTERNAL, lambda wire: wire.send(framed(DATA), grpc_timeout="soon")),
        (grpc.StatusCode.INTERNAL, lambda wire: wire.send(framed(DATA), x_id_bin="!!!")),
        (grpc.StatusCode.DEADLINE_EXCEEDED, lambda wire: wire.send(framed(DATA), grpc_timeout="0n")),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, lambda wire: wire.send(framed(DATA, length=FOUR_MEBIBYTES + 1))),
        (grpc.StatusCode.RESOURCE_EXHAUSTED, lambda wire: wire.send(framed(DATA, length=2**32 - 1))),
    ],
    ids=[
        "unknown method",
        "unknown service",
        "no path",
        "no message",
        "half a length",
        "half a message",
        "not the message",
        "compressed with nothing",
        "compressed with something unknown",
        "not compressed",
        "deadline that is none",
        "binary header that is none",
        "deadline over",
        "a byte too large",
        "far too large",
    ],
)
def test_what_cannot_be_a_call_is_answered_and_reaches_no_handler(
    wire: Wire, code: grpc.StatusCode, send: Callable[[Wire], Answer]
) -> None:
    answer = send(wire)
    assert answer.status == str(code.value[0])
    said = answer.headers.get("grpc-message", "").lower()
    assert not [leak for leak in ("traceback", "error:", ".py", "python", "/home", "/tmp") if leak in said], said
    assert wire.called == []


@pytest.mark.parametrize("headers", [{"method": "GET"}, {"te": ""}], ids=["GET", "no te"])
def test_http_that_is_not_grpc_is_reset(wire: Wire, headers: dict[str, str]) -> None:
    answer = wire.send(framed(DATA), **headers)
    assert answer.reset is not None or answer.closed
    assert wire.called == []


def test_the_core_of_grpc_takes_any_content_type(wire: Wire) -> None:
    """The specification says HTTP 415; grpcio's core does not look, and does not show the header to anybody."""
    assert wire.send(framed(DATA), content_type="text/plain").status == OK


def test_a_message_of_the_greatest_size_and_one_beyond_by_an_ordinary_client(wire: Wire) -> None:
    def book_of(size: int) -> bytes:
        rest = len(Book(title="x" * (size - 100)).SerializeToString()) - (size - 100)
        return Book(title="x" * (size - rest)).SerializeToString()

    options = [("grpc.max_receive_message_length", -1)]
    with grpc.insecure_channel(wire.running.address, options=options) as channel:
        fits, does_not = book_of(FOUR_MEBIBYTES), book_of(FOUR_MEBIBYTES + 1)
        assert (len(fits), len(does_not)) == (FOUR_MEBIBYTES, FOUR_MEBIBYTES + 1)
        assert channel.unary_unary(GET)(fits, timeout=PATIENCE) == fits
        wire.called.clear()
        with pytest.raises(grpc.RpcError) as caught:
            channel.unary_unary(GET)(does_not, timeout=PATIENCE)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert wire.called == []


def test_headers_that_are_too_large(wire: Wire) -> None:
    with grpc.insecure_channel(wire.running.address) as channel, pytest.raises(grpc.RpcError) as caught:
        channel.unary_unary(GET)(DATA, timeout=PATIENCE, metadata=(("x-large", "x" * 100_000),))
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert wire.called == []


def test_callers_that_connect_and_say_nothing(wire: Wire) -> None:
    plugs = [wire.connect() for _ in range(50)]
    try:
        assert wire.send(framed(DATA)).status == OK
    finally:
        for plug in plugs:
            plug.close()


def test_callers_that_only_begin_a_call_do_not_stop_others(monkeypatch: pytest.MonkeyPatch) -> None:
    """grpcio lets a call wait for its request on a thread; whoever sends none gives it up when others need it."""
    monkeypatch.setattr("runtime.store.workers._REQUEST_SECONDS", 0.3)
    called: list[Message] = []

    def get_book(request: Message, context: object) -> Message:
        called.append(request)
        return request

    with serving(component(service(get_book=get_book)), max_workers=2) as (running, channel):
        wire = Wire(running, called)
        with ThreadPoolExecutor(4) as pool:
            # Without a deadline, and without an end.
            silent = [pool.submit(wire.send, body, end=False, grpc_timeout="") for body in (b"", b"\0\0", b"", b"")]
            time.sleep(0.1)
            for _ in range(4):
                assert channel.unary_unary(GET)(DATA, timeout=PATIENCE) == DATA
            assert [answer.result(PATIENCE).status for answer in silent] != [OK] * 4
    assert len(called) == 4
