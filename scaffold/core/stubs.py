"""The ``.pyi`` of a messages module: what a type checker and an editor see of the descriptor-built classes."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scaffold.core import naming, pycode
from scaffold.core.api import walk

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from scaffold.core.api import Api, Enum, Field, Message

# protobuf's own types have stubs of their own (types-protobuf); all others get ours.
STANDARD = "google.protobuf"


class StubWriter:
    """Writes the ``.pyi`` of one messages module: what a type checker and an editor see of the descriptor-built classes."""

    def __init__(self, api: Api, modules: Mapping[str, str], package: str, names: Mapping[str, str]) -> None:
        self._api = api
        self._modules = modules
        self._package = package
        self._names = names
        self._declared = frozenset(_declared(api, package))
        self._lines: set[str] = set()

    def imports(self) -> str:
        """The import statements for what has been written, in isort's order."""
        by_module: dict[str, list[str]] = {}
        for line in self._lines:
            module, _, name = line.removeprefix("from ").partition(" import ")
            by_module.setdefault(module, []).append(name)
        statements: list[list[str]] = [[], [], []]
        for module in sorted(by_module, key=pycode.import_order):
            names = sorted(by_module[module], key=pycode.member_order)
            group = 2 if module.startswith(".") else 1 if module.startswith("google") else 0
            statements[group].extend(f"from {module} import {name}" for name in names)
        return "\n\n".join("\n".join(group) for group in statements if group)

    def enum(self, enum: Enum, indent: int = 0) -> str:
        """An enum: at run time its name is a wrapper with Name() and Value(), its values are ints beside it."""
        pad = " " * indent
        kind = self._use("..runtime.common.messages", "EnumType")
        base = self._builtin("int")
        name = self._names[enum.full_name] if not indent else naming.identifier(enum.name)
        qualified = self._qualified(enum.full_name, enum.full_name)
        lines = [f"{pad}class {name}({base}, metaclass={kind}):"]
        lines.append(f"{pad}    {pycode.docstring(enum.doc or f'The enum {enum.full_name}.', indent + 4)}")
        lines.append("")
        constant = self._use("typing", "ClassVar")
        # A value that is named by a keyword has no attribute that Python could say; it is beside the enum only.
        values = [v.name for v in enum.values if naming.identifier(v.name) == v.name]
        lines += [f"{pad}    {value}: {constant}[{qualified}]" for value in values]
        outside = [
            (self._names[f"{enum.full_name}.{v.name}"] if not indent else naming.identifier(v.name))
            for v in enum.values
        ]
        final = f"{constant}[{qualified}]" if indent else qualified
        lines += ["", *(f"{pad}{value}: {final}" for value in outside)]
        return "\n".join(lines)

    def message(self, message: Message, indent: int = 0, scope: tuple[str, ...] = ()) -> str:
        """A message class with what is nested in it."""
        pad, inner = " " * indent, " " * (indent + 4)
        base = self._use("google.protobuf.message", "Message")
        name = self._names[message.full_name] if not indent else naming.identifier(message.name)
        doc = pycode.docstring(message.doc or f"The message {message.full_name}.", indent + 4)
        parts = [f"{pad}class {name}({base}):\n{inner}{doc}"]
        parts += [self.enum(e, indent + 4) for e in message.enums]
        parts += [self.message(m, indent + 4) for m in message.messages if not m.map_entry]
        # The others are there for getattr(), setattr() and Message(**{"from": …}).
        fields = [f for f in message.fields if naming.identifier(f.name) == f.name and f.name not in _INHERITED]
        attributes = "\n".join(self._attribute(f, message, inner) for f in fields)
        methods = [self._constructor(fields, message, indent + 4, len(fields) < len(message.fields))]
        methods += self._presence(message, indent + 4)
        text = "\n".join(methods)
        if attributes:
            # Formatters keep one-line functions of a stub together.
            text = f"{attributes}\n{text}" if attributes.endswith(": ...") else f"{attributes}\n\n{text}"
        return "\n\n".join([*parts, text])

    def _attribute(self, field: Field, message: Message, pad: str) -> str:
        """A field: scalars can be assigned, containers and messages only changed in place."""
        doc = f"\n{pad}{pycode.docstring(field.doc, len(pad))}" if field.doc else ""
        name = field.name
        if not field.repeated and field.type not in ("message", "group"):
            return f"{pad}{name}: {self._type(field, message)}{doc}"
        body = f"\n{pad}    {pycode.docstring(field.doc, len(pad) + 4)}" if field.doc else " ..."
        decorator = self._use("builtins", "property")
        return f"{pad}@{decorator}\n{pad}def {name}(self) -> {self._container(field, message)}:{body}"

    def _constructor(self, fields: list[Field], message: Message, indent: int, more: bool) -> str:
        itself = "self"
        while any(f.name == itself for f in fields):
            itself += "_"
        items = [itself]
        if fields:
            items.append("*")
        for field in fields:
            items.append(f"{field.name}: {self._accepted(field, message)} = ...")
        if more:
            items.append(f"**keywords: {self._builtin('object')}")
        return " " * indent + pycode.fit("def __init__(", tuple(items), ") -> None: ...", indent)

    def _presence(self, message: Message, indent: int) -> list[str]:
        pad = " " * indent
        parts = []
        present = [f.name for f in message.fields if f.presence] + list(message.oneofs)
        if present:
            arguments = ("self", self._field_name(present, indent))
            parts.append(pad + pycode.fit("def HasField(", arguments, f") -> {self._builtin('bool')}: ...", indent))
        clearable = [f.name for f in message.fields] + list(message.oneofs)
        if clearable:
            arguments = ("self", self._field_name(clearable, indent))
            parts.append(pad + pycode.fit("def ClearField(", arguments, ") -> None: ...", indent))
        overload = len(message.oneofs) > 1
        for oneof in message.oneofs:
            members = [f.name for f in message.fields if f.oneof == oneof]
            prefix = f"{pad}@{self._use('typing', 'overload')}\n" if overload else ""
            group, member = self._literal([oneof]), self._literal(members)
            parts.append(f"{prefix}{pad}def WhichOneof(self, oneof_group: {group}) -> {member} | None: ...")
        return parts

    def _field_name(self, names: list[str], indent: int) -> str:
        """The parameter for one of these names; broken where it would not fit into a line of its own."""
        kind = self._use("typing", "Literal")
        return pycode.fit(f"field_name: {kind}[", tuple(map(pycode.literal, names)), "],", indent + 4)[:-1]

    def _literal(self, names: list[str]) -> str:
        return f"{self._use('typing', 'Literal')}[{', '.join(pycode.literal(n) for n in names)}]"

    def _container(self, field: Field, message: Message) -> str:
        if not field.repeated:
            return self._type(field, message)
        entry = self._map_entry(field)
        if entry is not None:
            key, value = entry.fields[0], entry.fields[1]
            kind = "MessageMap" if value.type == "message" else "ScalarMap"
            container = self._use("google.protobuf.internal.containers", kind)
            return f"{container}[{self._type(key, message)}, {self._type(value, message)}]"
        kind = (
            "RepeatedCompositeFieldContainer" if field.type in ("message", "group") else "RepeatedScalarFieldContainer"
        )
        return f"{self._use('google.protobuf.internal.containers', kind)}[{self._type(field, message)}]"

    def _accepted(self, field: Field, message: Message) -> str:
        """What the constructor takes for a field."""
        entry = self._map_entry(field)
        if entry is not None:
            mapping = self._use("collections.abc", "Mapping")
            key, value = entry.fields[0], entry.fields[1]
            return f"{mapping}[{self._type(key, message)}, {self._type(value, message)}] | None"
        kind = self._type(field, message)
        if field.type == "enum":
            kind = f"{kind} | {self._builtin('str')}"
        if field.repeated:
            return f"{self._use('collections.abc', 'Iterable')}[{kind}] | None"
        return f"{kind} | None"

    def _map_entry(self, field: Field) -> Message | None:
        if not field.repeated or field.type != "message":
            return None
        entry = self._api.message_by_name[field.type_name]
        return entry if entry.map_entry else None

    def _type(self, field: Field, message: Message) -> str:
        if field.type in ("message", "group", "enum"):
            return self._qualified(field.type_name, message.full_name)
        return self._builtin(_PYTHON_TYPES.get(field.type, "int"))

    def _qualified(self, full_name: str, inside: str) -> str:
        """How a message or enum is written in the class of another one (``inside``, by its full name)."""
        declared = self._api.message_by_name.get(full_name) or self._api.enum_by_name[full_name]
        package = self._api.packages[declared.file]
        path = (full_name.removeprefix(f"{package}.") if package else full_name).split(".")
        rest = "".join(f".{naming.identifier(p)}" for p in path[1:])
        if package == STANDARD:
            module = declared.file.removesuffix(".proto").rpartition("/")[2] + "_pb2"
            return f"{self._use('google.protobuf', module)}.{path[0]}{rest}"
        if package != self._package:
            return f"{self._use('.', self._modules[package])}.{self._top_name(package, path[0])}{rest}"
        top = self._names[f"{package}.{path[0]}" if package else path[0]]
        if self._hidden(top, inside):
            # Something of the same name in the class, or in one around it, would be found first.
            return f"{self._use('.', self._modules[package])}.{top}{rest}"
        return f"{top}{rest}"

    def _top_name(self, package: str, name: str) -> str:
        messages = [m for m in self._api.messages if self._api.packages[m.file] == package]
        enums = [e for e in self._api.enums if self._api.packages[e.file] == package]
        return module_names(messages, enums)[f"{package}.{name}" if package else name]

    def _hidden(self, top: str, inside: str) -> bool:
        enum = self._api.enum_by_name.get(inside)
        if enum is not None:
            if any(value.name == top for value in enum.values):
                return True
            inside = inside.rpartition(".")[0]
        while (message := self._api.message_by_name.get(inside)) is not None:
            if top in _METHODS or top in _inside(message):
                return True
            inside = inside.rpartition(".")[0]
        return False

    def _builtin(self, name: str) -> str:
        return self._use("builtins", name)

    def _use(self, module: str, name: str) -> str:
        """Import under a private name that nothing in the API hides; return that name."""
        local = f"_{name}"
        while local in self._declared:
            local += "_"
        self._lines.add(f"from {module} import {name} as {local}")
        return local


