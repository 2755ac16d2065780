"""The types of a port: a frozen dataclass for each message that its RPCs exchange, an Enum for each enum. No protobuf."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scaffold.core import naming, pycode

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from scaffold.core.api import Api, Enum, Field, Message, Service

# Messages that Python has a type of its own for; the rest of google.protobuf are messages like any other.
_OWN = {
    "google.protobuf.Timestamp": "datetime.datetime",
    "google.protobuf.Duration": "datetime.timedelta",
    "google.protobuf.FieldMask": "tuple[str, ...]",
}
_WRAPPED = {
    f"google.protobuf.{prefix}Value": kind
    for kind, prefixes in {
        "float": ("Double", "Float"),
        "int": ("Int64", "UInt64", "Int32", "UInt32"),
        "bool": ("Bool",),
        "str": ("String",),
        "bytes": ("Bytes",),
    }.items()
    for prefix in prefixes
}
_SCALARS = {"bool": "bool", "string": "str", "bytes": "bytes", "double": "float", "float": "float"}
_EMPTY = {"bool": "False", "str": '""', "bytes": 'b""', "float": "0.0", "int": "0"}
_KINDS = {"bool": "bool", "str": "text", "bytes": "bytes", "float": "float", "int": "int"}

# What an Enum class cannot have as a member.
_NO_MEMBERS = frozenset({"mro", "name", "value"})


@dataclass(frozen=True)
class Attribute:
    """A field of a type: its name in the proto and here, its annotation and default, and what the checks know of it."""

    field: Field
    name: str
    annotation: str
    default: str
    kind: str


@dataclass(frozen=True)
class Type:
    """A dataclass. ``required``: callers get one that somebody has to make of the monolith's rows."""

    message: Message
    name: str
    attributes: tuple[Attribute, ...]
    required: bool


@dataclass(frozen=True)
class Values:
    """An Enum: ``members`` are the names here and in the proto."""

    enum: Enum
    name: str
    members: tuple[tuple[str, str], ...]


@dataclass(frozen=True)
class Domain:
    """The types of a port, in the order of the protos."""

    types: tuple[Type, ...]
    enums: tuple[Values, ...]

    def name(self, full_name: str) -> str:
        """The class of a message, by its full name."""
        return next(t.name for t in self.types if t.message.full_name == full_name)


def domain(api: Api, services: Iterable[Service], taken: frozenset[str]) -> Domain:
    """The types that the RPCs of these services exchange; ``taken`` are names that no class may have."""
    methods = [m for s in services for m in s.methods]
    outputs = [m.output for m in methods]
    reached = _reached(api, [*(m.input for m in methods), *outputs])
    messages = [m for m in api.message_by_name.values() if m.full_name in reached]
    enums = [e for e in api.enum_by_name.values() if any(e.full_name in _types_of(m) for m in messages)]
    names = _names(api, [*(m.full_name for m in messages), *(e.full_name for e in enums)], taken)
    required = _required(api, outputs)
    return Domain(
        tuple(_type(api, m, names, m.full_name in required) for m in messages),
        tuple(_values(e, names[e.full_name]) for e in enums),
    )


def _reached(api: Api, names: Iterable[str]) -> set[str]:
    """The messages that need a type of their own, from those that are exchanged; an RPC may exchange a Timestamp itself."""
    found: set[str] = set()
    entries: set[str] = set()
    waiting = list(names)
    while waiting:
        name = waiting.pop()
        message = api.message_by_name[name]
        if name in found or name in entries:
            continue
        (entries if message.map_entry else found).add(name)
        held = [f.type_name for f in message.fields if f.type in ("message", "group")]
        waiting += [inner for inner in held if inner not in _OWN and inner not in _WRAPPED]
    return found


def _required(api: Api, outputs: Iterable[str]) -> set[str]:
    """What somebody has to make of rows: what callers get, without the envelopes that only say which of it."""
    envelopes = {name for name in outputs if name.endswith("Response") and not api.message_by_name[name].resource}
    reached = _reached(api, outputs) - envelopes
    return {name for name in reached if api.message_by_name[name].fields and not name.startswith("google.")}


