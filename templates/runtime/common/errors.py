"""The errors that a handler raises and a client receives, and their one mapping to gRPC statuses.

A handler says what went wrong by raising a subclass of :class:`StatusError`; the server turns it into a status by
:func:`to_status`. Every status carries exactly one ``google.rpc.ErrorInfo`` (https://google.aip.dev/193). Whatever else
is raised is a bug of the service: the caller learns INTERNAL, and nothing of the exception's text, which is for the log.
"""

# ruff: noqa: N818  The errors are named after the status codes that they stand for.

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, cast

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError, Message
from google.rpc import error_details_pb2, status_pb2

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from .names import ResourceName

#: The trailing metadata key under which a ``google.rpc.Status`` travels.
STATUS_DETAILS_KEY = "grpc-status-details-bin"

# gRPC limits a call's metadata to 8 KiB by default, and a status is in it twice: percent-encoded (up to three bytes
# for one) as grpc-message, and as base64 within the details. Beyond the limit the transport puts a status of its own.
_MESSAGE_BYTES = 1024
_STATUS_BYTES = 3072

_DETAIL_TYPES: Mapping[str, type[Message]] = {
    descriptor.full_name: getattr(error_details_pb2, name)
    for name, descriptor in error_details_pb2.DESCRIPTOR.message_types_by_name.items()
}


class StatusError(Exception):
    """A gRPC status as an exception. Raise one of the subclasses: each stands for one status code.

    ``message`` is for the developer who calls; never put a secret or an exception's text into it.
    ``reason`` says why, for programs: UPPER_SNAKE_CASE, stable (AIP-193). By default it is the name of the code.
    ``metadata`` is what belongs to the reason, for programs.
    ``domain`` is whose reason it is; empty stands for the full name of the service that answers.
    ``details`` are further messages of ``google/rpc/error_details.proto``, or any others; never an ErrorInfo.
    ``component`` is whom we had called when this came back; empty where the error was raised here.
    """

    code: ClassVar[grpc.StatusCode] = grpc.StatusCode.UNKNOWN

    def __init__(
        self,
        message: str,
        *,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        domain: str = "",
        details: Sequence[Message] = (),
        component: str = "",
    ) -> None:
        super().__init__(message)
        self.message = message
        self.reason = reason or self.code.name
        self.metadata = dict(metadata or {})
        self.domain = domain
        self.details = tuple(details)
        self.component = component

    def __str__(self) -> str:
        origin = f" from {self.component}" if self.component else ""
        return f"{self.code.name}{origin} ({self.reason}): {self.message}"


class Cancelled(StatusError):
    """The call was cancelled, usually by who made it."""

    code = grpc.StatusCode.CANCELLED


class Unknown(StatusError):
    """A status that says nothing. Not for raising: this is what a client makes of other services' UNKNOWN."""

    code = grpc.StatusCode.UNKNOWN


class InvalidArgument(StatusError):
    """The request is wrong whatever the state of the system; ``field`` is the path of the field that is wrong.

    Several fields at once are named by ``violations``, from the field's path to what is wrong with it. Both end up in a
    ``google.rpc.BadRequest``.
    """

    code = grpc.StatusCode.INVALID_ARGUMENT

    def __init__(
        self,
        message: str,
        *,
        field: str = "",
        violations: Mapping[str, str] | None = None,
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        details: Sequence[Message] = (),
    ) -> None:
        found = {field: message} if field else {}
        found.update(violations or {})
        if found:
            bad_request = error_details_pb2.BadRequest()
            for path, description in found.items():
                bad_request.field_violations.add(field=_text(path), description=_text(description))
            details = (bad_request, *details)
        super().__init__(message, reason=reason, metadata=metadata, details=details)


class DeadlineExceeded(StatusError):
    """The time that the caller gave was over before the work was done."""

    code = grpc.StatusCode.DEADLINE_EXCEEDED


class _ResourceError(StatusError):
    """An error about one resource, which it names in a ``google.rpc.ResourceInfo``."""

    wording: ClassVar[str]

    def __init__(
        self,
        resource_name: str | ResourceName,
        *,
        message: str = "",
        reason: str = "",
        metadata: Mapping[str, str] | None = None,
        details: Sequence[Message] = (),
    ) -> None:
        name = str(resource_name)
        info = error_details_pb2.ResourceInfo(resource_name=_text(name))
        super().__init__(
            message or f'"{name}" {self.wording}', reason=reason, metadata=metadata, details=(info, *details)
        )


class NotFound(_ResourceError):
    """There is no resource of that name: ``NotFound("products/x")``."""

    code = grpc.StatusCode.NOT_FOUND
    wording = "was not found"


class AlreadyExists(_ResourceError):
    """A resource of that name is there already: ``AlreadyExists("products/x")``."""

    code = grpc.StatusCode.ALREADY_EXISTS
    wording = "already exists"


