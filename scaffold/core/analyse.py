"""FileDescriptorSet → Api. The only room of the core that knows google.protobuf's descriptors."""

from __future__ import annotations

import hashlib
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

from google.api import field_behavior_pb2, resource_pb2
from google.protobuf import descriptor_pb2
from google.protobuf.message import DecodeError

from scaffold.core.api import (
    Api,
    Enum,
    EnumValue,
    Field,
    File,
    Message,
    Method,
    Resource,
    Service,
)
from scaffold.core.diagnostics import Location

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    _Declaration = (
        descriptor_pb2.FileDescriptorProto
        | descriptor_pb2.ServiceDescriptorProto
        | descriptor_pb2.MethodDescriptorProto
        | descriptor_pb2.DescriptorProto
        | descriptor_pb2.FieldDescriptorProto
        | descriptor_pb2.EnumDescriptorProto
        | descriptor_pb2.EnumValueDescriptorProto
    )

_FIELD = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    number: name.removeprefix("TYPE_").lower()
    for name, number in _FIELD.Type.items()  # TYPE_STRING → string
}
_IDEMPOTENCY = {
    number: "" if name == "IDEMPOTENCY_UNKNOWN" else name
    for name, number in descriptor_pb2.MethodOptions.IdempotencyLevel.items()
}

# Field numbers in descriptor.proto: a path of source info is made of them.
_FILE_MESSAGE, _FILE_ENUM, _FILE_SERVICE = 4, 5, 6
_MESSAGE_FIELD, _MESSAGE_MESSAGE, _MESSAGE_ENUM = 2, 3, 4
_ENUM_VALUE, _SERVICE_METHOD = 2, 2


def analyse(descriptor_set: bytes) -> Api:
    """Read a serialized FileDescriptorSet, imports included. Raises DecodeError where the bytes are none."""
    return FileSet(descriptor_set).api()


def serialized_files(descriptor_set: bytes, names: Iterable[str]) -> tuple[tuple[str, bytes], ...]:
    """The named files as (name, serialized FileDescriptorProto), in the order of the set, without source info."""
    wanted = set(names)
    files = FileSet(descriptor_set)
    return tuple(files.serialized([name for name in files.names if name in wanted]).items())


class FileSet:
    """A compiled set of files, imports first. A file is read only when somebody asks for what is in it."""

    def __init__(self, descriptor_set: bytes) -> None:
        """Take a serialized FileDescriptorSet, imports included. Raises DecodeError where the bytes are none."""
        self._files = {f.name: f for f in descriptor_pb2.FileDescriptorSet.FromString(descriptor_set).file}
        self._read: dict[str, _Content] = {}
        self._digests: dict[str, bytes] = {}

    @property
    def names(self) -> tuple[str, ...]:
        """The import names of all files."""
        return tuple(self._files)

    def services_of(self, file: str) -> tuple[str, ...]:
        """The full names of the services that a file declares."""
        package = self._files[file].package
        return tuple(f"{package}.{s.name}" if package else s.name for s in self._files[file].service)

    def outline(self, names: Iterable[str]) -> tuple[Service, ...]:
        """Services with the names of their RPCs: all that can be had without reading a file."""
        return tuple(
            Service(name, tuple(Method(f"{name}.{m.name}", "", "") for m in self._services[name].method))
            for name in names
        )

    @cached_property
    def _services(self) -> dict[str, descriptor_pb2.ServiceDescriptorProto]:
        return {
            name: service
            for file in self._files.values()
            for name, service in zip(self.services_of(file.name), file.service, strict=True)
        }

    def closure(self, names: Iterable[str]) -> tuple[str, ...]:
        """The named files and all that they import, in the order of the set."""
        seen: set[str] = set()
        waiting = list(names)
        while waiting:
            if (name := waiting.pop()) not in seen:
                seen.add(name)
                waiting += self._files[name].dependency
        return tuple(name for name in self._files if name in seen)

    def api(self, names: Iterable[str] | None = None) -> Api:
        """What the named files and all that they import mean; all files where none are named."""
        contents = [self._content(name) for name in (self._files if names is None else self.closure(names))]
        return Api(
            files=tuple(c.file for c in contents),
            services=tuple(service for c in contents for service in c.services),
            messages=tuple(message for c in contents for message in c.messages),
            enums=tuple(enum for c in contents for enum in c.enums),
        )

    def _content(self, name: str) -> _Content:
        if name not in self._read:
            reader = _FileReader(self._files[name])
            self._read[name] = _Content(
                reader.read_file(), tuple(reader.services()), tuple(reader.messages()), tuple(reader.enums())
            )
        return self._read[name]

    def serialized(self, names: Iterable[str]) -> dict[str, bytes]:
        """Serialized FileDescriptorProtos by file name, without source info.

        Serialization is deterministic: comments, paths and the machine leave no trace in the bytes.
        """
        found = {}
        for name in names:
            bare = descriptor_pb2.FileDescriptorProto()
            bare.CopyFrom(self._files[name])
            bare.ClearField("source_code_info")
            found[name] = bare.SerializeToString(deterministic=True)
        return found

    def digest(self, names: Iterable[str]) -> str:
        """SHA-256 over files as they are written: comments count."""
        digest = hashlib.sha256()
        for name in names:
            if name not in self._digests:
                content = self._files[name].SerializeToString(deterministic=True)
                self._digests[name] = hashlib.sha256(content).digest()
            digest.update(self._digests[name])
        return digest.hexdigest()


