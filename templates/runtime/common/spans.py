"""Spans of RPCs: the one module that touches OpenTelemetry's gRPC instrumentation, and mends what it gets wrong.

``opentelemetry-instrumentation-grpc`` is the integration point that people expect, and its interceptors are what runs
here. Each override says which fault it mends (measured with 0.66b2); the package's private names are used here and
nowhere else. Imported by :mod:`.tracing`, and only when tracing is on.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import threading
import uuid
from contextlib import contextmanager
from importlib import metadata as distributions
from typing import (
    Any,
    Awaitable,
    Callable,
    Collection,
    ContextManager,
    Coroutine,
    Dict,
    Iterable,
    Iterator,
    List,
    Mapping,
    NamedTuple,
    Optional,
    Sequence,
    Tuple,
    TypeVar,
    Union,
    cast,
)
from urllib.parse import unquote

import grpc
import grpc.aio
from opentelemetry import baggage, propagate, trace
from opentelemetry import context as contexts
from opentelemetry.context import Context
from opentelemetry.instrumentation.grpc._aio_client import (
    StreamStreamAioClientInterceptor,
    StreamUnaryAioClientInterceptor,
    UnaryStreamAioClientInterceptor,
    UnaryUnaryAioClientInterceptor,
)
from opentelemetry.instrumentation.grpc._aio_server import OpenTelemetryAioServerInterceptor
from opentelemetry.instrumentation.grpc._client import OpenTelemetryClientInterceptor
from opentelemetry.instrumentation.grpc._server import OpenTelemetryServerInterceptor
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.sdk.resources import OTELResourceDetector, Resource
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace.export import BatchSpanProcessor, ConsoleSpanExporter, SimpleSpanProcessor, SpanExporter
from opentelemetry.sdk.trace.id_generator import RandomIdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON, ParentBased, ParentBasedTraceIdRatio, Sampler
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, StatusCode, TraceFlags
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from . import headers
from .tracing import Span, Tracing, TracingError, Value, entry_points

__all__ = ["build", "stand_aside"]

_logger = logging.getLogger(__name__)

_SCOPE = "opentelemetry.instrumentation.grpc"

# A collector that is away must not hold up a service that was told to stop.
_FLUSH_SECONDS = 5.0

# Where somebody is looking, spans show up at once (OTEL_BSP_SCHEDULE_DELAY wins).
_DEV_SCHEDULE_DELAY_MILLIS = 100.0

# Called every few seconds by whoever watches over us; a trace of that tells nothing.
_LEFT_OUT = ("/grpc.health.", "/grpc.reflection.")

_OK = grpc.StatusCode.OK

# To a server the other statuses are the caller's faults, not its own (semantic conventions for gRPC, "Status").
_SERVER_ERRORS = frozenset(
    {
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNIMPLEMENTED,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DATA_LOSS,
    }
)
_CLIENT_ERRORS = frozenset(grpc.StatusCode) - {_OK}

_T = TypeVar("_T")
_Metadata = Iterable[Tuple[str, Union[str, bytes]]]


class _Conventions:
    """The names of attributes. OpenTelemetry's for RPCs are a release candidate and still move; all of them stand here.

    ``OTEL_SEMCONV_STABILITY_OPT_IN`` chooses: ``rpc`` for the new names only, ``rpc/dup`` for both. The status by its
    name and ``error.type`` are written in any case: no old name says the same.
    """

    REQUEST_ID = "guid:x-request-id"  # by this tag Lightstep and Envoy join spans where span contexts were lost
    ERROR_TYPE = "error.type"
    PEER_SERVICE = "peer.service"

    def __init__(self, opt_in: str) -> None:
        chosen = {name.strip() for name in opt_in.split(",")}
        self._new = bool(chosen & {"rpc", "rpc/dup"})
        self._old = not self._new or "rpc/dup" in chosen

    def rpc(self, method: str) -> Dict[str, Value]:
        """Describe the RPC ``pkg.Service/Method``."""
        service, _, short = method.partition("/")
        attributes: Dict[str, Value] = {}
        if self._old:
            attributes.update({"rpc.system": "grpc", "rpc.service": service, "rpc.method": short})
        if self._new:
            attributes.update({"rpc.system.name": "grpc", "rpc.method": method})
        return attributes

    def finish(
        self, span: trace.Span, code: grpc.StatusCode, details: str, errors: Collection[grpc.StatusCode]
    ) -> None:
        """Write how the RPC ended, and end the span."""
        span.set_attribute("rpc.response.status_code", code.name)
        if self._old:
            span.set_attribute("rpc.grpc.status_code", code.value[0])
        if code in errors:
            span.set_attribute(self.ERROR_TYPE, code.name)
            span.set_status(StatusCode.ERROR, details or None)
        span.end()


# --- headers ----------------------------------------------------------------------------------------------------------


class _Propagation:
    """Span contexts to and from headers, in the formats of ``OTEL_PROPAGATORS``; the last format that is there wins."""

    def __init__(self, names: Sequence[str], baggage_keys: str) -> None:
        found = {entry.name: entry for entry in entry_points("opentelemetry_propagator")}
        self.propagator = CompositePropagator([found[name].load()() for name in names])
        self._multi = "b3multi" in names
        self._b3 = self._multi or "b3" in names
        self._baggage_keys = frozenset(key.strip() for key in baggage_keys.split(",") if key.strip())

    def extract(self, metadata: headers.Metadata) -> Context:
        """Return a context whose current span is the caller's."""
        carrier: Dict[str, List[str]] = {}
        for name, value in metadata:
            if isinstance(value, str):  # their interceptor makes a dict of the metadata: repeated headers are lost
                carrier.setdefault(name, []).append(value)
        if "baggage" in carrier:  # their propagator reads the first header only (RFC 9110, 5.3: a list is a list)
            carrier["baggage"] = [",".join(carrier["baggage"])]
        denied = self._b3 and self._mend_b3(carrier)
        context = self.propagator.extract(carrier, Context())
        if denied and not trace.get_current_span(context).get_span_context().is_valid:
            context = trace.set_span_in_context(_unsampled_parent(), context)
        return self._only_allowed_baggage(context)

    def inject(self) -> Dict[str, str]:
        """Return the headers that name the current span."""
        carrier: Dict[str, str] = {}
        self.propagator.inject(carrier)
        return {name.lower(): value for name, value in carrier.items()}

    def _mend_b3(self, carrier: Dict[str, List[str]]) -> bool:
        """Put B3 headers as the B3 propagator understands them; True if they only say that nothing be sampled.

        Its faults: a stale ``b3`` beats fresh ``x-b3-*``; without ``x-b3-sampled``, which leaves the choice to us, the
        trace is dropped; a lone ``b3: 0`` or ``x-b3-sampled: 0`` is ignored, and starts a sampled trace.
        """
        several = "x-b3-traceid" in carrier
        if several and self._multi:
            carrier.pop("b3", None)
        if several and "x-b3-sampled" not in carrier:
            carrier["x-b3-sampled"] = ["1"]
        denials = ("0", "false")
        return not several and (carrier.get("x-b3-sampled") or carrier.get("b3") or [""])[0].lower() in denials

    def _only_allowed_baggage(self, context: Context) -> Context:
        if self._baggage_keys:
            for key in baggage.get_all(context):
                if key not in self._baggage_keys:
                    context = baggage.remove_baggage(key, context)
        return context


