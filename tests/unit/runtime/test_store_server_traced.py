"""A store with tracing on: one SERVER span a call, the statements below it, and failures as they were answered."""

from collections.abc import Iterator

import grpc
import pytest
from google.protobuf.message import Message
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode
from runtime.common import errors, tracing
from runtime.common.call import Call
from runtime.store import Component, Repository, Settings

from .library import PATIENCE, SERVICE, Book, component, service, serving

TRACE, CALLER = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
DATA = Book(name="books/1", title="one").SerializeToString()


@pytest.fixture
def exporter() -> InMemorySpanExporter:
    return InMemorySpanExporter()


@pytest.fixture
def traced(exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch) -> Iterator[tracing.Tracing]:
    for name in ("OTEL_PROPAGATORS", "OTEL_SDK_DISABLED", "OTEL_TRACES_EXPORTER"):
        monkeypatch.delenv(name, raising=False)
    made = tracing.setup("library", "0" * 64, True, span_exporter=exporter)
    yield made
    made.shutdown()


def library() -> Component:
    def build(settings: Settings) -> Repository[Message]:
        return Repository(settings.database(), Book, table="books")

    def get_book(request: Message, context: Call[Repository[Message]]) -> Message:
        found = context.app.get("books/1")
        if found is None:
            raise errors.NotFound("books/1")
        return found

    def list_books(request: Message, context: Call[Repository[Message]]) -> Iterator[Message]:
        yield from context.app.list().items
        raise RuntimeError("secret")

    def save_books(requests: Iterator[Message], context: Call[Repository[Message]]) -> Message:
        for request in requests:
            context.app.put("books/1", request)
        return Book()

    handlers = {"get_book": get_book, "list_books": list_books, "save_books": save_books}
    return component(service(**handlers), build=build)


def spans(exporter: InMemorySpanExporter, tracing_: tracing.Tracing) -> list[ReadableSpan]:
    tracing_.flush()
    found = list(exporter.get_finished_spans())
    exporter.clear()
    return sorted(found, key=lambda span: span.start_time or 0)


def ids(span: ReadableSpan) -> tuple[str, str, str]:
    """Trace, span and parent, in hex."""
    context, parent = span.get_span_context(), span.parent
    assert context is not None
    return f"{context.trace_id:032x}", f"{context.span_id:016x}", f"{parent.span_id:016x}" if parent else ""


def test_calls_and_statements_are_one_trace(traced: tracing.Tracing, exporter: InMemorySpanExporter) -> None:
    metadata = (("traceparent", f"00-{TRACE}-{CALLER}-01"),)
    with serving(library(), traced, database_url="sqlite://") as (_, channel):
        get = channel.unary_unary(f"/{SERVICE}/GetBook")
        with pytest.raises(grpc.RpcError):
            get(DATA, timeout=PATIENCE, metadata=metadata)
        save = channel.stream_unary(f"/{SERVICE}/SaveBooks")
        save(iter([DATA, DATA]), timeout=PATIENCE, metadata=metadata)
        assert get(DATA, timeout=PATIENCE, metadata=metadata) == DATA
        found = spans(exporter, traced)
    tree = [(span.name, span.kind, ids(span)[2]) for span in found]
    missing, saved, got = (ids(span)[1] for span in found if span.kind is SpanKind.SERVER)
    assert tree == [
        (f"{SERVICE}/GetBook", SpanKind.SERVER, CALLER),
        ("SELECT books", SpanKind.CLIENT, missing),
        (f"{SERVICE}/SaveBooks", SpanKind.SERVER, CALLER),
        ("INSERT books", SpanKind.CLIENT, saved),
        ("INSERT books", SpanKind.CLIENT, saved),
        (f"{SERVICE}/GetBook", SpanKind.SERVER, CALLER),
        ("SELECT books", SpanKind.CLIENT, got),
    ]
    assert {ids(span)[0] for span in found} == {TRACE}
    # NOT_FOUND is an answer: no failure of the server's.
    assert all(span.status.status_code is not StatusCode.ERROR for span in found)
    assert all(not span.events for span in found)
    assert found[1].attributes is not None
    assert found[1].attributes["db.system.name"] == "sqlite"


def test_an_unexpected_exception_fails_the_span_and_is_recorded_once(
    traced: tracing.Tracing, exporter: InMemorySpanExporter
) -> None:
    with serving(library(), traced, database_url="sqlite://") as (_, channel):
        with pytest.raises(grpc.RpcError) as caught:
            list(channel.unary_stream(f"/{SERVICE}/ListBooks")(DATA, timeout=PATIENCE))
        assert caught.value.code() is grpc.StatusCode.INTERNAL
        (server,) = [span for span in spans(exporter, traced) if span.kind is SpanKind.SERVER]
    assert server.status.status_code is StatusCode.ERROR
    assert [event.name for event in server.events] == ["exception"]
