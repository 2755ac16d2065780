"""The server of a process: gRPC on an event loop in a thread of its own, with ``async def`` handlers."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Awaitable
from concurrent.futures import Future
from contextlib import aclosing
from dataclasses import dataclass
from functools import partial
from importlib import import_module
from types import CoroutineType
from typing import TYPE_CHECKING, NoReturn, Protocol, cast

import grpc
import grpc.aio
from grpc_health.v1 import health

from ..common import errors, headers
from ..common import tracing as tracing_setup
from ..service import component as components
from ..service import main
from ..service.rpc import CallDetails, endpoints, load_handlers, server_options
from . import budget
from .health import Health
from .settings import Settings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from contextlib import AbstractAsyncContextManager
    from typing import TypeAlias

    from google.protobuf.message import Message

    from ..common.headers import Metadata
    from ..common.tracing import Tracing
    from ..service.component import Running
    from ..service.rpc import Endpoint, Handler

    _Handler: TypeAlias = grpc.RpcMethodHandler[Message, object]
    _Behaviour: TypeAlias = Callable[[object, "_Context"], object]
    _Continuation: TypeAlias = Callable[[grpc.HandlerCallDetails], Awaitable[_Handler | None]]

#: What stands around the handlers of a process. It sees messages, not bytes, and the errors that handlers raise.
Interceptor = grpc.aio.ServerInterceptor

#: A process, ready to be started.
Component = components.Component[Settings, Interceptor]

# Calls that are cancelled at the end of the grace get this long to notice.
_CANCEL_SECONDS = 1.0

# All loops of a process share gRPC's completion queue. What still arrives for a loop that is closed fails in whichever
# other loop finds it, and holds up what comes after it there; so the last answers are waited for.
_SETTLE_SECONDS = 0.05


def start(component: Component, settings: Settings | None = None, tracing: Tracing | None = None) -> Running:
    """Serve a process on an event loop of its own; returns when it serves. ``settings`` are by default the environment's.

    Handlers, app and interceptors are made first and the port is opened last, so what answers is complete. The app is
    built on the loop, because channels belong to the loop that they are made on.

    Raises :class:`StartError`: :class:`MissingHandlers`, :class:`SettingsError`, a port in use.
    """
    handlers = load_handlers(component.services)
    settings = settings or Settings.load(component.name, program=component.program)
    settings = settings.with_headers(component.forward_headers, component.require_headers)
    own_tracing = tracing_setup.setup(component.name, component.digest, settings.dev) if tracing is None else None
    settings.attach(tracing or own_tracing or tracing_setup.Tracing())
    running = _Running(component, handlers, settings, own_tracing)
    try:
        running.start()
    except BaseException:
        if own_tracing is not None:
            own_tracing.shutdown()
        raise
    return running


def run(component: Component, argv: Sequence[str] | None = None) -> int:
    """The program ``python -m PACKAGE``, see :func:`..service.main.run`."""
    return main.run(component, Settings, start, argv)


class _Running:
    """A process that serves: see :class:`Running`."""

    def __init__(
        self,
        component: Component,
        handlers: dict[str, dict[str, Handler]],
        settings: Settings,
        own_tracing: Tracing | None,
    ) -> None:
        self._component = component
        self._handlers = handlers
        self._settings = settings
        self._own_tracing = own_tracing
        self._calls: set[asyncio.Task[object]] = set()
        self._started: Future[_Serving] = Future()
        self._stopping = threading.Lock()
        self._stopped = threading.Event()
        self._drained = True
        self._thread = threading.Thread(target=self._run_loop, name=f"{component.name}-loop", daemon=True)

    def start(self) -> None:
        """Start the loop's thread, and return when the server serves, or raise why it does not."""
        self._thread.start()
        self._serving = self._started.result()

    @property
    def address(self) -> str:
        return self._settings.reached_at(self._serving.port)

    @property
    def port(self) -> int:
        return self._serving.port

    def stop(self, grace: float | None = None) -> bool:
        seconds = self._settings.grace_seconds if grace is None else grace
        with self._stopping:
            if not self._stopped.is_set():
                draining = asyncio.run_coroutine_threadsafe(self._drain(seconds), self._serving.loop)
                try:
                    self._drained = draining.result()
                except BaseException:
                    draining.cancel()  # whoever waits was interrupted, and may stop again with less grace
                    raise
                self._serving.loop.call_soon_threadsafe(self._serving.over.set)
                self._thread.join(_CANCEL_SECONDS)
                # It waits for the threads of `asyncio.to_thread`, which cannot be cancelled.
                self._drained = self._drained and not self._thread.is_alive()
                if self._own_tracing is not None:
                    self._own_tracing.shutdown()
                self._stopped.set()
        return self._drained

    def wait(self, timeout: float | None = None) -> bool:
        return self._stopped.wait(timeout)

    def _run_loop(self) -> None:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        try:
            self._started.set_result(await self._open())
        except BaseException as error:
            await self._settings.close()
            self._started.set_exception(error)
            return
        await self._started.result().over.wait()
        await asyncio.sleep(_SETTLE_SECONDS)

    async def _open(self) -> _Serving:
        settings, component = self._settings, self._component
        app = component.build(settings)
        interceptors = tuple(component.interceptors(settings))
        server = grpc.aio.server(
            interceptors=settings.tracing.aio_server_interceptors(),
            options=server_options(settings.max_message_bytes),
        )
        for endpoint in endpoints(component.services, self._handlers, app, settings, component.rules):
            served = _Served(endpoint, interceptors, self._calls, settings.max_workers).method_handler()
            server.add_registered_method_handlers(endpoint.service, {endpoint.rpc.name: served})
        names = [service.full_name for service in component.services]
        healthy = Health()
        await healthy.add_to(server, names)
        if settings.dev:
            _add_reflection(server, names)
        port = _listen(server, settings)
        await server.start()
        return _Serving(asyncio.get_running_loop(), server, healthy, port, asyncio.Event())

    async def _drain(self, grace: float) -> bool:
        await self._serving.health.end()
        await self._serving.server.stop(grace)
        # A call that was cancelled is over for gRPC, while its handler may be at work still.
        if self._calls:
            await asyncio.wait(self._calls, timeout=_CANCEL_SECONDS)
        await self._settings.close()
        return not self._calls


