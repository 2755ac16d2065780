"""The monolith serves the API: gRPC → port → whatever implements the port. Threads, no event loop: ORMs block.

RPC threads run outside of the framework's own request handling, so a hook of the user's wraps each RPC: connections, a
tenant, the current user. See :mod:`.hooks` for those that are there.
"""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any, Callable, ContextManager, NoReturn

import grpc
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from ..common import errors, headers
from ..common.errors import HandlerPending, Internal, InvalidArgument
from ..common.messages import MalformedMessageError
from . import forks
from .calls import ServedCall, serving
from .codec import UnsayableError
from .errors import NO_EXCEPTIONS, ErrorMap
from .hooks import no_hook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

    from .calls import Rpc, Table
    from .codec import Codec

_log = logging.getLogger(__name__)

#: What is around each RPC: entered before the port is called, left after it, with the exception if there was one.
Hook = Callable[[ServedCall], ContextManager[object]]

# The process of each server that was started here, or before a fork, and not stopped since.
_serving: list[int] = []

_FOR_EVER_SECONDS = 10 * 365 * 24 * 3600  # what grpcio says where the caller set no deadline is far more


class ForkedError(RuntimeError):
    """A server is used in another process than the one that it was started in."""


class Running:
    """A server that serves, in the process that started it: one that is forked from it inherits the object, and no server."""

    def __init__(self, server: grpc.Server, healthy: health.HealthServicer, host: str, port: int, grace: float) -> None:
        self.port = port
        self.address = f"{host}:{port}"
        self._server = server
        self._health = healthy
        self._grace = grace
        self._stopped = threading.Event()
        self._process = os.getpid()
        _serving.append(self._process)
        forks.register(self)

    def after_fork(self) -> None:
        """Said in the child's log, where somebody looks who wonders why it does not answer."""
        _log.error("%s", _forked(self._process))

    def _owned(self) -> None:
        if os.getpid() != self._process:
            raise ForkedError(_forked(self._process))

    def stop(self, grace: float | None = None) -> None:
        """Take no more calls, wait for those that are going on, at most ``grace`` seconds.

        Raises :class:`ForkedError` in another process than the one that started it: gRPC would never return there.
        """
        self._owned()
        self._health.enter_graceful_shutdown()
        self._server.stop(self._grace if grace is None else grace).wait()
        self._stopped.set()
        _serving.remove(self._process)
        forks.forget(self)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until it has been stopped. Raises :class:`ForkedError` as :meth:`stop` does."""
        self._owned()
        return self._stopped.wait(timeout)


def start(
    table: Table,
    codec: Codec,
    port: object,
    *,
    host: str = "127.0.0.1",
    port_number: int = 0,
    hook: Hook = no_hook,
    error_map: ErrorMap = NO_EXCEPTIONS,
    threads: int = 10,
    grace: float = 10.0,
) -> Running:
    """Serve a port and return. ``port_number`` 0 lets the system choose. Raises ``OSError`` where nobody may listen.

    What the process's surroundings make of it, and exceptions that have been defined without a pair, are logged.
    """
    for problem in (*surroundings(), *(f"errors.py: {each}" for each in error_map.problems())):
        _log.warning("%s", problem)
    executor = ThreadPoolExecutor(threads, thread_name_prefix=f"{table.component}-rpc")
    server = grpc.server(executor, options=(("grpc.so_reuseport", 0),))
    for service in table.services:
        handlers = {
            rpc.name: _Served(
                rpc, codec, getattr(port, rpc.attribute, None) or _pending(rpc), hook, error_map
            ).handler()
            for rpc in table.rpcs
            if rpc.service == service
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))
    healthy = health.HealthServicer()
    for name in ("", *table.services):
        healthy.set(name, health_pb2.HealthCheckResponse.SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(healthy, server)
    shown = f"[{host}]" if ":" in host else host
    try:
        chosen = server.add_insecure_port(f"{shown}:{port_number}")
    except RuntimeError:
        chosen = 0
    if not chosen:
        raise OSError(f"cannot listen on {shown}:{port_number}: somebody does already, or it is not allowed")
    server.start()
    return Running(server, healthy, shown, chosen, grace)


def _pending(rpc: Rpc) -> Callable[[Any], NoReturn]:
    """Stands in for a method that the port does not have yet: an RPC that is newer than the code."""

    def pending(request: Any) -> NoReturn:
        raise HandlerPending(f"local.py, def {rpc.attribute}")

    return pending


def run(running: Running, table: Table) -> int:
    """Say where it serves, and serve until SIGTERM or SIGINT; the process's exit code."""

    def end(number: int, frame: object) -> None:
        threading.Thread(target=running.stop).start()

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, end)
    print(f"{table.component} serves {', '.join(table.services)} on {running.address}", flush=True)
    while not running.wait(1.0):
        pass
    return 0


