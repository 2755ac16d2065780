"""Clients without an event loop: for scripts, tests, and tools. What ``client.py`` says of its clients holds for these.

Never call one of these in a handler of a process: it would stop the loop, and with it every other call.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, TypeVar, cast

import grpc
from google.protobuf.message import Message

from ..common import messages
from ..common.errors import from_rpc_error
from .way import Way

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from ..common.headers import Metadata

R = TypeVar("R", bound=Message)


class SyncConnection(Way):
    """The way to one component: a channel, opened lazily. May be used from many threads at once.

    ::

        with SyncConnection("cart", "127.0.0.1:50051") as connection:
            print(cart.SyncClient(connection).get_cart(cart.GetCartRequest(name="carts/1")))
    """

    channel: grpc.Channel

    def _open(self) -> None:
        if self.credentials is None:
            channel = grpc.insecure_channel(self.target, self.options)
        else:
            channel = grpc.secure_channel(self.target, self.credentials, self.options)
        interceptors = self.tracing.client_interceptors(self.component, self.target)
        self.channel = grpc.intercept_channel(channel, *interceptors) if interceptors else channel

    def close(self) -> None:
        """Close the channel; calls that are still going on are cancelled."""
        self.channel.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class SyncServiceClient:
    """A client of one service of a component. The generated subclasses add a typed method for each RPC.

    As :class:`ServiceClient`, with methods that return answers, and iterators for streams.
    """

    component: ClassVar[str]
    service: ClassVar[str]

    #: What ``settings.connect`` makes for a client of this kind.
    connection_type: ClassVar[type[SyncConnection]] = SyncConnection

    def __init__(self, connection: SyncConnection) -> None:
        self._connection = connection
        self._methods: dict[str, _Method] = {}

    def _unary_unary(
        self, method: str, request: Message, response: type[R], timeout: float | None, *, safe: bool = False
    ) -> R:
        data = messages.encode(request)
        attempts = self._connection.attempts(timeout, safe)
        while True:
            try:
                answer = self._start("unary_unary", method, data, attempts.seconds())
            except grpc.RpcError as error:
                pause = attempts.pause_after(error)
                if pause is None:
                    raise from_rpc_error(error, self.component) from error
            else:
                attempts.succeeded()
                return self._connection.decode(response, cast("bytes", answer))
            time.sleep(pause)

    def _stream_unary(self, method: str, requests: Iterable[Message], response: type[R], timeout: float | None) -> R:
        encoded = _Encoded(requests)
        attempts = self._connection.attempts(timeout, safe=False)
        try:
            answer = self._start("stream_unary", method, encoded, attempts.seconds())
        except grpc.RpcError as error:
            encoded.raise_error()
            attempts.pause_after(error)
            raise from_rpc_error(error, self.component) from error
        attempts.succeeded()
        return self._connection.decode(response, cast("bytes", answer))

    def _unary_stream(
        self, method: str, request: Message, response: type[R], timeout: float | None, *, safe: bool = False
    ) -> Iterator[R]:
        """The call begins with the first item that is asked for, and ends when the iterator is closed or given up.

        It is made again only while nothing has come: what follows a broken stream, only who reads it knows.
        """
        data = messages.encode(request)
        attempts = self._connection.attempts(timeout, safe)
        while True:
            begun = False
            call = cast("_Stream", self._start("unary_stream", method, data, attempts.seconds()))
            try:
                for item in call:
                    if not begun:
                        begun = True
                        attempts.succeeded()
                    yield self._connection.decode(response, item)
                return
            except grpc.RpcError as error:
                pause = None if begun else attempts.pause_after(error)
                if pause is None:
                    raise from_rpc_error(error, self.component) from error
            finally:
                call.cancel()  # nothing happens to a call that is over
            time.sleep(pause)

    def _stream_stream(
        self, method: str, requests: Iterable[Message], response: type[R], timeout: float | None
    ) -> Iterator[R]:
        """As :meth:`_unary_stream`, but never made again: the requests are gone."""
        encoded = _Encoded(requests)
        attempts = self._connection.attempts(timeout, safe=False)
        call = cast("_Stream", self._start("stream_stream", method, encoded, attempts.seconds()))
        try:
            for item in call:
                yield self._connection.decode(response, item)
            attempts.succeeded()
        except grpc.RpcError as error:
            encoded.raise_error()
            attempts.pause_after(error)
            raise from_rpc_error(error, self.component) from error
        finally:
            call.cancel()

    def _start(self, kind: str, method: str, request: bytes | Iterator[bytes], seconds: float) -> object:
        multi = self._methods.get(method)
        if multi is None:
            make: Callable[[str], _Method] = getattr(self._connection.channel, kind)
            multi = self._methods[method] = make(f"/{self.service}/{method}")
        return multi(request, timeout=seconds, metadata=self._connection.metadata())


class _Encoded:
    """A stream of requests as bytes, read by a thread of grpcio's; remembers what ended it early."""

    def __init__(self, requests: Iterable[Message]) -> None:
        self._requests = iter(requests)
        self._error: Exception | None = None

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> bytes:
        try:
            return messages.encode(next(self._requests))
        except StopIteration:
            raise
        except Exception as error:
            self._error = error
            raise  # never an end: half a stream must not look like a whole one

    def raise_error(self) -> None:
        """Raise what ended the requests early."""
        if self._error is not None:
            raise self._error from None


class _Stream(Protocol):
    """What the clients use of grpcio's calls that answer with a stream."""

    def __iter__(self) -> Iterator[bytes]: ...
    def cancel(self) -> bool: ...


class _Method(Protocol):
    """What grpcio calls a multi-callable."""

    def __call__(self, request: bytes | Iterator[bytes], /, *, timeout: float, metadata: Metadata) -> object: ...
