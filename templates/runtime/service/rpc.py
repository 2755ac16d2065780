"""RPCs: what a service consists of, how its handlers are found, and what is the same for every call of one.

The servers (threads in a store, asyncio in a process) take bytes from gRPC and give bytes back. Decoding, encoding and
the mapping of exceptions happen between, here: left to grpcio, a request that cannot be decoded ends a request stream
as if it were complete, and an exception's text reaches the caller.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TypeVar

import grpc

from ..common import messages
from ..common.call import Call
from ..common.errors import (
    DeadlineExceeded,
    Internal,
    InvalidArgument,
    ResourceExhausted,
    StatusError,
    code_of,
    to_status,
)
from .problems import MissingHandlers

if TYPE_CHECKING:
    from google.protobuf.message import Message
    from google.rpc import status_pb2

    from ..common.headers import Metadata
    from .settings import ServiceSettings

logger = logging.getLogger(__name__)

Q = TypeVar("Q")

#: A handler as the servers see it; the generated ``service.py`` knows its exact type.
Handler = Callable[..., object]

# Answers that say that something is wrong on this side: somebody here must be able to find out what.
_OUR_FAULT = frozenset(
    {grpc.StatusCode.UNKNOWN, grpc.StatusCode.INTERNAL, grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DATA_LOSS}
)

_MAKERS = {
    "unary_unary": grpc.unary_unary_rpc_method_handler,
    "unary_stream": grpc.unary_stream_rpc_method_handler,
    "stream_unary": grpc.stream_unary_rpc_method_handler,
    "stream_stream": grpc.stream_stream_rpc_method_handler,
}


@dataclass(frozen=True)
class Rpc:
    """One RPC of a service.

    ``name`` is its name in the proto, ``GetProduct``; ``attribute`` its handler's name in Python, ``get_product``.
    ``request`` and ``response`` are message classes: of each message, where ``client_streaming`` says that the caller
    sends a stream, or ``server_streaming`` that a stream answers.
    """

    name: str
    attribute: str
    request: type[Message]
    response: type[Message]
    client_streaming: bool = False
    server_streaming: bool = False

    @property
    def kind(self) -> str:
        """What grpcio calls that kind of RPC: ``unary_unary`` … ``stream_stream``, requests first."""
        return f"{'stream' if self.client_streaming else 'unary'}_{'stream' if self.server_streaming else 'unary'}"


@dataclass(frozen=True)
class Service:
    """A service that a component implements.

    ``load()`` imports the handlers and gives an object with one attribute for each RPC, the handler. It raises
    :class:`MissingHandlers` by calling :func:`require` first.
    """

    full_name: str
    rpcs: tuple[Rpc, ...]
    load: Callable[[], object]


def require(package: str, files: Mapping[str, str]) -> None:
    """Make sure that the files of handlers exist, before they are imported: so all missing ones are named at once.

    ``files`` leads from a handler's name to its file in the package: ``{"get_cart": "handlers/get_cart.py"}``.

    Raises :class:`MissingHandlers`.
    """
    missing = [_shown(path) for path in (_root(package) / file for file in files.values()) if not _is_module(path)]
    if missing:
        raise MissingHandlers(missing)


def load_handlers(services: Sequence[Service]) -> dict[str, dict[str, Handler]]:
    """All handlers of a component: by the full name of the service, then by the name of the RPC.

    Raises :class:`MissingHandlers`, for all services together.
    """
    found: dict[str, dict[str, Handler]] = {}
    missing: list[str] = []
    for service in services:
        try:
            handlers = service.load()
        except MissingHandlers as error:
            missing += error.files
        else:
            found[service.full_name] = {rpc.name: getattr(handlers, rpc.attribute) for rpc in service.rpcs}
    if missing:
        raise MissingHandlers(missing)
    return found


class Rules(Protocol):
    """What requests must be like, beyond their types."""

    def prepare(self, request: type[Message]) -> None:
        """Read the rules of a type of request. Raises :class:`StartError` where they cannot be used."""

    def check(self, request: Message) -> None:
        """Raises :class:`InvalidArgument` for a request that they do not allow."""


@dataclass
class CallDetails:
    """What an interceptor is told of a call; as in grpcio, ``method`` begins with a slash."""

    method: str
    invocation_metadata: Metadata


class Endpoint:
    """One RPC as it is served: everything about it that does not depend on threads or asyncio.

    ``service`` is the full name of its service, ``name`` its own, ``shop.cart.v1.CartService/GetCart``.
    """

    def __init__(
        self, service: str, rpc: Rpc, handler: Handler, app: object, settings: ServiceSettings, rules: Rules | None
    ) -> None:
        self.service = service
        self.rpc = rpc
        self.handler = handler
        self.name = f"{service}/{rpc.name}"
        self._app = app
        self._tracing = settings.tracing
        self._require_headers = settings.require_headers
        self._most_bytes = settings.max_message_bytes
        self._rules = rules
        if rules is not None:
            rules.prepare(rpc.request)

    def method_handler(
        self,
        behaviour: Callable[..., object],
        decode: Callable[[bytes], Q] | None = None,
        encode: Callable[[object], bytes] | None = None,
    ) -> grpc.RpcMethodHandler[Q, object]:
        """``behaviour`` as grpcio wants it for this kind of RPC; without ``decode`` and ``encode`` it works on bytes."""
        return method_handler(self.rpc.kind, behaviour, decode, encode)

    def admit(self, metadata: Metadata, time_remaining: float | None) -> None:
        """Refuse a call that nobody waits for any more, or that lacks a required header.

        Raises :class:`DeadlineExceeded`: an overloaded server must not work for callers that have given up.
        Raises :class:`InvalidArgument` naming the headers.
        """
        if time_remaining is not None and time_remaining <= 0:
            raise DeadlineExceeded("the deadline was over before the call began")
        if self._require_headers:
            present = {key for key, _ in metadata}
            missing = [key for key in self._require_headers if key not in present]
            if missing:
                raise InvalidArgument(
                    f"the call lacks {', '.join(missing)}",
                    reason="HEADER_MISSING",
                    metadata={"headers": ",".join(missing)},
                )

    def call(
        self,
        metadata: Metadata,
        time_remaining: float | None,
        active: Callable[[], bool],
        pause: Callable[[float], bool],
    ) -> Call[object]:
        """What the handler is given beside the request. ``time_remaining`` is in seconds; see :class:`Call`."""
        deadline = None if time_remaining is None else time.monotonic() + time_remaining
        return Call(self._app, self.name, metadata, deadline, active, pause)

    def decode(self, data: bytes) -> Message:
        """The request in ``data``.

        Raises :class:`Internal` when there is none: gRPC's own status for that; :class:`InvalidArgument` for one that the
        rules do not allow.
        """
        try:
            request = messages.decode(self.rpc.request, data)
        except messages.MalformedMessageError as error:
            raise Internal(
                f"the request is not a valid {self.rpc.request.DESCRIPTOR.full_name}", reason="MALFORMED_REQUEST"
            ) from error
        if self._rules is not None:
            self._rules.check(request)
        return request

    def stream(self, answer: object) -> AbstractContextManager[Iterator[object]]:
        """The responses of a handler that answers with a stream; at the end of the ``with`` the handler is over as well.

        Raises ``TypeError`` (for the log) when the answer is no stream.
        """
        if not isinstance(answer, Iterable):
            raise TypeError(
                f"the handler {self.rpc.attribute} gave {_kind(answer)}; {self.name} answers with a stream of "
                f"{self.rpc.response.DESCRIPTOR.full_name}"
            )
        return _closing(iter(answer))

    def encode(self, response: object) -> bytes:
        """The response as bytes.

        Raises ``TypeError`` or ``ValueError`` (for the log) when it is not a valid one, :class:`ResourceExhausted` when it
        is too large: gRPC's own status for that, said before it is sent.
        """
        if not isinstance(response, self.rpc.response):
            raise TypeError(
                f"the handler {self.rpc.attribute} gave {_kind(response)}; {self.name} answers with "
                f"{self.rpc.response.DESCRIPTOR.full_name}"
            )
        data = messages.encode(response)
        if len(data) > self._most_bytes:
            logger.error("%s: a response of %d bytes; MAX_MESSAGE_BYTES is %d", self.name, len(data), self._most_bytes)
            raise ResourceExhausted(
                f"the response is larger than {self._most_bytes} bytes: ask for less at a time",
                reason="MESSAGE_TOO_LARGE",
                metadata={"bytes": str(len(data)), "most": str(self._most_bytes)},
            )
        return data

    def status(self, error: BaseException, active: bool) -> status_pb2.Status:
        """The status that answers ``error``; what the caller must not or cannot learn goes to the log, once.

        ``active`` is whether the caller still waits: what fails because it went away is no fault.
        """
        status = to_status(error, self.service)
        if code_of(status) not in _OUR_FAULT:
            return status
        expected, kind = isinstance(error, StatusError), type(error).__qualname__
        if isinstance(error, StatusError) and error.reason == "MALFORMED_REQUEST" and not error.component:
            # The caller's fault, whatever gRPC calls it: a line for each, and no more, or they could fill the log.
            logger.warning("%s: %s", self.name, error.message)
        elif active:
            logger.error("%s failed: %s", self.name, error if expected else kind, exc_info=error)
        else:
            logger.info("%s failed after its caller had gone: %s", self.name, kind)
        if not expected:
            self._tracing.record_exception(error)
        return status


def endpoints(
    services: Sequence[Service],
    handlers: Mapping[str, Mapping[str, Handler]],
    app: object,
    settings: ServiceSettings,
    rules: Rules | None,
) -> Iterator[Endpoint]:
    """Every RPC of a component, with its handler (of :func:`load_handlers`)."""
    for service in services:
        for rpc in service.rpcs:
            yield Endpoint(service.full_name, rpc, handlers[service.full_name][rpc.name], app, settings, rules)


def method_handler(
    kind: str,
    behaviour: Callable[..., object],
    decode: Callable[[bytes], Q] | None = None,
    encode: Callable[[object], bytes] | None = None,
) -> grpc.RpcMethodHandler[Q, object]:
    """``behaviour`` as grpcio wants it for a kind of RPC."""
    return _MAKERS[kind](behaviour, decode, encode)


def kind_of(handler: grpc.RpcMethodHandler[Q, object]) -> str:
    """The kind of RPC that a handler of grpcio is for."""
    return next(kind for kind in _MAKERS if getattr(handler, kind) is not None)


def server_options(most_bytes: int) -> list[tuple[str, int]]:
    """How gRPC's core treats a server's connections; ``most_bytes`` is the largest message."""
    return [
        # Otherwise a second process could listen on the port too, and take half of the calls.
        ("grpc.so_reuseport", 0),
        ("grpc.max_receive_message_length", most_bytes),
        ("grpc.max_send_message_length", most_bytes),
        # A caller that vanished, without a word, holds its streams for a minute and a half and not for hours.
        ("grpc.keepalive_time_ms", 60_000),
        ("grpc.keepalive_timeout_ms", 20_000),
    ]


@contextmanager
def _closing(responses: Iterator[object]) -> Iterator[Iterator[object]]:
    """A generator is closed, so that what it holds is given back when its reader stops early; a list is not."""
    try:
        yield responses
    finally:
        close = getattr(responses, "close", None)
        if close is not None:
            close()


def _kind(value: object) -> str:
    return "None" if value is None else f"a {type(value).__qualname__}"


def _root(package: str) -> Path:
    return Path(str(import_module(package).__file__)).parent


def _is_module(path: Path) -> bool:
    """A handler that has grown may be a package of its own."""
    return path.is_file() or (path.with_suffix("") / "__init__.py").is_file()


def _shown(path: Path) -> str:
    """The path as somebody in the current directory would type it."""
    try:
        return path.relative_to(Path.cwd()).as_posix()
    except ValueError:
        return str(path)
