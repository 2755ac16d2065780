"""Tracing, as the rest of the runtime sees it: set up once, handed to servers, clients and repositories.

Configured by OpenTelemetry's own environment variables. Without an exporter (``OTEL_EXPORTER_OTLP_ENDPOINT``,
``OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`` or ``OTEL_TRACES_EXPORTER``), with ``OTEL_TRACES_EXPORTER=none`` or with
``OTEL_SDK_DISABLED=true`` nothing of OpenTelemetry is imported: idle instrumentation costs a quarter of the throughput.
Then headers go on verbatim, and logs carry the trace id that came in.

This module imports nothing of OpenTelemetry; :mod:`.spans`, which it imports when tracing is on, holds everything else.
"""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from importlib import metadata
from typing import TYPE_CHECKING, ContextManager, Iterator, Mapping, Protocol, Union

from . import headers

if TYPE_CHECKING:
    import grpc
    import grpc.aio
    from opentelemetry.sdk.trace.export import SpanExporter

__all__ = ["Span", "Tracing", "TracingError", "Value", "current_ids", "setup"]

Value = Union[str, int, bool, float]
"""What an attribute of a span may hold."""

_DEFAULT_PROPAGATORS = "b3multi,baggage,tracecontext"
_EXPORTERS = ("otlp", "console")


class TracingError(ValueError):
    """A setting of tracing that cannot be used. The message names the variable and what to do about it."""


class Span(Protocol):
    """One timed piece of work, while it lasts."""

    def set_attribute(self, key: str, value: Value) -> None:
        """Add what was only known once the work had begun."""

    def fail(self, error_type: str, description: str = "") -> None:
        """Mark the work as failed, for a reason of few possible values: a status, the name of an exception's class."""


class _NoSpan:
    """A span when there is no tracing."""

    def set_attribute(self, key: str, value: Value) -> None:
        pass

    def fail(self, error_type: str, description: str = "") -> None:
        pass


_NO_SPAN = _NoSpan()


class Tracing:
    """What one service has of tracing. Made by :func:`setup`; this class itself is tracing that is off.

    ``enabled`` says whether spans are made; ``mode`` how clients pass headers on (see :mod:`.headers`).
    """

    enabled: bool = False
    mode: headers.Mode = "forward"

    def server_interceptors(self) -> tuple[grpc.ServerInterceptor, ...]:
        """Return what makes SERVER spans on a threaded server. They come before any other interceptor."""
        return ()

    def aio_server_interceptors(self) -> tuple[grpc.aio.ServerInterceptor, ...]:
        """Return what makes SERVER spans on an asyncio server. They come before any other interceptor."""
        return ()

    def client_interceptors(self, component: str, target: str = "") -> tuple[grpc.UnaryUnaryClientInterceptor, ...]:
        """Return what makes CLIENT spans on a synchronous channel, for ``grpc.intercept_channel``; all kinds of RPC.

        ``component`` is whom the channel leads to, ``target`` the address that it was opened with.
        """
        return ()

    def aio_client_interceptors(self, component: str, target: str = "") -> tuple[grpc.aio.ClientInterceptor, ...]:
        """Return what makes CLIENT spans on an asyncio channel; arguments as in :meth:`client_interceptors`."""
        return ()

    def span(self, name: str, attributes: Mapping[str, Value]) -> ContextManager[Span]:
        """Make a CLIENT span, current inside the ``with``: a SQL statement, a vendor's HTTP call.

        An exception that leaves the block marks the span as failed, unless it is already, and passes.
        """
        return _no_span()

    def record_exception(self, error: BaseException) -> None:
        """Add an exception that nobody expected, with its stack, to the current span. Once per exception, please."""

    def http_headers(self) -> dict[str, str]:
        """Return the headers (lower-case names) that let a third party continue the trace: W3C only, never baggage."""
        return {}

    def trace_id(self) -> str:
        """Return the current trace id, 32 hex digits, or ``""``: the current span's, else the incoming call's."""
        return current_ids()[0]

    def span_id(self) -> str:
        """Return the current span id, 16 hex digits, or ``""``: the current span's, else the caller's."""
        return current_ids()[1]

    def flush(self) -> None:
        """Send what has ended so far; returns when it is sent, or after five seconds."""

    def shutdown(self) -> None:
        """Flush and stop. Spans that end later are lost."""


