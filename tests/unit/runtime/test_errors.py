"""Exceptions to statuses and back: what a caller may learn, and what it never does."""

import copy
import pickle
from typing import TypeVar

import grpc
import pytest
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import StringValue
from google.rpc import error_details_pb2, status_pb2
from runtime.common import errors
from runtime.common.errors import StatusError, code_of, from_rpc_error, to_status
from runtime.common.names import ResourceName

D = TypeVar("D", bound=Message)

SERVICE = "shop.cart.v1.CartService"
BY_CODE = {
    cls.code: cls
    for cls in vars(errors).values()
    if isinstance(cls, type) and issubclass(cls, StatusError) and not cls.__name__.startswith("_")
    if cls not in (StatusError, errors.HandlerPending)
}
ERROR_CODES = [code for code in grpc.StatusCode if code is not grpc.StatusCode.OK]
PASSING = [
    code
    for code in ERROR_CODES
    if code.name not in ("UNKNOWN", "UNIMPLEMENTED", "INTERNAL", "DATA_LOSS", "UNAUTHENTICATED")
]


class CallError(grpc.RpcError):
    """A failed call, as grpc describes it; ``trailing`` None is what a call without an answer has."""

    def __init__(
        self, code: grpc.StatusCode, details: str | None = "", trailing: tuple[tuple[str, str | bytes], ...] | None = ()
    ) -> None:
        self._code, self._details, self._trailing = code, details, trailing

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str | None:
        return self._details

    def trailing_metadata(self) -> tuple[tuple[str, str | bytes], ...] | None:  # type: ignore[override]  # as it is
        return self._trailing


def received(status: status_pb2.Status) -> CallError:
    return CallError(code_of(status), status.message, errors.trailing_metadata(status))


def details(status: status_pb2.Status, cls: type[D]) -> list[D]:
    return [cls.FromString(detail.value) for detail in status.details if detail.Is(cls.DESCRIPTOR)]


def info(status: status_pb2.Status) -> error_details_pb2.ErrorInfo:
    """The one ErrorInfo; fails when there is none or more than one."""
    (found,) = details(status, error_details_pb2.ErrorInfo)
    return found


def test_every_code_has_its_class() -> None:
    assert set(BY_CODE) == set(ERROR_CODES)


@pytest.mark.parametrize("code", ERROR_CODES, ids=lambda code: code.name)
def test_code_message_and_default_reason(code: grpc.StatusCode) -> None:
    error = StatusError.__new__(BY_CODE[code])
    StatusError.__init__(error, "no")
    status = to_status(error, SERVICE)
    assert (code_of(status), status.message) == (code, "no")
    assert (info(status).reason, info(status).domain, dict(info(status).metadata)) == (code.name, SERVICE, {})


def test_reason_metadata_and_domain_of_ones_own() -> None:
    error = errors.FailedPrecondition(
        "empty", reason="CART_EMPTY", metadata={"cart": "carts/1"}, domain="shop.example.com"
    )
    found = info(to_status(error, SERVICE))
    assert (found.reason, found.domain, dict(found.metadata)) == ("CART_EMPTY", "shop.example.com", {"cart": "carts/1"})


def test_invalid_argument_names_the_field() -> None:
    status = to_status(errors.InvalidArgument("too long", field="book.title"), SERVICE)
    (bad,) = details(status, error_details_pb2.BadRequest)
    assert [(v.field, v.description) for v in bad.field_violations] == [("book.title", "too long")]


def test_invalid_argument_names_several_fields() -> None:
    error = errors.InvalidArgument("two are wrong", violations={"a": "missing", "b.c": "negative"})
    (bad,) = details(to_status(error, SERVICE), error_details_pb2.BadRequest)
    assert {v.field: v.description for v in bad.field_violations} == {"a": "missing", "b.c": "negative"}


def test_invalid_argument_without_a_field_has_no_bad_request() -> None:
    assert details(to_status(errors.InvalidArgument("no"), SERVICE), error_details_pb2.BadRequest) == []


@pytest.mark.parametrize(
    ("cls", "message"),
    [(errors.NotFound, '"products/x" was not found'), (errors.AlreadyExists, '"products/x" already exists')],
)
def test_resource_errors_name_the_resource(cls: type[errors.NotFound], message: str) -> None:
    class ProductName(ResourceName):
        pattern = "products/{product}"

    for name in ("products/x", ProductName("x")):
        status = to_status(cls(name), SERVICE)
        assert status.message == message
        assert [found.resource_name for found in details(status, error_details_pb2.ResourceInfo)] == ["products/x"]
    assert to_status(cls("products/x", message="gone"), SERVICE).message == "gone"


