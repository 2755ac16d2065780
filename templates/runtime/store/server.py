"""The server of a store: gRPC on threads, with plain functions as handlers."""

from __future__ import annotations

import threading
import time
from functools import partial
from typing import TYPE_CHECKING, NamedTuple, NoReturn, Protocol, cast

import grpc
from grpc_health.v1 import health

from ..common import errors, headers
from ..common import tracing as tracing_setup
from ..service import component as components
from ..service import main
from ..service.deadline import deadline
from ..service.rpc import CallDetails, endpoints, kind_of, load_handlers, method_handler, server_options
from .health import Health
from .settings import Settings
from .workers import OnThreads, Pause, Stopping, Threads, Workers

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeAlias

    from google.protobuf.message import Message

    from ..common.headers import Metadata
    from ..common.tracing import Tracing
    from ..service.component import Running
    from ..service.rpc import Endpoint

    _Behaviour: TypeAlias = Callable[[object, grpc.ServicerContext], object]
    _Handler: TypeAlias = grpc.RpcMethodHandler[Message, object]
    _Continuation: TypeAlias = Callable[[grpc.HandlerCallDetails], _Handler | None]

#: What stands around the handlers of a store. It sees messages, not bytes, and the errors that handlers raise.
Interceptor = grpc.ServerInterceptor

#: A store, ready to be started.
Component = components.Component[Settings, Interceptor]

# grpcio gives the deadline of a call that has none as a moment centuries ahead.
_FOR_EVER_SECONDS = 100 * 365 * 24 * 3600.0

# Calls that are cancelled at the end of the grace get this long to notice.
_CANCEL_SECONDS = 1.0


def start(component: Component, settings: Settings | None = None, tracing: Tracing | None = None) -> Running:
    """Serve a store; returns at once. ``settings`` are by default read from the environment.

    Handlers, app and interceptors are made first and the port is opened last, so what answers is complete.

    Raises :class:`StartError`: :class:`MissingHandlers`, :class:`SettingsError`, a missing table, a port in use.
    """
    handlers = load_handlers(component.services)
    settings = settings or Settings.load(component.name, program=component.program)
    settings = settings.with_headers(component.forward_headers, component.require_headers)
    own_tracing = tracing_setup.setup(component.name, component.digest, settings.dev) if tracing is None else None
    settings.attach(tracing or own_tracing or tracing_setup.Tracing())
    try:
        app = component.build(settings)
        interceptors = tuple(component.interceptors(settings))
        threads = Threads(component.name, settings)
        stopping = Stopping()
        server = grpc.server(
            threads.calls, options=server_options(settings.max_message_bytes), maximum_concurrent_rpcs=threads.most
        )
        served = [
            _Served(endpoint, interceptors, threads, stopping)
            for endpoint in endpoints(component.services, handlers, app, settings, component.rules)
        ]
        server.add_generic_rpc_handlers((_Routes(served, settings.tracing.server_interceptors()),))
        names = [service.full_name for service in component.services]
        healthy = Health(names)
        healthy.add_to(server, threads.door)
        if settings.dev:
            _add_reflection(server, names)
        port = _listen(server, settings)
        server.start()
    except BaseException:
        settings.close()
        if own_tracing is not None:
            own_tracing.shutdown()
        raise
    return _Running(server, healthy, threads, stopping, settings, port, own_tracing)


def run(component: Component, argv: Sequence[str] | None = None) -> int:
    """The program ``python -m PACKAGE``, see :func:`..service.main.run`; it has one option more, ``--migrate``."""

    def migrate(settings: Settings) -> str:
        migrating = settings.model_copy(update={"migrate": True})
        try:
            component.build(migrating)
        finally:
            migrating.close()
        return f"{component.name}: the database is up to date"

    task = main.Task("--migrate", "bring an empty or older database up to date, then exit", migrate)
    return main.run(component, Settings, start, argv, tasks=[task])


class _Running:
    """A store that serves: see :class:`Running`."""

    def __init__(
        self,
        server: grpc.Server,
        healthy: Health,
        threads: Threads,
        stopping: Stopping,
        settings: Settings,
        port: int,
        own_tracing: Tracing | None,
    ) -> None:
        self._server = server
        self._health = healthy
        self._threads = threads
        self._going = stopping
        self._settings = settings
        self._port = port
        self._own_tracing = own_tracing
        self._stopping = threading.Lock()
        self._stopped = threading.Event()
        self._drained = True

    @property
    def address(self) -> str:
        return self._settings.reached_at(self._port)

    @property
    def port(self) -> int:
        return self._port

    def stop(self, grace: float | None = None) -> bool:
        seconds = self._settings.grace_seconds if grace is None else grace
        with self._stopping:
            if not self._stopped.is_set():
                self._health.end()
                self._going.begin()
                self._server.stop(seconds).wait(seconds + _CANCEL_SECONDS)
                self._drained = self._threads.end(_CANCEL_SECONDS)
                self._settings.close()
                if self._own_tracing is not None:
                    self._own_tracing.shutdown()
                self._stopped.set()
        return self._drained

    def wait(self, timeout: float | None = None) -> bool:
        return self._stopped.wait(timeout)


