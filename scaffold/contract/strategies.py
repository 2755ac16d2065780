"""Hypothesis strategies for messages, made from descriptors.

A strategy draws a whole message into upb's own class, in a :class:`Style`. Draws are what costs time, so a message has
a budget of them: a message of a thousand fields gets a handful set, and recursion ends.

Text is put together from fixed pieces rather than drawn with ``st.text``: that one builds a table of all Unicode first
and writes it to a cache, and a third of a second is a good part of the suite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeVar

from hypothesis import strategies as st

from scaffold.contract import names
from scaffold.contract.schema import is_repeated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from google.protobuf.message import Message as Instance
    from hypothesis.strategies import DrawFn, SearchStrategy

    from scaffold.contract.schema import FieldInfo, Schema

    _Group = Sequence[FieldInfo]

T = TypeVar("T")


class Style(Enum):
    """Who is sending.

    PLAIN is a well-meaning caller with ordinary values. ODD is one too, whose values are ordinary in most fields: such
    requests get past business rules and reach the code behind them with the edges of a few fields. EDGES is anything
    that the proto allows, and LOOSE the same by somebody who has not read which fields are required. Constraints
    (protovalidate) are kept by all but the last.
    """

    PLAIN = "plain"
    ODD = "odd"
    EDGES = "edges"
    LOOSE = "loose"

    @property
    def well_meaning(self) -> bool:
        """Whether the caller names what exists, and leaves to the server what is the server's."""
        return self in (Style.PLAIN, Style.ODD)


# Draws spent on one message, how deep messages nest, and how many optional fields of a wide message are looked at.
_BUDGET = 60
_DEPTH = 4
_WIDE = 10

_INT32 = (-(2**31), 2**31 - 1)
_INT64 = (-(2**63), 2**63 - 1)
_UINT32 = (0, 2**32 - 1)
_UINT64 = (0, 2**64 - 1)
_RANGES = {
    **dict.fromkeys(("int32", "sint32", "sfixed32"), _INT32),
    **dict.fromkeys(("int64", "sint64", "sfixed64"), _INT64),
    **dict.fromkeys(("uint32", "fixed32"), _UINT32),
    **dict.fromkeys(("uint64", "fixed64"), _UINT64),
}


def _integers(low: int, high: int) -> SearchStrategy[int]:
    around = {sign * (2**power + by) for sign in (1, -1) for power in (0, 7, 31, 32) for by in (-1, 0)}
    inside = sorted((n for n in {*around, low, high} if low <= n <= high), key=lambda n: (abs(n), n < 0))
    return st.sampled_from(inside) | st.integers(low, high)


def _floats(width: int) -> SearchStrategy[float]:
    smallest, largest = (2.0**-149, (2 - 2.0**-23) * 2.0**127) if width == 32 else (5e-324, 1.7976931348623157e308)
    finite = (0.0, 1.0, -1.0, 0.5, 1e-6, -0.0, smallest, -smallest, largest, -largest, float(2**24 + 2))
    return st.sampled_from((*finite, math.inf, -math.inf, math.nan))


# Each of these holds several things that programs stumble over: few examples then find much.
_ODD_TEXTS = (
    "\x00 a\x00b \x7f",
    '\'; DROP TABLE x; -- "quoted" \\ %s %d {0} ${x} {{7*7}} <b>&amp;</b>',
    "../../etc/passwd/a/b",
    " line\r\nline\ttab\ufeff\u2028",
    "🧀 🏳️\u200d🌈 \U0010ffff \uffff \u202eabc e\u0301 İ ß ﬀ",
    "ä" * 300,
)
_TEXTS = ("a", "", " ", "A b", "0", "-1", "1e309", "null", "日本語", "a" * 64, *_ODD_TEXTS)
_PLAIN_TEXTS = ("cup", "espresso-cup", "a", "two words", "Zürich", "x1", "plain text")
_BYTES = (b"a", b"", b"\x00", b"\xff\xfe", b"\x80", bytes(range(64)), b"a" * 300)
_IDENTIFIERS = ("a1", "espresso-cup", "0", "x", "a-b-c", "z9", "b" * 40)