def test_a_pending_handler_names_its_file() -> None:
    status = to_status(errors.HandlerPending("handlers/add_item.py"), SERVICE)
    assert code_of(status) is grpc.StatusCode.UNIMPLEMENTED
    assert "handlers/add_item.py" in status.message
    assert (info(status).reason, dict(info(status).metadata)) == ("HANDLER_PENDING", {"file": "handlers/add_item.py"})


@pytest.mark.parametrize("error", [ValueError("password=1"), KeyError("password=1"), SystemExit("password=1")])
def test_anything_else_is_internal_and_its_text_stays_here(error: BaseException) -> None:
    status = to_status(error, SERVICE)
    assert (code_of(status), status.message, info(status).reason) == (
        grpc.StatusCode.INTERNAL,
        "internal error",
        "INTERNAL",
    )
    assert b"password" not in status.SerializeToString()


@pytest.mark.parametrize("code", PASSING, ids=lambda code: code.name)
def test_what_a_component_says_about_the_request_passes_on(code: grpc.StatusCode) -> None:
    theirs = StatusError.__new__(BY_CODE[code])
    retry = error_details_pb2.RetryInfo()
    retry.retry_delay.seconds = 3
    StatusError.__init__(theirs, "why", reason="THEIRS", metadata={"k": "v"}, details=[retry])
    error = from_rpc_error(received(to_status(theirs, "shop.catalog.v1.CatalogService")), "catalog")
    assert type(error) is BY_CODE[code]
    assert (error.component, error.message, error.reason) == ("catalog", "why", "THEIRS")
    status = to_status(error, SERVICE)
    assert (code_of(status), status.message) == (code, "why")
    assert (info(status).reason, info(status).domain) == ("THEIRS", "shop.catalog.v1.CatalogService")
    assert dict(info(status).metadata) == {"k": "v"}
    assert details(status, error_details_pb2.RetryInfo) == [retry]


@pytest.mark.parametrize("code", sorted(set(ERROR_CODES) - set(PASSING), key=str), ids=lambda code: code.name)
def test_what_is_between_us_and_a_component_is_our_trouble(code: grpc.StatusCode) -> None:
    error = from_rpc_error(CallError(code, "Traceback: secret"), "catalog")
    assert type(error) is BY_CODE[code]
    status = to_status(error, SERVICE)
    assert code_of(status) is grpc.StatusCode.INTERNAL
    assert (info(status).reason, info(status).domain) == ("DOWNSTREAM_FAILED", SERVICE)
    assert dict(info(status).metadata) == {"component": "catalog"}
    assert b"secret" not in status.SerializeToString()


@pytest.mark.parametrize("code", sorted(set(ERROR_CODES) - set(PASSING), key=str), ids=lambda code: code.name)
def test_the_same_codes_raised_here_are_meant(code: grpc.StatusCode) -> None:
    error = StatusError.__new__(BY_CODE[code])
    StatusError.__init__(error, "meant")
    assert (code_of(to_status(error, SERVICE)), to_status(error, SERVICE).message) == (code, "meant")


@pytest.mark.parametrize("code", ["CANCELLED", "DEADLINE_EXCEEDED", "UNAVAILABLE"])
def test_the_text_of_the_transport_is_not_passed_on(code: str) -> None:
    error = from_rpc_error(CallError(grpc.StatusCode[code], "failed to connect to ipv4:10.1.2.3:443", None), "catalog")
    assert "catalog" in error.message
    assert b"10.1.2.3" not in to_status(error, SERVICE).SerializeToString()


@pytest.mark.parametrize(
    ("text", "trailing", "expected"),
    [
        ("CANCELLED", (), errors.Unavailable),
        ("CANCELLED", None, errors.Unavailable),
        ("CANCELLED", (("x-other", "1"),), errors.Cancelled),
        ("", (), errors.Cancelled),
        ("Locally cancelled by application!", (), errors.Cancelled),
        ("Channel closed!", (), errors.Cancelled),
    ],
)
def test_a_call_that_was_never_accepted_is_no_call_that_was_cancelled(
    text: str, trailing: tuple[tuple[str, str], ...] | None, expected: type[StatusError]
) -> None:
    error = from_rpc_error(CallError(grpc.StatusCode.CANCELLED, text, trailing), "catalog")
    assert type(error) is expected
    assert "catalog" in error.message


