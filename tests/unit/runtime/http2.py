"""Requests by hand, frame by frame: what no gRPC library would send."""

import socket
import struct
from contextlib import closing
from dataclasses import dataclass, field

import h2.config
import h2.connection
import h2.events

from .library import PATIENCE


@dataclass
class Answer:
    """What came back on one HTTP/2 stream."""

    headers: dict[str, str] = field(default_factory=dict)
    reset: int | None = None
    closed: bool = False
    silent: bool = False

    @property
    def status(self) -> str | None:
        return self.headers.get("grpc-status")


def framed(message: bytes, flag: int = 0, length: int | None = None) -> bytes:
    """A message as gRPC frames it."""
    return struct.pack(">BI", flag, len(message) if length is None else length) + message


def send(
    port: int, path: str, body: bytes = b"", *, end: bool = True, patience: float = PATIENCE, **headers: str
) -> Answer:
    """Make one request over a connection of its own; a header that is empty is left out."""
    given = {"content_type": "application/grpc", "te": "trailers", **headers}
    method = given.pop("method", "POST")
    pseudo = [(":method", method), (":scheme", "http"), (":path", path), (":authority", "desk")]
    rest = [(name.replace("_", "-"), value) for name, value in given.items() if value]
    connection = h2.connection.H2Connection(
        h2.config.H2Configuration(validate_outbound_headers=False, normalize_outbound_headers=False)
    )
    with closing(socket.create_connection(("127.0.0.1", port), timeout=patience)) as plug:
        connection.initiate_connection()
        connection.send_headers(1, pseudo + rest, end_stream=end and not body)
        if body:
            connection.send_data(1, body, end_stream=end)
        plug.sendall(connection.data_to_send())
        return _answer(connection, plug)


def _answer(connection: h2.connection.H2Connection, plug: socket.socket) -> Answer:
    answer = Answer()
    while True:
        try:
            data = plug.recv(65536)
        except TimeoutError:
            answer.silent = True
            return answer
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
