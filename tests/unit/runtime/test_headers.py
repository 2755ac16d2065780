"""Which headers travel: exact multisets, in both modes. The calls themselves are in test_client.py."""

import contextvars
import threading
import uuid
from collections import Counter

import pytest
from runtime.common import headers

TRACE = "0af7651916cd43dd8448eb211c80319c"
SPAN = "b7ad6b7169203331"

PASSED_ON_ALWAYS = (
    ("x-request-id", "r-1"),
    ("x-ot-span-context", "a;b;c"),
    ("x-datadog-trace-id", "1"),
    ("x-datadog-parent-id", "2"),
    ("x-cloud-trace-context", "105445aa7843bc8bf206b120001000/1;o=1"),
)
TRACE_CONTEXT = (
    ("traceparent", f"00-{TRACE}-{SPAN}-01"),
    ("tracestate", "vendor=1"),
    ("tracestate", "other=2"),
    ("baggage", "tenant=a"),
    ("b3", f"{TRACE}-{SPAN}-1"),
    ("x-b3-traceid", TRACE),
    ("x-b3-spanid", SPAN),
    ("x-b3-parentspanid", SPAN),
    ("x-b3-sampled", "1"),
    ("x-b3-flags", "0"),
)
KEPT_HERE = (
    ("authorization", "Bearer secret"),
    ("cookie", "session=secret"),
    ("jwt", "secret"),
    ("user-agent", "grpc-python/1"),
    ("grpc-accept-encoding", "gzip"),
    ("x-tenant-id", "t-1"),
    ("x-tenant-id", "t-2"),
    ("x-token-bin", b"\x00\xff"),
)
EVERYTHING = KEPT_HERE + TRACE_CONTEXT + PASSED_ON_ALWAYS


def test_forward_passes_everything_of_a_trace_on_verbatim() -> None:
    assert Counter(headers.outgoing(EVERYTHING, "forward")) == Counter(TRACE_CONTEXT + PASSED_ON_ALWAYS)


def test_participate_leaves_the_trace_context_to_the_interceptor() -> None:
    assert Counter(headers.outgoing(EVERYTHING, "participate")) == Counter(PASSED_ON_ALWAYS)


@pytest.mark.parametrize("mode", ["forward", "participate"])
def test_named_headers_go_on_with_their_repetitions_and_bytes(mode: headers.Mode) -> None:
    named = ("X-Tenant-Id", "x-token-bin", "authorization")
    more = Counter(headers.outgoing(EVERYTHING, mode, named)) - Counter(headers.outgoing(EVERYTHING, mode))
    assert more == Counter(
        [
            ("authorization", "Bearer secret"),
            ("x-tenant-id", "t-1"),
            ("x-tenant-id", "t-2"),
            ("x-token-bin", b"\x00\xff"),
        ]
    )


@pytest.mark.parametrize("name", ["user-agent", "grpc-accept-encoding", "traceparent", "baggage"])
def test_naming_a_header_of_one_hop_or_of_the_trace_context_changes_nothing(name: str) -> None:
    assert headers.outgoing(EVERYTHING, "participate", [name]) == headers.outgoing(EVERYTHING, "participate")


def test_order_and_repetitions_survive() -> None:
    received = (("x-request-id", "b"), ("tracestate", "z=1"), ("x-request-id", "a"), ("tracestate", "a=1"))
    assert headers.outgoing(received, "forward") == received


def received(*metadata: tuple[str, str | bytes]) -> headers.Metadata:
    return contextvars.Context().run(headers.receive, metadata)


def test_a_call_without_a_request_id_gets_one() -> None:
    (name, value), *others = reversed(received(("k", "v")))
    assert (name, others) == ("x-request-id", [("k", "v")])
    assert str(uuid.UUID(str(value))) == value


def test_a_request_id_that_came_stays_as_it_is() -> None:
    assert received(("x-request-id", "Not a UUID"), ("x-request-id", "2")) == (
        ("x-request-id", "Not a UUID"),
        ("x-request-id", "2"),
    )


def test_receiving_the_same_call_twice_keeps_the_id_that_was_made() -> None:
    def twice() -> None:
        first = headers.receive((("k", "v"),))
        assert headers.receive((("k", "v"),)) == first == headers.incoming.get()
        assert headers.request_id() == first[-1][1]

    contextvars.Context().run(twice)


def test_concurrent_calls_do_not_see_each_other() -> None:
    barrier = threading.Barrier(8, timeout=5)
    seen: dict[int, str] = {}

    def serve(number: int) -> None:
        headers.receive((("x-request-id", str(number)),))
        barrier.wait()
        seen[number] = headers.request_id()

    threads = [threading.Thread(target=contextvars.Context().run, args=(serve, number)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert seen == {number: str(number) for number in range(8)}


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ((("traceparent", f"00-{TRACE}-{SPAN}-01"), ("x-b3-traceid", "1" * 32)), (TRACE, SPAN)),
        ((("traceparent", "nonsense"), ("x-b3-traceid", TRACE.upper()), ("x-b3-spanid", SPAN)), (TRACE, SPAN)),
        ((("x-b3-traceid", SPAN), ("x-b3-spanid", SPAN)), ("0" * 16 + SPAN, SPAN)),
        ((("b3", f"{TRACE}-{SPAN}-1-{SPAN}"),), (TRACE, SPAN)),
        ((("b3", "0"),), ("", "")),
        ((), ("", "")),
    ],
)
def test_trace_ids_of_the_incoming_call(metadata: headers.Metadata, expected: tuple[str, str]) -> None:
    def ids() -> tuple[str, str]:
        headers.receive(metadata)
        return headers.trace_ids()

    assert contextvars.Context().run(ids) == expected
