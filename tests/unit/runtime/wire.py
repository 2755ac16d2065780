"""A service of raw bytes, for tests of what happens around handlers: threaded and asyncio, all four kinds of RPC.

What is sent decides what happens: ``abort NOT_FOUND``, ``set ABORTED``, ``raise``, ``sleep`` (until the caller is
gone, at most five seconds); anything else comes back as it is, from a stream of responses three times, or
for ever after ``endless``.
"""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from typing import Any

import grpc
import grpc.aio

SERVICE = "wire.v1.Echo"
KINDS = ("unary_unary", "unary_stream", "stream_unary", "stream_stream")
PATIENCE = 5.0  # seconds that any test waits for anything


def path(kind: str) -> str:
    return f"/{SERVICE}/{name(kind)}"


def name(kind: str) -> str:
    return kind.title().replace("_", "")


@dataclass
class Seen:
    """What a server saw."""

    metadata: list[tuple[tuple[str, str | bytes], ...]] = field(default_factory=list)
    started: threading.Event = field(default_factory=threading.Event)
    cancelled: threading.Event = field(default_factory=threading.Event)

    def note(self, context: Any) -> None:
        own = ("user-agent",)
        self.metadata.append(tuple((k, v) for k, v in context.invocation_metadata() if k not in own))
        self.started.set()


def eventually(condition: Callable[[], bool], within: float = PATIENCE) -> bool:
    end = time.monotonic() + within
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.005)
    return condition()


@contextmanager
def threaded(seen: Seen, interceptors: Sequence[grpc.ServerInterceptor] = ()) -> Iterator[str]:
    """A threaded server; yields its address."""
    with ThreadPoolExecutor(8) as pool:
        server = grpc.server(pool, interceptors=list(interceptors))
        server.add_generic_rpc_handlers((_service(_threaded_handlers(seen)),))
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield f"127.0.0.1:{port}"
        finally:
            server.stop(0).wait(PATIENCE)


@contextmanager
def asyncio_server(seen: Seen, interceptors: Sequence[grpc.aio.ServerInterceptor] = ()) -> Iterator[str]:
    """An asyncio server on a loop and a thread of its own; yields its address."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> tuple[grpc.aio.Server, int]:
        server = grpc.aio.server(interceptors=interceptors)
        server.add_generic_rpc_handlers((_service(_asyncio_handlers(seen)),))
        port = server.add_insecure_port("127.0.0.1:0")
        await server.start()
        return server, port

    server, port = asyncio.run_coroutine_threadsafe(start(), loop).result(PATIENCE)
    try:
        yield f"127.0.0.1:{port}"
    finally:
        asyncio.run_coroutine_threadsafe(server.stop(0), loop).result(PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join(PATIENCE)
        loop.close()


def call(channel: grpc.Channel, kind: str, request: bytes = b"ok", **options: Any) -> list[bytes]:
    """Make one call on a synchronous channel and return all that came back."""
    options.setdefault("timeout", PATIENCE)
    multi = getattr(channel, kind)(path(kind))
    answer = multi(iter([request]) if kind.startswith("stream") else request, **options)
    return list(answer) if kind.endswith("stream") else [answer]


async def acall(channel: grpc.aio.Channel, kind: str, request: bytes = b"ok", **options: Any) -> list[bytes]:
    """Make one call on an asyncio channel and return all that came back."""
    options.setdefault("timeout", PATIENCE)
    multi = getattr(channel, kind)(path(kind))
    answer = multi(iter([request]) if kind.startswith("stream") else request, **options)
    return [item async for item in answer] if kind.endswith("stream") else [await answer]


def _service(handlers: dict[str, Any]) -> grpc.GenericRpcHandler:
    methods = {name(kind): getattr(grpc, f"{kind}_rpc_method_handler")(handlers[kind]) for kind in KINDS}
    health: dict[str, Any] = {"Check": grpc.unary_unary_rpc_method_handler(handlers["unary_unary"])}
    services = {SERVICE: methods, "grpc.health.v1.Health": health, "grpc.reflection.v1alpha.ServerReflection": health}

    class Handler(grpc.GenericRpcHandler):
        def service(self, handler_call_details: grpc.HandlerCallDetails) -> Any:
            service, method = handler_call_details.method.lstrip("/").split("/")
            return services.get(service, {}).get(method)

    return Handler()


def _threaded_handlers(seen: Seen) -> dict[str, Any]:
    def act(request: bytes, context: Any) -> bytes:
        word, _, code = request.decode().partition(" ")
        if word == "abort":
            context.abort(grpc.StatusCode[code], "said so")
        if word == "set":
            context.set_code(grpc.StatusCode[code])
        if word == "raise":
            raise ValueError("a secret")
        if word == "sleep":
            context.add_callback(seen.cancelled.set)
            seen.cancelled.wait(PATIENCE)
            time.sleep(0.05)
        return request

    def unary(request: bytes, context: Any) -> bytes:
        seen.note(context)
        return act(request, context)

    def stream(request: bytes, context: Any) -> Iterator[bytes]:
        seen.note(context)
        for _ in count() if request == b"endless" else range(3):
            yield act(request, context)

    return {
        "unary_unary": unary,
        "unary_stream": stream,
        "stream_unary": lambda requests, context: unary(next(requests), context),
        "stream_stream": lambda requests, context: stream(next(requests), context),
    }


def _asyncio_handlers(seen: Seen) -> dict[str, Any]:
    async def act(request: bytes, context: Any) -> bytes:
        word, _, code = request.decode().partition(" ")
        if word == "abort":
            await context.abort(grpc.StatusCode[code], "said so")
        if word == "set":
            context.set_code(grpc.StatusCode[code])
        if word == "raise":
            raise ValueError("a secret")
        if word == "sleep":
            try:
                await asyncio.sleep(PATIENCE)
            except asyncio.CancelledError:
                seen.cancelled.set()
                raise
        return request

    async def unary(request: bytes, context: Any) -> bytes:
        seen.note(context)
        return await act(request, context)

    async def stream(request: bytes, context: Any) -> AsyncIterator[bytes]:
        seen.note(context)
        for _ in count() if request == b"endless" else range(3):
            yield await act(request, context)

    async def stream_unary(requests: AsyncIterator[bytes], context: Any) -> bytes:
        return await unary(await anext(requests), context)

    async def stream_stream(requests: AsyncIterator[bytes], context: Any) -> AsyncIterator[bytes]:
        async for answer in stream(await anext(requests), context):
            yield answer

    return {"unary_unary": unary, "unary_stream": stream, "stream_unary": stream_unary, "stream_stream": stream_stream}
