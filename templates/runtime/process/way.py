"""The way to a component: what connections of both kinds, on an event loop and without one, have in common."""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING, TypeVar

import grpc
from google.protobuf.message import Message

from ..common import headers, messages
from ..common.errors import Internal
from ..common.tracing import Tracing
from .budget import seconds_for_a_call
from .retry import Attempts, Retries

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..common.headers import Metadata

R = TypeVar("R", bound=Message)

_OPTIONS = (
    # Every server puts up with a ping each five minutes (gRPC's "Keepalive" guide; more often ends in ENHANCE_YOUR_CALM).
    ("grpc.keepalive_time_ms", 330_000),
    # Also how long the kernel waits for an acknowledgement: a peer that vanished fails calls in seconds, not minutes.
    ("grpc.keepalive_timeout_ms", 20_000),
    # A component that is started again is found again soon: by default gRPC waits a second, and up to two minutes.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 10_000),
)


class Way:
    """The way to one component: where it is, and what every call there does. The subclasses open the channel."""

    def __init__(
        self,
        component: str,
        address: str,
        *,
        certificates: bytes | None = None,
        tracing: Tracing | None = None,
        forward_headers: Iterable[str] = (),
        default_timeout_seconds: float = 10.0,
        max_message_bytes: int = 4 * 1024 * 1024,
        retry_attempts: int = 3,
    ) -> None:
        """``address`` is gRPC's target, ``HOST:PORT``; with ``https://`` before it the channel is encrypted.

        ``certificates`` are trusted roots as PEM, by default the system's. A message larger than ``max_message_bytes`` is
        neither sent nor taken: RESOURCE_EXHAUSTED. ``retry_attempts`` is how often a safe call is tried in all.
        """
        self.component = component
        self.target = address.removeprefix("https://").removeprefix("http://")
        self.retries = Retries(retry_attempts)
        self.tracing = tracing or Tracing()
        self.credentials = grpc.ssl_channel_credentials(certificates) if address.startswith("https://") else None
        self.options = (
            *_OPTIONS,
            ("grpc.enable_http_proxy", int(not is_this_machine(self.target.rpartition(":")[0]))),
            ("grpc.max_receive_message_length", max_message_bytes),
            ("grpc.max_send_message_length", max_message_bytes),
        )
        self._mode = self.tracing.mode
        self._forward_headers = tuple(forward_headers)
        self._default_timeout_seconds = default_timeout_seconds
        self._open()

    def _open(self) -> None:
        """Make the channel; nothing is sent before the first call."""
        raise NotImplementedError

    def metadata(self) -> Metadata:
        """The headers of an outgoing call, from those of the call that is being served."""
        return headers.outgoing(headers.incoming.get(), self._mode, self._forward_headers)

    def attempts(self, timeout: float | None, safe: bool) -> Attempts:
        """The attempts of a call, within the time that it may take.

        Raises :class:`DeadlineExceeded` when no time is left.
        """
        return Attempts(self.retries, safe, seconds_for_a_call(timeout, self._default_timeout_seconds))

    def decode(self, response: type[R], data: bytes) -> R:
        """An answer. Raises :class:`Internal`, naming the component, when it is none."""
        try:
            return messages.decode(response, data)
        except messages.MalformedMessageError as error:
            raise Internal(
                f"{self.component} sent what is no {response.DESCRIPTOR.full_name}",
                reason="MALFORMED_RESPONSE",
                component=self.component,
            ) from error


def is_this_machine(host: str) -> bool:
    """Whether a host name or address means this machine. No proxy of the environment's is asked for those."""
    name = host.rpartition("/")[2].strip("[]")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost"