def _unsampled_parent() -> trace.Span:
    """Make a caller that wants no trace; nobody looks for its ids, since nothing of this trace is exported."""
    ids = RandomIdGenerator()
    return NonRecordingSpan(
        SpanContext(ids.generate_trace_id(), ids.generate_span_id(), is_remote=True, trace_flags=TraceFlags(0))
    )


_ADDRESS = re.compile(r"(?:(dns|ipv4|ipv6|xds|unix):)?(?://[^/]*/)?(.*)", re.DOTALL)


def _address(prefix: str, address: str) -> Dict[str, Value]:
    """Describe a gRPC address: ``cart:50051``, ``dns:///cart:50051``, ``ipv6:%5B::1%5D:50051``, ``unix:/run/cart``."""
    match = _ADDRESS.fullmatch(unquote(address).split(",")[0])
    scheme, name = match.groups() if match is not None else ("", "")
    host, _, port = name.rpartition(":")
    if scheme == "unix" or not port.isdigit():
        return {f"{prefix}.address": name} if name else {}
    return {f"{prefix}.address": host.strip("[]"), f"{prefix}.port": int(port)}


# --- server -----------------------------------------------------------------------------------------------------------


class _ServerSpan:
    """What their interceptor sees of the SERVER span: enough to note an exception, not to decide the span's status.

    Theirs notes the status as the handler sets it, and so never sees what decides in the end: ``abort_with_status``, an
    uncaught exception and an expired deadline left the span OK. Ours is read from gRPC when the call is over.
    """

    def __init__(self, span: trace.Span) -> None:
        self._span = span

    def set_attribute(self, key: str, value: Value) -> None:
        """Leave it to the end of the call."""

    def set_status(self, status: trace.Status) -> None:
        """Leave it to the end of the call."""

    def record_exception(self, error: BaseException) -> None:
        """Note an exception that nobody caught. Theirs notes an asyncio server's abort as well, a normal answer."""
        if not isinstance(error, grpc.aio.AbortError):
            self._span.record_exception(error)