def _types_of(message: Message) -> Iterator[str]:
    yield from (f.type_name for f in message.fields if f.type == "enum")
    for entry in message.messages:
        if entry.map_entry:
            yield from (f.type_name for f in entry.fields if f.type == "enum")


def _names(api: Api, full_names: list[str], taken: frozenset[str]) -> dict[str, str]:
    """A class name for each message and enum: nested ones carry the name of what they are in."""
    wanted = {}
    for full_name in full_names:
        declared = api.message_by_name.get(full_name) or api.enum_by_name[full_name]
        package = api.packages[declared.file]
        short = full_name.removeprefix(f"{package}.") if package else full_name
        name = naming.identifier("".join(naming.pascal(part) for part in short.split(".")))
        wanted[full_name] = f"{name}_" if name in taken else name
    return naming.unique(full_names, wanted)


def _type(api: Api, message: Message, names: Mapping[str, str], required: bool) -> Type:
    fields = [f.name for f in message.fields]
    enums = {names[e] for e in api.enum_by_name if e in names}
    attributes = naming.unique(fields, {f: _attribute_name(f, enums) for f in fields})
    made = tuple(_attribute(api, f, attributes[f.name], names) for f in message.fields)
    return Type(message, names[message.full_name], made, required)


def _attribute_name(field: str, enums: set[str]) -> str:
    """A field's name in a class: one that hides an enum there would break the defaults below it, `__x` would be mangled."""
    name = naming.identifier(field)
    if name.startswith("_"):
        return f"field{name}"
    return f"{name}_" if name in enums else name


def _attribute(api: Api, field: Field, name: str, names: Mapping[str, str]) -> Attribute:
    entry = api.message_by_name.get(field.type_name)
    if entry is not None and entry.map_entry:
        key, value = (_annotation(api, f, names)[0] for f in entry.fields)
        return Attribute(field, name, f"Mapping[{key}, {value}]", "_field(default_factory=dict)", "other")
    annotation, default, kind = _annotation(api, field, names)
    if field.repeated:
        return Attribute(field, name, f"tuple[{annotation}, ...]", "()", kind)
    if field.presence:
        return Attribute(field, name, f"Optional[{annotation}]", "None", kind)
    return Attribute(field, name, annotation, default, kind)


def _annotation(api: Api, field: Field, names: Mapping[str, str]) -> tuple[str, str, str]:
    """The annotation of one value, what it is when nobody says, and its kind for the checks."""
    if field.type == "enum":
        name = names[field.type_name]
        first = api.enum_by_name[field.type_name].values[0].name
        return name, f"{name}.{_member(first)}", "enum"
    if field.type not in ("message", "group"):
        scalar = _SCALARS.get(field.type, "int")
        return scalar, _EMPTY[scalar], _KINDS[scalar]
    if field.type_name in _WRAPPED:
        return _WRAPPED[field.type_name], "None", _KINDS[_WRAPPED[field.type_name]]
    if field.type_name in _OWN:
        kind = {"Timestamp": "timestamp", "Duration": "duration"}.get(field.type_name.rpartition(".")[2], "other")
        return _OWN[field.type_name], "None", kind
    return names[field.type_name], "None", "message"


def _values(enum: Enum, name: str) -> Values:
    members = naming.unique((v.name for v in enum.values), {v.name: _member(v.name) for v in enum.values})
    return Values(enum, name, tuple((members[v.name], v.name) for v in enum.values))


def _member(name: str) -> str:
    """The name of an Enum's member: names with underscores around mean something else there."""
    name = naming.identifier(name)
    return f"{name}_" if name in _NO_MEMBERS or name.startswith("_") else name


def unspecified(enum: Enum) -> str:
    """The value that says that nothing is said (AIP-126); empty where there is none."""
    first = enum.values[0]
    return first.name if first.number == 0 and first.name.endswith(("UNSPECIFIED", "UNKNOWN")) else ""


def doc(text: str, otherwise: str) -> str:
    """A docstring within a class."""
    return pycode.docstring(text or otherwise, 4)
