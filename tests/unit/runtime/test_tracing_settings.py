"""What turns tracing on and off, how it is told what to do, and what it tells the collector about this process."""

import os
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from opentelemetry.proto.trace.v1.trace_pb2 import ResourceSpans
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from runtime.common import tracing as module
from runtime.common.tracing import Tracing, TracingError

from .wire import PATIENCE, eventually

TEMPLATES = Path(module.__file__).parents[2]


@pytest.fixture(autouse=True)
def no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("OTEL_")]:
        monkeypatch.delenv(name)


def run(program: str, **environ: str) -> str:
    """Run a program in an interpreter of its own, and return what it printed."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    result = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(program)],
        env={**clean, "PYTHONPATH": str(TEMPLATES), **environ},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    return result.stdout + result.stderr


IMPORTED = """
    import sys
    from runtime.common import log, tracing
    made = tracing.setup("echo", "digest", True)
    log.setup("echo", False, "INFO")
    import logging; logging.warning("a line")
    with made.span("x", {}) as span:
        span.set_attribute("a", 1)
    print(made.enabled, made.mode, made.server_interceptors(), made.trace_id() == "")
    print("imported", [name for name in sys.modules if name.startswith("opentelemetry")])
"""


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
        {"OTEL_SDK_DISABLED": "true", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"},
        {"OTEL_PROPAGATORS": "nonsense"},
    ],
)
def test_without_an_exporter_nothing_of_opentelemetry_is_imported(environ: dict[str, str]) -> None:
    output = run(IMPORTED, **environ)
    assert "False forward () True" in output
    assert "imported []" in output


def test_a_disabled_sdk_is_disabled_even_for_a_given_exporter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTEL_SDK_DISABLED", "TRUE")
    assert not module.setup("echo", "", True, span_exporter=InMemorySpanExporter()).enabled


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, r"OTEL_TRACES_EXPORTER=zipkin .* otlp, console"),
        ({"OTEL_TRACES_EXPORTER": "otlp,console"}, r"OTEL_TRACES_EXPORTER=otlp,console"),
        (
            {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf"},
            r"OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf .* gRPC port",
        ),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/json"},
            r"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        ),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_PROPAGATORS": "tracecontext,b3mutli"}, r"'b3mutli'.* b3multi"),
        ({"OTEL_TRACES_EXPORTER": "console", "OTEL_TRACES_SAMPLER_ARG": "half"}, r"OTEL_TRACES_SAMPLER_ARG=half"),
        ({"OTEL_TRACES_EXPORTER": "console", "OTEL_TRACES_SAMPLER_ARG": "7"}, r"OTEL_TRACES_SAMPLER_ARG=7"),
    ],
)
def test_what_cannot_be_used_is_refused_by_name(
    environ: dict[str, str], expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(TracingError, match=f"(?s){expected}"):
        module.setup("echo", "", False)


def test_a_misspelled_propagator_is_refused_before_opentelemetry_is_imported() -> None:
    output = run(
        """
        import sys
        from runtime.common import tracing
        try:
            tracing.setup("echo", "", True)
        except tracing.TracingError as error:
            print(error, any(name.startswith("opentelemetry") for name in sys.modules))
        """,
        OTEL_TRACES_EXPORTER="otlp",
        OTEL_PROPAGATORS="jeager",
    )
    assert "OTEL_PROPAGATORS names 'jeager'" in output
    assert output.strip().endswith("False")


def test_a_missing_package_is_named() -> None:
    output = run(
        """
        import sys
        sys.modules["opentelemetry.instrumentation.grpc"] = None
        from runtime.common import tracing
        try:
            tracing.setup("echo", "", True)
        except tracing.TracingError as error:
            print(error)
        """,
        OTEL_TRACES_EXPORTER="otlp",
    )
    assert "opentelemetry.instrumentation.grpc" in output
    assert "OTEL_SDK_DISABLED=true" in output


# --- the exporter -----------------------------------------------------------------------------------------------------


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """The receiving end of OTLP, on loopback."""

    def __init__(self) -> None:
        self.received: list[ResourceSpans] = []

    def Export(self, request: Any, context: grpc.ServicerContext) -> Any:  # noqa: N802
        self.received.extend(request.resource_spans)
        return trace_service_pb2.ExportTraceServiceResponse()

    def names(self) -> list[str]:
        return [span.name for spans in self.received for scope in spans.scope_spans for span in scope.spans]


@contextmanager
def collecting() -> Iterator[tuple[Collector, str]]:
    """A collector that runs, and its endpoint."""
    servicer = Collector()
    with ThreadPoolExecutor(2) as pool:
        server = grpc.server(pool)
        trace_service_pb2_grpc.add_TraceServiceServicer_to_server(servicer, server)  # type: ignore[no-untyped-call]
        port = server.add_insecure_port("127.0.0.1:0")
        server.start()
        try:
            yield servicer, f"http://127.0.0.1:{port}"
        finally:
            server.stop(0).wait(PATIENCE)


@pytest.fixture
def collector() -> Iterator[tuple[Collector, str]]:
    with collecting() as running:
        yield running


EXPORT = """
    import time
    from runtime.common import tracing
    made = tracing.setup("echo", "d1ge57", {dev})
    from opentelemetry import trace
    with made.span("mine", {{}}):
        with trace.get_tracer("users").start_as_current_span("the user's own"):
            pass
    {then}
