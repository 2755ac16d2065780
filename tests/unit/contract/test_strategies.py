from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from hypothesis.strategies import SearchStrategy

from scaffold.contract import trial
from scaffold.contract.schema import Schema, make
from scaffold.contract.strategies import Requests, Style
from scaffold.core import analyse
from scaffold.shell import protoc

CompileText = Callable[..., Schema]


def draw(strategy: SearchStrategy[Any], count: int = 200, chance: int = 1) -> list[Any]:
    drawn: list[Any] = []
    trial._run(strategy, drawn.append, chance, count)
    return drawn


def messages(api: Schema, name: str, style: Style = Style.EDGES, count: int = 200) -> list[Any]:
    return draw(Requests(api).message(name, style), count)


def everything_in(message: Message) -> list[tuple[str, Any]]:
    """Every field that is set, at any depth, as (full name, value)."""
    found = []
    for descriptor, value in message.ListFields():
        values = value if isinstance(value, Sequence) and not isinstance(value, (str, bytes)) else [value]
        if isinstance(value, Mapping):
            values = list(value.values())
        for each in values:
            found.append((str(descriptor.full_name), each))
            if isinstance(each, Message):
                found += everything_in(each)
    return found


def test_every_field_is_set_sometimes_and_all_of_it_travels(library_schema: Schema) -> None:
    drawn = messages(library_schema, "lib.v1.Book")
    seen = {name for message in drawn for name, _ in everything_in(message)}
    assert seen >= {field.full_name for field in library_schema.new("lib.v1.Book").DESCRIPTOR.fields}
    for message in drawn:
        assert type(message).FromString(message.SerializeToString()) is not None  # strings are valid UTF-8


def test_what_is_required_is_there_unless_the_caller_is_loose(library_schema: Schema) -> None:
    for style in (Style.PLAIN, Style.ODD, Style.EDGES):
        assert all(m.book.title for m in messages(library_schema, "lib.v1.CreateBookRequest", style, 60))
    assert not all(m.book.title for m in messages(library_schema, "lib.v1.CreateBookRequest", Style.LOOSE, 60))


def test_a_well_meaning_caller_leaves_the_servers_fields_alone(library_schema: Schema) -> None:
    for style, expected in ((Style.PLAIN, False), (Style.ODD, False), (Style.EDGES, True)):
        drawn = messages(library_schema, "lib.v1.Book", style, 60)
        assert any(m.HasField("create_time") for m in drawn) is expected


def test_an_open_enum_gets_numbers_that_nobody_declared_and_a_closed_one_never(
    library_schema: Schema, compile_text: CompileText
) -> None:
    assert {m.binding for m in messages(library_schema, "lib.v1.Book")} > {0, 1, 2}
    closed = compile_text('syntax = "proto2"; package a; enum E { X = 1; Y = 5; } message M { optional E e = 1; }')
    assert {m.e for m in messages(closed, "a.M") if m.HasField("e")} == {1, 5}


def test_numbers_reach_their_edges(compile_text: CompileText) -> None:
    api = compile_text(
        'syntax = "proto3"; package a; message M { int32 i = 1; uint64 u = 2; sint64 s = 3; fixed32 f = 4; '
        "float g = 5; double d = 6; bool b = 7; bytes y = 8; }"
    )
    drawn = messages(api, "a.M", count=400)
    assert {m.i for m in drawn} >= {0, 1, -1, 2**31 - 1, -(2**31)}
    assert {m.u for m in drawn} >= {0, 1, 2**64 - 1}
    assert {m.s for m in drawn} >= {-(2**63), 2**63 - 1}
    assert {m.f for m in drawn} >= {2**32 - 1}
    assert {str(m.g) for m in drawn} >= {"inf", "-inf", "nan", "-0.0"}
    assert {str(m.d) for m in drawn} >= {"inf", "nan", "5e-324"}
    assert {m.b for m in drawn} == {True, False}
    assert {m.y for m in drawn} >= {b"", b"\xff\xfe"}


def test_presence_and_oneofs(library_schema: Schema) -> None:
    drawn = messages(library_schema, "lib.v1.Book", count=300)
    assert {m.HasField("edition") for m in drawn} == {True, False}
    assert any(m.HasField("edition") and m.edition == 0 for m in drawn)
    assert {m.WhichOneof("identifier") for m in drawn} == {None, "isbn", "number", "excerpt"}


def test_well_known_types_stay_in_their_ranges(library_schema: Schema) -> None:
    for stamp in messages(library_schema, "google.protobuf.Timestamp"):
        assert -62_135_596_800 <= stamp.seconds <= 253_402_300_799
        assert 0 <= stamp.nanos <= 999_999_999
    for duration in messages(library_schema, "google.protobuf.Duration"):
        total = duration.seconds * 10**9 + duration.nanos
        assert abs(total) <= 315_576_000_000 * 10**9
        assert duration.seconds * duration.nanos >= 0
    for value in messages(library_schema, "google.protobuf.Value"):
        assert value.WhichOneof("kind") is not None
    for request in messages(library_schema, "lib.v1.LendBookRequest", count=60):
        if request.HasField("reader"):
            name = request.reader.type_url.rpartition("/")[2]
            library_schema.message_class(name).FromString(request.reader.value)


