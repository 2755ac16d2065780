from __future__ import annotations

from pathlib import Path

import pytest
from google.protobuf import descriptor_pb2

from scaffold.core.analyse import analyse, join, serialized_files
from scaffold.core.api import Api, EnumValue, Resource
from scaffold.core.diagnostics import Location
from scaffold.shell.protoc import compile_protos
from tests.support import compile_api, write

SHOP = (
    """\
// Detached: it belongs to nobody.

// The shop's carts.
//
//  - indented
// says "hi" """
    + r"\ {{ x }}"
    + """
syntax = "proto3";
package shop.v1;

import "google/api/field_behavior.proto";
import "google/api/resource.proto";

option (google.api.resource_definition) = {type: "shop.example.com/Shelf" pattern: "shelves/{shelf}"};

// Keeps carts.
//
//   * stars and  spaces  stay
service Carts {
  // One cart.
  rpc GetCart(Cart.Ref) returns (Cart);
  rpc Watch(stream Cart.Ref) returns (stream Cart);  // Behind it.
  /* A block
   * of two lines. */
  rpc Put(stream Cart) returns (Cart) { option deprecated = true; option idempotency_level = IDEMPOTENT; }
}

// A cart.
message Cart {
  option (google.api.resource) = {
    type: "shop.example.com/Cart"
    pattern: "carts/{cart}"
    pattern: "users/{user}/carts/{cart}"
  };
  string name = 1 [(google.api.field_behavior) = REQUIRED, (google.api.field_behavior) = IDENTIFIER];
  // How many.
  int32 count = 2 [deprecated = true];
  optional string note = 3;
  repeated Item items = 4;
  map<string, Item> by_name = 5;
  oneof payment {
    string card = 6;
    Item voucher = 7;
  }
  State state = 8;
  message Item {
    Item part = 1;
    enum Size { SIZE_UNSPECIFIED = 0; SIZE_L = 1; }
    Size size = 2;
  }
  message Ref { string name = 1; }
}

// Where it is.
enum State {
  // Nobody knows.
  STATE_UNSPECIFIED = 0;
  GONE = -3;
}
"""
)


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Api:
    return compile_api(tmp_path_factory.mktemp("shop"), {"shop.proto": SHOP})


def test_services_and_methods(shop: Api) -> None:
    (service,) = shop.services
    assert (service.full_name, service.name, service.file) == ("shop.v1.Carts", "Carts", "shop.proto")
    get, watch, put = service.methods
    assert (get.full_name, get.name, get.input, get.output) == (
        "shop.v1.Carts.GetCart",
        "GetCart",
        "shop.v1.Cart.Ref",
        "shop.v1.Cart",
    )
    assert [(m.client_streaming, m.server_streaming) for m in (get, watch, put)] == [
        (False, False),
        (True, True),
        (True, False),
    ]
    assert (get.deprecated, put.deprecated) == (False, True)
    assert (get.idempotency, put.idempotency) == ("", "IDEMPOTENT")


def test_comments(shop: Api) -> None:
    (service,) = shop.services
    assert service.doc == "Keeps carts.\n\n  * stars and  spaces  stay"
    assert [m.doc for m in service.methods] == ["One cart.", "Behind it.", "A block\nof two lines."]
    cart = shop.message_by_name["shop.v1.Cart"]
    count = cart.field("count")
    assert count is not None
    assert (cart.doc, count.doc) == ("A cart.", "How many.")
    state = shop.enum_by_name["shop.v1.State"]
    assert (state.doc, state.values[0].doc, state.values[1].doc) == ("Where it is.", "Nobody knows.", "")


def test_places_count_from_one(shop: Api) -> None:
    lines = SHOP.splitlines()
    found = {
        **{f"rpc {m.name}(": m.where for s in shop.services for m in s.methods},
        "service Carts": shop.services[0].where,
        "message Cart": shop.message_by_name["shop.v1.Cart"].where,
        "message Item": shop.message_by_name["shop.v1.Cart.Item"].where,
        "enum Size": shop.enum_by_name["shop.v1.Cart.Item.Size"].where,
        "int32 count": next(f for f in shop.message_by_name["shop.v1.Cart"].fields if f.name == "count").where,
    }
    for text, where in found.items():
        assert where.path == "shop.proto"
        assert lines[where.line - 1][where.column - 1 :].startswith(text), (text, where)


