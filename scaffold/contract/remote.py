"""A component that is running somewhere: reached over gRPC, and nothing is known of it but what it answers."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING

import grpc

from scaffold.contract.targets import TargetError

if TYPE_CHECKING:
    from scaffold.contract.targets import Span

_CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class _Reached:
    address: str

    def spans(self, trace_id: str) -> tuple[Span, ...]:
        return ()


class Remote:
    """The launcher behind ``--contract-against HOST:PORT``. Made-up ids are new in every run: a server remembers.

    ``asked`` is how the user named it, where it was started for this run and is gone after it: ``acl``.
    """

    shows_spans = False

    def __init__(self, address: str, asked: str = "") -> None:
        self.label = address
        self.asked = asked or address
        self.salt = secrets.token_hex(8)

    def probe(self) -> None:
        """Make sure that somebody answers there. Raises TargetError."""
        with grpc.insecure_channel(self.label, options=[("grpc.enable_http_proxy", 0)]) as channel:
            try:
                grpc.channel_ready_future(channel).result(timeout=_CONNECT_SECONDS)
            except grpc.FutureTimeoutError:
                raise TargetError(
                    f"nobody answers at {self.label} (gRPC without TLS, {_CONNECT_SECONDS:g} s)"
                ) from None

    def open(self, component: str) -> _Reached:
        """The component: whatever answers at the address is taken for it."""
        return _Reached(self.label)

    def close(self) -> None:
        """Nothing was started."""
