"""One call of an RPC, from what a person types to what a person reads.

Messages are made from descriptors in a pool of this call's own, so nothing of the service has to be importable here,
and two workspaces never meet.
"""

from __future__ import annotations

import ipaddress
import json
import queue
import re
import secrets
import time
import uuid
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from scaffold.core.diagnostics import Diagnostic, ScaffoldError
from scaffold.core.naming import pascal
from scaffold.run import require_extra
from scaffold.run.request import meant, messages
from scaffold.run.spans import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import grpc
    from google.protobuf.any_pb2 import Any as AnyMessage
    from google.protobuf.descriptor import MethodDescriptor
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message

    from scaffold.run.request import Request

Files: TypeAlias = Sequence[tuple[str, bytes]]
Metadata: TypeAlias = Sequence[tuple[str, "str | bytes"]]

_CONNECT_SECONDS = 1.0
# What a call ends with that has found nobody, but also one that was answered so.
_PERHAPS_NOBODY = ("UNAVAILABLE", "DEADLINE_EXCEEDED")
_MAX_MESSAGE_BYTES = 64 * 2**20
_TRACEPARENT = re.compile(r"00-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}\Z")


class NobodyAnswers(ScaffoldError):  # noqa: N818 - named after what a caller wants to know
    """Nothing that speaks gRPC listens at the address. Its slug is ``nobody-answers``."""


@dataclass(frozen=True)
class CallResult:
    """What came back. ``responses`` are JSON texts; a call that is not streaming has one, or none if it failed.

    ``method`` is ``package.Service/Method``, ``code`` a gRPC status such as ``OK`` or ``NOT_FOUND``, ``details`` the
    status's details (https://cloud.google.com/apis/design/errors) as lines. ``span_id`` is what the call sent as the
    parent of the server's span. ``milliseconds`` is the time to the last response, connecting included.
    """

    method: str
    responses: tuple[str, ...]
    code: str
    message: str
    details: tuple[str, ...]
    milliseconds: float
    trace_id: str
    span_id: str
    request_id: str

    @property
    def ok(self) -> bool:
        """Whether the status is OK."""
        return self.code == "OK"

    @property
    def json(self) -> str:
        """The responses, each beginning on a line of its own."""
        return "\n".join(self.responses)


def call(
    files: Files,
    rpc: str,
    request: Request = (),
    *,
    address: str,
    services: Sequence[str] = (),
    metadata: Metadata = (),
    timeout: float = 10.0,
    on_response: Callable[[str], None] | None = None,
) -> CallResult:
    """Call an RPC once, over an insecure channel.

    ``files`` are the API's serialized FileDescriptorProtos by name, with all that they import, in any order. ``rpc`` is
    a method's name (``GetCart``, ``get_cart``), if need be with its service (``CartService.GetCart``), looked for in
    ``services`` (full names), or in all services of the files if none are given.

    ``request`` is JSON text, ``key=value`` words, or a mapping as JSON has it. In words a dot leads into a message
    (``item.product=products/1``) or a map (``labels.colour=red``), and a repeated field takes one element a word, or a
    JSON list; a message is given as JSON. An RPC that takes a stream of requests takes a JSON list of them. Fields go
    by their proto names, in requests and responses; JSON's lowerCamelCase is understood too.

    The call is the beginning of a new, sampled trace with a fresh x-request-id, unless ``metadata`` says otherwise.
    ``timeout`` is in seconds. ``on_response`` gets each response as it arrives.

    Raises ScaffoldError ``extra-missing``, ``descriptors-incomplete``, ``unknown-rpc``, ``ambiguous-rpc``,
    ``unknown-field``, ``unknown-value``, ``bad-json``, ``bad-request``, ``bad-metadata``; and ``NobodyAnswers``. A
    status that is not OK is a result.
    """
    require_extra()
    pool = _pool(files)
    method = _find(pool, [name for name, _ in files], rpc, services)
    requests = messages(pool, method, request)
    headers, trace_id, span_id, request_id = _headers(metadata)
    texts: list[str] = []

    def received(message: Message) -> None:
        texts.append(_json(pool, message))
        if on_response is not None:
            on_response(texts[-1])

    with _channel(address) as channel:  # imports gRPC, which takes longer than the call
        begun = time.perf_counter()
        status = _invoke(channel, method, requests, headers, timeout, received)
        took = (time.perf_counter() - begun) * 1000
        if status.code in _PERHAPS_NOBODY and not texts and not _connects(channel):
            raise NobodyAnswers(
                Diagnostic(
                    "nobody-answers",
                    f"nothing that speaks gRPC answers at {printable(address)}",
                    remedy="start it with `scaffold up`, or say where it is with --address HOST:PORT",
                )
            )
    return CallResult(
        method=_path(method),
        responses=tuple(texts),
        code=status.code,
        message=printable(status.message),
        details=tuple(_details(pool, status.details)),
        milliseconds=took,
        trace_id=trace_id,
        span_id=span_id,
        request_id=request_id,
    )