class _Content(NamedTuple):
    """What one file declares."""

    file: File
    services: tuple[Service, ...]
    messages: tuple[Message, ...]
    enums: tuple[Enum, ...]


def join(files: Sequence[bytes]) -> bytes:
    """Serialized FileDescriptorProtos, imports first, as one serialized FileDescriptorSet."""
    joined = descriptor_pb2.FileDescriptorSet(file=[descriptor_pb2.FileDescriptorProto.FromString(f) for f in files])
    return joined.SerializeToString(deterministic=True)


class _FileReader:
    """Reads one file; knows where its declarations stand and what is written about them."""

    def __init__(self, file: descriptor_pb2.FileDescriptorProto) -> None:
        self._file = file
        self._prefix = f"{file.package}." if file.package else ""
        self._proto3 = file.syntax == "proto3"
        self._source = {tuple(place.path): place for place in file.source_code_info.location}

    def read_file(self) -> File:
        file = self._file
        definitions = file.options.Extensions[resource_pb2.resource_definition]
        return File(
            name=file.name,
            package=file.package,
            imports=tuple(file.dependency),
            public=tuple(file.dependency[i] for i in file.public_dependency),
            resources=tuple(Resource(d.type, tuple(d.pattern)) for d in definitions),
            rest=_rest_of_file(file),
        )

    def services(self) -> Iterable[Service]:
        for index, service in enumerate(self._file.service):
            path = (_FILE_SERVICE, index)
            full_name = self._prefix + service.name
            methods = tuple(
                Method(
                    full_name=f"{full_name}.{method.name}",
                    input=method.input_type.lstrip("."),
                    output=method.output_type.lstrip("."),
                    client_streaming=method.client_streaming,
                    server_streaming=method.server_streaming,
                    idempotency=_IDEMPOTENCY[method.options.idempotency_level],
                    deprecated=method.options.deprecated,
                    rest=_options(method),
                    doc=self._doc((*path, _SERVICE_METHOD, number)),
                    where=self._where((*path, _SERVICE_METHOD, number)),
                )
                for number, method in enumerate(service.method)
            )
            where, rest = self._where(path), _options(service)
            yield Service(full_name, methods, rest, self._file.name, self._doc(path), where)

    def messages(self) -> Iterable[Message]:
        for index, message in enumerate(self._file.message_type):
            yield self._message(message, self._prefix, (_FILE_MESSAGE, index))

    def enums(self) -> Iterable[Enum]:
        for index, enum in enumerate(self._file.enum_type):
            yield self._enum(enum, self._prefix, (_FILE_ENUM, index))

    def _message(self, message: descriptor_pb2.DescriptorProto, prefix: str, path: tuple[int, ...]) -> Message:
        full_name = prefix + message.name
        inner = f"{full_name}."
        option = message.options.Extensions[resource_pb2.resource]
        synthetic = {f.oneof_index for f in message.field if f.proto3_optional}
        return Message(
            full_name=full_name,
            fields=tuple(self._field(f, message, (*path, _MESSAGE_FIELD, i)) for i, f in enumerate(message.field)),
            oneofs=tuple(oneof.name for i, oneof in enumerate(message.oneof_decl) if i not in synthetic),
            messages=tuple(
                self._message(m, inner, (*path, _MESSAGE_MESSAGE, i)) for i, m in enumerate(message.nested_type)
            ),
            enums=tuple(self._enum(e, inner, (*path, _MESSAGE_ENUM, i)) for i, e in enumerate(message.enum_type)),
            map_entry=message.options.map_entry,
            resource=Resource(option.type, tuple(option.pattern)) if option.type or option.pattern else None,
            deprecated=message.options.deprecated,
            rest=_rest_of_message(message),
            file=self._file.name,
            doc=self._doc(path),
            where=self._where(path),
        )

    def _field(
        self, field: descriptor_pb2.FieldDescriptorProto, message: descriptor_pb2.DescriptorProto, path: tuple[int, ...]
    ) -> Field:
        in_oneof = field.HasField("oneof_index") and not field.proto3_optional
        return Field(
            name=field.name,
            number=field.number,
            type=_TYPES[field.type],
            type_name=field.type_name.lstrip("."),
            repeated=field.label == _FIELD.LABEL_REPEATED,
            presence=self._has_presence(field),
            oneof=message.oneof_decl[field.oneof_index].name if in_oneof else "",
            behaviors=tuple(
                field_behavior_pb2.FieldBehavior.Name(b)
                for b in field.options.Extensions[field_behavior_pb2.field_behavior]
                if b in field_behavior_pb2.FieldBehavior.values()
            ),
            deprecated=field.options.deprecated,
            reference=field.options.Extensions[resource_pb2.resource_reference].type,
            rest=_rest_of_field(field),
            doc=self._doc(path),
            where=self._where(path),
        )

    def _has_presence(self, field: descriptor_pb2.FieldDescriptorProto) -> bool:
        """Explicit presence, by https://protobuf.dev/programming-guides/field_presence."""
        if field.label == _FIELD.LABEL_REPEATED:
            return False
        if field.type in (_FIELD.TYPE_MESSAGE, _FIELD.TYPE_GROUP) or field.HasField("oneof_index"):
            return True
        if self._file.syntax == "editions":
            feature = field.options.features.field_presence or self._file.options.features.field_presence
            return feature != descriptor_pb2.FeatureSet.IMPLICIT
        return not self._proto3

    def _enum(self, enum: descriptor_pb2.EnumDescriptorProto, prefix: str, path: tuple[int, ...]) -> Enum:
        if self._file.syntax == "editions":
            feature = enum.options.features.enum_type or self._file.options.features.enum_type
            closed = feature == descriptor_pb2.FeatureSet.CLOSED
        else:
            closed = not self._proto3
        return Enum(
            full_name=prefix + enum.name,
            values=tuple(
                EnumValue(v.name, v.number, _options(v), self._doc((*path, _ENUM_VALUE, i)))
                for i, v in enumerate(enum.value)
            ),
            closed=closed,
            rest=_rest_of_enum(enum),
            file=self._file.name,
            doc=self._doc(path),
            where=self._where(path),
        )

    def _doc(self, path: tuple[int, ...]) -> str:
        """The comment above a declaration, or the one behind it, as the author wrote it, without the markers."""
        place = self._source.get(path)
        if place is None:
            return ""
        text = place.leading_comments or place.trailing_comments
        lines = [line.removeprefix(" ").rstrip() for line in text.splitlines()]
        return "\n".join(lines).strip()

    def _where(self, path: tuple[int, ...]) -> Location:
        place = self._source.get(path)
        if place is None or len(place.span) < 3:
            return Location(self._file.name)
        return Location(self._file.name, place.span[0] + 1, place.span[1] + 1)


