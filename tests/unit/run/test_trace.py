"""A trace as a tree: what it looks like, and what holds for any set of spans whatever."""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from scaffold.run.spans import JSON, Span, Trace
from scaffold.run.trace import render, rows, summary

MakeSpan = Callable[..., Span]
TRACE_ID = "6f0c1e9ab2d84c7f9a53e1b07d42c8e6"


def test_the_whole_picture(order: Trace) -> None:
    assert render(order, width=80) == "\n".join(
        (
            "trace 6f0c1e9ab2d84c7f9a53e1b07d42c8e6   7 spans, 2 services, 1 vendor",
            "                                   at      ms",
            "checkout  PlaceOrder              0.0    44.6  ██████████████████████  OK",
            "├─ orders    GetOrder             0.9     2.2  ██                      NOT_FOUND",
            "│  └─ sql       SELECT orders     1.8     0.4  █",
            "├─ payments  POST /v1/charges    12.1    25.1       █████████████      200",
            "└─ orders    Put                 38.0     3.2                    ██    OK",
        )
    )


def test_a_client_and_its_server_are_one_row_in_the_clients_view(order: Trace) -> None:
    get = rows(order)[1]
    assert (get.span.span_id, get.server and get.server.span_id) == ("02", "03")
    assert (get.who, get.what, get.status) == ("orders", "GetOrder", "NOT_FOUND")
    assert get.span.duration_ns == 2_200_000
    assert get.failed  # to its caller; the server says that it is fine


@pytest.mark.parametrize(
    ("attributes", "shown"),
    [
        ({"rpc.grpc.status_code": 5}, "NOT_FOUND"),
        ({"rpc.grpc.status_code": "9"}, "FAILED_PRECONDITION"),
        ({"rpc.status_code": "ABORTED"}, "ABORTED"),
        ({"rpc.response.status_code": "OK", "rpc.grpc.status_code": 5}, "OK"),
        ({"rpc.grpc.status_code": 99}, "status 99"),
        ({"rpc.grpc.status_code": 10**30}, f"status {10**30}"),
        ({"http.status_code": 503}, "503"),
        ({"error.type": "ConnectTimeout"}, "ConnectTimeout"),
        ({}, "ERROR"),
    ],
)
def test_status(span: MakeSpan, attributes: dict[str, JSON], shown: str) -> None:
    (row,) = rows(Trace(TRACE_ID, (span("01", kind="SERVER", status="ERROR", attributes=attributes),)))
    assert row.status == shown


def test_a_call_that_nobody_reports_is_named_after_whom_it_calls(span: MakeSpan) -> None:
    rpc: dict[str, JSON] = {"rpc.system": "grpc", "rpc.service": "acme.StockService", "server.address": "10.0.0.1"}
    called = span("02", "01", name="acme.StockService/Get", kind="CLIENT", service="checkout", attributes=rpc)
    named = span("03", "01", kind="CLIENT", service="checkout", at=1, attributes={**rpc, "peer.service": "stock"})
    found = rows(Trace(TRACE_ID, (span("01", kind="SERVER", service="checkout", ms=9), called, named)))
    assert [(row.who, row.what) for row in found[1:]] == [("StockService", "Get"), ("stock", "GetCart")]


def test_a_retry_keeps_both_answers(span: MakeSpan) -> None:
    client = span("01", kind="CLIENT", ms=9)
    first, second = (span(i, "01", kind="SERVER", service="orders", at=float(i)) for i in ("02", "03"))
    found = rows(Trace(TRACE_ID, (client, first, second)))
    assert [(row.span.span_id, row.server and row.server.span_id) for row in found] == [("01", "02"), ("03", None)]


def test_a_statement_is_never_taken_for_a_call(span: MakeSpan) -> None:
    statement = span("01", kind="CLIENT", attributes={"db.system": "postgresql"})
    found = rows(Trace(TRACE_ID, (statement, span("02", "01", kind="SERVER"))))
    assert [row.who for row in found] == ["sql", "cart"]


def test_siblings_stand_in_the_order_of_their_starts(span: MakeSpan) -> None:
    spans = (*(span(f"{n:02}", "99", name=f"n{n}", at=10 - n) for n in range(5)), span("99", at=0, ms=20))
    assert [row.what for row in rows(Trace(TRACE_ID, spans))][1:] == ["n4", "n3", "n2", "n1", "n0"]


def test_a_lost_parent_is_said(span: MakeSpan, order: Trace) -> None:
    lost = span("08", "0a", name="SELECT orders", attributes={"db.system.name": "sqlite"}, at=39, ms=1)
    text = render(Trace(TRACE_ID, (*order.spans, lost)))
    assert re.search(r"^sql +SELECT orders .*\(parent missing\)$", text, re.MULTILINE)
    assert text.endswith("\n1 span has a parent that is not in this trace: lost, or still on the way.")
    assert "missing" not in render(order)  # its caller, outside of the workspace, is not expected to report


def test_calls_of_one_outside_caller_miss_nothing(span: MakeSpan) -> None:
    calls = tuple(span(f"0{n}", "ff", kind="SERVER", at=n) for n in range(1, 4))
    assert "missing" not in render(Trace(TRACE_ID, calls))


def test_a_circle_is_cut(span: MakeSpan) -> None:
    spans = (span("01", "03"), span("02", "01", at=1), span("03", "02", at=2), span("04", "04", at=3))
    table = rows(Trace(TRACE_ID, spans))
    assert [(row.span.span_id, len(row.stems)) for row in table] == [("01", 0), ("02", 1), ("03", 2), ("04", 0)]
    assert "circle" in render(Trace(TRACE_ID, spans))


