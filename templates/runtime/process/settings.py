"""The settings of a process: those of every component, and the way to whom it uses."""

from __future__ import annotations

import asyncio
import logging
import re
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pydantic import Field, PrivateAttr

from ..service.problems import SettingsError
from ..service.settings import ServiceSettings
from .client import Connection, ServiceClient
from .sync import SyncConnection, SyncServiceClient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

logger = logging.getLogger(__name__)

C = TypeVar("C", bound=ServiceClient | SyncServiceClient)

# A resource that does not close must not keep the process from ending.
_CLOSE_SECONDS = 2.0


class Settings(ServiceSettings):
    """What a process is told by its environment. See :class:`ServiceSettings` for how it is read.

    ``NAME_ADDRESS`` says where the component ``name`` is: ``HOST:PORT``, or ``https://HOST:PORT`` for an encrypted
    connection, whose roots of trust ``NAME_CA`` holds as PEM (``NAME_CA_FILE`` names a file; by default the system's).
    """

    # Handlers mostly wait, so that many can be at work; one more is refused with RESOURCE_EXHAUSTED.
    max_workers: int = Field(1024, ge=1, le=65536, description="how many calls are worked on at once, 1 to 65536")

    retry_attempts: int = Field(
        3, ge=1, le=5, description="how often a safe call to another component is tried in all, 1 to 5"
    )

    _closing: list[Callable[[], Awaitable[object]]] = PrivateAttr(default_factory=list)
    _connections: dict[tuple[str, type], Connection | SyncConnection] = PrivateAttr(default_factory=dict)

    def connect(self, client: type[C]) -> C:
        """A client of a component, ready for calls; closed when the process stops.

        Clients of one component share its connection. Nothing is sent before the first call: the component may start later.
        ``SyncClient`` is for code without an event loop; what connects only such clients need not be closed.

        Raises :class:`SettingsError` when its address is not set, or is none.
        """
        key = (client.component, client.connection_type)
        connection = self._connections.get(key)
        if connection is None:
            connection = self._connections[key] = self._open(client.component, client.connection_type)
            self.on_stop(partial(_close, connection))
        return cast("C", cast("Any", client)(connection))

    def on_stop(self, close: Callable[[], Awaitable[object]]) -> None:
        """Have something closed when the process has stopped: ``settings.on_stop(pool.aclose)``. The last goes first."""
        self._closing.append(close)

    async def close(self) -> None:
        """Close what was opened; called by the server when the last call has ended."""
        self._connections.clear()
        while self._closing:
            close = self._closing.pop()
            try:
                async with asyncio.timeout(_CLOSE_SECONDS):
                    await close()
            except Exception:
                logger.exception("%s was not closed properly", getattr(close, "__qualname__", close))

    def _open(self, component: str, connection_type: type[Connection | SyncConnection]) -> Connection | SyncConnection:
        name = re.sub(r"\W", "_", component).upper()
        address = self.value(f"{name}_ADDRESS")
        if address is None:
            raise SettingsError(
                f"{name}_ADDRESS is not set: set it to where {component} listens, HOST:PORT or https://HOST:PORT"
            )
        if not (address.startswith("unix:") or address.rpartition(":")[2].isdigit()):
            raise SettingsError(
                f"{name}_ADDRESS: {address!r} has no port: set it to where {component} listens, HOST:PORT"
            )
        certificates = self.value(f"{name}_CA")
        return connection_type(
            component,
            address,
            certificates=certificates.encode() if certificates is not None else None,
            tracing=self.tracing,
            forward_headers=self.forward_headers,
            default_timeout_seconds=self.default_timeout_seconds,
            max_message_bytes=self.max_message_bytes,
            retry_attempts=self.retry_attempts,
        )


async def _close(connection: Connection | SyncConnection) -> None:
    closing = connection.close()
    if closing is not None:
        await closing