"""


def test_spans_are_exported_and_the_exporter_is_not_traced(collector: tuple[Collector, str]) -> None:
    servicer, endpoint = collector
    run(EXPORT.format(dev=False, then="made.shutdown()"), OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    assert sorted(servicer.names()) == ["mine", "the user's own"]
    (spans,) = servicer.received
    resource = {item.key: item.value.string_value for item in spans.resource.attributes}
    assert resource["service.name"] == "echo"
    assert resource["service.version"] == "d1ge57"
    assert resource["api.digest"] == "d1ge57"
    assert resource["deployment.environment.name"] == "production"
    assert len(resource["service.instance.id"]) == 36


def test_development_exports_at_once(collector: tuple[Collector, str]) -> None:
    servicer, endpoint = collector
    run(EXPORT.format(dev=True, then="time.sleep(1.5)"), OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    assert sorted(servicer.names()) == ["mine", "the user's own"]


def test_the_standard_variables_win(collector: tuple[Collector, str]) -> None:
    servicer, endpoint = collector
    run(
        EXPORT.format(dev=True, then="made.shutdown()"),
        OTEL_EXPORTER_OTLP_TRACES_ENDPOINT=endpoint,
        OTEL_SERVICE_NAME="renamed",
        OTEL_RESOURCE_ATTRIBUTES="service.version=7,deployment.environment.name=staging,team=a",
    )
    resource = {item.key: item.value.string_value for item in servicer.received[0].resource.attributes}
    assert resource["service.name"] == "renamed"
    assert resource["service.version"] == "7"
    assert resource["deployment.environment.name"] == "staging"
    assert resource["team"] == "a"


@pytest.mark.parametrize(
    ("environ", "dev", "expected"),
    [
        ({"OTEL_TRACES_SAMPLER_ARG": "0"}, False, 0),
        ({"OTEL_TRACES_SAMPLER_ARG": "0"}, True, 1),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, True, 0),
        ({}, False, 1),
    ],
)
def test_sampling(environ: dict[str, str], dev: bool, expected: int, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    exporter = InMemorySpanExporter()
    with module.setup("echo", "", dev, span_exporter=exporter).span("x", {}):
        pass
    assert len(exporter.get_finished_spans()) == expected


def test_a_collector_that_does_not_answer_does_not_hold_up_the_end() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        started = time.monotonic()
        run(EXPORT.format(dev=False, then="made.shutdown()"), OTEL_EXPORTER_OTLP_ENDPOINT=endpoint)
    assert time.monotonic() - started < 9  # the exporter itself would take ten seconds


def test_several_services_in_one_process_keep_their_spans_apart() -> None:
    exporters = [InMemorySpanExporter() for _ in range(2)]
    one, two = (module.setup(name, "", True, span_exporter=ex) for name, ex in zip("ab", exporters, strict=True))
    with one.span("first", {}), two.span("second", {}):
        pass
    assert [[span.name for span in ex.get_finished_spans()] for ex in exporters] == [["first"], ["second"]]
    assert [ex.get_finished_spans()[0].resource.attributes["service.name"] for ex in exporters] == ["a", "b"]


# --- an operator's own instrumentation --------------------------------------------------------------------------------


def test_where_grpc_is_instrumented_already_ours_stands_aside() -> None:
    output = run(
        """
        import logging
        logging.basicConfig(format="%(levelname)s %(message)s")
        from opentelemetry import trace
        from opentelemetry.instrumentation.grpc import GrpcAioInstrumentorServer, GrpcInstrumentorServer
        from opentelemetry.sdk.trace import TracerProvider
        trace.set_tracer_provider(TracerProvider())
        GrpcAioInstrumentorServer().instrument()
        from runtime.common import tracing
        made = tracing.setup("echo", "", False)
        print("interceptors", made.server_interceptors() + made.aio_client_interceptors("stock"), made.mode)
        with made.span("SELECT", {}):
            print("ids", len(made.trace_id()), len(made.span_id()))
        """,
    )
    assert output.count("WARNING") == 1
    assert "gRPC is instrumented already" in output
    assert "interceptors () participate" in output
    assert "ids 32 16" in output


def test_an_import_alone_is_no_instrumentation() -> None:
    output = run(
        """
        import opentelemetry.instrumentation.grpc
        from runtime.common import tracing
        print(tracing.setup("echo", "", False).enabled)
        """,
    )
    assert output.strip() == "False"


# --- spans that are not RPCs ------------------------------------------------------------------------------------------


def test_a_span_that_fails() -> None:
    exporter = InMemorySpanExporter()
    made = module.setup("echo", "", True, span_exporter=exporter)
    with pytest.raises(KeyError), made.span("SELECT products", {"db.operation.name": "SELECT"}) as span:
        span.set_attribute("db.response.returned_rows", 0)
        raise KeyError("a secret")
    (finished,) = exporter.get_finished_spans()
    assert dict(finished.attributes or {}) == {
        "db.operation.name": "SELECT",
        "db.response.returned_rows": 0,
        "error.type": "KeyError",
    }
    assert not finished.status.is_ok
    assert finished.events == ()


def test_an_exception_is_recorded_on_the_current_span() -> None:
    exporter = InMemorySpanExporter()
    made = module.setup("echo", "", True, span_exporter=exporter)
    with made.span("x", {}):
        made.record_exception(ValueError("why"))
    (finished,) = exporter.get_finished_spans()
    assert [event.name for event in finished.events] == ["exception"]


def test_tracing_that_is_off_does_nothing() -> None:
    off = Tracing()
    with off.span("x", {"a": 1}) as span:
        span.set_attribute("b", 2)
        span.fail("nothing")
    off.record_exception(ValueError())
    off.flush()
    off.shutdown()
    assert (off.http_headers(), off.trace_id(), off.span_id(), off.client_interceptors("x")) == ({}, "", "", ())


@pytest.mark.parametrize(
    ("opt_in", "present", "absent"),
    [
        ("", {"rpc.system", "rpc.service", "rpc.grpc.status_code"}, {"rpc.system.name"}),
        ("http,rpc", {"rpc.system.name"}, {"rpc.system", "rpc.service", "rpc.grpc.status_code"}),
        ("rpc/dup", {"rpc.system.name", "rpc.system", "rpc.service", "rpc.grpc.status_code"}, set()),
    ],
)
def test_names_of_attributes_follow_the_standard_variable(
    opt_in: str, present: set[str], absent: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_SEMCONV_STABILITY_OPT_IN", opt_in)
    exporter = InMemorySpanExporter()
    made = module.setup("echo", "", True, span_exporter=exporter)
    with grpc.insecure_channel("127.0.0.1:1") as plain:
        channel = grpc.intercept_channel(plain, *made.client_interceptors("stock"))
        unary: Any = channel.unary_unary("/pkg.Service/Method")
        with pytest.raises(grpc.RpcError):
            unary(b"", timeout=PATIENCE)
    assert eventually(lambda: len(exporter.get_finished_spans()) == 1)
    found = dict(exporter.get_finished_spans()[0].attributes or {})
    assert present <= set(found)
    assert not absent & set(found)
    assert found["rpc.response.status_code"] == "UNAVAILABLE"
    assert found["rpc.method"] == ("Method" if opt_in == "" else "pkg.Service/Method")
