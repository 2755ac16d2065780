"""Runs a workspace: its services, the receiver of their spans, the rendering of a trace, and single calls.

Importing it is cheap. gRPC and OpenTelemetry are imported where they are first used: they are the extra ``run``.
"""

from __future__ import annotations

from importlib.util import find_spec

from scaffold.core.diagnostics import Diagnostic, ScaffoldError

_NEEDED = ("grpc", "grpc_health", "opentelemetry.proto")


def require_extra() -> None:
    """Make sure that what running services needs is installed; raises ScaffoldError ``extra-missing`` if it is not."""
    missing = [name for name in _NEEDED if not _found(name)]
    if missing:
        raise ScaffoldError(
            Diagnostic(
                "extra-missing",
                f"running services needs packages that are not installed here: {', '.join(missing)}",
                remedy="pip install 'apifirst-scaffold[run]'",
            )
        )


def _found(name: str) -> bool:
    try:
        return find_spec(name) is not None
    except ModuleNotFoundError:  # the package around it is missing
        return False