class _WithCode(Protocol):
    """A servicer context, as to what its stubs lack."""

    def code(self) -> grpc.StatusCode | None: ...


class _Routes(grpc.GenericRpcHandler):
    """Who answers which RPC: the endpoint itself, or, where all its threads have work, a refusal."""

    def __init__(self, served: Sequence[_Served], interceptors: Sequence[grpc.ServerInterceptor]) -> None:
        """``interceptors`` are those of tracing. Once here they cost less than at every call, and leave health alone."""
        self._routes = {endpoint.method: endpoint.route(interceptors) for endpoint in served}

    def service(self, details: grpc.HandlerCallDetails) -> grpc.RpcMethodHandler[bytes, object] | None:
        """The handler of a call; called by gRPC's polling thread, which must not wait here."""
        route = self._routes.get(details.method)
        if route is None:
            return None
        return route.refusal if route.workers.full else route.handler


class _Route(NamedTuple):
    """How an RPC is answered, by which threads, and how it is refused."""

    workers: Workers
    handler: grpc.RpcMethodHandler[bytes, object]
    refusal: grpc.RpcMethodHandler[bytes, object]


class _Served:
    """An RPC on the server: bytes in, bytes out, and whatever is raised between becomes a status.

    The user's interceptors are called here and not by grpcio. It would call them on its one polling thread, where one
    that waits stops the server; for health checks too, which carry no credentials; and send the text of what they raise.
    """

    def __init__(
        self, endpoint: Endpoint, interceptors: Sequence[Interceptor], threads: Threads, stopping: Stopping
    ) -> None:
        self.method = f"/{endpoint.name}"
        self._endpoint = endpoint
        self._interceptors = tuple(interceptors)
        self._threads = threads
        self._stopping = stopping
        # What interceptors see: an ordinary handler of messages.
        self._handler = endpoint.method_handler(self._call, endpoint.decode, endpoint.encode)

    def route(self, interceptors: Sequence[grpc.ServerInterceptor]) -> _Route:
        """The handlers for grpcio, which work on bytes, within what tracing puts around them."""
        rpc, threads = self._endpoint.rpc, self._threads
        workers = threads.streams if rpc.client_streaming or rpc.server_streaming else threads.calls
        handler: grpc.RpcMethodHandler[bytes, object] = self._endpoint.method_handler(
            self._respond_stream if rpc.server_streaming else self._respond
        )
        # As a handler of a stream it is called at once: one of a single request would first wait for that.
        refusal: grpc.RpcMethodHandler[bytes, object] = grpc.stream_unary_rpc_method_handler(self._refuse)
        wrapped = [_within(each, interceptors, self.method) for each in (handler, refusal)]
        return _Route(workers, _on(workers, wrapped[0]), _on(threads.door, wrapped[1]))

    def _respond(self, request: bytes | Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        try:
            metadata, remaining = self._admit(context)
            if not self._interceptors:
                return self._endpoint.encode(self._handled(self._decoded(request), context, metadata, remaining))
            handler = self._intercepted(metadata)
            encode = handler.response_serializer or self._endpoint.encode
            return encode(self._answer(handler, request, context))
        # SystemExit as well: grpcio would answer nothing, and the caller wait.
        except BaseException as error:
            self._abort(error, context)

    def _respond_stream(self, request: bytes | Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        try:
            metadata, remaining = self._admit(context)
            if self._interceptors:
                handler = self._intercepted(metadata)
                encode = handler.response_serializer or self._endpoint.encode
                answer = self._answer(handler, request, context)
            else:
                encode = self._endpoint.encode
                answer = self._handled(self._decoded(request), context, metadata, remaining)
            with self._endpoint.stream(answer) as responses:
                for response in responses:
                    yield encode(response)
        except GeneratorExit:  # the caller has gone
            raise
        except BaseException as error:
            self._abort(error, context)

    def _refuse(self, _requests: Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        if self._endpoint.rpc.client_streaming or self._endpoint.rpc.server_streaming:
            self._abort(errors.ResourceExhausted("too many streams at once", reason="TOO_MANY_STREAMS"), context)
        self._abort(errors.ResourceExhausted("too many calls at once", reason="TOO_MANY_CALLS"), context)

    def _admit(self, context: grpc.ServicerContext) -> tuple[Metadata, float | None]:
        """Let the call in, or raise; returns its headers, and the seconds that its caller waits."""
        metadata = headers.receive(context.invocation_metadata())
        remaining = _time_remaining(context)
        deadline.set(None if remaining is None else time.monotonic() + remaining)
        self._endpoint.admit(metadata, remaining)
        return metadata, remaining

    def _intercepted(self, metadata: Metadata) -> _Handler:
        """The handler that the interceptors give."""
        continuation: _Continuation = self._innermost
        for interceptor in reversed(self._interceptors):
            continuation = partial(interceptor.intercept_service, continuation)
        handler = continuation(CallDetails(self.method, metadata))
        if handler is None:
            raise errors.Unimplemented("the method is not available")
        return handler

    def _innermost(self, _details: grpc.HandlerCallDetails) -> _Handler:
        return self._handler

    def _answer(self, handler: _Handler, request: bytes | Iterator[bytes], context: grpc.ServicerContext) -> object:
        decode = handler.request_deserializer or self._endpoint.decode
        kind = self._endpoint.rpc.kind
        behaviour: _Behaviour | None = getattr(handler, kind)
        if behaviour is not None:
            return behaviour(self._decoded(request, decode), context)
        # An interceptor may turn away calls of every kind by one handler of the simplest kind, which aborts.
        refusal = cast("_Behaviour | None", handler.unary_unary)
        if refusal is not None:
            refusal(request, context)
        raise TypeError(f"an interceptor gave a handler that is not {kind} for {self._endpoint.name}")

    def _call(self, request: Message | Iterator[Message], context: grpc.ServicerContext) -> object:
        return self._handled(request, context, headers.incoming.get(), _time_remaining(context))

    def _handled(
        self,
        request: Message | Iterator[Message],
        context: grpc.ServicerContext,
        metadata: Metadata,
        remaining: float | None,
    ) -> object:
        pause = Pause(context, self._stopping)
        return self._endpoint.handler(request, self._endpoint.call(metadata, remaining, context.is_active, pause))

    def _decoded(
        self, request: bytes | Iterator[bytes], decode: Callable[[bytes], Message] | None = None
    ) -> Message | Iterator[Message]:
        decode = decode or self._endpoint.decode
        return decode(request) if isinstance(request, bytes) else _decoded(request, decode)

    def _abort(self, error: BaseException, context: grpc.ServicerContext) -> NoReturn:
        if type(error) is Exception and not error.args and cast("_WithCode", context).code() is not None:
            raise error  # so an interceptor's own context.abort() ends a call; grpcio knows the status
        status = self._endpoint.status(error, context.is_active())
        earlier = context.trailing_metadata() or ()
        context.set_trailing_metadata((*earlier, *errors.trailing_metadata(status)))
        context.abort(errors.code_of(status), status.message)


def _decoded(requests: Iterator[bytes], decode: Callable[[bytes], Message]) -> Iterator[Message]:
    try:
        for request in requests:
            yield decode(request)
        # A stream whose caller has gone ends here, now and then, like one that is complete: gRPC's core says the same of
        # both. That the call is cancelled stands behind in the queue; asking once more waits until it is known. Half of
        # an upload must not pass for the whole.
        next(requests, None)
    except grpc.RpcError:
        raise errors.Cancelled("the caller has gone before its stream of requests ended") from None


def _within(
    handler: grpc.RpcMethodHandler[bytes, object], interceptors: Sequence[grpc.ServerInterceptor], method: str
) -> grpc.RpcMethodHandler[bytes, object]:
    """The handler with interceptors around it, outermost first."""
    for interceptor in reversed(interceptors):
        handler = interceptor.intercept_service(partial(_given, handler), CallDetails(method, ())) or handler
    return handler


def _given(
    handler: grpc.RpcMethodHandler[bytes, object], _details: grpc.HandlerCallDetails
) -> grpc.RpcMethodHandler[bytes, object]:
    return handler


def _on(workers: Workers, handler: grpc.RpcMethodHandler[bytes, object]) -> grpc.RpcMethodHandler[bytes, object]:
    """The handler, worked on by those threads."""
    kind = kind_of(handler)
    return method_handler(
        kind, OnThreads(getattr(handler, kind), workers), handler.request_deserializer, handler.response_serializer
    )


def _time_remaining(context: grpc.ServicerContext) -> float | None:
    seconds = context.time_remaining()
    return None if seconds > _FOR_EVER_SECONDS else seconds


def _add_reflection(server: grpc.Server, names: Sequence[str]) -> None:
    from grpc_reflection.v1alpha import reflection  # only in development

    reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)


def _listen(server: grpc.Server, settings: Settings) -> int:
    try:
        return server.add_insecure_port(settings.listen_on())
    except RuntimeError:
        raise settings.cannot_listen() from None
