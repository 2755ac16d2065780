"""A store's health, as others ask for it (https://github.com/grpc/grpc/blob/master/doc/health-checking.md)."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import grpc
from grpc_health.v1 import health, health_pb2

from .workers import OnThreads

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import TypeAlias

    from .workers import Workers

    _Send: TypeAlias = Callable[[health_pb2.HealthCheckResponse | None], None]
    _Handler: TypeAlias = grpc.RpcMethodHandler[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]


class Health:
    """The health of a server and each of its services: SERVING until it stops. grpcio's own answers, with an end.

    Who watches is told NOT_SERVING when the server stops, and the stream ends: grpcio's would go on, and the server wait
    for it as long as for a call, though everything is done.
    """

    def __init__(self, names: Sequence[str]) -> None:
        """``names`` are the services, by their full names; the server as a whole has the empty name."""
        self._servicer = health.HealthServicer()
        self._watching: set[_Send] = set()
        self._over = False
        self._lock = threading.Lock()
        for name in names:
            self._servicer.set(name, health_pb2.HealthCheckResponse.SERVING)

    def add_to(self, server: grpc.Server, door: Workers) -> None:
        """Let the server answer such questions, on threads that nothing else keeps busy."""
        codec = (health_pb2.HealthCheckRequest.FromString, health_pb2.HealthCheckResponse.SerializeToString)
        handlers: dict[str, _Handler] = {
            "Check": grpc.unary_unary_rpc_method_handler(OnThreads(self._servicer.Check, door), *codec),
            "Watch": grpc.unary_stream_rpc_method_handler(OnThreads(self._watch, door, blocking=False), *codec),
        }
        server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(health.SERVICE_NAME, handlers),))

    def end(self) -> None:
        """Say NOT_SERVING from now on, and end the streams of those who watch."""
        self._servicer.enter_graceful_shutdown()
        with self._lock:
            self._over = True
            watching = tuple(self._watching)
        for send in watching:
            send(None)

    def _watch(self, request: health_pb2.HealthCheckRequest, context: grpc.ServicerContext, send: _Send) -> None:
        """Called where a stream begins; it goes on by ``send`` without a thread, until somebody sends None."""
        with self._lock:
            over = self._over
            self._watching.add(send)
        if not context.add_callback(lambda: self._watching.discard(send)):
            # The caller is gone already, and nothing will say so again.
            self._watching.discard(send)
            return
        self._servicer.Watch(request, context, send)
        if over:
            send(None)