class _Served:
    """An RPC on the server: bytes in, bytes out, and whatever is raised between becomes a status."""

    def __init__(self, rpc: Rpc, codec: Codec, answer: Callable[[Any], Any], hook: Hook, error_map: ErrorMap) -> None:
        self._rpc = rpc
        self._codec = codec
        self._request = codec.type_of(rpc.request)
        self._answer = answer
        self._hook = hook
        self._error_map = error_map

    def handler(self) -> grpc.RpcMethodHandler[Any, Any]:
        """The handler for grpcio, which works on bytes."""
        behaviour = self._respond_stream if self._rpc.server_streaming else self._respond
        make: Callable[..., Any] = getattr(grpc, f"{self._rpc.kind}_rpc_method_handler")
        made: grpc.RpcMethodHandler[Any, Any] = make(behaviour)
        return made

    def _respond(self, request: Any, context: grpc.ServicerContext) -> bytes:
        try:
            with self._around(context):
                return self._encoded(self._answer(self._decoded(request)))
        except BaseException as error:
            self._abort(error, context)

    def _respond_stream(self, request: Any, context: grpc.ServicerContext) -> Iterator[bytes]:
        try:
            with self._around(context):
                for response in self._answer(self._decoded(request)):
                    yield self._encoded(response)
        except GeneratorExit:  # the caller has gone
            raise
        except BaseException as error:
            self._abort(error, context)

    @contextmanager
    def _around(self, context: grpc.ServicerContext) -> Iterator[None]:
        """The call as the port may see it, and the hook within."""
        metadata = headers.receive(context.invocation_metadata())
        left = context.time_remaining()
        call = ServedCall(
            app=None,
            method=self._rpc.method,
            metadata=metadata,
            deadline=None if left > _FOR_EVER_SECONDS else time.monotonic() + left,
            active=context.is_active,
        )
        with ExitStack() as stack:
            stack.enter_context(serving(call))
            stack.enter_context(self._hook(call))
            yield

    def _decoded(self, request: Any) -> Any:
        if self._rpc.client_streaming:
            return (self._one(each) for each in request)
        return self._one(request)

    def _one(self, data: bytes) -> Any:
        try:
            return self._codec.decode(data, self._request)
        except MalformedMessageError as error:
            raise InvalidArgument(str(error)) from error

    def _encoded(self, response: object) -> bytes:
        try:
            return self._codec.encode(response, self._rpc.response)
        except UnsayableError as error:
            raise Internal("the monolith's answer cannot be said in this API", reason="UNTRANSLATABLE") from error

    def _abort(self, error: BaseException, context: grpc.ServicerContext) -> NoReturn:
        stated = self._error_map.outward(error)
        status = errors.to_status(stated, self._rpc.service)
        if not isinstance(stated, errors.StatusError) or stated.code is grpc.StatusCode.INTERNAL:
            _log.error("%s failed", self._rpc.method, exc_info=error)
        context.set_trailing_metadata(errors.trailing_metadata(status))
        context.abort(errors.code_of(status), status.message)


def _forked(process: int) -> str:
    return (
        f"the server was started in process {process}, before this one was forked from it, and does not serve here "
        "(gunicorn --preload, uWSGI without --lazy-apps): start it after the fork (gunicorn's post_worker_init, uWSGI's "
        "postfork), or serve from a process of its own"
    )


def surroundings() -> tuple[str, ...]:
    """What about this process keeps RPC threads from working, a sentence each; nothing where all is well."""
    forks.noticed()
    found = [_forked(process) for process in sorted({*_serving} - {os.getpid()})]
    monkey = sys.modules.get("gevent.monkey")
    if monkey is not None and monkey.is_module_patched("threading"):
        found.append("gevent has patched threads: gRPC's own are not green ones. Serve from a process without gevent")
    if _gunicorn_preloads():
        found.append(
            "gunicorn preloads the application, and forks its workers afterwards: the server would serve in none of them. "
            "Start it in post_worker_init, or serve from a process of its own"
        )
    return (*found, *_uwsgi(sys.modules.get("uwsgi")))


def _gunicorn_preloads() -> bool:
    """Whether gunicorn's arbiter is importing the application: a worker that does so is within ``spawn_worker``."""
    if "gunicorn.arbiter" not in sys.modules:
        return False
    frame: FrameType | None = sys._getframe()
    within = set()
    while frame is not None:
        if frame.f_globals.get("__name__") == "gunicorn.arbiter":
            within.add(frame.f_code.co_name)
        frame = frame.f_back
    return bool(within) and "spawn_worker" not in within


def _uwsgi(uwsgi: Any) -> Iterator[str]:
    """``uwsgi`` is the module that uWSGI puts into the programs it runs; None elsewhere."""
    if uwsgi is None:
        return
    if not any(_is_on(uwsgi.opt, name) for name in ("enable-threads", "threads")):
        yield "uWSGI runs without threads: start it with --enable-threads, or serve from a process of its own"
    if uwsgi.worker_id() == 0 and not uwsgi.mule_id():
        yield (
            "uWSGI loads the application before it forks its workers: the server would serve in none of them. Start it in "
            "postfork, or with --lazy-apps, or serve from a process of its own"
        )


def _is_on(options: Any, name: str) -> bool:
    """An option of uWSGI's; they are bytes, in older versions their names too."""
    value = options.get(name, options.get(name.encode()))
    return value not in (None, False, b"false", "false", b"0", "0")
