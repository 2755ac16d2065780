"""Calls to the service: sync, from forked workers too, and async. The same errors come out as from the monolith."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Callable, Sequence, TypeVar
from weakref import WeakKeyDictionary

import grpc
import grpc.aio

from ..common import headers
from ..common.errors import DeadlineExceeded, Internal, InvalidArgument, Unavailable, from_rpc_error
from ..common.messages import MalformedMessageError
from . import forks
from .calls import IDEMPOTENCY_KEY, as_header, current, key_of_write
from .codec import UnsayableError
from .errors import NO_EXCEPTIONS, ErrorMap

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator

    from ..common.headers import Metadata
    from .calls import Rpc, Table
    from .codec import Codec

_log = logging.getLogger(__name__)

R = TypeVar("R")

#: Headers of the program's own: a tenant, the id of the request that is being handled.
Headers = Callable[[], Sequence["tuple[str, str | bytes]"]]


def no_headers() -> Sequence[tuple[str, str | bytes]]:
    """None of its own."""
    return ()


class Way:
    """The way to the service: where it is, and what every call there carries. For sync and async code alike."""

    def __init__(
        self,
        table: Table,
        codec: Codec,
        address: str,
        *,
        errors: ErrorMap = NO_EXCEPTIONS,
        metadata: Headers = no_headers,
        timeout: float = 10.0,
        credentials: grpc.ChannelCredentials | None = None,
    ) -> None:
        """``address`` is ``HOST:PORT``; ``timeout`` in seconds, less where the call that is being served has less."""
        self.address = address
        self._table = table
        self._codec = codec
        self._errors = errors
        self._metadata = metadata
        self._timeout = timeout
        self._credentials = credentials
        self._options = (("grpc.service_config", _service_config(table)), ("grpc.enable_http_proxy", 0))
        self._open()

    def _open(self) -> None:
        """Nothing is connected before the first call: prepare for the channels."""
        raise NotImplementedError

    def outgoing(self, request: object, rpc: Rpc) -> tuple[bytes, Metadata]:
        """The request's bytes, and the headers of the call. Raises :class:`InvalidArgument`."""
        key = "" if rpc.safe else key_of_write(request, rpc)
        filled: Any = request
        if rpc.request_id and not filled.request_id:
            filled = replace(filled, request_id=key)
        return self.encoded(filled, rpc), self.metadata(key)

    def metadata(self, key: str = "") -> Metadata:
        """The headers of a call: those that travel, the program's own, and the key of a write."""
        passed = headers.outgoing(headers.incoming.get(), "forward")
        return (*passed, *self._metadata(), *(((IDEMPOTENCY_KEY, as_header(key)),) if key else ()))

    def encoded(self, request: object, rpc: Rpc) -> bytes:
        """The request's bytes. Raises :class:`InvalidArgument`."""
        try:
            return self._codec.encode(request, rpc.request)
        except UnsayableError as error:
            raise InvalidArgument(str(error)) from error

    def decoded(self, data: bytes, rpc: Rpc, response: type[R]) -> R:
        """The answer. Raises :class:`Internal` when it is none."""
        try:
            return self._codec.decode(data, response)
        except MalformedMessageError as error:
            component = self._table.component
            raise Internal(
                f"{component} sent what is no {rpc.response}", reason="MALFORMED_RESPONSE", component=component
            ) from error

    def target(self) -> str:
        """Where the service is. Raises :class:`Unavailable` where nobody has said so: a pin may lead there nevertheless."""
        if not self.address:
            component = self._table.component
            raise Unavailable(f"nobody has said where {component} is", component=component)
        return self.address

    def seconds(self) -> float:
        """How long a call may take. Raises :class:`DeadlineExceeded` when no time is left."""
        call = current()
        left = call.time_remaining() if call else None
        if left is not None and left <= 0:
            raise DeadlineExceeded("no time is left for the call", component=self._table.component)
        return self._timeout if left is None else min(left, self._timeout)

    def error(self, error: grpc.RpcError) -> Exception:
        """What the caller gets for it: an exception of the monolith's where one is paired with it."""
        return self._errors.inward(from_rpc_error(error, self._table.component))


def _service_config(table: Table) -> str:
    """GRPC's own retries, for reads only (AIP-194): a write that failed has failed, and the caller decides."""
    safe = [{"service": rpc.service, "method": rpc.name} for rpc in table.rpcs if rpc.safe]
    policy = {
        "maxAttempts": 3,
        "initialBackoff": "0.05s",
        "maxBackoff": "1s",
        "backoffMultiplier": 2,
        "retryableStatusCodes": ["UNAVAILABLE"],
    }
    return json.dumps({"methodConfig": [{"name": safe, "retryPolicy": policy}] if safe else []})