def _declared(api: Api, package: str) -> Iterator[str]:
    """Every name that a package declares at any depth."""
    for top in (m for m in api.messages if api.packages[m.file] == package):
        yield top.name
        for message in walk(top):
            yield from _inside(message)
    for enum in (e for e in api.enums if api.packages[e.file] == package):
        yield from (enum.name, *(value.name for value in enum.values))


def _inside(message: Message) -> Iterator[str]:
    """The names in a message's class; the values of its enums stand beside them."""
    yield from (field.name for field in message.fields)
    yield from (nested.name for nested in message.messages)
    for enum in message.enums:
        yield from (enum.name, *(value.name for value in enum.values))


# What every message class has: a field of the same name would contradict its type.
_INHERITED = frozenset(
    """
    ByteSize Clear ClearExtension ClearField CopyFrom DESCRIPTOR DiscardUnknownFields Extensions
    FindInitializationErrors FromString HasExtension HasField IsInitialized ListFields MergeFrom MergeFromString
    ParseFromString RegisterExtension SerializePartialToString SerializeToString SetInParent UnknownFields WhichOneof
    """.split()
)

# What a message's class defines besides its fields and nested types.
_METHODS = frozenset({"HasField", "ClearField", "WhichOneof"})

_PYTHON_TYPES = {"string": "str", "bytes": "bytes", "bool": "bool", "double": "float", "float": "float"}


def module_names(messages: list[Message], enums: list[Enum]) -> dict[str, str]:
    """The Python name of each message, enum and enum value at the top of a package, by full name."""
    originals = [m.full_name for m in messages] + [e.full_name for e in enums]
    originals += [f"{e.full_name}.{v.name}" for e in enums for v in e.values]
    return {name: naming.identifier(name.rpartition(".")[2]) for name in originals}
