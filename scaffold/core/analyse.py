"""FileDescriptorSet → Api. The only room of the core that knows google.protobuf's descriptors."""

from __future__ import annotations

from typing import TYPE_CHECKING

from google.api import field_behavior_pb2, resource_pb2
from google.protobuf import descriptor_pb2

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
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptor_set).file
    readers = [_FileReader(file) for file in files]
    return Api(
        files=tuple(reader.read_file() for reader in readers),
        services=tuple(service for reader in readers for service in reader.services()),
        messages=tuple(message for reader in readers for message in reader.messages()),
        enums=tuple(enum for reader in readers for enum in reader.enums()),
    )


def serialized_files(descriptor_set: bytes, names: Iterable[str]) -> tuple[tuple[str, bytes], ...]:
    """The named files as (name, serialized FileDescriptorProto), in the order of the set, without source info.

    Serialization is deterministic: comments, paths and the machine leave no trace in the bytes.
    """
    wanted = set(names)
    result = []
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptor_set).file:
        if file.name in wanted:
            file.ClearField("source_code_info")
            result.append((file.name, file.SerializeToString(deterministic=True)))
    return tuple(result)


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
                    doc=self._doc((*path, _SERVICE_METHOD, number)),
                    where=self._where((*path, _SERVICE_METHOD, number)),
                )
                for number, method in enumerate(service.method)
            )
            yield Service(full_name, methods, self._file.name, self._doc(path), self._where(path))

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
                EnumValue(v.name, v.number, self._doc((*path, _ENUM_VALUE, i))) for i, v in enumerate(enum.value)
            ),
            closed=closed,
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
