"""Calls over gRPC in bytes, and what came back: the only module of the engine that knows grpc's client."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import grpc
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scaffold.contract.conversation import Conversation
    from scaffold.contract.schema import Rpc

Metadata = tuple[tuple[str, str | bytes], ...]

# The reasons by which a generated service says these two things about itself.
PENDING = "HANDLER_PENDING"
DOWNSTREAM = "DOWNSTREAM_FAILED"
_DETAILS = "grpc-status-details-bin"
_MOST_MESSAGES = 500

CALL_SECONDS = 10.0


@dataclass(frozen=True)
class Outcome:
    """How a call ended.

    ``responses`` are the messages received, in bytes. ``details`` is the ``google.rpc.Status`` that came with an error,
    if one did. ``open`` is a stream of the server's that had not ended when we stopped listening (a watch): its code is
    OK. ``timed_out`` is a call that did not answer in the time it was given.
    """

    code: grpc.StatusCode
    message: str = ""
    responses: tuple[bytes, ...] = ()
    details: status_pb2.Status | None = None
    open: bool = False
    timed_out: bool = False

    @property
    def ok(self) -> bool:
        """Whether the status is OK."""
        return self.code is grpc.StatusCode.OK

    @property
    def error_infos(self) -> tuple[error_details_pb2.ErrorInfo, ...]:
        """The ErrorInfo messages among the details; AIP-193 wants exactly one."""
        found = []
        for detail in self.details.details if self.details else ():
            info = error_details_pb2.ErrorInfo()
            if detail.Is(info.DESCRIPTOR) and detail.Unpack(info):
                found.append(info)
        return tuple(found)

    @property
    def bad_fields(self) -> tuple[str, ...]:
        """The fields that the BadRequest messages among the details name."""
        found: list[str] = []
        for detail in self.details.details if self.details else ():
            bad_request = error_details_pb2.BadRequest()
            if detail.Is(bad_request.DESCRIPTOR) and detail.Unpack(bad_request):
                found += [violation.field for violation in bad_request.field_violations]
        return tuple(found)

    @property
    def pending(self) -> str | None:
        """The file to write, where the handler is not written yet; None where it is."""
        if self.code is not grpc.StatusCode.UNIMPLEMENTED:
            return None
        return next((i.metadata.get("file", "its handler") for i in self.error_infos if i.reason == PENDING), None)

    @property
    def failed_downstream(self) -> str:
        """The component whose failure is behind this error, where the service says so; else empty."""
        found = (i.metadata.get("component", "") for i in self.error_infos if i.reason == DOWNSTREAM)
        return next(found, "")


@dataclass
class Caller:
    """Calls RPCs of one server; ``timeout`` bounds a call, ``patience`` listening to a server's stream, in seconds."""

    address: str
    metadata: Metadata = ()
    timeout: float = CALL_SECONDS
    patience: float = 0.5
    _slow: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        # A proxy of the environment must not come between the suite and a server on loopback.
        self._channel = grpc.insecure_channel(self.address, options=[("grpc.enable_http_proxy", 0)])

    def close(self) -> None:
        """Close the connection."""
        self._channel.close()

    def converse(self, rpc: Rpc, metadata: Metadata = (), timeout: float | None = None) -> Conversation:
        """Begin a call that goes on message by message; ``timeout`` in seconds, by default as for every call."""
        from scaffold.contract.conversation import Conversation

        return Conversation(self._channel, rpc, (*self.metadata, *metadata), timeout or self.timeout)

    def call(self, rpc: Rpc, requests: Sequence[bytes], metadata: Metadata = (), *, patiently: bool = False) -> Outcome:
        """Call any of the four kinds of RPC; a unary request is the first of ``requests``.

        A stream of the server's may rightly go on for ever. One that takes long is listened to for a tenth of the time
        from then on, except ``patiently``: when it matters that the server has begun, on a busy machine too.
        """
        headers = (*self.metadata, *metadata)
        if rpc.method.server_streaming:
            patience = self.patience / 10 if rpc.path in self._slow and not patiently else self.patience
            return self._listen(rpc, requests, headers, 3 * patience if patiently else patience)
        begin = time.monotonic()
        try:
            if rpc.method.client_streaming:
                response = self._channel.stream_unary(rpc.path, as_it_is, as_it_is)(
                    iter(requests), timeout=self.timeout, metadata=headers
                )
            else:
                response = self._channel.unary_unary(rpc.path, as_it_is, as_it_is)(
                    requests[0], timeout=self.timeout, metadata=headers
                )
        except grpc.RpcError as error:
            return failed(error, (), timed_out=_is_over(error, begin, self.timeout))
        return Outcome(grpc.StatusCode.OK, responses=(response,))

    def _listen(self, rpc: Rpc, requests: Sequence[bytes], headers: Metadata, patience: float) -> Outcome:
        """Listen to a stream until it ends, patience does, or there is enough of it."""
        begin = time.monotonic()
        stream: Any
        if rpc.method.client_streaming:
            stream = self._channel.stream_stream(rpc.path, as_it_is, as_it_is)(
                iter(requests), timeout=patience, metadata=headers
            )
        else:
            stream = self._channel.unary_stream(rpc.path, as_it_is, as_it_is)(
                requests[0], timeout=patience, metadata=headers
            )
        received: list[bytes] = []
        try:
            for message in stream:
                received.append(message)
                if len(received) >= _MOST_MESSAGES:
                    stream.cancel()
                    return Outcome(grpc.StatusCode.OK, responses=tuple(received), open=True)
        except grpc.RpcError as error:
            if _is_over(error, begin, patience):
                return Outcome(grpc.StatusCode.OK, responses=tuple(received), open=True)
            return failed(error, tuple(received), timed_out=False)
        finally:
            if time.monotonic() - begin > self.patience / 4:
                self._slow.add(rpc.path)
        # A server that sees the deadline a moment before us may end the stream as if it were complete.
        late = time.monotonic() - begin > 0.8 * patience
        return Outcome(grpc.StatusCode.OK, responses=tuple(received), open=late)


def as_it_is(data: bytes) -> bytes:
    """The serializer of somebody who deals in bytes."""
    return data


def _is_over(error: grpc.RpcError, begin: float, seconds: float) -> bool:
    """Whether our deadline ended a call. Clocks differ, and a server may see its end a moment earlier."""
    return error.code() is grpc.StatusCode.DEADLINE_EXCEEDED and time.monotonic() - begin > 0.8 * seconds


def failed(error: grpc.RpcError, responses: tuple[bytes, ...], timed_out: bool) -> Outcome:
    """How a call ended that failed."""
    return Outcome(
        code=error.code(),
        message=error.details() or "",
        responses=responses,
        details=_details(error),
        timed_out=timed_out,
    )


def _details(error: grpc.RpcError) -> status_pb2.Status | None:
    """The google.rpc.Status in the trailers; None where there is none, or something else under its name."""
    # The stubs describe an object with attributes; it has always been a pair.
    for key, value in cast("Sequence[tuple[str, str | bytes]]", error.trailing_metadata() or ()):
        if key == _DETAILS and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                return None
    return None