def setup(service_name: str, digest: str, dev: bool, *, span_exporter: SpanExporter | None = None) -> Tracing:
    """Set tracing up for a service, as the environment says.

    ``digest`` identifies the API that the service implements and becomes part of the resource. ``dev`` samples
    everything and exports at once. ``span_exporter`` takes the place of the environment's exporter and of the
    process-wide tracer provider, so that several services can run in one process, each with its own.

    Raises :class:`TracingError` for a variable that cannot be used, before OpenTelemetry sees it.
    """
    environ = os.environ
    if _operator_instrumented():
        from . import spans

        return spans.stand_aside()
    if not _wanted(environ, span_exporter):
        return Tracing()
    if span_exporter is None:
        _check_exporter(environ)
    propagators = _propagators(environ)
    try:
        from . import spans
    except ModuleNotFoundError as error:
        raise TracingError(
            f"the environment asks for tracing, but {error.name} is not installed: install "
            "opentelemetry-exporter-otlp-proto-grpc, opentelemetry-instrumentation-grpc and "
            "opentelemetry-propagator-b3, or set OTEL_SDK_DISABLED=true"
        ) from error
    return spans.build(service_name, digest, dev, propagators, span_exporter)


def current_ids() -> tuple[str, str]:
    """Return trace id and span id, in hex, of the current span; else those that the incoming call came with; else "".

    OpenTelemetry is asked only when somebody has imported it: that is also right where an operator's own
    instrumentation makes the spans.
    """
    api = sys.modules.get("opentelemetry.trace")
    if api is not None:
        context = api.get_current_span().get_span_context()
        if context.is_valid:
            return f"{context.trace_id:032x}", f"{context.span_id:016x}"
    return headers.trace_ids()


@contextmanager
def _no_span() -> Iterator[Span]:
    yield _NO_SPAN


def _wanted(environ: Mapping[str, str], span_exporter: SpanExporter | None) -> bool:
    if environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true":
        return False
    if span_exporter is not None:
        return True
    exporter = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower()
    if exporter == "none":
        return False
    return any(
        (exporter, environ.get("OTEL_EXPORTER_OTLP_ENDPOINT"), environ.get("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"))
    )


def _operator_instrumented() -> bool:
    """Say whether somebody (``opentelemetry-instrument``) has already put interceptors into this process's gRPC."""
    module = sys.modules.get("opentelemetry.instrumentation.grpc")
    if module is None:
        return False
    names = (
        "GrpcInstrumentorServer",
        "GrpcAioInstrumentorServer",
        "GrpcInstrumentorClient",
        "GrpcAioInstrumentorClient",
    )
    return any(getattr(module, name)().is_instrumented_by_opentelemetry for name in names)


def _check_exporter(environ: Mapping[str, str]) -> None:
    wanted = environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() or "otlp"
    if wanted not in _EXPORTERS:
        raise TracingError(
            f"OTEL_TRACES_EXPORTER={wanted} is not supported here: use {', '.join(_EXPORTERS)}, or none for no tracing"
        )
    for name in ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"):
        protocol = environ.get(name, "").strip().lower()
        if wanted == "otlp" and protocol:
            if protocol != "grpc":
                raise TracingError(
                    f"{name}={protocol} is not supported here: spans are sent by OTLP over gRPC. Unset it, or set it "
                    "to grpc, and point the endpoint at the collector's gRPC port (4317)"
                )
            return


def _propagators(environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the names in ``OTEL_PROPAGATORS``, or ours. The last one that finds a parent wins.

    OpenTelemetry reads the variable when it is imported, and answers a misspelled name with a bare traceback.
    """
    wanted = environ.get("OTEL_PROPAGATORS", "").strip() or _DEFAULT_PROPAGATORS
    names = tuple(dict.fromkeys(name.strip() for name in wanted.split(",") if name.strip()))
    if "none" in names:
        return ()
    known = {entry.name for entry in entry_points("opentelemetry_propagator")}
    for name in names:
        if name not in known:
            raise TracingError(
                f"OTEL_PROPAGATORS names {name!r}, which is not installed: use some of {', '.join(sorted(known))}"
            )
    return names


def entry_points(group: str) -> Iterator[metadata.EntryPoint]:
    """Return what is installed under ``group``; by a way that has not changed since Python 3.9."""
    for distribution in metadata.distributions():
        yield from (entry for entry in distribution.entry_points if entry.group == group)
