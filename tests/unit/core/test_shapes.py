from __future__ import annotations

from pathlib import Path

import pytest

from scaffold.core.shapes import CUSTOM, Kind, Shape, shape
from tests.support import compile_api

_HEAD = """
syntax = "proto3";
package shop.v1;
import "google/api/field_behavior.proto";
import "google/api/resource.proto";
import "google/protobuf/empty.proto";
import "google/protobuf/field_mask.proto";
import "google/protobuf/timestamp.proto";
"""
_CART = """
message Cart {
  option (google.api.resource) = {type: "shop.example.com/Cart" pattern: "carts/{cart}"};
  string name = 1;
  string id = 2;
}
"""
_USER = "message User { string id = 1; string name = 2; }"
CART, PATTERN = "shop.v1.Cart", "carts/{cart}"


_BOOK = """
message Book {
  option (google.api.resource) = {type: "shop.example.com/Book" pattern: "shelves/{shelf}/books/{book}"};
  string name = 1;
  google.protobuf.Timestamp delete_time = 2;
}
message N { string name = 1; }
message C { string parent = 1; Book book = 2; string book_id = 3; }
message L { repeated Book books = 1; }
"""
BOOK, BOOKS = "shop.v1.Book", "shelves/{shelf}/books/{book}"
_CREATE, _DELETE, _UNDELETE = (
    "CreateBook(C) returns (Book)",
    "DeleteBook(N) returns (Book)",
    "UndeleteBook(N) returns (Book)",
)
_HARD = "DeleteBook(N) returns (google.protobuf.Empty)"


def shape_of(folder: Path, rpc: str, messages: str, *others: str) -> Shape:
    """The shape of one RPC over some messages, in a service with some others, compiled."""
    rpcs = " ".join(f"rpc {each};" for each in (rpc, *others))
    text = f"{_HEAD}\nservice S {{ {rpcs} }}\n{messages}"
    api = compile_api(folder, {"s.proto": text})
    return shape(api, api.services[0].methods[0])