_TEXT = st.sampled_from(_TEXTS)
_PLAIN_TEXT = st.sampled_from(_PLAIN_TEXTS)
_ODD_TEXT = _PLAIN_TEXT | st.sampled_from(_ODD_TEXTS)
_SCALARS: Mapping[str, SearchStrategy[Any]] = {
    **{type_: _integers(*range_) for type_, range_ in _RANGES.items()},
    "bool": st.booleans(),
    "float": _floats(32),
    "double": _floats(64),
    "string": _TEXT,
    "bytes": st.sampled_from(_BYTES),
}
_PLAIN: Mapping[str, SearchStrategy[Any]] = {
    **dict.fromkeys(_RANGES, st.integers(1, 100)),
    "bool": st.booleans(),
    "float": st.sampled_from((1.0, 0.5, 2.0, 100.0)),
    "double": st.sampled_from((1.0, 0.5, 2.0, 100.0)),
    "string": _PLAIN_TEXT,
    "bytes": st.sampled_from((b"a", b"plain bytes")),
}
# What stands in a field that must be set when the budget is spent.
_SIMPLEST: Mapping[str, Any] = {
    **dict.fromkeys(_RANGES, 1),
    "bool": True,
    "float": 1.0,
    "double": 1.0,
    "string": "a",
    "bytes": b"a",
}

_ODD = {**{type_: plain | _SCALARS[type_] for type_, plain in _PLAIN.items()}, "string": _ODD_TEXT}
_BY_STYLE = {Style.PLAIN: _PLAIN, Style.ODD: _ODD, Style.EDGES: _SCALARS, Style.LOOSE: _SCALARS}

_VALID_STYLES = st.sampled_from((Style.PLAIN, Style.ODD, Style.ODD, Style.ODD, Style.EDGES))
_SMALL = st.integers(0, 2)
_COIN = st.booleans()
_MORE = st.sampled_from((False, True, True, True))
_IDENTIFIER = st.sampled_from(_IDENTIFIERS)
_NEW = st.integers(0, 2**40)  # hardly ever the same twice
_KIND_OF_NAME = st.sampled_from(("existing", "unknown", "arbitrary"))


@dataclass(frozen=True)
class _Sorted:
    """The fields of a message: what is always set, what may be, and what of that are no messages.

    The members of a oneof stand together: only one of them can be set.
    """

    required: Sequence[FieldInfo]
    optional: Sequence[_Group]
    optional_scalars: Sequence[_Group]


def _by_oneof(infos: Iterable[FieldInfo]) -> Sequence[_Group]:
    groups: dict[str, list[FieldInfo]] = {}
    for info in infos:
        groups.setdefault(f"oneof {info.field.oneof}" if info.field.oneof else info.field.name, []).append(info)
    return list(groups.values())


def _must_hold(info: FieldInfo, style: Style) -> bool:
    """Whether a field is always set: what is required; and who means well says which resource is meant."""
    points_elsewhere = bool(info.names) and not info.own
    return (info.required and style is not Style.LOOSE) or (points_elsewhere and style.well_meaning)


