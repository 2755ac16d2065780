"""Spans to make traces of: the shop's order, as its services would report it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import pytest

from scaffold.run.spans import JSON, Span, Trace

MILLISECOND = 1_000_000
EPOCH = 1_700_000_000_000 * MILLISECOND
TRACE_ID = "6f0c1e9ab2d84c7f9a53e1b07d42c8e6"

MakeSpan = Callable[..., Span]


@pytest.fixture
def span() -> MakeSpan:
    """A factory of spans: times in milliseconds after the epoch of these tests."""

    def make(
        span_id: str,
        parent_id: str = "",
        *,
        name: str = "shop.cart.v1.CartService/GetCart",
        kind: str = "INTERNAL",
        service: str = "cart",
        at: float = 0.0,
        ms: float = 1.0,
        status: str = "UNSET",
        trace_id: str = TRACE_ID,
        attributes: Mapping[str, JSON] | None = None,
    ) -> Span:
        start = EPOCH + round(at * MILLISECOND)
        end = start + round(ms * MILLISECOND)
        return Span(trace_id, span_id, parent_id, name, kind, service, start, end, status, attributes or {})

    return make


@pytest.fixture
def order(span: MakeSpan) -> Trace:
    """PlaceOrder: a read that misses, a write, a vendor's call in between."""
    rpc: dict[str, JSON] = {"rpc.system": "grpc", "rpc.service": "shop.orders.v1.OrdersService"}
    ok: dict[str, JSON] = {**rpc, "rpc.response.status_code": "OK", "rpc.grpc.status_code": 0}
    missing: dict[str, JSON] = {**rpc, "rpc.response.status_code": "NOT_FOUND"}
    sql: dict[str, JSON] = {"db.system.name": "sqlite"}
    http: dict[str, JSON] = {
        "http.request.method": "POST",
        "http.response.status_code": 200,
        "peer.service": "payments",
    }
    place, get, create = ("checkout.v1.CheckoutService/PlaceOrder", "orders.v1.Orders/GetOrder", "orders.v1.Orders/Put")
    spans = (
        span("01", "ff", name=place, kind="SERVER", service="checkout", at=0, ms=44.6, attributes=ok),
        span(
            "02", "01", name=get, kind="CLIENT", service="checkout", at=0.9, ms=2.2, status="ERROR", attributes=missing
        ),
        span("03", "02", name=get, kind="SERVER", service="orders", at=1.3, ms=1.4, attributes=missing),
        span("04", "03", name="SELECT orders", kind="CLIENT", service="orders", at=1.8, ms=0.4, attributes=sql),
        span("05", "01", name="POST /v1/charges", kind="CLIENT", service="checkout", at=12.1, ms=25.1, attributes=http),
        span("06", "01", name=create, kind="CLIENT", service="checkout", at=38.0, ms=3.2, attributes=ok),
        span("07", "06", name=create, kind="SERVER", service="orders", at=38.5, ms=2.2, attributes=ok),
    )
    return Trace(TRACE_ID, spans)
