"""Clients of other components: what the generated, typed clients in ``gen/clients/`` are made of.

Every call carries what remains of our own caller's time and the headers that travel (``common/headers.py``), and ends
when the task that waits for it is cancelled. What comes back as an error is raised as a :class:`StatusError` that names
the component. Calls that do no harm when they are made twice are made again where the component was not available
(``retry.py``). For code without an event loop there is the same in ``sync.py``.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, AsyncIterator, Callable, Coroutine, Generator, Iterable
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, TypeVar, cast

import grpc
import grpc.aio
from google.protobuf.message import Message

from ..common import messages
from ..common.errors import from_rpc_error
from .way import Way

if TYPE_CHECKING:
    from ..common.headers import Metadata

R = TypeVar("R", bound=Message)
T = TypeVar("T")

#: What a client streams to a service.
Requests = AsyncIterable[Message] | Iterable[Message]


class Connection(Way):
    """The way to one component: a channel, opened lazily and shared by all calls, and what every call on it does.

    Made within a running event loop, and used only there.
    """

    channel: grpc.aio.Channel

    def _open(self) -> None:
        interceptors = self.tracing.aio_client_interceptors(self.component, self.target)
        if self.credentials is None:
            self.channel = grpc.aio.insecure_channel(self.target, self.options, interceptors=interceptors)
        else:
            self.channel = grpc.aio.secure_channel(
                self.target, self.credentials, self.options, interceptors=interceptors
            )

    async def close(self) -> None:
        """Close the channel; calls that are still going on are cancelled."""
        await self.channel.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()


class ServiceClient:
    """A client of one service of a component. The generated subclasses add a typed method for each RPC.

    A method takes ``timeout``, in seconds; in any case a call ends when our own caller stops waiting. By default, also
    for streams, it is ``DEFAULT_TIMEOUT_SECONDS``. Each raises the :class:`StatusError` that belongs to the status of the
    answer, naming the component, and :class:`DeadlineExceeded` without calling when no time is left.
    """

    component: ClassVar[str]
    service: ClassVar[str]

    #: What ``settings.connect`` makes for a client of this kind.
    connection_type: ClassVar[type[Connection]] = Connection

    def __init__(self, connection: Connection) -> None:
        """``settings.connect(Client)`` makes both; a connection of one's own is for tests."""
        self._connection = connection
        self._methods: dict[str, _Method] = {}

    async def _unary_unary(
        self, method: str, request: Message, response: type[R], timeout: float | None, *, safe: bool = False
    ) -> R:
        data = messages.encode(request)
        attempts = self._connection.attempts(timeout, safe)
        while True:
            try:
                answer = await self._start("unary_unary", method, data, attempts.seconds())
            except grpc.RpcError as error:
                pause = attempts.pause_after(error)
                if pause is None:
                    raise from_rpc_error(error, self.component) from error
            else:
                attempts.succeeded()
                return self._connection.decode(response, answer)
            await asyncio.sleep(pause)

    async def _stream_unary(self, method: str, requests: Requests, response: type[R], timeout: float | None) -> R:
        encoded = _Encoded(requests)
        attempts = self._connection.attempts(timeout, safe=False)
        call = self._start("stream_unary", method, encoded.stream(), attempts.seconds())
        ending = _Ending(call)
        try:
            answer = await call
        except grpc.RpcError as error:
            true = ending.instead_of(error) or error
            attempts.pause_after(true)
            raise from_rpc_error(true, self.component) from error
        except asyncio.CancelledError:
            encoded.raise_error()
            raise
        attempts.succeeded()
        return self._connection.decode(response, answer)

    async def _unary_stream(
        self, method: str, request: Message, response: type[R], timeout: float | None, *, safe: bool = False
    ) -> AsyncIterator[R]:
        """The call begins with the first item that is asked for, and ends when nobody asks for more.

        It is made again only while nothing has come: what follows a broken stream, only who reads it knows.
        """
        data = messages.encode(request)
        attempts = self._connection.attempts(timeout, safe)
        while True:
            begun = False
            call = self._start("unary_stream", method, data, attempts.seconds())
            try:
                async for item in call:
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
            await asyncio.sleep(pause)

    async def _stream_stream(
        self, method: str, requests: Requests, response: type[R], timeout: float | None
    ) -> AsyncIterator[R]:
        """As :meth:`_unary_stream`, but never made again: the requests are gone."""
        encoded = _Encoded(requests)
        attempts = self._connection.attempts(timeout, safe=False)
        call = self._start("stream_stream", method, encoded.stream(), attempts.seconds())
        ending = _Ending(call)
        try:
            async for item in call:
                yield self._connection.decode(response, item)
            attempts.succeeded()
        except grpc.RpcError as error:
            true = ending.instead_of(error)
            if true is not None:
                attempts.pause_after(true)
                raise from_rpc_error(true, self.component) from error
        except asyncio.CancelledError:
            encoded.raise_error()
            raise
        finally:
            call.cancel()

    def _start(self, kind: str, method: str, request: bytes | AsyncIterator[bytes], seconds: float) -> _Call:
        multi = self._methods.get(method)
        if multi is None:
            make: Callable[[str], _Method] = getattr(self._connection.channel, kind)
            multi = self._methods[method] = make(f"/{self.service}/{method}")
        return multi(request, timeout=seconds, metadata=self._connection.metadata())


