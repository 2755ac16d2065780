"""Logs: one line a record, joined to traces."""

import contextvars
import json
import logging
import re
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from runtime.common import headers, log
from runtime.common import tracing as tracing_setup

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"


@pytest.fixture(autouse=True)
def handlers_as_they_were() -> Iterator[None]:
    root = logging.getLogger()
    before, level = list(root.handlers), root.level
    yield
    root.handlers[:] = before
    root.setLevel(level)


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().err.splitlines()]


def within_a_call(*metadata: tuple[str, str]) -> Any:
    """Run something as a handler is run."""

    def run(do: Any) -> None:
        headers.receive(metadata)
        do()

    return lambda do: contextvars.Context().run(run, do)


def test_a_record_is_one_line_of_json(capsys: pytest.CaptureFixture[str]) -> None:
    log.setup("cart", False, "info")
    logging.getLogger("shop").info("two\nlines: %s", "ä")
    logging.getLogger("shop").debug("not shown")
    (line,) = lines(capsys)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line.pop("time"))
    assert line == {"level": "INFO", "logger": "shop", "message": "two\nlines: ä", "service": "cart"}


def test_ids_of_the_incoming_call_without_tracing(capsys: pytest.CaptureFixture[str]) -> None:
    log.setup("cart", False, "INFO")
    call = within_a_call(("traceparent", f"00-{TRACE}-{SPAN}-01"), ("x-request-id", "r-1"))
    call(lambda: logging.warning("x"))
    (line,) = lines(capsys)
    assert (line["trace_id"], line["span_id"], line["x-request-id"]) == (TRACE, SPAN, "r-1")


def test_ids_of_the_current_span_with_tracing(capsys: pytest.CaptureFixture[str]) -> None:
    log.setup("cart", False, "INFO")
    tracing = tracing_setup.setup("cart", "", True, span_exporter=InMemorySpanExporter())
    with tracing.span("x", {}):
        logging.warning("x")
        ids = tracing.trace_id(), tracing.span_id()
    (line,) = lines(capsys)
    assert (line["trace_id"], line["span_id"]) == ids
    assert len(ids[0]) == 32


def test_an_exception_and_what_a_record_has_of_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    log.setup("cart", False, "INFO")
    try:
        raise ValueError("why")
    except ValueError:
        logging.exception("it failed", extra={"order": "orders/1", "odd": {1}, "service": "not this"})
    (line,) = lines(capsys)
    assert line["exception"].startswith("Traceback")
    assert line["exception"].endswith("ValueError: why")
    assert (line["order"], line["odd"], line["service"]) == ("orders/1", "{1}", "cart")


def test_in_development_a_line_is_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    log.setup("cart", True, "DEBUG")
    call = within_a_call(("x-b3-traceid", TRACE), ("x-b3-spanid", SPAN), ("x-request-id", "0123456789"))
    call(lambda: logging.getLogger("shop").debug("hello"))
    assert re.fullmatch(
        rf"\d\d:\d\d:\d\d\.\d{{3}} DEBUG   shop: hello  trace={TRACE[:8]} request=01234567\n".replace(" r", "  r"),
        capsys.readouterr().err,
    )


def test_setting_up_again_replaces_and_leaves_others_alone(capsys: pytest.CaptureFixture[str]) -> None:
    other = logging.NullHandler()
    logging.getLogger().addHandler(other)
    log.setup("cart", False, "INFO")
    log.setup("orders", False, "INFO")
    logging.warning("once")
    assert [line["service"] for line in lines(capsys)] == ["orders"]
    assert other in logging.getLogger().handlers


def test_addresses_of_http_requests_are_not_logged(capsys: pytest.CaptureFixture[str]) -> None:
    log.setup("cart", False, "DEBUG")
    logging.getLogger("httpx").info("HTTP Request: POST https://pay.test/?key=secret")
    assert capsys.readouterr().err == ""


def test_a_level_that_is_none() -> None:
    with pytest.raises(ValueError, match="LOUD"):
        log.setup("cart", False, "loud")