STANDARD = {
    "get": (
        "GetCart(R) returns (Cart)",
        _CART + "message R { string name = 1; }",
        Shape(Kind.GET, CART, "name", "name", PATTERN),
    ),
    "get, with optional things beside the key": (
        "GetCart(R) returns (Cart)",
        _CART + "message R { string name = 1; google.protobuf.FieldMask read_mask = 2; }",
        Shape(Kind.GET, CART, "name", "name", PATTERN),
    ),
    "get by id": (
        "GetUser(R) returns (User)",
        _USER + "message R { string id = 1; }",
        Shape(Kind.GET, "shop.v1.User", "id", "id"),
    ),
    "get by user_id": (
        "GetUser(R) returns (User)",
        _USER + "message R { string user_id = 1; }",
        Shape(Kind.GET, "shop.v1.User", "user_id", "id"),
    ),
    "get, wrapped": (
        "GetUser(R) returns (GetUserResponse)",
        _USER + "message R { string id = 1; } message GetUserResponse { User user = 1; }",
        Shape(Kind.GET, "shop.v1.User", "id", "id", wrapper="user"),
    ),
    "get, a name without a pattern": (
        "GetTopic(R) returns (Topic)",
        "message Topic { string name = 1; } message R { string name = 1; }",
        Shape(Kind.GET, "shop.v1.Topic", "name", "name"),
    ),
    "get, the resource's own id": (
        "GetTopic(R) returns (Topic)",
        "message Topic { string topic_id = 1; } message R { string topic_id = 1; }",
        Shape(Kind.GET, "shop.v1.Topic", "topic_id", "topic_id"),
    ),
    "list": (
        "ListCarts(R) returns (L)",
        _CART
        + "message R { int32 page_size = 1; string page_token = 2; }"
        + "message L { repeated Cart carts = 1; string next_page_token = 2; }",
        Shape(Kind.LIST, CART, resource_key="name", pattern=PATTERN, items="carts"),
    ),
    "list under a parent": (
        "ListCarts(R) returns (L)",
        _CART
        + "message R { string parent = 3; int32 page_size = 1; string page_token = 2; }"
        + "message L { repeated Cart items = 1; string next_page_token = 2; int32 total_size = 3; }",
        Shape(
            Kind.LIST, CART, resource_key="name", pattern=PATTERN, items="items", parent="parent", total="total_size"
        ),
    ),
    "create": (
        "CreateCart(R) returns (Cart)",
        _CART + "message R { Cart cart = 1; string cart_id = 2; string parent = 3; string request_id = 4; }",
        Shape(
            Kind.CREATE,
            CART,
            resource_key="name",
            pattern=PATTERN,
            body="cart",
            wanted_id="cart_id",
            parent="parent",
            request_id="request_id",
        ),
    ),
    "create, wrapped, by id": (
        "CreateUser(R) returns (Made)",
        _USER + "message R { User user = 1; } message Made { User made = 1; }",
        Shape(Kind.CREATE, "shop.v1.User", resource_key="id", body="user", wrapper="made"),
    ),
    "update": (
        "UpdateCart(R) returns (Cart)",
        _CART + "message R { Cart cart = 1; google.protobuf.FieldMask update_mask = 2; }",
        Shape(Kind.UPDATE, CART, resource_key="name", pattern=PATTERN, body="cart", mask="update_mask"),
    ),
    "delete": (
        "DeleteCart(R) returns (google.protobuf.Empty)",
        _CART + "message R { string name = 1; }",
        Shape(Kind.DELETE, CART, "name", "name", PATTERN),
    ),
    "delete with an empty response of its own": (
        "DeleteUser(R) returns (DeleteUserResponse)",
        _USER + "message R { string user_id = 1; } message DeleteUserResponse {}",
        Shape(Kind.DELETE, "shop.v1.User", "user_id", "id"),
    ),
    "batch get": (
        "BatchGetCarts(R) returns (L)",
        _CART + "message R { repeated string names = 1; } message L { repeated Cart carts = 1; }",
        Shape(Kind.BATCH_GET, CART, "names", "name", PATTERN, items="carts"),
    ),
    "batch get by ids": (
        "BatchGetUsers(R) returns (L)",
        _USER + "message R { repeated string ids = 1; } message L { repeated User users = 1; }",
        Shape(Kind.BATCH_GET, "shop.v1.User", "ids", "id", items="users"),
    ),
}


@pytest.mark.parametrize("case", STANDARD)
def test_standard_methods(case: str, tmp_path: Path) -> None:
    rpc, messages, expected = STANDARD[case]
    assert shape_of(tmp_path, rpc, messages) == expected
    assert expected.standard


BESIDE = {
    "create under a parent": (
        (_CREATE,),
        "",
        Shape(
            Kind.CREATE,
            BOOK,
            resource_key="name",
            pattern=BOOKS,
            body="book",
            wanted_id="book_id",
            parent="parent",
        ),
    ),
    "delete that can be taken back": (
        (_DELETE, _UNDELETE),
        "",
        Shape(Kind.DELETE, BOOK, "name", "name", BOOKS, soft=True),
    ),
    "delete that can be taken back, with an empty answer": (
        (_HARD, _UNDELETE),
        "",
        Shape(Kind.DELETE, BOOK, "name", "name", BOOKS, soft=True),
    ),
    "undelete": ((_UNDELETE,), "", Shape(Kind.UNDELETE, BOOK, "name", "name", BOOKS)),
    "batch create": (
        ("BatchCreateBooks(B) returns (L)", _CREATE),
        "message B { string parent = 1; repeated C requests = 2; }",
        Shape(
            Kind.BATCH_CREATE,
            BOOK,
            resource_key="name",
            pattern=BOOKS,
            body="requests",
            items="books",
            single="shop.v1.S.CreateBook",
        ),
    ),
    "batch delete by names": (
        ("BatchDeleteBooks(B) returns (google.protobuf.Empty)", _HARD),
        "message B { repeated string names = 1; }",
        Shape(Kind.BATCH_DELETE, BOOK, "names", "name", BOOKS, single="shop.v1.S.DeleteBook"),
    ),
    "batch delete by requests, that can be taken back": (
        ("BatchDeleteBooks(B) returns (L)", _DELETE, _UNDELETE),
        "message B { repeated N requests = 1; }",
        Shape(
            Kind.BATCH_DELETE,
            BOOK,
            resource_key="name",
            pattern=BOOKS,
            body="requests",
            items="books",
            single="shop.v1.S.DeleteBook",
            soft=True,
        ),
    ),
}


