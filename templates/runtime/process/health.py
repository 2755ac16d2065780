"""A process's health, as others ask for it (https://github.com/grpc/grpc/blob/master/doc/health-checking.md)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from grpc_health.v1 import health, health_pb2, health_pb2_grpc

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import TypeAlias

    import grpc.aio

    _Context: TypeAlias = grpc.aio.ServicerContext[health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse]

# For those who watch to be told NOT_SERVING before their streams end.
_LAST_WORD_SECONDS = 0.1


class Health(health.aio.HealthServicer):
    """The health of a server and each of its services: SERVING until it stops. grpcio's own answers, with an end.

    Who watches is told NOT_SERVING when the server stops, and the stream ends: grpcio's would go on, and the server wait
    for it as long as for a call, though everything is done.
    """

    def __init__(self) -> None:
        super().__init__()
        self._over = asyncio.Event()

    async def add_to(self, server: grpc.aio.Server, names: Sequence[str]) -> None:
        """Let the server answer such questions about services, by their full names, and about itself as a whole."""
        for name in ("", *names):
            await self.set(name, health_pb2.HealthCheckResponse.SERVING)
        health_pb2_grpc.add_HealthServicer_to_server(self, server)

    async def end(self) -> None:
        """Say NOT_SERVING from now on, and end the streams of those who watch."""
        await self.enter_graceful_shutdown()
        self._over.set()

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: _Context) -> None:  # noqa: N802
        """As grpcio's, until the server stops."""
        watching = asyncio.ensure_future(super().Watch(request, context))
        over = asyncio.ensure_future(self._over.wait())
        try:
            await asyncio.wait((watching, over), return_when=asyncio.FIRST_COMPLETED)
            await asyncio.wait((watching,), timeout=_LAST_WORD_SECONDS)
        finally:
            over.cancel()
            watching.cancel()