def test_a_service_that_sends_no_details_is_understood() -> None:
    error = from_rpc_error(CallError(grpc.StatusCode.NOT_FOUND, "no such stock", (("x-other", "1"),)), "stock")
    assert isinstance(error, errors.NotFound)
    assert (error.message, error.reason, error.domain, error.details) == ("no such stock", "NOT_FOUND", "", ())


LYING = to_status(errors.PermissionDenied("no", reason="LIE"), SERVICE).SerializeToString()


@pytest.mark.parametrize("value", [b"\xff\xff\xff", "text", LYING], ids=["broken", "text", "of another code"])
def test_details_that_are_broken_or_contradict_the_code_are_ignored(value: str | bytes) -> None:
    error = from_rpc_error(CallError(grpc.StatusCode.NOT_FOUND, "gone", ((errors.STATUS_DETAILS_KEY, value),)), "stock")
    assert isinstance(error, errors.NotFound)
    assert (error.message, error.reason, error.details) == ("gone", "NOT_FOUND", ())


def test_details_of_unknown_types_travel_on_as_they_came() -> None:
    known, unknown = AnyMessage(), AnyMessage(type_url="type.googleapis.com/acme.Secret", value=b"\x0a\x01x")
    known.Pack(StringValue(value="kept"))
    status = status_pb2.Status(code=5, message="gone", details=[known, unknown])
    again = to_status(from_rpc_error(received(status), "stock"), SERVICE)
    assert list(again.details)[1:] == [known, unknown]


def test_an_error_info_among_the_details_is_one_too_many() -> None:
    plain, packed = error_details_pb2.ErrorInfo(reason="PLAIN"), AnyMessage()
    packed.Pack(plain)
    error = errors.Aborted("no", reason="MINE", details=[plain, packed, error_details_pb2.RetryInfo()])
    status = to_status(error, SERVICE)
    assert info(status).reason == "MINE"
    assert len(status.details) == 2


def test_one_error_info_remains_of_several() -> None:
    status = status_pb2.Status(code=5)
    for reason in ("FIRST", "SECOND"):
        status.details.add().Pack(error_details_pb2.ErrorInfo(reason=reason))
    assert info(to_status(from_rpc_error(received(status), "stock"), SERVICE)).reason == "FIRST"


def test_an_error_that_no_call_raised() -> None:
    assert isinstance(from_rpc_error(grpc.RpcError(), "stock"), errors.Unknown)


@pytest.mark.parametrize("text", ["x" * 100_000, "ü" * 100_000, "\n" * 100_000], ids=["ascii", "umlauts", "newlines"])
def test_a_status_stays_below_the_limit_for_metadata(text: str) -> None:
    error = errors.NotFound(text, metadata={f"k{n}": text for n in range(10)}, reason="KEPT")
    status = to_status(error, SERVICE)
    percent_encoded, base64 = 3 * len(status.message.encode()), status.ByteSize() * 4 // 3
    assert percent_encoded + base64 < 8000
    assert info(status).reason == "KEPT"
    assert status.message


def test_text_that_cannot_be_sent_is_made_sendable() -> None:
    status = to_status(errors.InvalidArgument("lone \ud800", metadata={"k": 7}), SERVICE)  # type: ignore[dict-item]
    assert (status.message, dict(info(status).metadata)) == ("lone ?", {"k": "7"})


def test_str_says_all_that_a_log_needs() -> None:
    error = from_rpc_error(CallError(grpc.StatusCode.ABORTED, "changed"), "orders")
    assert str(error) == "ABORTED from orders (ABORTED): changed"
    assert str(errors.OutOfRange("end")) == "OUT_OF_RANGE (OUT_OF_RANGE): end"


def test_errors_survive_being_copied() -> None:
    error = errors.NotFound("products/x", reason="GONE")
    for again in (copy.copy(error), pickle.loads(pickle.dumps(error))):
        assert (type(again), again.message, again.reason) == (errors.NotFound, error.message, "GONE")


def test_a_task_group_of_stated_errors_is_the_first_of_them() -> None:
    group = ExceptionGroup(
        "unhandled errors in a TaskGroup", [errors.NotFound("products/1"), ExceptionGroup("", [errors.NotFound("a")])]
    )
    assert to_status(group, "shop.Service").code == grpc.StatusCode.NOT_FOUND.value[0]


def test_a_task_group_with_anything_unexpected_is_unexpected() -> None:
    status = to_status(ExceptionGroup("", [errors.NotFound("products/1"), ValueError("secret")]), "shop.Service")
    assert status.code == grpc.StatusCode.INTERNAL.value[0]
    assert "secret" not in str(status)