class PermissionDenied(StatusError):
    """The caller is known and may not do this."""

    code = grpc.StatusCode.PERMISSION_DENIED


class ResourceExhausted(StatusError):
    """A quota or a limit is used up."""

    code = grpc.StatusCode.RESOURCE_EXHAUSTED


class FailedPrecondition(StatusError):
    """The request is right, but the system's state does not allow it; asking again changes nothing until that changes.

    Give a ``reason`` of your own: ``FailedPrecondition("the cart is empty", reason="CART_EMPTY")``.
    """

    code = grpc.StatusCode.FAILED_PRECONDITION


class Aborted(StatusError):
    """Somebody else changed the same thing at the same time; the caller should read again and start over."""

    code = grpc.StatusCode.ABORTED


class OutOfRange(StatusError):
    """Past the end of what there is, for now."""

    code = grpc.StatusCode.OUT_OF_RANGE


class Unimplemented(StatusError):
    """The service does not do that."""

    code = grpc.StatusCode.UNIMPLEMENTED


class HandlerPending(Unimplemented):
    """The handler is not written yet; ``path`` is the file to write it in."""

    def __init__(self, path: str) -> None:
        super().__init__(
            f"not written yet: write the handler in {path}", reason="HANDLER_PENDING", metadata={"file": path}
        )


class Internal(StatusError):
    """Something is broken here. Raise it only where a message can be said that helps the caller."""

    code = grpc.StatusCode.INTERNAL


class Unavailable(StatusError):
    """Not now; the caller may ask again (https://google.aip.dev/194)."""

    code = grpc.StatusCode.UNAVAILABLE


class DataLoss(StatusError):
    """Data is lost or damaged for good."""

    code = grpc.StatusCode.DATA_LOSS


class Unauthenticated(StatusError):
    """The call does not say, or not credibly, who makes it."""

    code = grpc.StatusCode.UNAUTHENTICATED


_BY_CODE: Mapping[grpc.StatusCode, type[StatusError]] = {
    error.code: error
    for error in (
        Cancelled,
        Unknown,
        InvalidArgument,
        DeadlineExceeded,
        NotFound,
        AlreadyExists,
        PermissionDenied,
        ResourceExhausted,
        FailedPrecondition,
        Aborted,
        OutOfRange,
        Unimplemented,
        Internal,
        Unavailable,
        DataLoss,
        Unauthenticated,
    )
}

_CODE_BY_NUMBER: Mapping[int, grpc.StatusCode] = {code.value[0]: code for code in grpc.StatusCode}

# What a service that we called says about *our* caller's request, or about trying again, is for our caller too.
# Everything else (a method that is not there, credentials of ours that are refused …) is our own trouble.
_PASSES_ON = frozenset(
    {
        grpc.StatusCode.CANCELLED,
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.NOT_FOUND,
        grpc.StatusCode.ALREADY_EXISTS,
        grpc.StatusCode.PERMISSION_DENIED,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.FAILED_PRECONDITION,
        grpc.StatusCode.ABORTED,
        grpc.StatusCode.OUT_OF_RANGE,
        grpc.StatusCode.UNAVAILABLE,
    }
)

# Without details these come from the transport, whose text speaks of addresses and sockets.
_TRANSPORT_MESSAGES: Mapping[grpc.StatusCode, str] = {
    grpc.StatusCode.CANCELLED: "the call to {} was cancelled",
    grpc.StatusCode.DEADLINE_EXCEEDED: "{} did not answer in time",
    grpc.StatusCode.UNAVAILABLE: "{} cannot be reached",
}


def to_status(error: BaseException, service: str) -> status_pb2.Status:
    """The status by which ``service`` (its full name) answers when ``error`` ended a call.

    The one place where exceptions become statuses. See the module's docstring for what the caller may learn.
    """
    stated = _stated(error)
    status = status_pb2.Status(code=stated.code.value[0], message=_text(stated.message))
    info = error_details_pb2.ErrorInfo(
        reason=_text(stated.reason),
        domain=_text(stated.domain or service),
        metadata={_text(key): _text(value) for key, value in stated.metadata.items()},
    )
    status.details.add().Pack(info)
    for detail in stated.details:
        packed = AnyMessage()
        packed.CopyFrom(detail) if isinstance(detail, AnyMessage) else packed.Pack(detail)
        if not packed.Is(info.DESCRIPTOR):
            status.details.append(packed)
    return _bounded(status, info)


def code_of(status: status_pb2.Status) -> grpc.StatusCode:
    """The status code of a ``google.rpc.Status``; UNKNOWN for a number that gRPC does not have."""
    return _CODE_BY_NUMBER.get(status.code, grpc.StatusCode.UNKNOWN)


def trailing_metadata(status: status_pb2.Status) -> tuple[tuple[str, bytes], ...]:
    """The trailing metadata that carries ``status`` beside its code and message."""
    return ((STATUS_DETAILS_KEY, status.SerializeToString()),)