class _ServerInterceptor(OpenTelemetryServerInterceptor):
    """SERVER spans on a threaded server, named ``pkg.Service/Method``; theirs begin with a slash.

    gRPC runs every call in a ``contextvars.Context`` of its own, so what is attached here is never detached: theirs
    detaches, which fails, with an error in the log, where a stream that was given up is closed from another context.
    """

    def __init__(
        self,
        tracer: trace.Tracer,
        traced: Callable[[Any], bool],
        conventions: _Conventions,
        propagation: _Propagation,
    ) -> None:
        super().__init__(tracer, filter_=traced)  # type: ignore[no-untyped-call]  # theirs has no types
        self._spans = tracer
        self._conventions = conventions
        self._propagation = propagation

    @contextmanager
    def _set_remote_context(self, servicer_context: grpc.ServicerContext) -> Iterator[None]:
        contexts.attach(self._propagation.extract(headers.receive(servicer_context.invocation_metadata())))
        yield

    @contextmanager
    def _start_span(
        self,
        handler_call_details: grpc.HandlerCallDetails,
        context: grpc.ServicerContext,
        set_status_on_exception: bool = False,
    ) -> Iterator[_ServerSpan]:
        method = handler_call_details.method.lstrip("/")
        span = self._spans.start_span(
            method,
            kind=SpanKind.SERVER,
            attributes={**self._conventions.rpc(method), **_address("network.peer", context.peer())},
        )
        contexts.attach(trace.set_span_in_context(span))
        error: Optional[BaseException] = None
        try:
            yield _ServerSpan(span)
        except BaseException as raised:
            error = raised
            raise
        finally:
            code, details = _outcome(context, error)
            self._conventions.finish(span, code, details, _SERVER_ERRORS)


class _AioServerInterceptor(_ServerInterceptor, OpenTelemetryAioServerInterceptor):
    """SERVER spans on an asyncio server."""


def _outcome(context: Any, error: Optional[BaseException]) -> Tuple[grpc.StatusCode, str]:
    """Tell how a call ended, from the servicer context of either kind of server (the stubs know neither's ``code``)."""
    code = context.code()
    if isinstance(code, grpc.StatusCode) and code is not _OK:
        details = context.details() or ""
        return code, details.decode("utf-8", "replace") if isinstance(details, bytes) else details
    remaining = context.time_remaining()
    if remaining is not None and remaining <= 0:
        return grpc.StatusCode.DEADLINE_EXCEEDED, ""
    left = isinstance(error, (asyncio.CancelledError, GeneratorExit))
    if left or (hasattr(context, "is_active") and not context.is_active()):
        return grpc.StatusCode.CANCELLED, ""
    return (_OK, "") if error is None else (grpc.StatusCode.UNKNOWN, type(error).__name__)


# --- client -----------------------------------------------------------------------------------------------------------