# --- which RPC ----------------------------------------------------------------------------------------------------


def _pool(files: Files) -> DescriptorPool:
    """The files in a pool of their own. A pool takes a file only when it has what the file imports."""
    from google.protobuf import descriptor_pb2, descriptor_pool

    pool = descriptor_pool.DescriptorPool()
    waiting = {name: descriptor_pb2.FileDescriptorProto.FromString(data) for name, data in files}
    while waiting:
        ready = [name for name, file in waiting.items() if not any(other in waiting for other in file.dependency)]
        for name in ready or list(waiting):
            file = waiting.pop(name)
            try:
                pool.AddSerializedFile(file.SerializeToString())
            except TypeError as error:
                raise ScaffoldError(
                    Diagnostic(
                        "descriptors-incomplete",
                        f"{name} cannot be read: {error}",
                        remedy="give the call every file that the API imports",
                    )
                ) from error
    return pool


def _find(pool: DescriptorPool, files: Iterable[str], rpc: str, services: Sequence[str]) -> MethodDescriptor:
    """Look an RPC up by its name as a person writes it."""
    methods = [
        method
        for name in files
        for service in pool.FindFileByName(name).services_by_name.values()
        if not services or service.full_name in services
        for method in service.methods
    ]
    wanted = rpc.strip().strip("/").replace("/", ".")
    found = [method for method in methods if f".{method.full_name}".endswith(f".{wanted}")]
    if not found:  # get_cart
        folded = pascal(wanted.rpartition(".")[2]).lower()
        found = [method for method in methods if method.name.lower() == folded]
    if len(found) == 1:
        return found[0]
    if found:
        remedy = f"say which: {', '.join(sorted(map(_path, found)))}"
        raise ScaffoldError(
            Diagnostic("ambiguous-rpc", f"{printable(rpc)} is the name of {len(found)} RPCs", remedy=remedy)
        )
    remedy = meant(wanted.rpartition(".")[2], [method.name for method in methods], "the RPCs are")
    raise ScaffoldError(Diagnostic("unknown-rpc", f"there is no RPC {printable(rpc)}", remedy=remedy))


def _path(method: MethodDescriptor) -> str:
    return f"{method.containing_service.full_name}/{method.name}"


# --- the call -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Status:
    code: str
    message: str
    details: bytes


def _headers(metadata: Metadata) -> tuple[tuple[tuple[str, str | bytes], ...], str, str, str]:
    """The metadata to send, and the ids that it holds: trace, span, request.

    The trace context is W3C's (https://www.w3.org/TR/trace-context/), sampled.
    """
    given = tuple((name.strip().lower(), value) for name, value in metadata)
    for name, value in given:
        _check_header(name, value)
    by_name = dict(given)
    parent = _TRACEPARENT.match(str(by_name.get("traceparent", "")))
    trace_id, span_id = parent.groups() if parent else (secrets.token_hex(16), secrets.token_hex(8))
    request_id = str(by_name.get("x-request-id") or uuid.uuid4())
    own = {"traceparent": f"00-{trace_id}-{span_id}-01", "x-request-id": request_id}
    added = tuple((name, value) for name, value in own.items() if name not in by_name)
    return given + added, trace_id, span_id, request_id


def _check_header(name: str, value: str | bytes) -> None:
    """Refuse what gRPC would (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md, Custom-Metadata)."""
    if not re.fullmatch(r"[0-9a-z_.\-]+", name):
        problem, remedy = "is not a header's name", "letters, digits and _ . - only"
    elif name.endswith("-bin") != isinstance(value, bytes):
        problem, remedy = "has a value of the wrong kind", "names that end in -bin have bytes, all others have text"
    elif isinstance(value, str) and not (value.isascii() and value.isprintable()):
        problem, remedy = "has characters that a header cannot have", "printable ASCII only"
    elif name == "traceparent" and not _TRACEPARENT.match(str(value)):
        problem, remedy = "is not a W3C trace context", "00-<32 hex digits>-<16 hex digits>-01, in lower case"
    else:
        return
    raise ScaffoldError(Diagnostic("bad-metadata", f"{printable(name)} {problem}", remedy=remedy))


