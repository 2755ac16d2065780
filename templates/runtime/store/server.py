"""The server of a store: gRPC on threads, with plain functions as handlers."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, NoReturn, Protocol, cast

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from ..common import errors, headers
from ..common import tracing as tracing_setup
from ..service import component as components
from ..service import main
from ..service.deadline import deadline
from ..service.rpc import CallDetails, endpoints, load_handlers
from .settings import Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from typing import TypeAlias

    from google.protobuf.message import Message

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

_pool_numbers = count(1)


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
        workers = _Workers(component.name, settings.max_workers)
        server = grpc.server(
            workers,
            interceptors=list(settings.tracing.server_interceptors()),
            # Otherwise a second process could listen on the port too, and take half of the calls.
            options=[("grpc.so_reuseport", 0)],
        )
        for endpoint in endpoints(component.services, handlers, app, settings):
            served = _Served(endpoint, interceptors).method_handler()
            server.add_registered_method_handlers(endpoint.service, {endpoint.rpc.name: served})
        names = [service.full_name for service in component.services]
        healthy = _add_health(server, names)
        if settings.dev:
            _add_reflection(server, names)
        port = _listen(server, settings)
        server.start()
    except BaseException:
        settings.close()
        if own_tracing is not None:
            own_tracing.shutdown()
        raise
    return _Running(server, healthy, workers, settings, port, own_tracing)


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


class _Workers(ThreadPoolExecutor):
    """The threads that handlers run on, under a name that tells them from those of another server in this process."""

    def __init__(self, component: str, most: int) -> None:
        self._prefix = f"{component}-{next(_pool_numbers)}-"
        super().__init__(most, thread_name_prefix=self._prefix)

    def end(self, seconds: float) -> bool:
        """Take no more work; returns whether all threads have ended, which they get ``seconds`` for.

        A call that was cancelled is over for gRPC, while its handler may not have noticed.
        """
        until = time.monotonic() + seconds
        self.shutdown(wait=False, cancel_futures=True)
        threads = [thread for thread in threading.enumerate() if thread.name.startswith(self._prefix)]
        for thread in threads:
            thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in threads)


class _Running:
    """A store that serves: see :class:`Running`."""

    def __init__(
        self,
        server: grpc.Server,
        healthy: health.HealthServicer,
        workers: _Workers,
        settings: Settings,
        port: int,
        own_tracing: Tracing | None,
    ) -> None:
        self._server = server
        self._health = healthy
        self._workers = workers
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
                self._health.enter_graceful_shutdown()
                self._server.stop(seconds).wait(seconds + _CANCEL_SECONDS)
                self._drained = self._workers.end(_CANCEL_SECONDS)
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


class _Served:
    """An RPC on the server: bytes in, bytes out, and whatever is raised between becomes a status.

    The user's interceptors are called here and not by grpcio. It would call them on its one polling thread, where one
    that waits stops the server; for health checks too, which carry no credentials; and send the text of what they raise.
    """

    def __init__(self, endpoint: Endpoint, interceptors: Sequence[Interceptor]) -> None:
        self._endpoint = endpoint
        self._interceptors = tuple(interceptors)
        # What interceptors see: an ordinary handler of messages.
        self._handler = endpoint.method_handler(self._call, endpoint.decode, endpoint.encode)

    def method_handler(self) -> grpc.RpcMethodHandler[bytes, object]:
        """The handler for grpcio, which works on bytes."""
        streaming = self._endpoint.rpc.server_streaming
        return self._endpoint.method_handler(self._respond_stream if streaming else self._respond)

    def _respond(self, request: bytes | Iterator[bytes], context: grpc.ServicerContext) -> bytes:
        try:
            handler = self._admit(context)
            encode = handler.response_serializer or self._endpoint.encode
            return encode(self._answer(handler, request, context))
        # SystemExit as well: grpcio would answer nothing, and the caller wait.
        except BaseException as error:
            self._abort(error, context)

    def _respond_stream(self, request: bytes | Iterator[bytes], context: grpc.ServicerContext) -> Iterator[bytes]:
        try:
            handler = self._admit(context)
            encode = handler.response_serializer or self._endpoint.encode
            with self._endpoint.stream(self._answer(handler, request, context)) as responses:
                for response in responses:
                    yield encode(response)
        except GeneratorExit:  # the caller has gone
            raise
        except BaseException as error:
            self._abort(error, context)

    def _admit(self, context: grpc.ServicerContext) -> _Handler:
        """Let the call in, or raise; returns the handler that the interceptors give."""
        metadata = headers.receive(context.invocation_metadata())
        remaining = _time_remaining(context)
        deadline.set(None if remaining is None else time.monotonic() + remaining)
        self._endpoint.admit(metadata, remaining)
        if not self._interceptors:
            return self._handler
        continuation: _Continuation = self._innermost
        for interceptor in reversed(self._interceptors):
            continuation = partial(interceptor.intercept_service, continuation)
        handler = continuation(CallDetails(f"/{self._endpoint.name}", metadata))
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
            return behaviour(decode(request) if isinstance(request, bytes) else _decoded(request, decode), context)
        # An interceptor may turn away calls of every kind by one handler of the simplest kind, which aborts.
        refusal = cast("_Behaviour | None", handler.unary_unary)
        if refusal is not None:
            refusal(request, context)
        raise TypeError(f"an interceptor gave a handler that is not {kind} for {self._endpoint.name}")

    def _call(self, request: Message | Iterator[Message], context: grpc.ServicerContext) -> object:
        call = self._endpoint.call(headers.incoming.get(), _time_remaining(context), context.is_active)
        return self._endpoint.handler(request, call)

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
    except grpc.RpcError:
        raise errors.Cancelled("the caller has gone before its stream of requests ended") from None


def _time_remaining(context: grpc.ServicerContext) -> float | None:
    seconds = context.time_remaining()
    return None if seconds > _FOR_EVER_SECONDS else seconds


def _add_health(server: grpc.Server, names: Sequence[str]) -> health.HealthServicer:
    servicer = health.HealthServicer()
    for name in names:
        servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    return servicer


def _add_reflection(server: grpc.Server, names: Sequence[str]) -> None:
    from grpc_reflection.v1alpha import reflection  # only in development

    reflection.enable_server_reflection([*names, health.SERVICE_NAME, reflection.SERVICE_NAME], server)


def _listen(server: grpc.Server, settings: Settings) -> int:
    try:
        return server.add_insecure_port(settings.listen_on())
    except RuntimeError:
        raise settings.cannot_listen() from None