def test_names_cannot_command_the_terminal(span: MakeSpan) -> None:
    hostile = span("01", name="a\x1b[2Jb\nc\u202ed", service="\x07svc", attributes={"error.type": "\r"}, status="ERROR")
    text = render(Trace("\x1b]0;", (hostile,)))
    assert text.replace("\n", "").isprintable()
    assert len(text.splitlines()) == 3
    assert "a\\x1b[2Jb\\nc\\u202ed" in text


def test_a_chain_deeper_than_the_stack(span: MakeSpan) -> None:
    spans = tuple(span(f"{n:x}", f"{n - 1:x}" if n else "", ms=1) for n in range(3000))
    text = render(Trace(TRACE_ID, spans))
    assert len(text.splitlines()) == 3002
    assert all(len(line) <= 100 for line in text.splitlines())


def test_colour_changes_nothing_but_colour(order: Trace) -> None:
    coloured = render(order, colour=True)
    assert "\x1b[33m" in coloured  # the vendor's bar
    assert [line.rstrip() for line in re.sub(r"\x1b\[\d+m", "", coloured).splitlines()] == render(order).splitlines()


def test_an_empty_trace() -> None:
    assert render(Trace("00", ())) == "trace 00   0 spans, 0 services"
    assert summary(Trace("00", ())).waiting.share == 0


def test_the_summary_says_who_was_waited_for(order: Trace) -> None:
    found = summary(order)
    assert (found.milliseconds, found.spans, found.services) == (44.6, 7, ("checkout", "orders"))
    assert [(vendor.name, vendor.calls, vendor.milliseconds) for vendor in found.vendors] == [("payments", 1, 25.1)]
    assert f"{found.waiting.share:.0%}" == "56%"
    assert found.databases.calls == 1


def test_vendors_called_side_by_side_count_once(span: MakeSpan) -> None:
    http: dict[str, JSON] = {"http.request.method": "GET"}
    calls = (
        span("02", "01", kind="CLIENT", at=0, ms=6, attributes={**http, "peer.service": "pay"}),
        span("03", "01", kind="CLIENT", at=2, ms=6, attributes={**http, "peer.service": "pay"}),
        span("04", "01", kind="CLIENT", at=3, ms=2, attributes={**http, "peer.service": "mail"}),
        span("05", "01", kind="CLIENT", at=9, ms=50, attributes={**http, "peer.service": "mail"}),  # outlives the root
    )
    found = summary(Trace(TRACE_ID, (span("01", kind="SERVER", ms=10), *calls)))
    assert [(vendor.name, round(vendor.share, 6)) for vendor in found.vendors] == [("pay", 0.8), ("mail", 0.3)]
    assert round(found.waiting.share, 6) == 0.9
    assert found.waiting.calls == 4


ids = st.sampled_from(["", *(f"{n:02x}" for n in range(8))])
times = st.integers(0, 50) | st.integers(0, 2**64 - 1)
attributes = st.dictionaries(
    st.sampled_from(
        "rpc.system rpc.service rpc.grpc.status_code http.request.method http.status_code peer.service "
        "db.system.name error.type server.address".split()
    ),
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | st.lists(st.integers(), max_size=2),
)
any_span = st.builds(
    Span,
    trace_id=st.just("t"),
    span_id=ids.filter(bool),
    parent_id=ids,
    name=st.text(max_size=60),
    kind=st.sampled_from(["SERVER", "CLIENT", "INTERNAL", "PRODUCER", "CONSUMER", ""]),
    service=st.text(max_size=60),
    start_ns=times,
    end_ns=times,
    status=st.sampled_from(["OK", "ERROR", "UNSET", "?"]),
    attributes=attributes,
)
any_trace = st.builds(Trace, id=st.text(max_size=40), spans=st.lists(any_span, max_size=20).map(tuple))


@given(any_trace)
def test_law_every_span_is_in_exactly_one_row(trace: Trace) -> None:
    table = rows(trace)
    shown = Counter(id(part) for row in table for part in (row.span, row.server) if part is not None)
    assert sorted(shown.values()) == [1] * len(trace.spans)
    assert set(shown) == {id(part) for part in trace.spans}


@given(any_trace, st.integers(-5, 200), st.booleans())
def test_law_the_picture_fits(trace: Trace, width: int, colour: bool) -> None:
    lines = re.sub(r"\x1b\[\d+m", "", render(trace, width, colour)).split("\n")
    count = len(rows(trace))
    table = lines[1 : count + 2] if count else []
    assert all(line.isprintable() for line in lines)
    assert all(len(line.rstrip()) <= max(width, 60) for line in table)
    assert sum("█" in line for line in table) >= count


@given(any_trace)
def test_law_nobody_takes_more_than_all_the_time(trace: Trace) -> None:
    found = summary(trace)
    for share in (*found.vendors, found.waiting, found.databases):
        assert 0 <= share.share <= 1
        assert 0 <= share.milliseconds <= found.milliseconds


@settings(max_examples=50)
@given(st.lists(any_span, max_size=8, unique_by=(lambda span: span.span_id, lambda span: span.start_ns)), st.randoms())
def test_law_the_order_of_arrival_does_not_matter(spans: list[Span], chance: random.Random) -> None:
    shuffled = chance.sample(spans, len(spans))
    one, other = (Trace("t", tuple(some)) for some in (spans, shuffled))
    assert render(one).split("\n")[1:] == render(other).split("\n")[1:]