def _options(declaration: _Declaration) -> bytes:
    """The options of a declaration; deterministic, so that equal ones are equal bytes."""
    return declaration.options.SerializeToString(deterministic=True) if declaration.HasField("options") else b""


def _rest_of_file(file: descriptor_pb2.FileDescriptorProto) -> bytes:
    rest = descriptor_pb2.FileDescriptorProto(syntax=file.syntax, edition=file.edition, extension=file.extension)
    return rest.SerializeToString(deterministic=True) + _options(file)


def _rest_of_message(message: descriptor_pb2.DescriptorProto) -> bytes:
    rest = descriptor_pb2.DescriptorProto(
        extension_range=message.extension_range,
        reserved_range=message.reserved_range,
        reserved_name=message.reserved_name,
        extension=message.extension,
    )
    return rest.SerializeToString(deterministic=True) + _options(message)


def _rest_of_field(field: descriptor_pb2.FieldDescriptorProto) -> bytes:
    rest = _options(field)
    if field.HasField("default_value"):
        rest += field.default_value.encode()
    # The compiler fills it in; what follows from the name says nothing of its own.
    return rest + (field.json_name.encode() if field.json_name != _json_name(field.name) else b"")


def _rest_of_enum(enum: descriptor_pb2.EnumDescriptorProto) -> bytes:
    rest = descriptor_pb2.EnumDescriptorProto(reserved_range=enum.reserved_range, reserved_name=enum.reserved_name)
    return rest.SerializeToString(deterministic=True) + _options(enum)


def _json_name(name: str) -> str:
    """The name in JSON that a field has where none is given: ``page_size`` → ``pageSize``."""
    first, *others = name.split("_")
    return first + "".join(part[:1].upper() + part[1:] for part in others)


__all__ = ["DecodeError", "analyse", "join", "serialized_files"]