class _Encoded:
    """A stream of requests as bytes; ``error`` is what ended it early."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self._error: Exception | None = None

    async def stream(self) -> AsyncIterator[bytes]:
        try:
            if isinstance(self._requests, AsyncIterable):
                async for request in self._requests:
                    yield messages.encode(request)
            else:
                for request in self._requests:
                    yield messages.encode(request)
        except Exception as error:
            self._error = error
            raise

    def raise_error(self) -> None:
        """Raise what ended the requests early: grpc.aio cancels a call whose requests fail to come, and says only that."""
        if self._error is not None:
            raise self._error from None


class _Ending:
    """How a call with a stream of requests ended, noted at that moment.

    Where a service ends a call while a request is being written, grpc.aio sets the true status, and then, because the
    write fails, INTERNAL in its place: up to nine times in ten, when the caller never pauses.
    """

    def __init__(self, call: _Call) -> None:
        self._seen: grpc.aio.AioRpcError | None = None
        self._ok = False
        call.add_done_callback(self._note)

    def instead_of(self, error: grpc.RpcError) -> grpc.RpcError | None:
        """The error that the call ended with; None where it ended well."""
        if not hasattr(error, "code") or error.code() is not grpc.StatusCode.INTERNAL:
            return error
        return None if self._ok else self._seen or error

    def _note(self, call: _Call) -> None:
        code = _known(call.code())
        self._ok = code is grpc.StatusCode.OK
        trailing = grpc.aio.Metadata(*(_known(call.trailing_metadata()) or ()))
        self._seen = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), trailing, _known(call.details()))


def _known(coroutine: Coroutine[object, None, T]) -> T:
    """What a call that is over knows: its methods are coroutines, with nothing left to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return cast("T", stop.value)
    finally:
        coroutine.close()
    raise RuntimeError("the call is not over")


class _Call(Protocol):
    """What the clients use of the calls of grpc.aio, of all kinds; bytes, since (de)serializing is done here."""

    def __await__(self) -> Generator[None, None, bytes]: ...
    def __aiter__(self) -> AsyncIterator[bytes]: ...
    def add_done_callback(self, callback: Callable[[_Call], None]) -> None: ...
    def cancel(self) -> bool: ...
    def code(self) -> Coroutine[object, None, grpc.StatusCode]: ...
    def details(self) -> Coroutine[object, None, str]: ...
    def trailing_metadata(self) -> Coroutine[object, None, Iterable[tuple[str, str | bytes]] | None]: ...


class _Method(Protocol):
    """What grpc.aio calls a multi-callable."""

    def __call__(self, request: bytes | AsyncIterator[bytes], /, *, timeout: float, metadata: Metadata) -> _Call: ...
