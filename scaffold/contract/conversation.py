"""One call, message by message: what is sent when, what has come back so far, when it is given up."""

from __future__ import annotations

import queue
import threading
import time
from typing import TYPE_CHECKING, Any, Self

import grpc

from scaffold.contract.wire import Outcome, as_it_is, failed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scaffold.contract.schema import Rpc
    from scaffold.contract.wire import Metadata


class Conversation:
    """A call of any kind of RPC: on the wire a unary request is a stream of one message, then its end.

    Use it as a context manager: what is still running at the end is cancelled.
    """

    def __init__(self, channel: grpc.Channel, rpc: Rpc, metadata: Metadata, timeout: float) -> None:
        self._outgoing: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._incoming: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._received: list[bytes] = []
        self._outcome: Outcome | None = None
        self._over = False
        self._begin = time.monotonic()
        self._timeout = timeout
        call: Any = channel.stream_stream(rpc.path, as_it_is, as_it_is)(
            self._requests(), timeout=timeout, metadata=metadata
        )
        self._call = call
        self._reader = threading.Thread(target=self._read, name=f"contract {rpc.label}", daemon=True)
        self._reader.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.cancel()
        self._reader.join(1.0)

    def send(self, message: bytes) -> None:
        """Send a message; it is on its way when this returns, not there."""
        self._outgoing.put(message)

    def half_close(self) -> None:
        """Say that no more messages follow."""
        self._outgoing.put(None)

    def receive(self, seconds: float) -> bytes | None:
        """The next message, or None where none has come in that time, or none can come any more."""
        if self._over:
            return None
        try:
            message = self._incoming.get(timeout=seconds)
        except queue.Empty:
            return None
        if message is None:
            self._over = True
        else:
            self._received.append(message)
        return message

    @property
    def begun(self) -> bool:
        """Whether a message has been received."""
        return bool(self._received)

    def rest(self, seconds: float) -> Outcome:
        """Listen until the call is over, or that time; all messages of the call, and how it ended.

        A call that is not over then is ``open``, with the status OK.
        """
        until = time.monotonic() + seconds
        while not self._over and time.monotonic() < until:
            self.receive(max(0.0, until - time.monotonic()))
        if not self._over or self._outcome is None:
            return Outcome(grpc.StatusCode.OK, responses=tuple(self._received), open=True)
        ended = self._outcome
        return Outcome(ended.code, ended.message, tuple(self._received), ended.details, timed_out=ended.timed_out)

    def cancel(self) -> None:
        """Give the call up."""
        self._outgoing.put(None)
        self._call.cancel()

    def _requests(self) -> Iterator[bytes]:
        while (message := self._outgoing.get()) is not None:
            yield message

    def _read(self) -> None:
        try:
            for message in self._call:
                self._incoming.put(message)
            self._outcome = Outcome(grpc.StatusCode.OK)
        except grpc.RpcError as error:
            late = time.monotonic() - self._begin > 0.8 * self._timeout
            over = late and error.code() is grpc.StatusCode.DEADLINE_EXCEEDED
            self._outcome = failed(error, (), timed_out=over)
        finally:
            self._incoming.put(None)
