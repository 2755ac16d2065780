from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from google.protobuf import descriptor_pool, timestamp_pb2

from scaffold.contract import schema
from scaffold.core.shapes import Kind

CompileText = Callable[..., schema.Schema]


def info(api: schema.Schema, message: str, field: str) -> schema.FieldInfo:
    return next(i for i in api.fields(message) if i.field.name == field)


def test_the_classes_are_its_own(library_schema: schema.Schema) -> None:
    with pytest.raises(KeyError):
        descriptor_pool.Default().FindMessageTypeByName("lib.v1.Book")
    stamp = library_schema.new("google.protobuf.Timestamp")
    assert type(stamp) is not timestamp_pb2.Timestamp
    assert library_schema.message_class("lib.v1.Book") is library_schema.message_class("lib.v1.Book")


def test_rpcs_have_shapes_labels_and_paths(library_schema: schema.Schema) -> None:
    get, *_ = library_schema.rpcs
    assert (get.label, get.path) == ("Library.GetBook", "/lib.v1.Library/GetBook")
    assert get.shape.kind is Kind.GET
    assert [r.label for r in library_schema.rpcs if r.streams] == ["Library.Watch", "Library.Collect", "Library.Talk"]
    assert library_schema.rpc_of(Kind.CREATE, "lib.v1.Shelf") is not None
    assert library_schema.rpc_of(Kind.GET, "lib.v1.Shelf") is None


def test_a_services_full_name_tells_two_of_one_name_apart(compile_text: CompileText) -> None:
    text = 'syntax = "proto3"; package a; message M {} service S { rpc Go(M) returns (M); } message S2 {}'
    api = compile_text(text, "a.S")
    twice = schema.Schema(api.api, ("a.S", "a.S"), "", api.pool)
    assert {rpc.label for rpc in api.rpcs} == {"S.Go"}
    assert {rpc.label for rpc in twice.rpcs} == {"a.S.Go"}


def test_where_an_rpc_is_declared_comes_from_the_plan(library_schema: schema.Schema) -> None:
    places = {"lib.v1.Library.GetBook": "protos/library.proto:20"}
    api = schema.Schema(library_schema.api, library_schema.services, "", library_schema.pool, {}, places)
    assert [rpc.where for rpc in api.rpcs][:2] == ["protos/library.proto:20", ""]


def test_fields_know_whose_name_they_hold(library_schema: schema.Schema) -> None:
    book, shelf = "lib.v1.Book", "lib.v1.Shelf"
    assert info(library_schema, "lib.v1.GetBookRequest", "name").names == book
    assert info(library_schema, "lib.v1.LendBookRequest", "book").names == book
    assert info(library_schema, "lib.v1.CreateBookRequest", "parent").names == shelf  # by child_type
    own = info(library_schema, book, "name")
    assert (own.names, own.own) == (book, True)
    assert info(library_schema, book, "title").names == ""
    assert info(library_schema, book, "title").required
    assert info(library_schema, book, "create_time").output_only
    assert info(library_schema, "lib.v1.CreateBookRequest", "book_id").identifier


def test_a_required_field_of_proto2_is_required(compile_text: CompileText) -> None:
    api = compile_text('syntax = "proto2"; package a; message M { required int32 a = 1; optional int32 b = 2; }')
    assert [i.required for i in api.fields("a.M")] == [True, False]


def test_text_shows_unknown_fields(library_schema: schema.Schema) -> None:
    note = library_schema.new("lib.v1.Note")
    note.MergeFromString(b"\x0a\x01a\x98\x06\x05")
    assert schema.text(note) == 'text: "a"\n99: 5\n'


def test_reading_what_a_component_holds(library_workspace: Path, library_schema: schema.Schema) -> None:
    read = schema.read(library_workspace / "src", "library")
    assert (read.services, read.digest) == (library_schema.services, library_schema.digest)


def test_descriptors_that_are_missing_or_incomplete(tmp_path: Path) -> None:
    with pytest.raises(schema.SchemaError, match="scaffold regen"):
        schema.read(tmp_path, "nothing")
    gen = tmp_path / "half" / "gen"
    gen.mkdir(parents=True)
    from google.protobuf import descriptor_pb2

    file = descriptor_pb2.FileDescriptorProto(name="a.proto", dependency=["gone.proto"]).SerializeToString()
    (gen / "descriptors.py").write_text(
        f'FILES: object = (("a.proto", {file!r}),)\nKEPT: object = ()\nINSTALLED: object = ()\nSERVICES: object = ()\n'
    )
    with pytest.raises(schema.SchemaError, match=r"gone\.proto"):
        schema.read(tmp_path, "half")