class Connection(Way):
    """Calls from sync code. Each process has a channel of its own, made at its first call: workers may be forked.

    But not while calls are under way: gRPC's own locks are then held in the child, for ever (its doc/fork_support.md).
    """

    def _open(self) -> None:
        self._channels: dict[int, grpc.Channel] = {}
        self._under_way: list[str] = []  # appending and removing need no lock
        forks.register(self)

    def after_fork(self) -> None:
        """Say in the child's log why calls may hang in it."""
        if self._under_way:
            _log.error(
                "this process was forked while %s was being called, and gRPC does not survive that: calls from here may "
                "hang. Fork before the first call, or when none is under way",
                self._under_way[0],
            )
        self._under_way = []

    def close(self) -> None:
        """Close this process's channel; the next call makes another one."""
        channel = self._channels.pop(os.getpid(), None)
        if channel is not None:
            channel.close()

    def unary(self, name: str, request: object, response: type[R]) -> R:
        """One request, one answer. Raises the error that belongs to the status."""
        rpc = self._table[name]
        data, metadata = self.outgoing(request, rpc)
        with self._calling(rpc):
            answer = self._start(rpc, data, metadata)
        return self.decoded(answer, rpc, response)

    def server_stream(self, name: str, request: object, response: type[R]) -> Iterator[R]:
        """One request, a stream of answers; it is cancelled when nobody reads on."""
        rpc = self._table[name]
        data, metadata = self.outgoing(request, rpc)
        return self._answers(rpc, data, metadata, response)

    def client_stream(self, name: str, requests: Iterable[object], response: type[R]) -> R:
        """A stream of requests, one answer."""
        rpc = self._table[name]
        with self._calling(rpc):
            answer = self._start(rpc, (self.encoded(each, rpc) for each in requests), self.metadata())
        return self.decoded(answer, rpc, response)

    def both_stream(self, name: str, requests: Iterable[object], response: type[R]) -> Iterator[R]:
        """A stream of requests, a stream of answers."""
        rpc = self._table[name]
        return self._answers(rpc, (self.encoded(each, rpc) for each in requests), self.metadata(), response)

    def _answers(self, rpc: Rpc, data: object, metadata: Metadata, response: type[R]) -> Iterator[R]:
        with self._calling(rpc):
            call = self._start(rpc, data, metadata)
            try:
                for answer in call:
                    yield self.decoded(answer, rpc, response)
            finally:
                call.cancel()

    @contextmanager
    def _calling(self, rpc: Rpc) -> Iterator[None]:
        """Around a call from its beginning to its end: what gRPC raises becomes the error that belongs to the status."""
        under_way = self._under_way
        under_way.append(rpc.name)
        try:
            yield
        except grpc.RpcError as error:
            raise self.error(error) from error
        finally:
            under_way.remove(rpc.name)

    def _start(self, rpc: Rpc, data: object, metadata: Metadata) -> Any:
        method = getattr(self._channel(), rpc.kind)(f"/{rpc.method}")
        return method(data, timeout=self.seconds(), metadata=metadata)

    def _channel(self) -> grpc.Channel:
        """The process's channel: one that was made before a fork is of no use after it."""
        process = os.getpid()
        found = self._channels.get(process)
        if found is None:
            made = (
                grpc.insecure_channel(self.target(), self._options)
                if self._credentials is None
                else grpc.secure_channel(self.target(), self._credentials, self._options)
            )
            found = self._channels.setdefault(process, made)
            if found is not made:
                made.close()  # another thread was first
        return found


class AsyncConnection(Way):
    """Calls from async code. Each event loop has a channel of its own."""

    def _open(self) -> None:
        self._channels: WeakKeyDictionary[asyncio.AbstractEventLoop, grpc.aio.Channel] = WeakKeyDictionary()

    async def close(self) -> None:
        """Close this loop's channel; the next call makes another one."""
        channel = self._channels.pop(asyncio.get_running_loop(), None)
        if channel is not None:
            await channel.close()

    async def unary(self, name: str, request: object, response: type[R]) -> R:
        """One request, one answer. Raises the error that belongs to the status."""
        rpc = self._table[name]
        data, metadata = self.outgoing(request, rpc)
        try:
            answer = await self._start(rpc, data, metadata)
        except grpc.RpcError as error:
            raise self.error(error) from error
        return self.decoded(answer, rpc, response)

    async def server_stream(self, name: str, request: object, response: type[R]) -> AsyncIterator[R]:
        """One request, a stream of answers; it is cancelled when nobody reads on."""
        rpc = self._table[name]
        data, metadata = self.outgoing(request, rpc)
        async for answer in self._answers(rpc, data, metadata, response):
            yield answer

    async def client_stream(self, name: str, requests: AsyncIterable[object], response: type[R]) -> R:
        """A stream of requests, one answer."""
        rpc = self._table[name]
        try:
            answer = await self._start(rpc, self._encoded(requests, rpc), self.metadata())
        except grpc.RpcError as error:
            raise self.error(error) from error
        return self.decoded(answer, rpc, response)

    async def both_stream(self, name: str, requests: AsyncIterable[object], response: type[R]) -> AsyncIterator[R]:
        """A stream of requests, a stream of answers."""
        rpc = self._table[name]
        async for answer in self._answers(rpc, self._encoded(requests, rpc), self.metadata(), response):
            yield answer

    async def _encoded(self, requests: AsyncIterable[object], rpc: Rpc) -> AsyncIterator[bytes]:
        async for each in requests:
            yield self.encoded(each, rpc)

    async def _answers(self, rpc: Rpc, data: object, metadata: Metadata, response: type[R]) -> AsyncIterator[R]:
        call = self._start(rpc, data, metadata)
        try:
            async for answer in call:
                yield self.decoded(answer, rpc, response)
        except grpc.RpcError as error:
            raise self.error(error) from error
        finally:
            call.cancel()

    def _start(self, rpc: Rpc, data: object, metadata: Metadata) -> Any:
        method = getattr(self._channel(), rpc.kind)(f"/{rpc.method}")
        return method(data, timeout=self.seconds(), metadata=metadata)

    def _channel(self) -> grpc.aio.Channel:
        loop = asyncio.get_running_loop()
        found = self._channels.get(loop)
        if found is None:
            found = self._channels[loop] = (
                grpc.aio.insecure_channel(self.target(), self._options)
                if self._credentials is None
                else grpc.aio.secure_channel(self.target(), self._credentials, self._options)
            )
        return found
