"""Clients of other components: what the generated, typed clients in ``gen/clients/`` are made of.

Every call carries what remains of our own caller's time and the headers that travel (``common/headers.py``), and ends
when the task that waits for it is cancelled. What comes back as an error is raised as a :class:`StatusError` that names
the component.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import AsyncIterable, AsyncIterator, Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar, Protocol, Self, TypeVar

import grpc
import grpc.aio
from google.protobuf.message import Message

from ..common import headers, messages
from ..common.errors import Internal, from_rpc_error
from ..common.tracing import Tracing
from .budget import seconds_for_a_call

if TYPE_CHECKING:
    from ..common.headers import Metadata

R = TypeVar("R", bound=Message)

#: What a client streams to a service.
Requests = AsyncIterable[Message] | Iterable[Message]

_OPTIONS = (
    # Every server puts up with a ping each five minutes (gRPC's "Keepalive" guide; more often ends in ENHANCE_YOUR_CALM).
    ("grpc.keepalive_time_ms", 330_000),
    # Also how long the kernel waits for an acknowledgement: a peer that vanished fails calls in seconds, not minutes.
    ("grpc.keepalive_timeout_ms", 20_000),
)


class Connection:
    """The way to one component: a channel, opened lazily and shared by all calls, and what every call on it does.

    Made within a running event loop, and used only there.
    """

    def __init__(
        self,
        component: str,
        address: str,
        *,
        certificates: bytes | None = None,
        tracing: Tracing | None = None,
        forward_headers: Iterable[str] = (),
        default_timeout_seconds: float = 10.0,
    ) -> None:
        """``address`` is gRPC's target, ``HOST:PORT``; with ``https://`` before it the channel is encrypted.

        ``certificates`` are trusted roots as PEM, by default the system's.
        """
        tracing = tracing or Tracing()
        target = address.removeprefix("https://").removeprefix("http://")
        interceptors = tracing.aio_client_interceptors(component, target)
        options = [*_OPTIONS, ("grpc.enable_http_proxy", int(not is_this_machine(target.rpartition(":")[0])))]
        if address.startswith("https://"):
            credentials = grpc.ssl_channel_credentials(certificates)
            self.channel = grpc.aio.secure_channel(target, credentials, options, interceptors=interceptors)
        else:
            self.channel = grpc.aio.insecure_channel(target, options, interceptors=interceptors)
        self.component = component
        self._mode = tracing.mode
        self._forward_headers = tuple(forward_headers)
        self._default_timeout_seconds = default_timeout_seconds

    def metadata(self) -> Metadata:
        """The headers of an outgoing call, from those of the call that is being served."""
        return headers.outgoing(headers.incoming.get(), self._mode, self._forward_headers)

    def seconds(self, timeout: float | None) -> float:
        """How long a call may take. Raises :class:`DeadlineExceeded` when no time is left."""
        return seconds_for_a_call(timeout, self._default_timeout_seconds)

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

    def __init__(self, connection: Connection) -> None:
        """``settings.connect(Client)`` makes both; a connection of one's own is for tests."""
        self._connection = connection
        self._methods: dict[str, _Method] = {}

    async def _unary_unary(self, method: str, request: Message, response: type[R], timeout: float | None) -> R:
        call = self._start("unary_unary", method, messages.encode(request), timeout)
        with self._errors():
            return self._decode(response, await call)

    async def _stream_unary(self, method: str, requests: Requests, response: type[R], timeout: float | None) -> R:
        encoded = _Encoded(requests)
        call = self._start("stream_unary", method, encoded.stream(), timeout)
        with self._errors(encoded):
            return self._decode(response, await call)

    async def _unary_stream(
        self, method: str, request: Message, response: type[R], timeout: float | None
    ) -> AsyncIterator[R]:
        """The call begins with the first item that is asked for, and ends when nobody asks for more."""
        call = self._start("unary_stream", method, messages.encode(request), timeout)
        try:
            with self._errors():
                async for data in call:
                    yield self._decode(response, data)
        finally:
            call.cancel()  # nothing happens to a call that is over

    async def _stream_stream(
        self, method: str, requests: Requests, response: type[R], timeout: float | None
    ) -> AsyncIterator[R]:
        """As :meth:`_unary_stream`."""
        encoded = _Encoded(requests)
        call = self._start("stream_stream", method, encoded.stream(), timeout)
        try:
            with self._errors(encoded):
                async for data in call:
                    yield self._decode(response, data)
        finally:
            call.cancel()

    def _start(self, kind: str, method: str, request: bytes | AsyncIterator[bytes], timeout: float | None) -> _Call:
        seconds = self._connection.seconds(timeout)
        multi = self._methods.get(method)
        if multi is None:
            make: Callable[[str], _Method] = getattr(self._connection.channel, kind)
            multi = self._methods[method] = make(f"/{self.service}/{method}")
        return multi(request, timeout=seconds, metadata=self._connection.metadata())

    @contextmanager
    def _errors(self, encoded: _Encoded | None = None) -> Iterator[None]:
        """Raise what a call fails with as what callers here know."""
        try:
            yield
        except grpc.RpcError as error:
            raise from_rpc_error(error, self.component) from error
        except asyncio.CancelledError:
            # grpc.aio cancels a call whose requests fail to come, and says only that.
            if encoded is not None and encoded.error is not None:
                raise encoded.error from None
            raise

    def _decode(self, response: type[R], data: bytes) -> R:
        try:
            return messages.decode(response, data)
        except messages.MalformedMessageError as error:
            raise Internal(
                f"{self.component} sent what is no {response.DESCRIPTOR.full_name}",
                reason="MALFORMED_RESPONSE",
                component=self.component,
            ) from error


class _Encoded:
    """A stream of requests as bytes; ``error`` is what ended it early."""

    def __init__(self, requests: Requests) -> None:
        self._requests = requests
        self.error: Exception | None = None

    async def stream(self) -> AsyncIterator[bytes]:
        try:
            if isinstance(self._requests, AsyncIterable):
                async for request in self._requests:
                    yield messages.encode(request)
            else:
                for request in self._requests:
                    yield messages.encode(request)
        except Exception as error:
            self.error = error
            raise


class _Call(Protocol):
    """What the clients use of the calls of grpc.aio, of all kinds; bytes, since (de)serializing is done here."""

    def __await__(self) -> Generator[None, None, bytes]: ...
    def __aiter__(self) -> AsyncIterator[bytes]: ...
    def cancel(self) -> bool: ...


class _Method(Protocol):
    """What grpc.aio calls a multi-callable."""

    def __call__(self, request: bytes | AsyncIterator[bytes], /, *, timeout: float, metadata: Metadata) -> _Call: ...


def is_this_machine(host: str) -> bool:
    """Whether a host name or address means this machine. No proxy of the environment's is asked for those."""
    name = host.rpartition("/")[2].strip("[]")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