@pytest.mark.parametrize("case", BESIDE)
def test_standard_methods_beside_others(case: str, tmp_path: Path) -> None:
    rpcs, messages, expected = BESIDE[case]
    assert shape_of(tmp_path, rpcs[0], _BOOK + messages, *rpcs[1:]) == expected


ALONE = {
    "delete that answers with the resource and is for good": ((_DELETE,), ""),
    "delete whose undelete is another's": (
        (_HARD, "UndeleteBook(N) returns (google.protobuf.Empty)"),
        "",
    ),
    "undelete of what is never marked as deleted": (
        ("UndeleteCart(N) returns (Cart)",),
        _CART,
    ),
    "create under a parent that nobody names": (("CreateBook(D) returns (Book)",), "message D { Book book = 1; }"),
    "create under a parent, of what has no pattern": (
        ("CreateUser(D) returns (User)",),
        _USER + "message D { User user = 1; string parent = 2; }",
    ),
    "batch create without a create": (
        ("BatchCreateBooks(B) returns (L)",),
        "message B { repeated C requests = 1; }",
    ),
    "batch create of other requests": (
        ("BatchCreateBooks(B) returns (L)", _CREATE),
        "message B { repeated N requests = 1; }",
    ),
    "batch delete without a delete": (
        ("BatchDeleteBooks(B) returns (google.protobuf.Empty)",),
        "message B { repeated string names = 1; }",
    ),
    "batch delete with an answer that no delete gives": (
        ("BatchDeleteBooks(B) returns (L)", _HARD),
        "message B { repeated string names = 1; }",
    ),
}


@pytest.mark.parametrize("case", ALONE)
def test_what_lacks_something_beside_it_is_custom(case: str, tmp_path: Path) -> None:
    rpcs, messages = ALONE[case]
    assert shape_of(tmp_path, rpcs[0], _BOOK + messages, *rpcs[1:]) == CUSTOM


