"""The receiver, sent to by OpenTelemetry's own exporter, and by somebody who means no good."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import (
    ExportTraceServiceRequest,
    ExportTraceServiceResponse,
)
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.trace.v1 import trace_pb2
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.trace import SpanKind, StatusCode

from scaffold.run import spans
from scaffold.run.receiver import Receiver, SpanFile
from scaffold.run.spans import Span

EXPORT = "/opentelemetry.proto.collector.trace.v1.TraceService/Export"


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "cache" / "spans.jsonl"


@pytest.fixture
def receiver(path: Path) -> Iterator[Receiver]:
    with Receiver(path) as started:
        yield started


def send(receiver: Receiver, *given: trace_pb2.Span, service: str = "cart") -> ExportTraceServiceResponse:
    request = ExportTraceServiceRequest()
    resource = request.resource_spans.add()
    resource.resource.attributes.add(key="service.name").value.string_value = service
    resource.scope_spans.add().spans.extend(given)
    return ExportTraceServiceResponse.FromString(send_bytes(receiver, request.SerializeToString()))


def send_bytes(receiver: Receiver, data: bytes) -> bytes:
    options = (("grpc.enable_http_proxy", 0),)
    with grpc.insecure_channel(receiver.address, options=options) as channel:
        export: grpc.UnaryUnaryMultiCallable[bytes, bytes] = channel.unary_unary(EXPORT)
        return export(data, timeout=10)


def raw(trace_id: bytes = b"\x6f" * 16, span_id: bytes = b"\x01" * 8, name: str = "s") -> trace_pb2.Span:
    return trace_pb2.Span(trace_id=trace_id, span_id=span_id, name=name, start_time_unix_nano=1, end_time_unix_nano=2)


def test_what_the_standard_exporter_sends_arrives(receiver: Receiver, path: Path) -> None:
    provider = TracerProvider(resource=Resource({"service.name": "orders"}))
    exporter = OTLPSpanExporter(endpoint=f"http://{receiver.address}", insecure=True, timeout=10)
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    tracer = provider.get_tracer("test")
    with tracer.start_as_current_span("orders.v1.Orders/GetOrder", kind=SpanKind.SERVER) as outer:
        with tracer.start_as_current_span("SELECT orders", attributes={"db.system.name": "sqlite", "n": 2}) as inner:
            inner.add_event("row", {"position": 1})
        outer.set_status(StatusCode.ERROR)
    provider.shutdown()
    (trace,) = spans.group(spans.read(path))
    server, statement = trace.spans
    assert trace.id == f"{outer.get_span_context().trace_id:032x}"
    assert (server.name, server.kind, server.service, server.status) == (
        "orders.v1.Orders/GetOrder",
        "SERVER",
        "orders",
        "ERROR",
    )
    assert server.parent_id == ""
    assert statement.parent_id == server.span_id == f"{outer.get_span_context().span_id:016x}"
    assert (statement.kind, statement.status) == ("INTERNAL", "UNSET")
    assert statement.attributes == {"db.system.name": "sqlite", "n": 2}
    assert [(event.name, event.attributes) for event in statement.events] == [("row", {"position": 1})]
    assert 0 < statement.duration_ns <= server.duration_ns


def test_spans_without_usable_ids_are_counted_and_left_out(receiver: Receiver, path: Path) -> None:
    bad = [raw(trace_id=b""), raw(trace_id=b"\0" * 16), raw(span_id=b"\x01" * 7), raw(span_id=b"\x01" * 99)]
    response = send(receiver, *bad, raw(name="good"))
    assert response.partial_success.rejected_spans == 4
    assert "trace id" in response.partial_success.error_message
    assert [span.name for span in spans.read(path)] == ["good"]


def test_garbage_is_refused_and_what_follows_is_taken(receiver: Receiver, path: Path) -> None:
    with pytest.raises(grpc.RpcError):
        send_bytes(receiver, b"\xff\xff\xff garbage")
    send(receiver)
    send(receiver, raw())
    assert len(spans.read(path)) == 1


def test_values_that_json_does_not_have(receiver: Receiver, path: Path) -> None:
    deep = AnyValue(string_value="bottom")
    for _ in range(20):
        deep = AnyValue(kvlist_value=KeyValueList(values=[KeyValue(key="k", value=deep)]))
    given = raw(name="n\n\x00" + "x" * 100_000)
    given.kind = 77  # type: ignore[assignment]  # a kind of tomorrow's
    given.parent_span_id = b"\x02" * 3
    for key, value in {
        "nan": AnyValue(double_value=float("nan")),
        "infinite": AnyValue(double_value=float("-inf")),
        "bytes": AnyValue(bytes_value=b"\x00\xff"),
        "none": AnyValue(),
        "list": AnyValue(array_value=ArrayValue(values=[AnyValue(int_value=-1), AnyValue(bool_value=True)])),
        "long": AnyValue(string_value="y" * 100_000),
        "deep": deep,
    }.items():
        given.attributes.add(key=key, value=value)
    for number in range(500):
        given.attributes.add(key=f"many{number}", value=AnyValue(int_value=number))
        given.events.add(name="again")
    send(receiver, given, service="")
    (found,) = spans.read(path)
    assert (found.service, found.kind, found.parent_id) == ("unknown", "UNSPECIFIED", "")
    assert len(found.name) == 4096
    assert len(found.attributes) == 128
    assert len(found.events) == 32
    assert found.attributes["nan"] == "nan"
    assert found.attributes["infinite"] == "-inf"
    assert found.attributes["bytes"] == "AP8="
    assert found.attributes["none"] is None
    assert found.attributes["list"] == [-1, True]
    assert found.text("long") == "y" * 4096
    assert "…" in str(found.attributes["deep"])
    assert "bottom" not in str(found.attributes["deep"])


def test_the_file_stays_bounded_and_the_newest_spans_are_kept(path: Path) -> None:
    file = SpanFile(path, limit=20_000)
    for number in range(500):
        file.append([Span(f"{number:032x}", "01", "", "n", "SERVER", "cart", 1, 2)])
    assert path.stat().st_size <= 20_000
    assert spans.rotated(path).stat().st_size <= 20_000
    found = [int(span.trace_id, 16) for span in spans.read(path)]
    assert found == list(range(found[0], 500))
    assert len(found) >= 100


def test_half_a_line_of_somebody_killed_spoils_nothing(path: Path) -> None:
    file = SpanFile(path)
    file.append([Span("aa", "01", "", "one", "SERVER", "cart", 1, 2)])
    path.write_bytes(path.read_bytes() + b'{"trace_id": "bb", "na')
    file.append([Span("cc", "01", "", "two", "SERVER", "cart", 1, 2)])
    assert [span.name for span in spans.read(path)] == ["one", "two"]


def test_many_senders_at_once(receiver: Receiver, path: Path) -> None:
    def some(number: int) -> None:
        for count in range(10):
            send(receiver, *(raw(span_id=bytes([number + 1, count + 1, n + 1]) + b"\x01" * 5) for n in range(5)))

    threads = [threading.Thread(target=some, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len({span.span_id for span in spans.read(path)}) == 200
    assert len(path.read_bytes().splitlines()) == 200


def test_a_file_that_cannot_be_written_is_the_senders_to_know(receiver: Receiver, path: Path) -> None:
    path.mkdir()  # in the file's place
    with pytest.raises(grpc.RpcError) as caught:
        send(receiver, raw())
    assert isinstance(caught.value, grpc.Call)
    assert caught.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    path.rmdir()
    send(receiver, raw())
    assert len(spans.read(path)) == 1