@dataclass(frozen=True)
class _Serving:
    """What there is once a process serves. All but ``port`` belong to the loop's thread."""

    loop: asyncio.AbstractEventLoop
    server: grpc.aio.Server
    health: Health
    port: int
    over: asyncio.Event


class _Context(Protocol):
    """What the runtime uses of ``grpc.aio.ServicerContext``; the stubs of that want types for messages."""

    async def abort(self, code: grpc.StatusCode, details: str, trailing_metadata: Metadata) -> NoReturn: ...
    def cancelled(self) -> bool: ...
    def done(self) -> bool: ...
    def invocation_metadata(self) -> Metadata: ...
    async def read(self) -> object: ...
    def time_remaining(self) -> float | None: ...
    def trailing_metadata(self) -> Metadata | None: ...


class _Served:
    """An RPC on the server: bytes in, bytes out, and whatever is raised between becomes a status.

    The user's interceptors are called here and not by grpcio, which would send the text of what they raise, and call
    them for health checks too, which carry no credentials.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        interceptors: Sequence[Interceptor],
        calls: set[asyncio.Task[object]],
        most_calls: int,
    ) -> None:
        self._endpoint = endpoint
        self._interceptors = tuple(interceptors)
        self._calls = calls
        self._most_calls = most_calls
        # What interceptors see: an ordinary handler of messages.
        call = self._call_stream if endpoint.rpc.server_streaming else self._call
        self._handler: _Handler = endpoint.method_handler(call, endpoint.decode, endpoint.encode)

    def method_handler(self) -> grpc.RpcMethodHandler[bytes, object]:
        """The handler for grpcio: bytes in, bytes out."""
        streaming = self._endpoint.rpc.server_streaming
        return self._endpoint.method_handler(self._respond_stream if streaming else self._respond)

    async def _respond(self, request: bytes | AsyncIterator[bytes], context: _Context) -> bytes:
        task = self._begin()
        try:
            metadata, remaining = self._admit(context)
            if not self._interceptors:
                answer = self._handled(self._decoded(request, context), context, metadata, remaining)
                return self._endpoint.encode(await self._awaited(answer))
            handler = await self._intercepted(metadata)
            encode = handler.response_serializer or self._endpoint.encode
            return encode(await self._awaited(await self._answer(handler, request, context)))
        except BaseException as error:
            await self._abort(error, context)
        finally:
            self._calls.discard(task)

    async def _respond_stream(self, request: bytes | AsyncIterator[bytes], context: _Context) -> AsyncIterator[bytes]:
        task = self._begin()
        try:
            metadata, remaining = self._admit(context)
            if self._interceptors:
                handler = await self._intercepted(metadata)
                encode = handler.response_serializer or self._endpoint.encode
                answer = await self._answer(handler, request, context)
            else:
                encode = self._endpoint.encode
                answer = self._handled(self._decoded(request, context), context, metadata, remaining)
            async with self._closing(answer) as responses:
                async for response in responses:
                    yield encode(response)
        except GeneratorExit:  # the caller has gone
            raise
        except BaseException as error:
            await self._abort(error, context)
        finally:
            self._calls.discard(task)

    def _begin(self) -> asyncio.Task[object]:
        """Count the task of this call among those that somebody who stops the server waits for."""
        task = cast("asyncio.Task[object]", asyncio.current_task())
        self._calls.add(task)
        return task

    def _admit(self, context: _Context) -> tuple[Metadata, float | None]:
        """Let the call in, or raise; returns its headers, and the seconds that its caller waits."""
        metadata = headers.receive(context.invocation_metadata())
        remaining = context.time_remaining()
        budget.deadline.set(None if remaining is None else time.monotonic() + remaining)
        # Counted here and not by grpcio, which would refuse health checks as well: who is busy is not ill.
        if len(self._calls) > self._most_calls:
            raise errors.ResourceExhausted("too many calls at once", reason="TOO_MANY_CALLS")
        self._endpoint.admit(metadata, remaining)
        return metadata, remaining

    async def _intercepted(self, metadata: Metadata) -> _Handler:
        """The handler that the interceptors give."""
        continuation: _Continuation = self._innermost
        for interceptor in reversed(self._interceptors):
            continuation = partial(interceptor.intercept_service, continuation)
        handler = await continuation(CallDetails(f"/{self._endpoint.name}", metadata))
        if handler is None:
            raise errors.Unimplemented("the method is not available")
        return handler

    async def _innermost(self, _details: grpc.HandlerCallDetails) -> _Handler:
        return self._handler

    async def _answer(self, handler: _Handler, request: bytes | AsyncIterator[bytes], context: _Context) -> object:
        """What the handler gives: something to wait for, or a stream."""
        decode = handler.request_deserializer or self._endpoint.decode
        kind = self._endpoint.rpc.kind
        behaviour: _Behaviour | None = getattr(handler, kind)
        if behaviour is not None:
            return behaviour(self._decoded(request, context, decode), context)
        # An interceptor may turn away calls of every kind by one handler of the simplest kind, which aborts.
        refusal = cast("_Behaviour | None", handler.unary_unary)
        if refusal is not None:
            await self._awaited(refusal(request, context))
        raise TypeError(f"an interceptor gave a handler that is not {kind} for {self._endpoint.name}")

    async def _call(self, request: Message | AsyncIterator[Message], context: _Context) -> object:
        return await self._awaited(self._handled(request, context, headers.incoming.get(), context.time_remaining()))

    async def _call_stream(self, request: Message | AsyncIterator[Message], context: _Context) -> AsyncIterator[object]:
        answer = self._handled(request, context, headers.incoming.get(), context.time_remaining())
        async with self._closing(answer) as responses:
            async for response in responses:
                yield response

    def _handled(
        self,
        request: Message | AsyncIterator[Message],
        context: _Context,
        metadata: Metadata,
        remaining: float | None,
    ) -> object:
        return self._endpoint.handler(
            request, self._endpoint.call(metadata, remaining, partial(_is_active, context), _not_in_a_process)
        )

    def _decoded(
        self,
        request: bytes | AsyncIterator[bytes],
        context: _Context,
        decode: Callable[[bytes], Message] | None = None,
    ) -> Message | AsyncIterator[Message]:
        decode = decode or self._endpoint.decode
        return decode(request) if isinstance(request, bytes) else _decoded(request, context, decode)

    def _awaited(self, answer: object) -> Awaitable[object]:
        if type(answer) is not CoroutineType and not isinstance(answer, Awaitable):  # the second takes its time
            raise TypeError(f"the handler {self._endpoint.rpc.attribute} is not `async def`, as a process's must be")
        return answer

    def _closing(self, answer: object) -> AbstractAsyncContextManager[AsyncIterator[object]]:
        """The responses of a stream; at the end of the ``with`` the generator that gives them is over as well."""
        if not isinstance(answer, AsyncGenerator):
            raise TypeError(
                f"the handler {self._endpoint.rpc.attribute} is not `async def` with `yield`, as it must be"
            )
        return aclosing(answer)

    async def _abort(self, error: BaseException, context: _Context) -> NoReturn:
        if isinstance(error, grpc.aio.AbortError):
            raise error  # so an interceptor's own context.abort() ends a call; grpcio knows the status
        if isinstance(error, asyncio.CancelledError) and _is_cancelled():
            raise error
        status = self._endpoint.status(error, not context.done())
        trailing = (*(context.trailing_metadata() or ()), *errors.trailing_metadata(status))
        await context.abort(errors.code_of(status), status.message, trailing)


def _is_cancelled() -> bool:
    """Whether this call is cancelled. If not, a CancelledError comes from something that the handler waited for.

    grpcio answers nothing to a handler that ends with that, so the caller would wait for ever.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _not_in_a_process(_seconds: float) -> bool:
    raise RuntimeError("a handler that waits on the event loop stops all others: await asyncio.sleep(seconds)")


def _is_active(context: _Context) -> bool:
    return not (context.done() or context.cancelled() or context.time_remaining() == 0)


async def _decoded(
    requests: AsyncIterator[bytes], context: _Context, decode: Callable[[bytes], Message]
) -> AsyncIterator[Message]:
    async for request in requests:
        yield decode(request)
    # A stream whose caller has gone ends here like one that is complete, as often as not: gRPC's core says the same of
    # both. That the call is cancelled is known, but stands behind in the queue; asking once more brings it to the fore,
    # and this task is cancelled. Half of an upload must not pass for the whole.
    await context.read()


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """The loops of uvloop where it is installed: they do more calls in the same time."""
    try:
        uvloop = import_module("uvloop")  # by name: a type checker need not have it either
    except ImportError:
        return None
    return cast("Callable[[], asyncio.AbstractEventLoop]", uvloop.new_event_loop)


def _add_reflection(server: grpc.aio.Server, names: Sequence[str]) -> None:
    from grpc_reflection.v1alpha import reflection  # only in development

    reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)


def _listen(server: grpc.aio.Server, settings: Settings) -> int:
    try:
        return server.add_insecure_port(settings.listen_on())
    except RuntimeError:
        raise settings.cannot_listen() from None