_PAGED = "message R { int32 page_size = 1; string page_token = 2; }"
_NAMED = "message R { string name = 1; }"
OTHERS = {
    "a verb of its own": ("AddItem(R) returns (Cart)", _CART + _NAMED),
    "no noun": ("Get(R) returns (Cart)", _CART + _NAMED),
    "only begins like one": ("Getaway(R) returns (Cart)", _CART + _NAMED),
    "lower case": ("Getcart(R) returns (Cart)", _CART + _NAMED),
    "a stream of them": ("GetCart(R) returns (stream Cart)", _CART + _NAMED),
    "a stream of requests": ("GetCart(stream R) returns (Cart)", _CART + _NAMED),
    "get of something else": ("GetStatus(R) returns (Report)", "message Report { int32 n = 1; }" + _NAMED),
    "get without a key": ("GetCart(R) returns (Cart)", _CART + "message R { int32 version = 1; }"),
    "get by a number": ("GetCart(R) returns (Cart)", _CART + "message R { int64 name = 1; }"),
    "get of several": ("GetCart(R) returns (Cart)", _CART + "message R { repeated string name = 1; }"),
    "get by one of two keys": ("GetCart(R) returns (Cart)", _CART + "message R { oneof by { string name = 1; } }"),
    "get that needs more than the key": (
        "GetCart(R) returns (Cart)",
        _CART + "message R { string name = 1; string tenant = 2 [(google.api.field_behavior) = REQUIRED]; }",
    ),
    "get of a thing without a key": ("GetReport(R) returns (Report)", "message Report { int32 n = 1; }" + _NAMED),
    "get, wrapped with more": (
        "GetUser(R) returns (Found)",
        _USER + _NAMED + "message Found { User user = 1; int32 age = 2; }",
    ),
    "list without pages": ("ListCarts(R) returns (L)", _CART + "message R {} message L { repeated Cart carts = 1; }"),
    "list with a number for a token": (
        "ListCarts(R) returns (L)",
        _CART
        + "message R { int32 page_size = 1; int64 page_token = 2; }"
        + "message L { repeated Cart carts = 1; string next_page_token = 2; }",
    ),
    "list of two things": (
        "ListCarts(R) returns (L)",
        _CART + _PAGED + "message L { repeated Cart a = 1; repeated Cart b = 2; string next_page_token = 3; }",
    ),
    "list of a map": (
        "ListCarts(R) returns (L)",
        _CART + _PAGED + "message L { map<string, Cart> carts = 1; string next_page_token = 2; }",
    ),
    "list of strings": (
        "ListNames(R) returns (L)",
        _PAGED + "message L { repeated string names = 1; string next_page_token = 2; }",
    ),
    "create from loose fields": ("CreateCart(R) returns (Cart)", _CART + "message R { string title = 1; }"),
    "create of several": ("CreateCart(R) returns (Cart)", _CART + "message R { repeated Cart carts = 1; }"),
    "create that answers with something else": (
        "CreateCart(R) returns (google.protobuf.Empty)",
        _CART + "message R { Cart cart = 1; }",
    ),
    "update without a mask": ("UpdateCart(R) returns (Cart)", _CART + "message R { Cart cart = 1; }"),
    "delete that answers with something": (
        "DeleteCart(R) returns (D)",
        _CART + _NAMED + "message D { bool gone = 1; }",
    ),
    "delete of what nobody declared": ("DeleteOrder(R) returns (google.protobuf.Empty)", _CART + _NAMED),
    "batch get by objects": (
        "BatchGetCarts(R) returns (L)",
        _CART + "message R { repeated Cart names = 1; } message L { repeated Cart carts = 1; }",
    ),
    "a list that Python cannot name": (
        "ListCarts(R) returns (L)",
        _CART + _PAGED + "message L { repeated Cart import = 1; string next_page_token = 2; }",
    ),
    "a body that Python cannot name": ("CreateCart(R) returns (Cart)", _CART + "message R { Cart lambda = 1; }"),
    "a wrapper that Python cannot name": (
        "GetUser(R) returns (Found)",
        _USER + "message R { string id = 1; } message Found { User class = 1; }",
    ),
}


@pytest.mark.parametrize("case", OTHERS)
def test_everything_else_is_custom(case: str, tmp_path: Path) -> None:
    rpc, messages = OTHERS[case]
    found = shape_of(tmp_path, rpc, messages)
    assert found == CUSTOM
    assert not found.standard


def test_a_delete_finds_its_resource_in_its_own_package(tmp_path: Path) -> None:
    service = """
        syntax = "proto3";
        package b;
        import "a.proto";
        import "google/protobuf/empty.proto";
        service S { rpc DeleteCart(Q) returns (google.protobuf.Empty); }
        message Q { string id = 1; }
    """
    cart = 'syntax = "proto3";\npackage %s;\nmessage Cart { string id = 1; }\n'
    api = compile_api(tmp_path, {"b.proto": service + "message Cart { string id = 1; }", "a.proto": cart % "a"})
    assert shape(api, api.services[0].methods[0]).resource == "b.Cart"
    # Declared once, elsewhere: no doubt. Declared twice, elsewhere: nobody knows.
    api = compile_api(tmp_path, {"b.proto": service, "a.proto": cart % "a"})
    assert shape(api, api.services[0].methods[0]).resource == "a.Cart"
    api = compile_api(tmp_path, {"b.proto": service, "a.proto": cart % "a", "c.proto": cart % "c"})
    assert shape(api, api.services[0].methods[0]) == CUSTOM
