"""A small OTLP/gRPC receiver of traces on loopback, which writes what it gets to the file that ``spans`` reads.

It takes what the standard exporter sends (https://opentelemetry.io/docs/specs/otlp/) and keeps what a person needs to
see how an API is used; it is no store of telemetry. Names and values are cut to lengths that keep the file small.
"""

from __future__ import annotations

import base64
import math
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Final, Self

from scaffold.run.spans import JSON, Event, Span, rotated, to_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path
    from types import TracebackType

    import grpc
    from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
        ExportTraceServiceRequest,
        ExportTraceServiceResponse,
    )
    from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
    from opentelemetry.proto.trace.v1 import trace_pb2

LIMIT_BYTES: Final = 16 * 2**20

_SERVICE = "opentelemetry.proto.collector.trace.v1.TraceService"
_MAX_REQUEST_BYTES = 64 * 2**20
_MAX_TEXT = 4096
_MAX_ATTRIBUTES = 128
_MAX_EVENTS = 32
_MAX_DEPTH = 8
_TRACE_ID_BYTES, _SPAN_ID_BYTES = 16, 8


class SpanFile:
    """The file of spans. It holds at most ``limit`` bytes, and its older half (``spans.rotated``) as much again.

    May be used from several threads. Each batch is one write at the end of the file, so batches of several processes
    never mix.
    """

    def __init__(self, path: Path, limit: int = LIMIT_BYTES) -> None:
        self._path = path
        self._limit = limit
        self._lock = threading.Lock()
        path.parent.mkdir(parents=True, exist_ok=True)

    def append(self, spans: Iterable[Span]) -> None:
        """Add spans, each a line.

        Raises OSError when the file cannot be written; it may then end in half a line, which the next one does not
        continue.
        """
        block = "".join(to_line(span) + "\n" for span in spans).encode()
        if not block:
            return
        with self._lock:
            self._rotate(len(block))
            # "a+": also readable, to see whether somebody died in the middle of a line
            with self._path.open("a+b", buffering=0) as file:
                written = file.write(b"\n" + block if _is_torn(file.fileno()) else block)
                if written < len(block):
                    raise OSError(f"only {written} of {len(block)} bytes could be written")

    def _rotate(self, coming: int) -> None:
        try:
            size = self._path.stat().st_size
        except FileNotFoundError:
            return
        if size and size + coming > self._limit:
            self._path.replace(rotated(self._path))


def _is_torn(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"


class Receiver:
    """Receives spans on a port of loopback that the system chooses, from its creation to ``stop``.

    Raises OSError when the folder of the file cannot be made.
    """

    def __init__(self, path: Path, limit: int = LIMIT_BYTES) -> None:
        import grpc
        from opentelemetry.proto.collector.trace.v1 import trace_service_pb2

        self._file = SpanFile(path, limit)
        self._server = grpc.server(
            ThreadPoolExecutor(max_workers=4, thread_name_prefix="span-receiver"),
            options=(("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", _MAX_REQUEST_BYTES)),
        )
        export = grpc.unary_unary_rpc_method_handler(
            self._export,
            request_deserializer=trace_service_pb2.ExportTraceServiceRequest.FromString,
            response_serializer=trace_service_pb2.ExportTraceServiceResponse.SerializeToString,
        )
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(_SERVICE, {"Export": export}),))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()

    def stop(self, grace: float = 1.0) -> None:
        """Stop receiving; calls that are under way have ``grace`` seconds to finish."""
        self._server.stop(grace).wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.stop()

    def _export(self, request: ExportTraceServiceRequest, context: grpc.ServicerContext) -> ExportTraceServiceResponse:
        """Keep the good spans and report the number of the bad ones, as OTLP's partial success wants it."""
        import grpc
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

        converted = list(_spans(request))
        good = [span for span in converted if span is not None]
        try:
            self._file.append(good)
        except OSError as error:
            # Without a RetryInfo this means "do not send them again" to an exporter: a full disk stays full.
            context.abort(grpc.StatusCode.RESOURCE_EXHAUSTED, f"spans cannot be written: {error.strerror or error}")
        response = ExportTraceServiceResponse()
        if bad := len(converted) - len(good):
            response.partial_success.rejected_spans = bad
            response.partial_success.error_message = "a span needs a trace id of 16 bytes and a span id of 8 bytes"
        return response


def _spans(request: ExportTraceServiceRequest) -> Iterator[Span | None]:
    """Each span of the request, None for one without usable ids."""
    for resource_spans in request.resource_spans:
        resource = _attributes(resource_spans.resource.attributes)
        service = str(resource.get("service.name") or "unknown")
        for scope_spans in resource_spans.scope_spans:
            for span in scope_spans.spans:
                yield _span(span, service)


def _span(span: trace_pb2.Span, service: str) -> Span | None:
    from opentelemetry.proto.trace.v1 import trace_pb2

    if not _is_id(span.trace_id, _TRACE_ID_BYTES) or not _is_id(span.span_id, _SPAN_ID_BYTES):
        return None
    kinds, codes = trace_pb2.Span.SpanKind, trace_pb2.Status.StatusCode
    kind = kinds.Name(span.kind) if span.kind in kinds.values() else "SPAN_KIND_UNSPECIFIED"
    status = codes.Name(span.status.code) if span.status.code in codes.values() else "STATUS_CODE_UNSET"
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex() if _is_id(span.parent_span_id, _SPAN_ID_BYTES) else "",
        name=span.name[:_MAX_TEXT],
        kind=kind.removeprefix("SPAN_KIND_"),
        service=service,
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        status=status.removeprefix("STATUS_CODE_"),
        attributes=_attributes(span.attributes),
        events=tuple(
            Event(event.name[:_MAX_TEXT], event.time_unix_nano, _attributes(event.attributes))
            for event in span.events[:_MAX_EVENTS]
        ),
    )


def _is_id(data: bytes, length: int) -> bool:
    """All zeros is "no id" (https://www.w3.org/TR/trace-context/#trace-id)."""
    return len(data) == length and any(data)


def _attributes(pairs: Iterable[KeyValue], depth: int = 0) -> dict[str, JSON]:
    found: dict[str, JSON] = {}
    for pair in pairs:
        if len(found) == _MAX_ATTRIBUTES:
            break
        found[pair.key[:_MAX_TEXT]] = _value(pair.value, depth)
    return found


def _value(value: AnyValue, depth: int) -> JSON:
    """The value as JSON has it: bytes in base64, numbers that JSON lacks (NaN, infinity) as text, no deep nesting."""
    kind = value.WhichOneof("value")
    if kind == "string_value":
        return value.string_value[:_MAX_TEXT]
    if kind == "bool_value":
        return value.bool_value
    if kind == "int_value":
        return value.int_value
    if kind == "double_value":
        return value.double_value if math.isfinite(value.double_value) else str(value.double_value)
    if kind == "bytes_value":
        return base64.b64encode(value.bytes_value[:_MAX_TEXT]).decode()
    if depth == _MAX_DEPTH:
        return "…"
    if kind == "array_value":
        return [_value(item, depth + 1) for item in value.array_value.values[:_MAX_ATTRIBUTES]]
    if kind == "kvlist_value":
        return _attributes(value.kvlist_value.values, depth + 1)
    return None