def test_a_mask_names_fields_of_what_stands_beside_it(compile_text: CompileText) -> None:
    api = compile_text(
        'syntax = "proto3"; package a; import "google/protobuf/field_mask.proto"; '
        "message B { string x = 1; int32 y = 2; } message U { B b = 1; google.protobuf.FieldMask update_mask = 2; }"
    )
    paths = {path for m in messages(api, "a.U") for path in m.update_mask.paths}
    assert paths == {"x", "y", "*", "no_such_field"}
    assert "no_such_field" not in {p for m in messages(api, "a.U", Style.PLAIN) for p in m.update_mask.paths}


def test_names_of_resources_that_exist_and_that_do_not(library_schema: Schema) -> None:
    existing = {"lib.v1.Book": ("shelves/s/books/b",), "lib.v1.Shelf": ("shelves/s",)}
    requests = Requests(library_schema, existing)
    edges = {m.name for m in draw(requests.message("lib.v1.GetBookRequest"))}
    assert "shelves/s/books/b" in edges
    assert "shelves/a1/books/a1" in edges
    assert any("/" not in name for name in edges)
    for style in (Style.PLAIN, Style.ODD):
        drawn = draw(requests.message("lib.v1.CreateBookRequest", style), 60)
        assert {m.parent for m in drawn} == {"shelves/s"}
        assert len({m.book_id for m in drawn if m.book_id}) > 10  # ids of new things, not always the same


def test_unknown_fields_are_added_and_survive(library_schema: Schema) -> None:
    drawn = draw(Requests(library_schema).with_unknown_fields("lib.v1.CreateBookRequest", stream=False), 60)
    for (message,) in drawn:
        known = type(message).FromString(message.SerializeToString())
        known.DiscardUnknownFields()
        assert known.ByteSize() < message.ByteSize()
    assert any(
        m.HasField("book") and len(m.book.SerializeToString()) > len(_known(m.book).SerializeToString())
        for (m,) in drawn
    )


def _known(message: Message) -> Message:
    copy = type(message)()
    copy.CopyFrom(message)
    copy.DiscardUnknownFields()
    return copy


def test_a_stream_has_none_to_some_messages(library_schema: Schema) -> None:
    lengths = {len(m) for m in draw(Requests(library_schema).several("lib.v1.Note", stream=True))}
    assert lengths == {0, 1, 2, 3, 4}
    assert {len(m) for m in draw(Requests(library_schema).several("lib.v1.Note", stream=False), 20)} == {1}


WIDE = "".join(f"string f{i} = {i + 1};" for i in range(1000))
DEEP = "R a = 1; repeated R b = 2; map<string, R> c = 3; oneof o { R d = 4; string e = 5; }"


@pytest.mark.parametrize("name", ["a.Wide", "a.WideAndDeep", "a.R", "google.protobuf.Struct"])
def test_large_and_recursive_messages_are_quick_and_small(compile_text: CompileText, name: str) -> None:
    nested = "".join(f"Wide f{i} = {i + 1};" for i in range(1000))
    api = compile_text(
        'syntax = "proto3"; package a; import "google/protobuf/struct.proto";'
        f"message Wide {{ {WIDE} }} message WideAndDeep {{ {nested} }} "
        f"message R {{ {DEEP} google.protobuf.Struct s = 9; }}"
    )
    messages(api, name, count=5)  # what is made once
    begin = time.process_time()
    drawn = messages(api, name, count=100)
    assert len(drawn) == 100
    assert time.process_time() - begin < 2.0  # takes a tenth of it
    assert max(m.ByteSize() for m in drawn) < 100_000


def test_a_required_message_within_itself_comes_to_an_end(compile_text: CompileText) -> None:
    api = compile_text(
        'syntax = "proto3"; package a; import "google/api/field_behavior.proto"; '
        "message R { R inner = 1 [(google.api.field_behavior) = REQUIRED]; "
        "string text = 2 [(google.api.field_behavior) = REQUIRED]; }"
    )
    assert all(m.text and m.inner.text for m in messages(api, "a.R", count=20))


def test_groups_and_required_fields_of_proto2(compile_text: CompileText) -> None:
    api = compile_text(
        'syntax = "proto2"; package a; message M { required string r = 1; optional M m = 4; '
        "repeated group Part = 2 { required int32 n = 3; } }"
    )
    drawn = messages(api, "a.M")
    assert all(m.IsInitialized() for m in drawn)
    assert any(m.part for m in drawn)


def test_the_same_chance_draws_the_same(library_schema: Schema) -> None:
    def drawn(chance: int) -> list[bytes]:
        found = draw(Requests(library_schema).valid("lib.v1.Book"), 30, chance)
        return [m.SerializeToString(deterministic=True) for m in found]

    assert drawn(1) == drawn(1)
    assert drawn(1) != drawn(2)


def test_a_large_real_api() -> None:
    """Qdrant's own protos, as they come with its client: every request, in every style."""
    package = importlib.util.find_spec("qdrant_client")
    assert package is not None and package.submodule_search_locations is not None
    folder = Path(next(iter(package.submodule_search_locations))) / "proto"
    compiled = protoc.compile_protos([("", folder)], ["qdrant.proto"])
    services = [service.full_name for service in analyse.analyse(compiled).services]
    files = [file.name for file in analyse.analyse(compiled).files]
    api = make(dict(analyse.serialized_files(compiled, files)), tuple(services))
    assert len(api.rpcs) > 45
    for rpc in api.rpcs:
        for style in Style:
            assert all(message.SerializeToString() is not None for message in messages(api, rpc.method.input, style, 5))
