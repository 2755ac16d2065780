"""A process for tests, ``desk``, and a client of the API in library.py."""

import types
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, cast

import grpc
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2
from runtime.common import messages
from runtime.common.errors import STATUS_DETAILS_KEY
from runtime.common.tracing import Tracing
from runtime.process import (
    Component,
    Interceptor,
    Requests,
    Rpc,
    Running,
    Service,
    ServiceClient,
    Settings,
    SyncServiceClient,
    start,
)

from .library import PATIENCE, RPCS, SERVICE, Book

Handlers = dict[str, Callable[..., object]]
KINDS = {
    "get_book": "unary_unary",
    "list_books": "unary_stream",
    "save_books": "stream_unary",
    "swap_books": "stream_stream",
}
NAMES = {rpc.attribute: rpc.name for rpc in RPCS}


class LibraryClient(ServiceClient):
    """What the generator writes for a component that a process uses."""

    component = "library"
    service = SERVICE

    async def get_book(self, request: Message, *, timeout: float | None = None) -> Message:
        return await self._unary_unary("GetBook", request, Book, timeout, safe=True)

    async def get_book_unsafe(self, request: Message, *, timeout: float | None = None) -> Message:
        return await self._unary_unary("GetBook", request, Book, timeout)

    def list_books(self, request: Message, *, timeout: float | None = None) -> AsyncIterator[Message]:
        return self._unary_stream("ListBooks", request, Book, timeout, safe=True)

    def list_books_unsafe(self, request: Message, *, timeout: float | None = None) -> AsyncIterator[Message]:
        return self._unary_stream("ListBooks", request, Book, timeout)

    async def save_books(self, requests: Requests, *, timeout: float | None = None) -> Message:
        return await self._stream_unary("SaveBooks", requests, Book, timeout)

    def swap_books(self, requests: Requests, *, timeout: float | None = None) -> AsyncIterator[Message]:
        return self._stream_stream("SwapBooks", requests, Book, timeout)


class SyncLibraryClient(SyncServiceClient):
    """The same for code without an event loop."""

    component = "library"
    service = SERVICE

    def get_book(self, request: Message, *, timeout: float | None = None) -> Message:
        return self._unary_unary("GetBook", request, Book, timeout, safe=True)

    def get_book_unsafe(self, request: Message, *, timeout: float | None = None) -> Message:
        return self._unary_unary("GetBook", request, Book, timeout)

    def list_books(self, request: Message, *, timeout: float | None = None) -> Iterator[Message]:
        return self._unary_stream("ListBooks", request, Book, timeout, safe=True)

    def list_books_unsafe(self, request: Message, *, timeout: float | None = None) -> Iterator[Message]:
        return self._unary_stream("ListBooks", request, Book, timeout)

    def save_books(self, requests: Iterable[Message], *, timeout: float | None = None) -> Message:
        return self._stream_unary("SaveBooks", requests, Book, timeout)

    def swap_books(self, requests: Iterable[Message], *, timeout: float | None = None) -> Iterator[Message]:
        return self._stream_stream("SwapBooks", requests, Book, timeout)


async def get_book(request: Any, call: Any) -> Message:
    return cast("Message", request)


async def list_books(request: Any, call: Any) -> AsyncIterator[Message]:
    for _ in range(3):
        yield request


async def save_books(requests: AsyncIterator[Any], call: Any) -> Message:
    return Book(title=",".join([book.title async for book in requests]))


async def swap_books(requests: AsyncIterator[Any], call: Any) -> AsyncIterator[Message]:
    async for book in requests:
        yield book


ECHO: Handlers = {"get_book": get_book, "list_books": list_books, "save_books": save_books, "swap_books": swap_books}


def everywhere(act: Callable[[Any, Any], Any]) -> Handlers:
    """Handlers of all kinds that do ``await act(first request, call)``, and answer with what that gives, once."""

    async def unary(request: Any, call: Any) -> Any:
        return await act(request, call)

    async def stream(request: Any, call: Any) -> Any:
        yield await act(request, call)

    async def of_stream(requests: Any, call: Any) -> Any:
        return await act(await anext(requests), call)

    async def both(requests: Any, call: Any) -> Any:
        yield await act(await anext(requests), call)

    return {"get_book": unary, "list_books": stream, "save_books": of_stream, "swap_books": both}


def component(
    handlers: Handlers | None = None,
    *,
    name: str = "desk",
    build: Callable[[Settings], object] = lambda settings: None,
    interceptors: Sequence[Interceptor] = (),
    rpcs: Sequence[Rpc] = RPCS,
) -> Component:
    found = types.SimpleNamespace(**{**ECHO, **(handlers or {})})
    return Component(
        name=name,
        kind="process",
        package="desk_service",
        digest="0" * 64,
        build=build,
        interceptors=lambda settings: interceptors,
        services=(Service(SERVICE, tuple(rpcs), lambda: found),),
    )


@contextmanager
def serving(
    served: Component | None = None,
    tracing: Tracing | None = None,
    environ: dict[str, str] | None = None,
    dev: bool = True,
) -> Iterator[tuple[Running, grpc.Channel]]:
    """Start a process on a port of the system's choice; yields it and a channel to it."""
    served = served or component()
    running = start(served, settings(environ, dev), tracing or Tracing())
    try:
        with grpc.insecure_channel(running.address) as channel:
            yield running, channel
    finally:
        running.stop(0)


def settings(environ: dict[str, str] | None = None, dev: bool = True) -> Settings:
    given = {"PORT": "0", "HOST": "127.0.0.1", "GRACE_SECONDS": "0.2", **(environ or {})}
    return Settings.load("desk", dev=dev, environ=given)


def invoke(channel: grpc.Channel, handler: str, *books: Message, **options: Any) -> list[Any]:
    """Call the RPC of a handler and return all answers; waits for PATIENCE at most."""
    kind = KINDS[handler]
    options.setdefault("timeout", PATIENCE)
    multi = getattr(channel, kind)(
        f"/{SERVICE}/{NAMES[handler]}", request_serializer=messages.encode, response_deserializer=Book.FromString
    )
    answer = multi(iter(books) if kind.startswith("stream") else books[0], **options)
    return list(answer) if kind.endswith("stream") else [answer]


def raw(channel: grpc.Channel, handler: str) -> Any:
    """The RPC of a handler on bytes."""
    return getattr(channel, KINDS[handler])(f"/{SERVICE}/{NAMES[handler]}")


def status(error: Any) -> status_pb2.Status:
    """The status that came with an error."""
    (details,) = [value for key, value in error.trailing_metadata() if key == STATUS_DETAILS_KEY]
    return status_pb2.Status.FromString(details)


def error_info(error: Any) -> error_details_pb2.ErrorInfo:
    info = error_details_pb2.ErrorInfo()
    assert status(error).details[0].Unpack(info)
    return info