def _channel(address: str) -> grpc.Channel:
    import grpc

    options: list[tuple[str, int]] = [("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES)]
    if _is_loopback(address):  # a proxy from the environment is not for loopback
        options.append(("grpc.enable_http_proxy", 0))
    return grpc.insecure_channel(address, options=options)


def _connects(channel: grpc.Channel) -> bool:
    """Whether the channel has a connection, or gets one at the next attempt.

    Asked after a failure only: watching a channel delays its closing by gRPC's polling interval, 0.2 s.
    """
    import grpc

    states: queue.SimpleQueue[grpc.ChannelConnectivity] = queue.SimpleQueue()
    report = states.put
    channel.subscribe(report, try_to_connect=True)
    deadline = time.monotonic() + _CONNECT_SECONDS
    state = grpc.ChannelConnectivity.IDLE
    with suppress(queue.Empty):
        while state not in (grpc.ChannelConnectivity.READY, grpc.ChannelConnectivity.TRANSIENT_FAILURE):
            state = states.get(timeout=max(0.001, deadline - time.monotonic()))
    channel.unsubscribe(report)
    return state is grpc.ChannelConnectivity.READY


def _is_loopback(address: str) -> bool:
    host = address.rpartition("/")[2].rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _invoke(
    channel: grpc.Channel,
    method: MethodDescriptor,
    requests: Sequence[Message],
    headers: tuple[tuple[str, str | bytes], ...],
    timeout: float,
    received: Callable[[Message], None],
) -> _Status:
    """Make the call, as a stream both ways: on the wire the four kinds of RPC are one."""
    import grpc
    from google.protobuf import message_factory

    output = message_factory.GetMessageClass(method.output_type)
    stub = channel.stream_stream(
        f"/{_path(method)}", request_serializer=_serialized, response_deserializer=output.FromString
    )
    responses = stub(iter(requests), timeout=timeout, metadata=headers)
    with suppress(grpc.RpcError):  # the status says it
        for response in responses:
            received(response)
    details = dict(responses.trailing_metadata() or ()).get("grpc-status-details-bin", b"")
    return _Status(
        responses.code().name, responses.details() or "", details if isinstance(details, bytes) else details.encode()
    )


def _serialized(message: Message) -> bytes:
    return message.SerializeToString()


# --- what comes back ----------------------------------------------------------------------------------------------


def _json(pool: DescriptorPool, message: Message, indent: int | None = 2) -> str:
    """The message as JSON; in its strings what is not printable is escaped, so that it is safe on a terminal."""
    from google.protobuf import json_format

    try:
        found: object = json_format.MessageToDict(message, preserving_proto_field_name=True, descriptor_pool=pool)
    except (TypeError, ValueError, json_format.Error) as error:  # an Any of an unknown type, a Timestamp out of range
        found = f"{message.DESCRIPTOR.full_name} of {message.ByteSize()} bytes that JSON cannot hold: {error}"
    text = json.dumps(found, indent=indent, ensure_ascii=False)
    return "".join(c if c.isprintable() or c == "\n" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    return f"\\u{ord(character):04x}" if ord(character) <= 0xFFFF else json.dumps(character)[1:-1]


def _details(pool: DescriptorPool, data: bytes) -> Iterator[str]:
    """The details of a google.rpc.Status (AIP-193), a line each."""
    from google.protobuf.message import DecodeError
    from google.rpc import status_pb2

    try:
        status = status_pb2.Status.FromString(data)
    except DecodeError:
        yield f"details that cannot be read ({len(data)} bytes)"
        return
    for detail in status.details:
        try:
            lines = list(_detail(pool, detail))
        except DecodeError:
            lines = [f"{detail.TypeName()} that cannot be read ({len(detail.value)} bytes)"]
        yield from map(printable, lines)


def _detail(pool: DescriptorPool, detail: AnyMessage) -> Iterator[str]:
    from google.protobuf import descriptor_pool, message_factory
    from google.rpc import error_details_pb2 as known

    name = detail.TypeName()
    if name == known.ErrorInfo.DESCRIPTOR.full_name:
        info = known.ErrorInfo.FromString(detail.value)
        pairs = "".join(f" {key}={value}" for key, value in sorted(info.metadata.items()))
        yield f"ErrorInfo {info.reason} ({info.domain}){pairs}"
        return
    if name == known.BadRequest.DESCRIPTOR.full_name:
        for violation in known.BadRequest.FromString(detail.value).field_violations:
            yield f"BadRequest {violation.field}: {violation.description}"
        return
    if name == known.PreconditionFailure.DESCRIPTOR.full_name:
        for failure in known.PreconditionFailure.FromString(detail.value).violations:
            yield f"PreconditionFailure {failure.type} {failure.subject}: {failure.description}"
        return
    if name == known.ResourceInfo.DESCRIPTOR.full_name:
        resource = known.ResourceInfo.FromString(detail.value)
        about = f": {resource.description}" if resource.description else ""
        yield " ".join(filter(None, ("ResourceInfo", resource.resource_type, resource.resource_name))) + about
        return
    for place in (pool, descriptor_pool.Default()):
        try:
            descriptor = place.FindMessageTypeByName(name)
        except KeyError:
            continue
        message = message_factory.GetMessageClass(descriptor).FromString(detail.value)
        yield f"{descriptor.name} {_json(place, message, indent=None)}"
        return
    yield f"{name} ({len(detail.value)} bytes)"
