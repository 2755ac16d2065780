"""Runs a workspace: its services, the receiver of their spans, the rendering of a trace, and single calls.

Importing it is cheap. gRPC and OpenTelemetry are imported where they are first used: they are the extra ``run``.
"""

from __future__ import annotations

from scaffold.shell import extras

_NEEDED = ("grpc", "grpc_health", "opentelemetry.proto")


def require_extra() -> None:
    """Make sure that what running services needs is installed; raises ScaffoldError ``extra-missing`` if it is not."""
    extras.require("run", "running services needs", _NEEDED)
