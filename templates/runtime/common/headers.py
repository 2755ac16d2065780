"""Which headers of an incoming call go on to every outgoing call.

A trace is only whole when every service on the way passes its headers on, also a service that exports no spans itself:
a mesh sees the two calls, but cannot know that one was made on behalf of the other.

There are two modes, because a service that injects its own span into the headers without exporting that span leaves
the rest of the trace with a parent that nobody ever sees:

- ``forward``: this service exports no spans. Everything goes on verbatim.
- ``participate``: it does. Ids that belong to no span (``x-request-id``) and foreign formats that nothing here would
  write again go on verbatim; the trace context is dropped here and injected anew by the client's interceptor.

Credentials (``cookie``, ``authorization``) never go on by themselves: only when the component names them.
"""

from __future__ import annotations

import random
import re
from contextvars import ContextVar
from typing import Iterable, Literal, Tuple, Union

__all__ = ["Metadata", "Mode", "incoming", "outgoing", "receive", "request_id", "trace_ids"]

Metadata = Tuple[Tuple[str, Union[str, bytes]], ...]
"""gRPC metadata: lower-case names; text, or bytes where the name ends in ``-bin``; a name may occur more than once."""

Mode = Literal["forward", "participate"]

REQUEST_ID = "x-request-id"

incoming: ContextVar[Metadata] = ContextVar("incoming", default=())
"""The metadata of the call that is being served; empty outside of one. Set by :func:`receive`."""

# Not a span's: the id of the customer's request, and span contexts in formats that no propagator here can write.
_ALWAYS = frozenset({REQUEST_ID, "x-ot-span-context", "x-cloud-trace-context"})
_ALWAYS_PREFIX = "x-datadog-"

# A span's. In `participate` each of these is either written anew for the client span or would contradict it.
_TRACE_CONTEXT = frozenset(
    {
        "traceparent",
        "tracestate",
        "baggage",
        "b3",
        "x-b3-traceid",
        "x-b3-spanid",
        "x-b3-parentspanid",
        "x-b3-sampled",
        "x-b3-flags",
    }
)

# What describes one connection or one call, and is wrong on the next (gRPC over HTTP/2, "Requests").
_ONE_HOP = frozenset({"host", "connection", "te", "content-type", "content-length", "user-agent"})
_ONE_HOP_PREFIXES = (":", "grpc-")

_TRACEPARENT = re.compile(r"[\da-f]{2}-([\da-f]{32})-([\da-f]{16})-[\da-f]{2}(?:-.*)?")
_B3_SINGLE = re.compile(r"([\da-fA-F]{16}|[\da-fA-F]{32})-([\da-fA-F]{16})(?:-.*)?")
_B3_TRACE_ID = re.compile(r"[\da-fA-F]{16}|[\da-fA-F]{32}")


def receive(metadata: Iterable[tuple[str, str | bytes]] | None) -> Metadata:
    """Note the metadata of the call that is about to be served, and return it.

    A call without an ``x-request-id`` is given one here, so that this service's logs and everything downstream agree
    on it. May be called more than once for one call (the tracing interceptor runs before the handler's wrapper): the id
    that was made first stays.
    """
    received: Metadata = tuple(metadata or ())
    known = incoming.get()
    if known and known[: len(received)] == received:
        return known
    if not _first(received, REQUEST_ID):
        received = (*received, (REQUEST_ID, _new_id()))
    incoming.set(received)
    return received


def outgoing(received: Metadata, mode: Mode, extra_forward: Iterable[str] = ()) -> Metadata:
    """Choose what an outgoing call passes on of the metadata that came in; order and repetitions are kept.

    ``extra_forward`` names further headers, in any case. Naming a header of the trace context changes nothing, and
    headers that describe a single hop (``user-agent``, ``grpc-timeout``) cannot be passed on at all.
    """
    extra = frozenset(name.lower() for name in extra_forward) - _TRACE_CONTEXT
    return tuple((name, value) for name, value in received if _goes_on(name.lower(), mode, extra))


def request_id() -> str:
    """Return the ``x-request-id`` of the call that is being served, or ``""`` outside of one."""
    return _first(incoming.get(), REQUEST_ID)


def trace_ids() -> tuple[str, str]:
    """Return the trace id (32 hex digits) and span id (16) that the call came with, or ``("", "")``.

    W3C's ``traceparent`` is believed first, then ``x-b3-*``, then ``b3``.
    """
    received = incoming.get()
    w3c = _TRACEPARENT.fullmatch(_first(received, "traceparent"))
    if w3c is not None:
        return w3c.group(1), w3c.group(2)
    trace_id = _first(received, "x-b3-traceid")
    if _B3_TRACE_ID.fullmatch(trace_id) is not None:
        return trace_id.lower().zfill(32), _first(received, "x-b3-spanid").lower()
    b3 = _B3_SINGLE.fullmatch(_first(received, "b3"))
    if b3 is not None:
        return b3.group(1).lower().zfill(32), b3.group(2).lower()
    return "", ""


def _new_id() -> str:
    """Return a UUID, version 4 (RFC 9562, 5.4), in a third of the time that ``uuid4`` takes: it is made for every call.

    It is no secret, so it comes from ``random``. The system's own randomness is a system call, in which a thread gives
    the interpreter away, and that costs a busy server more than all else that is done here for a call.
    """
    number = random.getrandbits(128)
    text = f"{number:032x}"
    return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-{'89ab'[number & 3]}{text[17:20]}-{text[20:]}"


def _goes_on(name: str, mode: Mode, extra: frozenset[str]) -> bool:
    if name in _ALWAYS or name.startswith(_ALWAYS_PREFIX):
        return True
    if name in _TRACE_CONTEXT:
        return mode == "forward"
    return name in extra and name not in _ONE_HOP and not name.startswith(_ONE_HOP_PREFIXES)


def _first(metadata: Metadata, wanted: str) -> str:
    """Return the first value of a header that is text and not empty, or ``""``."""
    for name, value in metadata:
        if name == wanted and value and isinstance(value, str):
            return value
    return ""
