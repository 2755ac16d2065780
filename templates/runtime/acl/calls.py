"""The call that is being served, and the key by which a write is known again."""

from __future__ import annotations

import hashlib
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote
from uuid import uuid4

from ..common.call import Call

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The header under which the key of a write travels (draft-ietf-httpapi-idempotency-key-header).
IDEMPOTENCY_KEY = "idempotency-key"

# A header is printable ASCII (gRPC over HTTP/2, "ASCII-Value"), and all of them together have 8 KiB by default.
_VERBATIM = "!\"#$&'()*+,/:;<=>?@[\\]^`{|}"
_LONGEST_HEADER = 1024

ServedCall = Call[None]

_served: ContextVar[ServedCall | None] = ContextVar("served", default=None)
_key: ContextVar[str] = ContextVar("idempotency_key", default="")


@dataclass(frozen=True)
class Rpc:
    """An RPC: its names in the proto and in Python, the full names of its messages, and how it is routed.

    ``entity`` is the path of the request's field that names what the call is about; empty where there is none. ``safe``: it
    reads only. ``request_id``: the request has a field of that name for the key of a write (AIP-155).
    """

    service: str
    name: str
    attribute: str
    request: str
    response: str
    client_streaming: bool = False
    server_streaming: bool = False
    entity: str = ""
    safe: bool = False
    request_id: bool = False

    @property
    def method(self) -> str:
        """Its name on the wire, ``shop.cart.v1.CartService/GetCart``."""
        return f"{self.service}/{self.name}"

    @property
    def kind(self) -> str:
        """What grpcio calls its kind: ``unary_unary`` and so on."""
        sides = (self.client_streaming, self.server_streaming)
        return "_".join("stream" if streaming else "unary" for streaming in sides)


class Table:
    """The RPCs of a component, by name."""

    def __init__(self, component: str, rpcs: tuple[Rpc, ...]) -> None:
        self.component = component
        self.rpcs = rpcs
        self._by_name = {rpc.name: rpc for rpc in rpcs}

    def __getitem__(self, name: str) -> Rpc:
        return self._by_name[name]

    def __contains__(self, name: object) -> bool:
        return name in self._by_name

    @property
    def services(self) -> tuple[str, ...]:
        """The full names of the services."""
        return tuple(dict.fromkeys(rpc.service for rpc in self.rpcs))


def current() -> ServedCall | None:
    """The call that is being served in this thread or task: its headers, its deadline; None outside of one."""
    return _served.get()


@contextmanager
def serving(call: ServedCall) -> Iterator[None]:
    """Within this, :func:`current` is the call."""
    token = _served.set(call)
    try:
        yield
    finally:
        _served.reset(token)


@contextmanager
def idempotency_key(key: str) -> Iterator[None]:
    """Within this, writes carry this key: an order's id, say, so that a second attempt is known for one.

    Without it each call has a fresh key: the transport may repeat it, a person who clicks again may not.
    """
    token = _key.set(key)
    try:
        yield
    finally:
        _key.reset(token)


def key_of_write(request: object, rpc: Rpc) -> str:
    """The key that a write carries: the request's own, the one that was given around it, or a fresh one."""
    return given_key(request, rpc) or uuid4().hex


def given_key(request: object, rpc: Rpc) -> str:
    """The key by which the caller may repeat a write: the request's own, or the one around it; empty where there is none."""
    own = getattr(request, "request_id", "") if rpc.request_id else ""
    return str(own or _key.get())


def as_header(key: str) -> str:
    """A key as a header carries it: other characters than printable ASCII, spaces and ``%`` as in a URL; a digest of long ones.

    Keys that differ stay different. A call is never refused for how its caller writes a key.
    """
    header = quote(key, safe=_VERBATIM, errors="surrogatepass")
    if len(header) <= _LONGEST_HEADER:
        return header
    return hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