def from_rpc_error(error: grpc.RpcError, component: str) -> StatusError:
    """What a client raises when its call to ``component`` failed: the subclass that belongs to the error's code.

    Works on the errors of ``grpc`` and of ``grpc.aio``. Reason, metadata and details are read from the trailing
    metadata where the service sent them; a service that is not ours may send nothing, or something else.
    """
    code = code_of_call(error)
    message = (error.details() if hasattr(error, "details") else None) or ""
    status = _received_status(error)
    if status is None or code_of(status) is not code:
        # A status that contradicts the code of its own call cannot be trusted (grpc_status refuses it as well).
        message = _TRANSPORT_MESSAGES.get(code, message).format(component)
        return _build(code, message, component)
    details = _unpacked(status.details)
    info = next((detail for detail in details if isinstance(detail, error_details_pb2.ErrorInfo)), None)
    others = [detail for detail in details if not isinstance(detail, error_details_pb2.ErrorInfo)]
    return _build(code, message, component, info, others)


def code_of_call(error: grpc.RpcError) -> grpc.StatusCode:
    """How a client's call ended: the error's code, and UNAVAILABLE for a call that the server never took up.

    A call that arrives while a server stops, and was not handed to it yet, is CANCELLED by gRPC's core in C, where
    UNAVAILABLE is meant (https://github.com/grpc/grpc/issues/41785). Such an answer has no metadata and the code's own
    name for a message. What our side cancels says so in other words, and what a service cancels carries its details.
    """
    # An RpcError that no call raised has none of these methods.
    code = error.code() if hasattr(error, "code") else grpc.StatusCode.UNKNOWN
    if code is grpc.StatusCode.CANCELLED and hasattr(error, "details") and error.details() == code.name:
        trailing = error.trailing_metadata() if hasattr(error, "trailing_metadata") else None
        return code if trailing else grpc.StatusCode.UNAVAILABLE
    return code


def _stated(error: BaseException) -> StatusError:
    """The error as the caller may hear of it."""
    error = _alone(error)
    if not isinstance(error, StatusError):
        return Internal("internal error")
    if error.component and error.code not in _PASSES_ON:
        return Internal(
            "a service behind this one failed", reason="DOWNSTREAM_FAILED", metadata={"component": error.component}
        )
    return error


def _alone(error: BaseException) -> BaseException:
    """The first error of a group in which all are stated: what ``asyncio.TaskGroup`` makes of calls that fail together.

    A group with anything unexpected in it stays a group, and is as unexpected.
    """
    # Python 3.11 has the type; this module also runs on older ones.
    inner = getattr(error, "exceptions", ())
    if isinstance(error, StatusError) or not inner:
        return error
    alone = [_alone(one) for one in inner]
    return alone[0] if all(isinstance(one, StatusError) for one in alone) else error


def _bounded(status: status_pb2.Status, info: error_details_pb2.ErrorInfo) -> status_pb2.Status:
    """``status``, with as much left out as is needed for it to travel; the reason always stays."""
    if status.ByteSize() > _STATUS_BYTES:
        del status.details[1:]
    if status.ByteSize() > _STATUS_BYTES:
        info.metadata.clear()
        status.details[0].Pack(info)
    return status


def _text(value: object) -> str:
    """``value`` as a protobuf string of bounded length: whole characters, no lone surrogates."""
    return str(value).encode("utf-8", "replace")[:_MESSAGE_BYTES].decode("utf-8", "ignore")


def _received_status(error: grpc.RpcError) -> status_pb2.Status | None:
    trailing = error.trailing_metadata() if hasattr(error, "trailing_metadata") else None
    # grpc's stubs describe an object with attributes; it is a pair in all versions, and in grpc.aio.
    for key, value in cast("Iterable[tuple[str, str | bytes]]", trailing or ()):
        if key == STATUS_DETAILS_KEY and isinstance(value, bytes):
            try:
                return status_pb2.Status.FromString(value)
            except DecodeError:
                return None
    return None


def _unpacked(details: Iterable[AnyMessage]) -> list[Message]:
    """The details as messages; one of a type that is unknown here stays packed, and travels on as it came."""
    found: list[Message] = []
    for detail in details:
        cls = _DETAIL_TYPES.get(detail.TypeName())
        try:
            found.append(cls.FromString(detail.value) if cls else detail)
        except DecodeError:
            found.append(detail)
    return found


def _build(
    code: grpc.StatusCode,
    message: str,
    component: str,
    info: error_details_pb2.ErrorInfo | None = None,
    details: Sequence[Message] = (),
) -> StatusError:
    """An error of the class of ``code``, whatever the signature of that class's own ``__init__``."""
    cls = _BY_CODE.get(code, Unknown)
    error = cls.__new__(cls)
    StatusError.__init__(
        error,
        message,
        reason=info.reason if info else "",
        metadata=dict(info.metadata) if info else None,
        domain=info.domain if info else "",
        details=details,
        component=component,
    )
    return error
