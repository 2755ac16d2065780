"""How bytes that were written by one declaration of a field read by another: what becomes of rows that are stored.

The rules are those of the wire format (https://protobuf.dev/programming-guides/encoding and …/proto3#updating), with
one direction only: the old declaration wrote, the new one reads. A row keeps what the new declaration does not read, as
unknown fields.
"""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scaffold.core.api import Api, Field


class Reads(IntEnum):
    """What is read from a row that was written before, from good to bad."""

    SAME = 0  # the value that was written
    CUT = 1  # the value, where the new type has it; another one else
    LAST = 2  # the last one of several
    DEFAULT = 3  # nothing: the bytes have another form, and stay in the row unread
    OTHER = 4  # another value
    REFUSED = 5  # rows may not parse at all


_VARINT = ("int32", "int64", "uint32", "uint64", "bool", "enum")
_ZIGZAG = ("sint32", "sint64")
_LENGTH = ("string", "bytes", "message")
_WIRE = {
    **dict.fromkeys((*_VARINT, *_ZIGZAG), 0),
    **dict.fromkeys(("fixed64", "sfixed64", "double"), 1),
    **dict.fromkeys(_LENGTH, 2),
    "group": 3,
    **dict.fromkeys(("fixed32", "sfixed32", "float"), 5),
}
# Every value of the first type is one of the second, and has the same bytes.
_WIDER = {
    ("int32", "int64"), ("uint32", "int64"), ("uint32", "uint64"), ("enum", "int32"), ("enum", "int64"),
    *(("bool", number) for number in ("int32", "int64", "uint32", "uint64")), ("sint32", "sint64"),
}  # fmt: skip
_SAME_SIZE = ({"fixed32", "sfixed32"}, {"fixed64", "sfixed64"})


def reads(old: Field, new: Field, before: Api, after: Api) -> Reads:
    """How a field that was written as ``old`` reads as ``new``; the numbers are taken to be the same."""
    return _Reader(before, after).field(old, new)


class _Reader:
    def __init__(self, before: Api, after: Api) -> None:
        self._before = before
        self._after = after
        self._assumed: set[tuple[str, str]] = set()

    def field(self, old: Field, new: Field) -> Reads:
        """How a field reads as another one with its number. Repeated numbers are taken to be packed, as proto3 has it."""
        if _is_packed(old):
            return self._packed(old, new)
        if _is_packed(new) and old.type in _LENGTH:
            return Reads.REFUSED  # any bytes, taken for packed numbers
        value = self._value(old, new)
        if old.repeated and not new.repeated:
            return max(value, Reads.LAST)
        if self._is_map(new, self._after) and not self._is_map(old, self._before):
            return max(value, Reads.LAST)
        return value

    def _packed(self, old: Field, new: Field) -> Reads:
        """How packed numbers read, which are one piece of bytes."""
        if _is_packed(new):
            return self._value(old, new) if _WIRE[old.type] == _WIRE[new.type] else Reads.REFUSED
        if new.type == "bytes":
            return Reads.OTHER
        return Reads.REFUSED if new.type in _LENGTH else Reads.DEFAULT

    def _value(self, old: Field, new: Field) -> Reads:
        pair = (old.type, new.type)
        if _WIRE[old.type] != _WIRE[new.type]:
            return Reads.DEFAULT
        if pair in (("message", "message"), ("group", "group")):
            return self.message(old.type_name, new.type_name)
        if pair == ("enum", "enum"):
            return self._enum(old.type_name, new.type_name)
        if old.type == new.type or pair in _WIDER or pair in (("string", "bytes"), ("message", "bytes")):
            return Reads.SAME
        if new.type in _LENGTH:
            return Reads.REFUSED  # text that is no UTF-8, a message that ends too early
        same_kind = any(set(pair) <= set(kind) for kind in (_VARINT, _ZIGZAG, *_SAME_SIZE))
        return Reads.CUT if same_kind else Reads.OTHER

    def message(self, old: str, new: str) -> Reads:
        """How a message reads as another: as its worst field."""
        if (old, new) in self._assumed:
            return Reads.SAME
        self._assumed.add((old, new))
        one, other = self._before.message_by_name.get(old), self._after.message_by_name.get(new)
        if one is None or other is None:
            return Reads.SAME if old == new else Reads.REFUSED
        numbers = {f.number: f for f in other.fields}
        found = [self.field(f, numbers[f.number]) if f.number in numbers else Reads.DEFAULT for f in one.fields]
        return max(found, default=Reads.SAME)

    def _enum(self, old: str, new: str) -> Reads:
        one, other = self._before.enum_by_name.get(old), self._after.enum_by_name.get(new)
        if one is None or other is None or not other.closed:
            return Reads.SAME  # an open enum keeps numbers that it has no name for
        gone = {v.number for v in one.values} - {v.number for v in other.values}
        return Reads.CUT if gone else Reads.SAME

    @staticmethod
    def _is_map(field: Field, api: Api) -> bool:
        message = api.message_by_name.get(field.type_name)
        return message is not None and message.map_entry


def _is_packed(field: Field) -> bool:
    return field.repeated and field.type not in (*_LENGTH, "group")