def test_fields(shop: Api) -> None:
    cart = shop.message_by_name["shop.v1.Cart"]
    assert [(f.name, f.number, f.type, f.type_name, f.repeated, f.presence, f.oneof) for f in cart.fields] == [
        ("name", 1, "string", "", False, False, ""),
        ("count", 2, "int32", "", False, False, ""),
        ("note", 3, "string", "", False, True, ""),
        ("items", 4, "message", "shop.v1.Cart.Item", True, False, ""),
        ("by_name", 5, "message", "shop.v1.Cart.ByNameEntry", True, False, ""),
        ("card", 6, "string", "", False, True, "payment"),
        ("voucher", 7, "message", "shop.v1.Cart.Item", False, True, "payment"),
        ("state", 8, "enum", "shop.v1.State", False, False, ""),
    ]
    assert cart.oneofs == ("payment",), "the oneof of a proto3 optional is none"
    assert cart.fields[0].behaviors == ("REQUIRED", "IDENTIFIER")
    assert cart.fields[1].deprecated
    assert cart.field("nothing") is None


def test_what_is_nested(shop: Api) -> None:
    cart = shop.message_by_name["shop.v1.Cart"]
    assert {m.name: m.map_entry for m in cart.messages} == {"ByNameEntry": True, "Item": False, "Ref": False}
    assert shop.enum_by_name["shop.v1.Cart.Item.Size"].values == (
        EnumValue("SIZE_UNSPECIFIED", 0),
        EnumValue("SIZE_L", 1),
    )
    assert [v.number for v in shop.enum_by_name["shop.v1.State"].values] == [0, -3]
    assert shop.message_by_name["shop.v1.Cart.Item"].fields[0].type_name == "shop.v1.Cart.Item"


def test_resources(shop: Api) -> None:
    cart = shop.message_by_name["shop.v1.Cart"]
    assert cart.resource == Resource("shop.example.com/Cart", ("carts/{cart}", "users/{user}/carts/{cart}"))
    assert shop.message_by_name["shop.v1.Cart.Ref"].resource is None
    assert shop.file_by_name["shop.proto"].resources == (Resource("shop.example.com/Shelf", ("shelves/{shelf}",)),)


def test_imports_come_first_and_are_closed(tmp_path: Path) -> None:
    api = compile_api(
        tmp_path,
        {
            "a.proto": 'syntax = "proto3"; package a; import "b.proto"; import "d.proto"; message A { b.c.C c = 1; }',
            "b.proto": 'syntax = "proto3"; package b; import public "c.proto";',
            "c.proto": 'syntax = "proto3"; package b.c; message C {}',
            "d.proto": 'syntax = "proto3"; package d;',
        },
    )
    assert [f.name for f in api.closure(("a.proto",))] == ["c.proto", "b.proto", "d.proto", "a.proto"]
    assert [f.name for f in api.closure(("b.proto", "c.proto"))] == ["c.proto", "b.proto"]
    assert (api.file_by_name["b.proto"].imports, api.file_by_name["b.proto"].public) == (("c.proto",), ("c.proto",))
    assert api.packages == {"a.proto": "a", "b.proto": "b", "c.proto": "b.c", "d.proto": "d"}


def test_no_package(tmp_path: Path) -> None:
    api = compile_api(
        tmp_path,
        {"a.proto": 'syntax = "proto3"; service S { rpc A(M) returns (M); } message M { M m = 1; } enum E { Z = 0; }'},
    )
    assert api.services[0].methods[0].full_name == "S.A"
    assert api.message_by_name["M"].fields[0].type_name == "M"
    assert api.enum_by_name["E"].full_name == "E"


