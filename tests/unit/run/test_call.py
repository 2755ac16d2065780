"""Calls of a real server from nothing but descriptors, as a person types them."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib.resources import files as resources
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf import any_pb2, descriptor_pb2, descriptor_pool, message_factory
from google.rpc import error_details_pb2, status_pb2
from grpc_tools import protoc

from scaffold.core.diagnostics import Diagnostic, ScaffoldError
from scaffold.run.call import CallResult, Files, NobodyAnswers, call
from scaffold.run.request import Request

PROTO = """
syntax = "proto3";
package demo.v1;
import "google/protobuf/timestamp.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/wrappers.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/any.proto";
service Echo {
  rpc GetCart(Cart) returns (Cart);
  rpc Count(Cart) returns (stream Cart);
  rpc Collect(stream Cart) returns (Cart);
  rpc Chat(stream Cart) returns (stream Cart);
}
service Other {
  rpc GetCart(Cart) returns (Cart);
  rpc Ping(Cart) returns (Cart);
}
enum State { STATE_UNSPECIFIED = 0; ACTIVE = 1; PAID = 2; STATE_WITH_THE_CARRIER_AND_ON_ITS_WAY_BACK = 3; }
message Item { string product = 1; int32 quantity = 2; Item part = 3; }
message Cart {
  string name = 1;
  State state = 2;
  repeated Item items = 3;
  Item item = 4;
  repeated string tags = 5;
  map<string, Item> shelves = 6;
  map<string, int64> counts = 7;
  google.protobuf.Timestamp create_time = 8;
  google.protobuf.Duration ttl = 9;
  google.protobuf.Int64Value limit = 10;
  google.protobuf.Struct extra = 11;
  google.protobuf.Value anything = 12;
  google.protobuf.Any packed = 13;
  bool gift = 14;
  bytes blob = 15;
  double weight = 16;
  repeated State states = 17;
  Cart inner = 18;
}
"""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> Files:
    folder = tmp_path_factory.mktemp("protos")
    (folder / "demo.proto").write_text(PROTO)
    target = folder / "all.binpb"
    wellknown = Path(str(resources("grpc_tools"))) / "_proto"
    command = ["protoc", f"-I{folder}", f"-I{wellknown}", "--include_imports", f"--descriptor_set_out={target}"]
    assert protoc.main([*command, "demo.proto"]) == 0
    found = descriptor_pb2.FileDescriptorSet.FromString(target.read_bytes()).file
    return [(file.name, file.SerializeToString()) for file in reversed(found)]  # in no helpful order


@pytest.fixture(scope="module")
def server(files: Files) -> Iterator[Server]:
    started = Server(files)
    yield started
    started.stop()


class Server:
    """Echoes; remembers the metadata of the last call. A name that begins with a status asks for that status."""

    def __init__(self, files: Files) -> None:
        pool = descriptor_pool.DescriptorPool()
        for _, data in sorted(files, key=lambda file: not file[0].startswith("google/")):
            pool.AddSerializedFile(data)
        self.cart: Any = message_factory.GetMessageClass(pool.FindMessageTypeByName("demo.v1.Cart"))
        self.metadata: dict[str, Any] = {}
        self._server = grpc.server(ThreadPoolExecutor(4), options=(("grpc.so_reuseport", 0),))
        kinds = {"GetCart": self._unary, "Count": self._count, "Collect": self._collect, "Chat": self._chat}
        makers = {
            "GetCart": grpc.unary_unary_rpc_method_handler,
            "Count": grpc.unary_stream_rpc_method_handler,
            "Collect": grpc.stream_unary_rpc_method_handler,
            "Chat": grpc.stream_stream_rpc_method_handler,
        }
        handlers = {
            name: maker(
                kinds[name], request_deserializer=self.cart.FromString, response_serializer=self.cart.SerializeToString
            )
            for name, maker in makers.items()
        }
        self._server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("demo.v1.Echo", handlers),))
        self.address = f"127.0.0.1:{self._server.add_insecure_port('127.0.0.1:0')}"
        self._server.start()
        self.details = b""

    def stop(self) -> None:
        self._server.stop(0).wait()

    def _unary(self, request: Any, context: grpc.ServicerContext) -> Any:
        self._note(context)
        word, _, message = request.name.partition(" ")
        if word in grpc.StatusCode.__members__:
            if self.details:
                context.set_trailing_metadata((("grpc-status-details-bin", self.details),))
            context.abort(grpc.StatusCode[word], message)
        if word == "sleep":
            time.sleep(1)
        if word == "odd":
            request.packed.type_url = "type.googleapis.com/un.known"
        return request

    def _count(self, request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        for number in range(3):
            yield self.cart(name=f"carts/{number}")
        if request.name:
            context.abort(grpc.StatusCode.UNAVAILABLE, "half way")

    def _collect(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Any:
        return self.cart(name=",".join(request.name for request in requests))

    def _chat(self, requests: Iterator[Any], context: grpc.ServicerContext) -> Iterator[Any]:
        yield from requests

    def _note(self, context: grpc.ServicerContext) -> None:
        self.metadata = dict(context.invocation_metadata())


def ask(server: Server, files: Files, request: Request, rpc: str = "Echo.GetCart", **options: Any) -> CallResult:
    return call(files, rpc, request, address=server.address, **options)


def answer(server: Server, files: Files, *words: str) -> dict[str, Any]:
    result = ask(server, files, words)
    assert result.ok, result
    found: dict[str, Any] = json.loads(result.json)
    return found


def problem(server: Server, files: Files, request: Request, rpc: str = "Echo.GetCart", **options: Any) -> Diagnostic:
    with pytest.raises(ScaffoldError) as caught:
        ask(server, files, request, rpc, **options)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.remedy
    return diagnostic


@pytest.mark.parametrize(
    "request_",
    ["", '{"name": "carts/1"}', ("name=carts/1",), ('{"name": "carts/1"}',), {"name": "carts/1"}, ()],
    ids=str,
)
def test_every_way_of_writing_a_request(server: Server, files: Files, request_: Request) -> None:
    result = ask(server, files, request_)
    assert result.ok
    assert json.loads(result.json) == ({"name": "carts/1"} if request_ else {})
    assert result.method == "demo.v1.Echo/GetCart"
    assert 0 < result.milliseconds < 10_000
    assert result.details == ()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["name=a=b c"], {"name": "a=b c"}),
        (["name={not json"], {"name": "{not json"}),
        (["name="], {}),
        (["state=PAID"], {"state": "PAID"}),
        (["state=2"], {"state": "PAID"}),
        (["state=77"], {"state": 77}),
        (["item.product=p", "item.quantity=3"], {"item": {"product": "p", "quantity": 3}}),
        (["item.part.part.product=p"], {"item": {"part": {"part": {"product": "p"}}}}),
        (['item={"product": "p"}'], {"item": {"product": "p"}}),
        (["tags=a", "tags=b"], {"tags": ["a", "b"]}),
        (['tags=["a", "b"]', "tags=c"], {"tags": ["a", "b", "c"]}),
        (['items={"product": "p"}', 'items={"quantity": 1}'], {"items": [{"product": "p"}, {"quantity": 1}]}),
        (["states=PAID", "states=1"], {"states": ["PAID", "ACTIVE"]}),
        (["counts.a=1", "counts.b.c=2"], {"counts": {"a": "1", "b.c": "2"}}),
        (['shelves.top={"product": "p"}'], {"shelves": {"top": {"product": "p"}}}),
        (["create_time=2024-01-02T03:04:05Z"], {"create_time": "2024-01-02T03:04:05Z"}),
        (["createTime=2024-01-02T03:04:05Z", "ttl=1.5s"], {"create_time": "2024-01-02T03:04:05Z", "ttl": "1.500s"}),
        (["limit=9007199254740993"], {"limit": "9007199254740993"}),
        (['extra={"a": [1]}', "anything=5"], {"extra": {"a": [1.0]}, "anything": 5.0}),
        (["gift=true", "weight=1.5", "blob=AP8="], {"gift": True, "weight": 1.5, "blob": "AP8="}),
        (["weight=-Infinity"], {"weight": "-Infinity"}),
        (
            ['packed={"@type": "type.googleapis.com/demo.v1.Item", "product": "p"}'],
            {"packed": {"@type": "type.googleapis.com/demo.v1.Item", "product": "p"}},
        ),
    ],
    ids=str,
)
def test_words(server: Server, files: Files, words: list[str], expected: dict[str, Any]) -> None:
    assert answer(server, files, *words) == expected


@pytest.mark.parametrize(
    ("request_", "slug", "said"),
    [
        (["nmae=x"], "unknown-field", ['"nmae" is not a field of demo.v1.Cart', 'did you mean "name"?', "tags"]),
        ('{"item": {"prodct": 1}}', "unknown-field", ["demo.v1.Item (at item)", 'did you mean "product"?']),
        ('{"items": [{}, {"x": 1}]}', "unknown-field", ["(at items[1])", "its fields are product, quantity, part"]),
        ('{"shelves": {"a": {"x": 1}}}', "unknown-field", ["(at shelves.a)"]),
        (["item.prodct=x"], "unknown-field", ["demo.v1.Item (at item)"]),
        (["state=back"], "unknown-value", ['did you mean "STATE_WITH_THE_CARRIER_AND_ON_ITS_WAY_BACK"?']),
        (["state=PAYED"], "unknown-value", ['state: "PAYED"', 'did you mean "PAID"?']),
        (["states=PAID", "states=paid"], "unknown-value", ["states[1]", 'did you mean "PAID"?']),
        (["name"], "bad-request", ['"name" is not of the form key=value']),
        (["=x"], "bad-request", ["key=value"]),
        (["name=a", "name=b"], "bad-request", ["name is there twice"]),
        (["counts.a=1", "counts.a=2"], "bad-request", ["counts.a is there twice"]),
        (["gift=yes"], "bad-request", ['gift: "yes" is not true or false']),
        (["item=p"], "bad-request", ["item is a demo.v1.Item", "item.product=…", "item={…}"]),
        (["items.product=p"], "bad-request", ["items is a list", "items=…"]),
        (["inner.items.product=p"], "bad-request", ["inner.items is a list", "JSON, inner.items=…"]),
        (["inner.shelves.a.product=p"], "bad-request", ["demo.v1.Item in a map", "JSON, inner.shelves.KEY={…}"]),
        (
            ["name=a", '{"name": "a"}'],
            "bad-request",
            ["is not of the form key=value", "one piece of JSON and nothing else"],
        ),
        (["name.x=p"], "bad-request", ["name is no message with fields"]),
        (["create_time=yesterday"], "bad-request", ["create_time"]),
        (["item.quantity=many"], "bad-request", ["many"]),
        (["item.quantity=99999999999"], "bad-request", ["item"]),
        ('{"item": {"quantity": 1.5}}', "bad-request", ["quantity"]),
        ('{"item": 5}', "bad-request", ["item is a demo.v1.Item: a JSON object"]),
        ("[1]", "bad-request", ["the request is a demo.v1.Cart: a JSON object"]),
        ('{"name": "a", "name": "b"}', "bad-request", ['"name" is there twice']),
        ('{"name": "\\ud800"}', "bad-request", []),
        ("[" * 100_000, "bad-request", []),
        ('{"weight": ' + "9" * 5000 + "}", "bad-request", []),
        ('{"na\x1b[2J": 1}', "bad-json", []),
        (["na\x1b[2J=1"], "unknown-field", ["na\\x1b[2J"]),
        (['item={"product"'], "bad-json", ["is not JSON"]),
    ],
    ids=lambda value: str(value)[:30],
)
def test_a_request_that_does_not_fit(
    server: Server, files: Files, request_: Request, slug: str, said: list[str]
) -> None:
    diagnostic = problem(server, files, request_)
    assert diagnostic.slug == slug
    assert all(part in str(diagnostic) for part in said), str(diagnostic)
    assert str(diagnostic).replace("\n", "").isprintable()


def test_json_that_is_none_is_shown_where(server: Server, files: Files) -> None:
    diagnostic = problem(server, files, '{"name": "a",\n "tags": [}')
    assert str(diagnostic).startswith("request:2:11: bad-json: ")


@pytest.mark.parametrize(
    ("rpc", "options", "found"),
    [
        ("demo.v1.Echo/GetCart", {}, "demo.v1.Echo/GetCart"),
        ("/demo.v1.Echo/GetCart", {}, "demo.v1.Echo/GetCart"),
        ("demo.v1.Echo.GetCart", {}, "demo.v1.Echo/GetCart"),
        ("GetCart", {"services": ["demo.v1.Echo"]}, "demo.v1.Echo/GetCart"),
        ("get_cart", {"services": ["demo.v1.Echo"]}, "demo.v1.Echo/GetCart"),
        ("Count", {}, "demo.v1.Echo/Count"),
    ],
)
def test_names_of_rpcs(server: Server, files: Files, rpc: str, options: dict[str, Any], found: str) -> None:
    assert ask(server, files, (), rpc, **options).method == found


@pytest.mark.parametrize(
    ("rpc", "slug", "remedy"),
    [
        ("GetCart", "ambiguous-rpc", "say which: demo.v1.Echo/GetCart, demo.v1.Other/GetCart"),
        ("GetCrat", "unknown-rpc", 'did you mean "GetCart"? the RPCs are GetCart, Count'),
        ("Cart", "unknown-rpc", "the RPCs are"),
        ("", "unknown-rpc", "the RPCs are"),
    ],
)
def test_names_that_are_none(server: Server, files: Files, rpc: str, slug: str, remedy: str) -> None:
    diagnostic = problem(server, files, (), rpc)
    assert diagnostic.slug == slug
    assert remedy in diagnostic.remedy


def test_a_fresh_trace_is_begun(server: Server, files: Files) -> None:
    first, second = (ask(server, files, ()) for _ in range(2))
    assert server.metadata["traceparent"] == f"00-{second.trace_id}-{second.span_id}-01"
    assert server.metadata["x-request-id"] == second.request_id
    assert len({first.trace_id, second.trace_id}) == len({first.request_id, second.request_id}) == 2


def test_metadata_of_ones_own(server: Server, files: Files) -> None:
    trace_id, span_id = "6f0c1e9ab2d84c7f9a53e1b07d42c8e6", "00f067aa0ba902b7"
    metadata = [("traceparent", f"00-{trace_id}-{span_id}-01"), ("X-Tenant-Id", "7"), ("extra-bin", b"\x00")]
    result = ask(server, files, (), metadata=metadata)
    assert (result.trace_id, result.span_id) == (trace_id, span_id)
    assert server.metadata["x-tenant-id"] == "7"
    assert server.metadata["extra-bin"] == b"\x00"


@pytest.mark.parametrize(
    "header", [("a b", "x"), ("a-bin", "x"), ("a", b"x"), ("a", "ä"), ("a", "x\n"), ("traceparent", "00-1-1-01")]
)
def test_metadata_that_cannot_be_sent(server: Server, files: Files, header: tuple[str, str | bytes]) -> None:
    assert problem(server, files, (), metadata=[header]).slug == "bad-metadata"


def test_a_status_with_details_is_a_result(server: Server, files: Files) -> None:
    status = status_pb2.Status(code=9, message="no")
    for detail in (
        error_details_pb2.ErrorInfo(reason="CART_EMPTY", domain="demo.v1", metadata={"cart": "carts/1", "a": "\x1b"}),
        error_details_pb2.BadRequest(field_violations=[{"field": "name", "description": "is empty"}]),
        error_details_pb2.PreconditionFailure(violations=[{"type": "T", "subject": "s", "description": "d"}]),
        error_details_pb2.ResourceInfo(resource_type="Cart", resource_name="carts/1"),
        error_details_pb2.RetryInfo(retry_delay={"seconds": 3}),
        server.cart(name="carts/9"),
    ):
        status.details.add().Pack(detail)
    status.details.append(any_pb2.Any(type_url="type.googleapis.com/un.known", value=b"123"))
    status.details.append(any_pb2.Any(type_url="type.googleapis.com/google.rpc.ErrorInfo", value=b"\xff"))
    server.details = status.SerializeToString()
    result = ask(server, files, ["name=FAILED_PRECONDITION the cart\x1b[2J is empty"])
    assert not result.ok
    assert (result.code, result.message) == ("FAILED_PRECONDITION", "the cart\\x1b[2J is empty")
    assert result.responses == ()
    assert result.json == ""
    assert result.details == (
        "ErrorInfo CART_EMPTY (demo.v1) a=\\x1b cart=carts/1",
        "BadRequest name: is empty",
        "PreconditionFailure T s: d",
        "ResourceInfo Cart carts/1",
        'RetryInfo {"retry_delay": "3s"}',
        'Cart {"name": "carts/9"}',
        "un.known (3 bytes)",
        "google.rpc.ErrorInfo that cannot be read (1 bytes)",
    )


def test_details_that_are_garbage(server: Server, files: Files) -> None:
    server.details = b"\xff\xff"
    result = ask(server, files, ["name=NOT_FOUND"])
    assert (result.code, result.details) == ("NOT_FOUND", ("details that cannot be read (2 bytes)",))


def test_an_rpc_that_the_server_lacks(server: Server, files: Files) -> None:
    assert ask(server, files, (), "Ping").code == "UNIMPLEMENTED"


def test_streams(server: Server, files: Files) -> None:
    seen: list[str] = []
    counted = ask(server, files, (), "Count", on_response=seen.append)
    assert [json.loads(text)["name"] for text in counted.responses] == ["carts/0", "carts/1", "carts/2"]
    assert tuple(seen) == counted.responses
    assert json.loads(ask(server, files, '[{"name": "a"}, {"name": "b"}]', "Collect").json) == {"name": "a,b"}
    assert json.loads(ask(server, files, ["name=c"], "Collect").json) == {"name": "c"}
    assert len(ask(server, files, '[{"name": "a"}, {}]', "Chat").responses) == 2
    assert ask(server, files, "[]", "Chat").responses == ()
    assert "(at [1])" in problem(server, files, '[{}, {"x": 1}]', "Chat").message


def test_a_stream_that_breaks_keeps_what_came(server: Server, files: Files) -> None:
    result = ask(server, files, ["name=break"], "Count")
    assert (len(result.responses), result.code, result.message) == (3, "UNAVAILABLE", "half way")


def test_responses_are_safe_to_print(server: Server, files: Files) -> None:
    result = ask(server, files, {"name": "a\x1b\x9b\x7f\u202e\U000e0001ä\n"})
    assert result.json.replace("\n", "").isprintable()
    assert "ä" in result.json
    assert json.loads(result.json)["name"] == "a\x1b\x9b\x7f\u202e\U000e0001ä\n"


def test_a_response_that_json_cannot_hold(server: Server, files: Files) -> None:
    result = ask(server, files, ["name=odd"])
    assert result.ok
    assert "demo.v1.Cart of 37 bytes that JSON cannot hold" in json.loads(result.json)


def test_a_deadline(server: Server, files: Files) -> None:
    assert ask(server, files, ["name=sleep"], timeout=0.2).code == "DEADLINE_EXCEEDED"


def test_something_that_does_not_speak_grpc(files: Files) -> None:
    with socket.socket() as silent:  # accepts connections, and says nothing
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(NobodyAnswers):
            call(files, "Count", address=f"127.0.0.1:{silent.getsockname()[1]}", timeout=0.3)


def test_unavailable_from_a_server_is_a_status(server: Server, files: Files) -> None:
    assert ask(server, files, ["name=UNAVAILABLE overloaded"]).message == "overloaded"


def test_nobody_there(files: Files) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and does not listen
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(NobodyAnswers) as caught:
            call(files, "Count", address=address, timeout=20)
    (diagnostic,) = caught.value.diagnostics
    assert diagnostic.slug == "nobody-answers"
    assert address in diagnostic.message


def test_files_that_are_not_all_there(files: Files) -> None:
    some = [file for file in files if file[0] != "google/protobuf/any.proto"]
    with pytest.raises(ScaffoldError, match=r"descriptors-incomplete: demo\.proto") as caught:
        call(some, "Count", address="127.0.0.1:1")
    assert caught.value.diagnostics[0].remedy