@dataclass(frozen=True, repr=False)
class Requests:
    """Strategies for the messages of one API.

    ``existing`` are names of resources that are there, by the full name of the resource's message. It must not change
    while a strategy is being used: Hypothesis repeats draws and expects the same result.
    """

    schema: Schema
    existing: Mapping[str, Sequence[str]] = field(default_factory=dict)
    _sorted: dict[tuple[str, Style], _Sorted] = field(default_factory=dict)

    def message(self, name: str, style: Style = Style.EDGES) -> SearchStrategy[Instance]:
        """Messages of that full name."""

        @st.composite
        def build(draw: DrawFn) -> Instance:
            message = self.schema.new(name)
            filler = _Filler(self, draw, style)
            filler.fill(message, name, 0)
            rules = self.schema.rules
            if rules is not None and style is not Style.LOOSE and rules.concern(name):
                rules.mend(message, draw, lambda inner: filler.fill(inner, inner.DESCRIPTOR.full_name, _DEPTH - 1))
            return message

        return build()

    def valid(self, name: str) -> SearchStrategy[Instance]:
        """Messages that the proto allows, in all styles that are so."""
        return _VALID_STYLES.flatmap(lambda style: self.message(name, style))

    def several(self, name: str, stream: bool, style: Style | None = None) -> SearchStrategy[tuple[Instance, ...]]:
        """What a call sends: one message, or where the client streams none to four. Valid ones without a style."""
        one = self.valid(name) if style is None else self.message(name, style)
        return st.lists(one, max_size=4).map(tuple) if stream else one.map(_single)

    def sorted_fields(self, name: str, style: Style) -> _Sorted:
        """The fields of a message as a caller of that style sees them; sorted once, because messages can be wide."""
        if (name, style) not in self._sorted:
            infos = self.schema.fields(name)
            required = [i for i in infos if _must_hold(i, style)]
            optional = [i for i in infos if not _must_hold(i, style) and not (i.output_only and style.well_meaning)]
            scalars = [i for i in optional if not i.is_message]
            self._sorted[name, style] = _Sorted(required, _by_oneof(optional), _by_oneof(scalars))
        return self._sorted[name, style]

    def with_unknown_fields(self, name: str, stream: bool) -> SearchStrategy[tuple[Instance, ...]]:
        """Like :meth:`several`, with fields that the API does not know, as a newer client would send them."""

        @st.composite
        def build(draw: DrawFn) -> tuple[Instance, ...]:
            messages: tuple[Instance, ...] = draw(self.several(name, stream))
            for message in messages:
                message.MergeFromString(draw(self._unknown_fields(message)))
                for f, value in message.ListFields():
                    if f.message_type and not is_repeated(f) and not f.message_type.full_name.startswith(_GOOGLE):
                        value.MergeFromString(draw(self._unknown_fields(value)))
            return messages

        return build()

    def _unknown_fields(self, message: Instance) -> SearchStrategy[bytes]:
        known = {f.number for f in message.DESCRIPTOR.fields}
        # Beyond what people use, and outside of 19000 to 19999, which belongs to protobuf's implementation.
        free = [n for n in (max(known, default=0) + 1, 15_000, 20_000, 2**29 - 1) if n not in known and n // 1000 != 19]
        one = st.builds(_unknown_field, st.sampled_from(free), st.sampled_from(_WIRE_VALUES))
        return st.lists(one, min_size=1, max_size=3).map(b"".join)


def _single(message: Instance) -> tuple[Instance, ...]:
    return (message,)


@dataclass
class _Filler:
    """Fills one message and everything in it: holds what one draw shares."""

    requests: Requests
    draw: DrawFn
    style: Style
    budget: int = _BUDGET

    def fill(self, message: Instance, name: str, depth: int) -> None:
        """Set fields of a message of that full name."""
        special = _WELL_KNOWN.get(name)
        if special is not None:
            special(self, message, depth)
            return
        for info in self._chosen(name, depth):
            self._set(message, info, depth)

    def spend(self, strategy: SearchStrategy[T], instead: T) -> T:
        """Draw from the strategy; when the budget is spent, the simplest value instead."""
        if self.budget <= 0:
            return instead
        self.budget -= 1
        return self.draw(strategy)

    def _chosen(self, name: str, depth: int) -> Iterator[FieldInfo]:
        """The fields to set, one by one: every one that must be, some others, at most one of a oneof.

        Whether a field is set is drawn right before its value: shrinking can then leave out both together.
        """
        fields = self.requests.sorted_fields(name, self.style)
        taken: set[str] = set()
        for info in fields.required:
            # A required message within itself can never be complete: at some depth it is left out.
            if not (info.is_message and depth >= 4 * _DEPTH):
                taken.add(info.field.oneof)
                yield info
        for group in self._some(fields.optional if depth < _DEPTH else fields.optional_scalars):
            if not group[0].field.oneof or group[0].field.oneof not in taken:
                yield group[0] if len(group) == 1 else self.spend(st.sampled_from(group), group[0])

    def _some(self, groups: Sequence[_Group]) -> Iterator[_Group]:
        """Some of the fields, as long as there is budget. Of a wide message few, from anywhere in it."""
        if len(groups) > _WIDE:
            places = st.integers(0, len(groups) - 1)
            seen: set[int] = set()
            while len(seen) < _WIDE and self.budget > 0 and self.draw(_MORE):
                place = self.spend(places, 0)
                if place in seen:
                    return
                seen.add(place)
                yield groups[place]
        else:
            for group in groups:
                if self.budget > 0 and self.draw(_COIN):
                    yield group

    def _set(self, message: Instance, info: FieldInfo, depth: int) -> None:
        f = info.field
        schema = self.requests.schema
        if f.repeated and f.type == "message" and schema.api.message_by_name[f.type_name].map_entry:
            self._set_map(message, info, depth)
        elif f.repeated:
            self._set_repeated(message, info, depth)
        elif info.is_message:
            inner = _attribute(message, f.name)
            inner.SetInParent()
            self._fill_inner(inner, message, info, depth)
        else:
            setattr(message, f.name, self._scalar(info))

    def _fill_inner(self, inner: Instance, holder: Instance, info: FieldInfo, depth: int) -> None:
        if info.field.type_name == "google.protobuf.FieldMask":
            inner.MergeFrom(self._mask(inner, holder))
        else:
            self.fill(inner, info.field.type_name or inner.DESCRIPTOR.full_name, depth + 1)

    def _set_repeated(self, message: Instance, info: FieldInfo, depth: int) -> None:
        values = _attribute(message, info.field.name)
        for _ in range(self._count(info)):
            if info.is_message:
                self._fill_inner(values.add(), message, info, depth)
            else:
                values.append(self._scalar(info))

    def _set_map(self, message: Instance, info: FieldInfo, depth: int) -> None:
        entries = _attribute(message, info.field.name)
        key, value = sorted(self.requests.schema.fields(info.field.type_name), key=lambda i: i.field.number)
        for _ in range(self._count(info)):
            if value.field.type == "message":
                self._fill_inner(entries[self._scalar(key)], message, value, depth)
            else:
                entries[self._scalar(key)] = self._scalar(value)

    def _count(self, info: FieldInfo) -> int:
        """How many values of a repeated field: few, because each may be a message with lists of its own."""
        least = 1 if _must_hold(info, self.style) else 0
        return max(least, self.spend(_SMALL, least))

    def _scalar(self, info: FieldInfo) -> Any:
        f = info.field
        if info.names:
            return self._resource_name(info.names)
        if info.identifier and self.style.well_meaning:
            return f"a{self.spend(_NEW, 0):x}"
        if f.type == "enum":
            return self._enum(info)
        simplest = _SIMPLEST[f.type]
        value = self.spend(_BY_STYLE[self.style][f.type], simplest)
        must_hold = info.required and self.style is not Style.LOOSE and f.type in ("string", "bytes")
        return simplest if must_hold and not value else value

    def _enum(self, info: FieldInfo) -> int:
        enum = self.requests.schema.api.enum_by_name[info.field.type_name]
        known = list(dict.fromkeys(value.number for value in enum.values))
        if self.style is Style.PLAIN or (info.required and self.style is not Style.LOOSE):
            known = [n for n in known if n] or known
        if self.style is not Style.PLAIN and not enum.closed:
            known += [n for n in (max(known) + 1, -1, 2**31 - 1) if n not in known and n < 2**31]
        return self.spend(st.sampled_from(known), known[0])

    def _resource_name(self, resource: str) -> str:
        """A name of a resource that exists, a well-formed one of a resource that does not, or any text."""
        existing = self.requests.existing.get(resource, ())
        patterns = self.requests.schema.patterns(resource)
        kind = "existing" if self.style.well_meaning else self.spend(_KIND_OF_NAME, "unknown")
        if existing and kind == "existing":
            return self.spend(st.sampled_from(existing), existing[0])
        if kind == "arbitrary":
            return self.spend(_TEXT, "a") or "a"
        identifier = self.spend(_IDENTIFIER, "a1")
        return names.fill(patterns[0], identifier) if patterns else identifier

    def _mask(self, empty: Instance, holder: Instance) -> Instance:
        """A field mask (AIP-161) of paths that mean something: fields of the messages beside the mask."""
        beside = [f.message_type for f in holder.DESCRIPTOR.fields if f.message_type]
        found = [f.name for d in beside if not d.full_name.startswith(_GOOGLE) for f in d.fields]
        paths = [*found[:20], "*"] if found else ["name"]
        if self.style is not Style.PLAIN:
            paths.append("no_such_field")
        mask: Any = type(empty)()
        mask.paths.extend(self.spend(st.lists(st.sampled_from(paths), max_size=3, unique=True), []))
        result: Instance = mask
        return result


_GOOGLE = "google.protobuf."


def _attribute(message: Instance, name: str) -> Any:
    """A field by its name: upb's classes have no static attributes, and a proto's field may be called anything."""
    return getattr(message, name)


# Well-known types: what their documentation in google/protobuf/*.proto calls valid.

_YEAR_1, _YEAR_9999 = -62_135_596_800, 253_402_300_799
_LONGEST = 315_576_000_000
_SECONDS = st.sampled_from((0, 1, -1, 1_700_000_000, 2**31, _YEAR_1, _YEAR_9999)) | st.integers(_YEAR_1, _YEAR_9999)
_NANOS = st.sampled_from((0, 1, 500_000_000, 999_999_999))
_LENGTHS = st.sampled_from((0, 1, -1, 60, 2**31, _LONGEST, -_LONGEST)) | st.integers(-_LONGEST, _LONGEST)
_NUMBERS = st.sampled_from((0.0, 1.0, -1.5, 1e308, 2.0**53 + 2))
_VALUES = st.sampled_from(("null_value", "number_value", "string_value", "bool_value", "struct_value", "list_value"))


def _timestamp(filler: _Filler, message: Any, depth: int) -> None:
    message.seconds = filler.spend(_SECONDS, 0)
    message.nanos = filler.spend(_NANOS, 0)


def _duration(filler: _Filler, message: Any, depth: int) -> None:
    """Seconds and nanoseconds have the same sign, and at the very end there are no nanoseconds left."""
    seconds = filler.spend(_LENGTHS, 0)
    nanos = filler.spend(_NANOS, 0) if abs(seconds) < _LONGEST else 0
    message.seconds, message.nanos = seconds, -nanos if seconds < 0 else nanos


def _struct(filler: _Filler, message: Any, depth: int) -> None:
    for _ in range(filler.spend(_SMALL, 0)):
        _value(filler, message.fields[filler.spend(_TEXT, "a")], depth + 1)


def _list_value(filler: _Filler, message: Any, depth: int) -> None:
    for _ in range(filler.spend(_SMALL, 0)):
        _value(filler, message.values.add(), depth + 1)


def _value(filler: _Filler, message: Any, depth: int) -> None:
    """Exactly one kind is set; numbers are finite, because JSON knows no others."""
    kind = filler.spend(_VALUES, "null_value") if depth <= _DEPTH else "null_value"
    if kind == "struct_value":
        message.struct_value.SetInParent()
        _struct(filler, message.struct_value, depth + 1)
    elif kind == "list_value":
        message.list_value.SetInParent()
        _list_value(filler, message.list_value, depth + 1)
    else:
        setattr(message, kind, _simple_value(filler, kind))


def _simple_value(filler: _Filler, kind: str) -> Any:
    if kind == "number_value":
        return filler.spend(_NUMBERS, 0.0)
    if kind == "string_value":
        return filler.spend(_TEXT, "a")
    return filler.spend(_COIN, False) if kind == "bool_value" else 0


# Ready-made contents of an Any: a type URL and bytes that are one.
_PACKED = st.sampled_from(
    (
        ("type.googleapis.com/google.protobuf.Duration", b"\x08\x05"),
        ("type.googleapis.com/google.protobuf.StringValue", b"\x0a\x01a"),
        ("type.googleapis.com/google.protobuf.Empty", b""),
    )
)


def _any(filler: _Filler, message: Any, depth: int) -> None:
    message.type_url, message.value = filler.spend(_PACKED, ("type.googleapis.com/google.protobuf.Empty", b""))


def _field_mask(filler: _Filler, message: Any, depth: int) -> None:
    message.paths.extend(filler.spend(st.lists(st.sampled_from(("name", "a.b", "*")), max_size=2, unique=True), []))


def _money(filler: _Filler, message: Any, depth: int) -> None:
    """google/type/money.proto: a currency code of ISO 4217; here prices that a shop would take."""
    if filler.style.well_meaning:
        message.currency_code = filler.spend(st.sampled_from(("EUR", "USD")), "EUR")
        message.units = filler.spend(st.integers(1, 100), 1)
        message.nanos = filler.spend(st.sampled_from((0, 500_000_000, 990_000_000)), 0)
    else:
        message.currency_code = filler.spend(st.sampled_from(("EUR", "JPY", "", "eur", "EURO", "\x00")), "EUR")
        message.units = filler.spend(_SCALARS["int64"], 1)
        message.nanos = filler.spend(_SCALARS["int32"], 0)


_WELL_KNOWN: Mapping[str, Callable[[_Filler, Any, int], None]] = {
    "google.protobuf.Timestamp": _timestamp,
    "google.protobuf.Duration": _duration,
    "google.protobuf.Struct": _struct,
    "google.protobuf.ListValue": _list_value,
    "google.protobuf.Value": _value,
    "google.protobuf.Any": _any,
    "google.protobuf.FieldMask": _field_mask,
    "google.type.Money": _money,
}


# Unknown fields on the wire (https://protobuf.dev/programming-guides/encoding): a wire type and a value of it.
_WIRE_VALUES = (
    (0, b"\x01"),
    (0, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"),
    (2, b"\x00"),
    (2, b"\x03abc"),
    (5, b"\x00\x00\x80\x3f"),
    (1, b"\x00\x00\x00\x00\x00\x00\xf0\x3f"),
)


def _unknown_field(number: int, value: tuple[int, bytes]) -> bytes:
    wire_type, payload = value
    return _varint(number << 3 | wire_type) + payload


def _varint(number: int) -> bytes:
    """A non-negative integer in base 128, least significant group first."""
    groups = bytearray()
    while number > 0x7F:
        groups.append(number & 0x7F | 0x80)
        number >>= 7
    groups.append(number)
    return bytes(groups)