PRESENCE = {
    "proto2": (
        'syntax = "proto2";',
        "optional int32 a = 1; required string b = 2; repeated int32 c = 3; optional M d = 4; "
        "optional group Inner = 5 { optional int32 x = 1; } oneof o { int32 e = 6; }",
        {"a": True, "b": True, "c": False, "d": True, "inner": True, "e": True},
        True,
    ),
    "proto3": (
        'syntax = "proto3";',
        "int32 a = 1; optional string b = 2; repeated int32 c = 3; M d = 4; oneof o { int32 e = 6; } map<int32, M> f = 7;",
        {"a": False, "b": True, "c": False, "d": True, "e": True, "f": False},
        False,
    ),
    "edition 2023": (
        'edition = "2023";',
        "int32 a = 1; int32 b = 2 [features.field_presence = IMPLICIT]; repeated int32 c = 3; M d = 4; "
        "string e = 5 [features.field_presence = LEGACY_REQUIRED]; M g = 6 [features.message_encoding = DELIMITED];",
        {"a": True, "b": False, "c": False, "d": True, "e": True, "g": True},
        False,
    ),
    "edition 2023, implicit and closed by file": (
        'edition = "2023"; option features.field_presence = IMPLICIT; option features.enum_type = CLOSED;',
        "int32 a = 1; int32 b = 2 [features.field_presence = EXPLICIT]; M d = 4; oneof o { int32 e = 6; }",
        {"a": False, "b": True, "d": True, "e": True},
        True,
    ),
}


@pytest.mark.parametrize("case", PRESENCE)
def test_presence_is_what_the_library_says(case: str, tmp_path: Path) -> None:
    head, fields, expected, closed = PRESENCE[case]
    text = f"{head} package p; message M {{ {fields} }} enum E {{ ZERO = 0; }}"
    api = compile_api(tmp_path, {"p.proto": text})
    message = api.message_by_name["p.M"]
    assert {f.name: f.presence for f in message.fields} == expected
    assert api.enum_by_name["p.E"].closed is closed
    # And so says protobuf itself.
    from google.protobuf import descriptor_pool

    pool = descriptor_pool.DescriptorPool()
    for _, data in serialized_files(compile_protos((("", tmp_path),), ["p.proto"]), ["p.proto"]):
        pool.AddSerializedFile(data)
    theirs = pool.FindMessageTypeByName("p.M")
    assert {f.name: f.has_presence for f in theirs.fields} == expected
    assert pool.FindEnumTypeByName("p.E").is_closed is closed


def test_an_enum_can_differ_from_its_file(tmp_path: Path) -> None:
    text = 'edition = "2023"; enum A { option features.enum_type = CLOSED; B = 0; } enum C { D = 0; }'
    api = compile_api(tmp_path, {"p.proto": text})
    assert {e.name: e.closed for e in api.enums} == {"A": True, "C": False}


def test_equality_is_meaning(tmp_path: Path) -> None:
    one = compile_api(tmp_path / "1", {"p.proto": 'syntax = "proto3";\n// Says this.\nmessage M { int32 a = 1; }\n'})
    same = compile_api(
        tmp_path / "2", {"p.proto": 'syntax = "proto3";\n\n\n// Says that.\nmessage M {\n  int32 a = 1;\n}\n'}
    )
    other = compile_api(tmp_path / "3", {"p.proto": 'syntax = "proto3";\n// Says this.\nmessage M { int64 a = 1; }\n'})
    assert one == same
    assert one.messages[0].doc != same.messages[0].doc
    assert one != other


def test_serialized_files_say_nothing_of_comments_and_places(tmp_path: Path) -> None:
    write(tmp_path, {"p.proto": 'syntax = "proto3";\n// A secret.\nmessage M { int32 a = 1; }\n'})
    compiled = compile_protos((("", tmp_path),), ["p.proto"])
    assert b"A secret" in compiled
    ((name, data),) = serialized_files(compiled, ["p.proto", "not-there.proto"])
    assert name == "p.proto"
    assert b"A secret" not in data
    file = descriptor_pb2.FileDescriptorProto.FromString(data)
    assert not file.HasField("source_code_info")
    assert analyse(join([data])) == analyse(compiled)
    assert analyse(join([data])).messages[0].where == Location("p.proto")


def test_nothing_in_nothing_out() -> None:
    assert analyse(b"") == Api((), (), (), ())
