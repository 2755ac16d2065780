"""The file of spans: what is written is read, what is broken is passed over; traces are found by what people know."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from scaffold.core.diagnostics import ScaffoldError
from scaffold.run import spans
from scaffold.run.spans import Event, Span, Trace

MakeSpan = Callable[..., Span]

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
attributes = st.dictionaries(st.text(), json_values, max_size=4)
moments = st.integers(0, 2**64 - 1)


@given(
    st.builds(
        Span,
        trace_id=st.text(min_size=1),
        span_id=st.text(min_size=1),
        parent_id=st.text(),
        name=st.text(),
        kind=st.text(),
        service=st.text(),
        start_ns=moments,
        end_ns=moments,
        status=st.text(),
        attributes=attributes,
        events=st.lists(st.builds(Event, st.text(), moments, attributes), max_size=2).map(tuple),
    )
)
def test_law_a_line_holds_the_span(span: Span) -> None:
    line = spans.to_line(span)
    assert "\n" not in line
    assert spans.from_line(line) == span


def test_the_format_is_what_other_commands_read(span: MakeSpan) -> None:
    found = json.loads(spans.to_line(span("01", "ff", kind="SERVER", attributes={"a": 1})))
    assert list(found) == (
        "trace_id span_id parent_id name kind service start_ns end_ns status attributes events".split()
    )
    assert found["attributes"] == {"a": 1}


@given(st.text() | st.binary() | json_values.map(json.dumps))
def test_law_no_line_is_too_strange(line: str | bytes) -> None:
    assert spans.from_line(line) is None


@pytest.mark.parametrize("key", ["trace_id", "start_ns", "attributes", "events"])
@pytest.mark.parametrize("value", [None, [], -1, 2**64, True, {"a": 1}, [{"name": 3}, 5]], ids=str)
def test_a_span_with_something_strange_in_it_is_whole_or_not_there(span: MakeSpan, key: str, value: object) -> None:
    good = json.loads(spans.to_line(span("01")))
    found = spans.from_line(json.dumps(good | {key: value}))
    if key == "events" or (key, value) == ("attributes", {"a": 1}):
        assert found is not None
        assert found.events == ()
    else:
        assert found is None


def test_a_torn_last_line_and_the_older_half(tmp_path: Path, span: MakeSpan) -> None:
    path = tmp_path / "spans.jsonl"
    one, two, three = (span(f"0{n}", at=n) for n in range(3))
    spans.rotated(path).write_text(spans.to_line(one) + "\n")
    path.write_text(f"{spans.to_line(two)}\n\n{spans.to_line(three)}"[:-5])
    assert spans.read(path) == [one, two]
    assert spans.read(path, one.trace_id) == [one, two]
    assert spans.read(path, "00") == []
    assert spans.read(tmp_path / "none.jsonl") == []


def test_traces_are_grouped_and_ordered_by_their_ends(span: MakeSpan) -> None:
    early = span("01", trace_id="aaaa", at=5, ms=1)
    late = span("02", trace_id="bbbb", at=0, ms=10)
    again = span("03", "01", trace_id="aaaa", at=4, ms=1)
    traces = spans.group([late, early, again, early])
    assert [trace.id for trace in traces] == ["aaaa", "bbbb"]
    assert traces[0].spans == (again, early)  # by start; sent twice, there once


def test_the_last_complete_trace(span: MakeSpan) -> None:
    done = [span("01", "ff", kind="SERVER", trace_id="aaaa", ms=1)]
    torn = [span(f"0{n}", f"f{n}", trace_id="bbbb", at=5, ms=1) for n in range(2)]
    health = [span("01", name="grpc.health.v1.Health/Check", trace_id="cccc", at=9, ms=1)]
    found = spans.last(spans.group(done + torn + health))
    assert found is not None and found.id == "aaaa"
    found = spans.last(spans.group(torn + health))
    assert found is not None and found.id == "bbbb"  # better than nothing
    assert spans.last(spans.group(health)) is None


def test_a_trace_with_a_circle_is_never_complete(span: MakeSpan) -> None:
    assert not Trace("t", (span("01", "02"), span("02", "01"))).complete


@pytest.mark.parametrize("wanted", ["6f0c1e", "6F0C1E", " 6f0c1e9ab2 ", "6f0c1e9ab2"])
def test_a_trace_is_found_by_its_beginning(span: MakeSpan, wanted: str) -> None:
    traces = spans.group([span("01", trace_id=name) for name in ("6f0c1e9ab2", "6f0c1f0000", "77")])
    assert spans.find(traces, wanted).id == "6f0c1e9ab2"


@pytest.mark.parametrize(
    ("wanted", "slug"),
    [("6f0c", "ambiguous-trace"), ("abcd", "unknown-trace"), ("", "unknown-trace"), ("7", "unknown-trace")],
)
def test_a_trace_that_is_not_found(span: MakeSpan, wanted: str, slug: str) -> None:
    traces = spans.group([span("01", trace_id=name) for name in ("6f0c1e9ab2", "6f0c1f0000", "77")])
    with pytest.raises(ScaffoldError) as caught:
        spans.find(traces, wanted)
    assert caught.value.diagnostics[0].slug == slug
    assert "6f0c1e" in caught.value.diagnostics[0].remedy


def test_waiting_for_the_parts_of_a_trace(tmp_path: Path, span: MakeSpan) -> None:
    path = tmp_path / "spans.jsonl"
    rpc = {"rpc.system": "grpc"}
    parts = [
        span("02", "01", kind="CLIENT", trace_id="aaaa", attributes=rpc),
        span("01", "ff", kind="SERVER", trace_id="aaaa"),
        span("04", "03", trace_id="aaaa", service="orders"),
        span("03", "02", kind="SERVER", trace_id="aaaa", service="orders"),
    ]

    def arrive() -> None:
        for part in parts:
            time.sleep(0.15)
            with path.open("a") as file:
                file.write(spans.to_line(part) + "\n")

    thread = threading.Thread(target=arrive)
    thread.start()
    found = spans.wait_for(path, "aaaa", "ff", timeout=10)
    thread.join()
    assert found is not None
    assert len(found.spans) == 4


def test_waiting_has_an_end(tmp_path: Path, span: MakeSpan) -> None:
    path = tmp_path / "spans.jsonl"
    assert spans.wait_for(path, "aaaa", timeout=0.1) is None
    path.write_text(spans.to_line(span("02", "01", trace_id="aaaa")) + "\n")
    found = spans.wait_for(path, "aaaa", timeout=0.1)
    assert found is not None and len(found.spans) == 1


def test_a_service_that_is_not_traced_does_not_hold_up_the_wait(tmp_path: Path, span: MakeSpan) -> None:
    path = tmp_path / "spans.jsonl"
    call = span("02", "01", kind="CLIENT", trace_id="aaaa", attributes={"rpc.system": "grpc"})
    path.write_text(f"{spans.to_line(span('01', trace_id='aaaa'))}\n{spans.to_line(call)}\n")
    begun = time.monotonic()
    assert spans.wait_for(path, "aaaa", timeout=30) is not None
    assert time.monotonic() - begun < 10
