"""How long the caller of the RPC that is being served still waits."""

from __future__ import annotations

from contextvars import ContextVar

#: When that caller stops waiting, on the clock of ``time.monotonic()``; None: never, or there is no such RPC. Set by the
#: server around each handler.
deadline: ContextVar[float | None] = ContextVar("deadline", default=None)