class _ClientSpans(OpenTelemetryClientInterceptor):
    """CLIENT spans: what the synchronous and the asyncio interceptors have in common.

    A span ends in a callback of the call, whatever ends that: an answer, a cancellation, a consumer that stops reading.
    """

    def __init__(
        self,
        tracer: trace.Tracer,
        traced: Callable[[Any], bool],
        conventions: _Conventions,
        propagation: _Propagation,
        attributes: Mapping[str, Value],
    ) -> None:
        super().__init__(tracer, filter_=traced)  # type: ignore[no-untyped-call]  # theirs has no types
        self._spans = tracer
        self._traced = traced
        self._conventions = conventions
        self._propagation = propagation
        self._attributes = attributes

    @contextmanager
    def _start_span(self, method: str, **_: bool) -> Iterator[trace.Span]:
        """Start a span that goes on after the block; one that an exception leaves is over."""
        method = method.lstrip("/")
        span = self._spans.start_span(
            method, kind=SpanKind.CLIENT, attributes={**self._conventions.rpc(method), **self._attributes}
        )
        try:
            with trace.use_span(span, record_exception=False, set_status_on_exception=False):
                yield span
        except BaseException as error:
            cancelled = isinstance(error, asyncio.CancelledError)
            self._end(span, grpc.StatusCode.CANCELLED if cancelled else grpc.StatusCode.UNKNOWN, type(error).__name__)
            raise

    def _end(self, span: trace.Span, code: grpc.StatusCode, details: Optional[str]) -> None:
        self._conventions.finish(span, code, details or "", _CLIENT_ERRORS)

    def _with_span(self, metadata: Optional[_Metadata]) -> headers.Metadata:
        """Add the current span's headers. Theirs makes a dict of the metadata: repeated headers are lost."""
        injected = self._propagation.inject()
        kept = tuple((name, value) for name, value in metadata or () if name not in injected)
        return (*kept, *injected.items())


class _CallDetails(NamedTuple):
    """A ``grpc.ClientCallDetails`` with other metadata; grpc's own class for it is private."""

    method: str
    timeout: Optional[float]
    metadata: headers.Metadata
    credentials: Optional[grpc.CallCredentials]
    wait_for_ready: Optional[bool]
    compression: Optional[grpc.Compression]


