"""What is said of stored rows is what protobuf does with them: written by the old declaration, read by the new one."""

from __future__ import annotations

import math
from typing import Any

import pytest
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, unknown_fields
from google.protobuf.message import DecodeError, Message

from scaffold.core.analyse import analyse, join
from scaffold.core.api import Api
from scaffold.core.rows import Reads, reads

SCALARS = (
    "int32 int64 uint32 uint64 sint32 sint64 bool fixed32 fixed64 sfixed32 sfixed64 float double string bytes".split()
)
KINDS = [(name, repeated) for name in (*SCALARS, "enum", "message") for repeated in (False, True)]
_RANGES = {
    **dict.fromkeys(("int32", "sint32", "sfixed32"), (-(2**31), 2**31 - 1)),
    **dict.fromkeys(("int64", "sint64", "sfixed64"), (-(2**63), 2**63 - 1)),
    **dict.fromkeys(("uint32", "fixed32"), (0, 2**32 - 1)),
    **dict.fromkeys(("uint64", "fixed64"), (0, 2**64 - 1)),
}


def declared(kind: str, repeated: bool) -> descriptor_pb2.FileDescriptorProto:
    """A file with a message M of one field of that kind."""
    field = descriptor_pb2.FieldDescriptorProto
    file = descriptor_pb2.FileDescriptorProto(name="m.proto", syntax="proto3")
    file.enum_type.add(name="E").value.add(name="ZERO", number=0)
    file.enum_type[0].value.add(name="ONE", number=1)
    inner = file.message_type.add(name="Inner")
    inner.field.add(name="x", number=1, type=field.TYPE_INT32, label=field.LABEL_OPTIONAL)
    type_name = {"enum": ".E", "message": ".Inner"}.get(kind)
    file.message_type.add(name="M").field.add(
        name="f",
        number=1,
        type=field.Type.Value(f"TYPE_{kind.upper()}"),
        type_name=type_name,
        label=field.LABEL_REPEATED if repeated else field.LABEL_OPTIONAL,
    )
    return file


def made(kind: str, repeated: bool) -> tuple[Api, type[Message]]:
    file = declared(kind, repeated)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    api = analyse(join([file.SerializeToString()]))
    return api, message_factory.GetMessageClass(pool.FindMessageTypeByName("M"))


MADE = {kind: made(*kind) for kind in KINDS}


def said(old: tuple[str, bool], new: tuple[str, bool]) -> Reads:
    before, after = MADE[old][0], MADE[new][0]
    return reads(before.message_by_name["M"].fields[0], after.message_by_name["M"].fields[0], before, after)


def values(kind: str) -> list[Any]:
    """Values that are no default, so that they are on the wire; the smallest and the largest among them."""
    if kind in _RANGES:
        low, high = _RANGES[kind]
        return [v for v in (1, 2, 200, low, high) if v]
    return {
        "float": [1.5, -1.0], "double": [1.5, -1.0], "bool": [True], "string": ["a", "ab\u00fc", "\x08\x01"],
        "bytes": [b"a", b"\xff", b"\x08\x01"], "enum": [1, 200, 2**31 - 1], "message": [1, 200],
    }[kind]  # fmt: skip


def filled(kind: tuple[str, bool], value: Any) -> Message:
    name, repeated = kind
    cls = MADE[kind][1]
    if name == "message":
        inner = [{"x": value}] if repeated else {"x": value}
        return cls(f=inner)
    return cls(f=[value] if repeated else value)


def meaning(value: Any) -> Any:
    """A value beside one of another type: numbers as numbers, text as its bytes, messages as theirs."""
    if isinstance(value, Message):
        return value.SerializeToString()
    return value.encode() if isinstance(value, str) else value


def seen(message: Message) -> list[Any]:
    """What is in the field."""
    value = message.f  # type: ignore[attr-defined]
    if isinstance(value, Message):
        return [meaning(value)] if message.HasField("f") else []
    if isinstance(value, str | bytes | int | float):
        return [meaning(value)] if value else []
    return [meaning(v) for v in value]


@pytest.mark.parametrize("new", KINDS, ids=str)
@pytest.mark.parametrize("old", KINDS, ids=str)
def test_rows_read_as_is_said(old: tuple[str, bool], new: tuple[str, bool]) -> None:
    expected = said(old, new)
    for value in values(old[0]):
        written = filled(old, value)
        try:
            read = MADE[new][1].FromString(written.SerializeToString())
        except DecodeError:
            assert expected is Reads.REFUSED
            continue
        if expected in (Reads.SAME, Reads.LAST):
            assert seen(read) == seen(written)
        elif expected is Reads.DEFAULT:
            assert seen(read) == []
            assert len(unknown_fields.UnknownFieldSet(read)) == 1  # the row still has it
            assert MADE[old][1].FromString(read.SerializeToString()) == written


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("int64", "int32", Reads.CUT),
        ("int32", "uint64", Reads.CUT),
        ("int32", "bool", Reads.CUT),
        ("int32", "enum", Reads.CUT),
        ("int32", "sint32", Reads.OTHER),
        ("fixed32", "float", Reads.OTHER),
        ("fixed32", "sfixed32", Reads.CUT),
        ("bytes", "string", Reads.REFUSED),
        ("string", "message", Reads.REFUSED),
        ("message", "string", Reads.REFUSED),
    ],
)
def test_what_is_not_the_same(old: str, new: str, expected: Reads) -> None:
    assert said((old, False), (new, False)) is expected


@pytest.mark.parametrize("kind", SCALARS)
def test_several_values_where_one_is_read(kind: str) -> None:
    many, one = MADE[kind, True][1], MADE[kind, False][1]
    pair = {"string": ["a", "b"], "bytes": [b"a", b"b"], "bool": [True, True]}.get(kind, [1, 2])
    read = seen(one.FromString(many(f=pair).SerializeToString()))
    expected = said((kind, True), (kind, False))
    assert read == ([meaning(pair[1])] if expected is Reads.LAST else [])
    assert expected is (Reads.LAST if kind in ("string", "bytes") else Reads.DEFAULT)
    assert not any(math.isnan(v) for v in read if isinstance(v, float))