class _ClientInterceptor(
    _ClientSpans,
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """CLIENT spans on a synchronous channel, by grpc's own interface for all four kinds.

    Their ``grpcext`` turns a response stream into a bare generator, without ``cancel()``, whose span stays the current
    one between items.
    """

    def _intercept_call(self, continuation: Callable[[Any, Any], Any], details: Any, request: Any) -> Any:
        if not self._traced(details):
            return continuation(details, request)
        with self._start_span(details.method) as span:
            call = continuation(
                _CallDetails(
                    details.method,
                    details.timeout,
                    self._with_span(details.metadata),
                    details.credentials,
                    details.wait_for_ready,
                    details.compression,
                ),
                request,
            )
        call.add_done_callback(lambda done: self._end(span, done.code(), done.details()))
        return call

    # One body for all four: what a continuation takes and gives is only handed on.
    intercept_unary_unary = cast("Any", _intercept_call)
    intercept_unary_stream = cast("Any", _intercept_call)
    intercept_stream_unary = cast("Any", _intercept_call)
    intercept_stream_stream = cast("Any", _intercept_call)


class _AioClientSpans(_ClientSpans):
    """What the four asyncio interceptors have in common."""

    def propagate_trace_in_details(self, client_call_details: grpc.aio.ClientCallDetails) -> grpc.aio.ClientCallDetails:
        """Return the details with the current span's headers."""
        return grpc.aio.ClientCallDetails(
            client_call_details.method,
            client_call_details.timeout,
            grpc.aio.Metadata(*self._with_span(client_call_details.metadata)),
            client_call_details.credentials,
            client_call_details.wait_for_ready,
        )

    async def _wrap_unary_response(self, continuation: Callable[[], Awaitable[Any]], span: trace.Span) -> Any:
        """Return the call as soon as there is one.

        Theirs waits for its status first. So a cancellation reaches their waiting and not the call: the RPC goes on to
        its end at the server, and the span is never exported; and ``write()`` on a stream-unary call never returns.
        """
        return self._wrap_stream_response(span, await continuation())

    def _wrap_stream_response(self, span: trace.Span, call: Any) -> Any:
        """Return the call itself. Theirs is a generator around it that notes an error as an exception event as well."""

        def end(done: Any) -> None:
            self._end(span, _settled(done.code()), _settled(done.details()))

        try:
            call.add_done_callback(end)
        except NotImplementedError:  # an interceptor nearer to the wire has answered without a call
            end(call)
        return call


class _AioUnaryUnary(_AioClientSpans, UnaryUnaryAioClientInterceptor):
    pass


class _AioUnaryStream(_AioClientSpans, UnaryStreamAioClientInterceptor):
    pass


class _AioStreamUnary(_AioClientSpans, StreamUnaryAioClientInterceptor):
    pass


class _AioStreamStream(_AioClientSpans, StreamStreamAioClientInterceptor):
    pass


def _settled(coroutine: Coroutine[Any, Any, _T]) -> _T:
    """Return what an asyncio call that is done knows; its methods are coroutines, but have nothing left to wait for."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        value: _T = stop.value
        return value
    finally:
        coroutine.close()
    raise RuntimeError("the call is not done")


# --- the whole --------------------------------------------------------------------------------------------------------


class _ActiveSpan:
    """A span of :meth:`Tracing.span`."""

    def __init__(self, span: trace.Span) -> None:
        self._span = span
        self.failed = False

    def set_attribute(self, key: str, value: Value) -> None:
        self._span.set_attribute(key, value)

    def fail(self, error_type: str, description: str = "") -> None:
        self.failed = True
        self._span.set_attribute(_Conventions.ERROR_TYPE, error_type)
        self._span.set_status(StatusCode.ERROR, description or None)


class _StandingAside(Tracing):
    """Tracing where an operator has put interceptors into gRPC already: theirs make the spans of RPCs, not ours."""

    enabled = True
    mode: headers.Mode = "participate"

    def __init__(self, provider: trace.TracerProvider) -> None:
        self._tracer = provider.get_tracer(_SCOPE)

    @contextmanager
    def _span(self, name: str, attributes: Mapping[str, Value]) -> Iterator[Span]:
        with self._tracer.start_as_current_span(
            name, kind=SpanKind.CLIENT, attributes=attributes, record_exception=False, set_status_on_exception=False
        ) as span:
            active = _ActiveSpan(span)
            try:
                yield active
            except BaseException as error:
                if not active.failed:  # whoever said why knows better
                    active.fail(type(error).__name__)
                raise

    def span(self, name: str, attributes: Mapping[str, Value]) -> ContextManager[Span]:
        return self._span(name, attributes)

    def record_exception(self, error: BaseException) -> None:
        trace.get_current_span().record_exception(error)

    def http_headers(self) -> Dict[str, str]:
        carrier: Dict[str, str] = {}
        TraceContextTextMapPropagator().inject(carrier)
        return carrier


class _OpenTelemetryTracing(_StandingAside):
    """Tracing by spans of our own."""

    def __init__(self, provider: TracerProvider, conventions: _Conventions, propagation: _Propagation) -> None:
        super().__init__(provider)
        self._provider = provider
        self._conventions = conventions
        self._propagation = propagation
        excluded = os.environ.get("OTEL_PYTHON_GRPC_EXCLUDED_SERVICES", "")
        self._left_out = _LEFT_OUT + tuple(f"/{name.strip()}/" for name in excluded.split(",") if name.strip())

    def server_interceptors(self) -> Tuple[grpc.ServerInterceptor, ...]:
        return (_ServerInterceptor(self._tracer, self._traced, self._conventions, self._propagation),)

    def aio_server_interceptors(self) -> Tuple[grpc.aio.ServerInterceptor, ...]:
        return (_AioServerInterceptor(self._tracer, self._traced, self._conventions, self._propagation),)

    def client_interceptors(self, component: str, target: str = "") -> Tuple[grpc.UnaryUnaryClientInterceptor, ...]:
        return (self._client(_ClientInterceptor, component, target),)

    def aio_client_interceptors(self, component: str, target: str = "") -> Tuple[grpc.aio.ClientInterceptor, ...]:
        return (
            self._client(_AioUnaryUnary, component, target),
            self._client(_AioUnaryStream, component, target),
            self._client(_AioStreamUnary, component, target),
            self._client(_AioStreamStream, component, target),
        )

    def flush(self) -> None:
        _bounded(self._provider.force_flush)

    def shutdown(self) -> None:
        _bounded(self._provider.shutdown)

    def _client(self, interceptor: Callable[..., _T], component: str, target: str) -> _T:
        attributes = {_Conventions.PEER_SERVICE: component, **_address("server", target)}
        return interceptor(self._tracer, self._traced, self._conventions, self._propagation, attributes)

    def _traced(self, details: Any) -> bool:
        method = details.method  # bytes in calls of grpc.aio, whatever its documentation says
        return not (method.decode() if isinstance(method, bytes) else method).startswith(self._left_out)


class _RequestIds(SpanProcessor):
    """Writes the request id on every span, whoever makes it."""

    def on_start(self, span: SdkSpan, parent_context: Optional[Context] = None) -> None:
        request_id = headers.request_id()
        if request_id:
            span.set_attribute(_Conventions.REQUEST_ID, request_id)

    def on_end(self, span: ReadableSpan) -> None:
        pass


def stand_aside() -> Tracing:
    """Return tracing for a process whose gRPC somebody else has instrumented, and say so once in the log."""
    _logger.warning(
        "gRPC is instrumented already (by opentelemetry-instrument?): this service adds no interceptors of its own, "
        "and its spans are as that instrumentation makes them"
    )
    return _StandingAside(trace.get_tracer_provider())


def build(
    service_name: str, digest: str, dev: bool, propagators: Sequence[str], span_exporter: Optional[SpanExporter]
) -> Tracing:
    """Set the SDK up: arguments as of :func:`.tracing.setup`, and the names of the propagators, which are installed."""
    environ = os.environ
    propagation = _Propagation(propagators, environ.get("BAGGAGE_KEYS", ""))
    # We shut it down ourselves, within a bound; at exit it would wait for a collector that is away.
    provider = TracerProvider(
        sampler=_sampler(environ, dev), resource=_resource(service_name, digest, dev), shutdown_on_exit=False
    )
    provider.add_span_processor(_RequestIds())
    if span_exporter is not None:
        provider.add_span_processor(SimpleSpanProcessor(span_exporter))
    else:
        hurry = dev and "OTEL_BSP_SCHEDULE_DELAY" not in environ
        delay = _DEV_SCHEDULE_DELAY_MILLIS if hurry else None
        provider.add_span_processor(BatchSpanProcessor(_exporter(environ), schedule_delay_millis=delay))
        if isinstance(trace.get_tracer_provider(), trace.ProxyTracerProvider):
            trace.set_tracer_provider(provider)
        propagate.set_global_textmap(propagation.propagator)
    conventions = _Conventions(environ.get("OTEL_SEMCONV_STABILITY_OPT_IN", ""))
    return _OpenTelemetryTracing(provider, conventions, propagation)


def _exporter(environ: Mapping[str, str]) -> SpanExporter:
    if environ.get("OTEL_TRACES_EXPORTER", "").strip().lower() == "console":
        return ConsoleSpanExporter()
    from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter

    return OTLPSpanExporter()


def _sampler(environ: Mapping[str, str], dev: bool) -> Optional[Sampler]:
    """Return the sampler: the environment's (None: the SDK reads it), else everything in development, else a ratio."""
    if environ.get("OTEL_TRACES_SAMPLER", "").strip():
        return None
    ratio = environ.get("OTEL_TRACES_SAMPLER_ARG", "").strip()
    if dev or not ratio:
        return ParentBased(ALWAYS_ON)
    try:
        return ParentBasedTraceIdRatio(float(ratio))
    except ValueError:
        raise TracingError(f"OTEL_TRACES_SAMPLER_ARG={ratio} is no share: give a number from 0 to 1") from None


def _resource(service_name: str, digest: str, dev: bool) -> Resource:
    """Describe this process. What ``OTEL_SERVICE_NAME`` and ``OTEL_RESOURCE_ATTRIBUTES`` say wins."""
    ours = {
        "service.name": service_name,
        "service.version": _version() or digest[:12],
        "service.instance.id": str(uuid.uuid4()),
        "deployment.environment.name": "development" if dev else "production",
        "api.digest": digest,
    }
    theirs = OTELResourceDetector().detect().attributes
    return Resource.create({key: value for key, value in ours.items() if value and key not in theirs})


def _version() -> str:
    """The version of the distribution that this runtime is part of; a service that runs from its source tree has none."""
    package = __name__.partition(".gen.")[0]
    try:
        return distributions.version(package.replace("_", "-"))
    except distributions.PackageNotFoundError:
        return ""


def _bounded(action: Callable[[], object]) -> None:
    """Run what sends spans, but no longer than it may take; the SDK does not keep to its own time-outs."""
    worker = threading.Thread(target=action, daemon=True)
    worker.start()
    worker.join(_FLUSH_SECONDS)
