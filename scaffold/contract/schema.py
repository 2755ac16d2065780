"""A component's API as the engine works with it: the IR, message classes of its own, RPCs with their shapes.

Everything comes from ``gen/descriptors.py``, which is read as a file: the component is not imported, so a service that
cannot start still has a suite. The classes live in a private descriptor pool: they clash with nothing, and what they
encode is protobuf's own (upb) idea of the bytes, whatever flavour of messages the handlers see.
"""

from __future__ import annotations

import hashlib
import importlib
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

from google.api import resource_pb2
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, text_format

from scaffold.contract.names import parent_pattern
from scaffold.core.analyse import analyse, join
from scaffold.core.diagnostics import ScaffoldError
from scaffold.core.shapes import Kind, Shape, shape
from scaffold.shell import descriptors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from google.protobuf.message import Message as Instance

    from scaffold.contract.rules import Rules
    from scaffold.core.api import Api, Field, Message, Method, Service


class SchemaError(Exception):
    """The descriptors cannot be read: the message says why."""


@dataclass(frozen=True)
class Rpc:
    """One RPC of the component.

    ``label`` is how tests and people call it, ``CatalogService.GetProduct`` (with the package where a component
    implements two services of that name); ``path`` is its HTTP/2 path; ``where`` the place of its declaration, empty
    when not known.
    """

    service: str
    method: Method
    shape: Shape
    label: str
    where: str = ""

    @property
    def path(self) -> str:
        """``/shop.catalog.v1.CatalogService/GetProduct``."""
        return f"/{self.service}/{self.method.name}"

    @property
    def streams(self) -> bool:
        """Whether either side sends a stream."""
        return self.method.client_streaming or self.method.server_streaming


@dataclass(frozen=True)
class FieldInfo:
    """A field as a strategy needs it: the IR, and what else is known about it.

    ``required``: it must be set. ``names``: the resource (a message's full name) whose name goes into it, if any;
    ``own`` when that is the name of the very message that the field is in. ``identifier``: the caller makes up an id,
    for a new resource (AIP-133) or for the request itself (AIP-155).
    """

    field: Field
    required: bool = False
    output_only: bool = False
    names: str = ""
    own: bool = False
    identifier: bool = False

    @property
    def is_message(self) -> bool:
        """Whether it holds messages; a group of proto2 is one, so is a map's entry."""
        return self.field.type in ("message", "group")


@dataclass(frozen=True, repr=False)
class Schema:
    """The API of one component.

    ``services`` are the full names of those that it implements; ``digest`` tells APIs apart in reports. ``references``
    are the resource types that fields name, by message and field; ``places`` where RPCs (by full name) are declared.
    """

    api: Api
    services: tuple[str, ...]
    digest: str
    pool: descriptor_pool.DescriptorPool
    references: Mapping[tuple[str, str], str] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)
    _classes: dict[str, type[Instance]] = field(default_factory=dict)
    _infos: dict[str, tuple[FieldInfo, ...]] = field(default_factory=dict)

    def new(self, name: str) -> Instance:
        """An empty message of that full name."""
        return self.message_class(name)()

    def message_class(self, name: str) -> type[Instance]:
        """The class of a message, made on first use."""
        if name not in self._classes:
            self._classes[name] = message_factory.GetMessageClass(self.pool.FindMessageTypeByName(name))
        return self._classes[name]

    @cached_property
    def rules(self) -> Rules | None:
        """The constraints of the API; None where it has none."""
        from scaffold.contract.rules import Rules

        rules = Rules(self.pool)
        return rules if rules.present else None

    @cached_property
    def rpcs(self) -> tuple[Rpc, ...]:
        """Every RPC of the services, in the order of the files."""
        implemented = [self.api.service_by_name[name] for name in self.services]
        short = Counter(service.name for service in implemented)
        return tuple(
            rpc for s in implemented for rpc in self._rpcs_of(s, s.name if short[s.name] == 1 else s.full_name)
        )

    def _rpcs_of(self, service: Service, label: str) -> Iterator[Rpc]:
        for method in service.methods:
            where = self.places.get(method.full_name) or (str(method.where) if method.where.line else "")
            yield Rpc(service.full_name, method, shape(self.api, method), f"{label}.{method.name}", where)

    def rpc_of(self, kind: Kind, resource: str) -> Rpc | None:
        """The first RPC of that kind for a resource, or None."""
        return next((r for r in self.rpcs if r.shape.kind is kind and r.shape.resource == resource), None)

    def idempotency(self, rpc: Rpc) -> str:
        """What the option ``idempotency_level`` of a method says: NO_SIDE_EFFECTS, IDEMPOTENT, or empty."""
        method = self.pool.FindMethodByName(rpc.method.full_name)
        level = descriptor_pb2.MethodOptions.IdempotencyLevel.Name(method.GetOptions().idempotency_level)
        return "" if level == "IDEMPOTENCY_UNKNOWN" else level

    def patterns(self, resource: str) -> tuple[str, ...]:
        """The name patterns of a resource's message; none where it declares none."""
        message = self.api.message_by_name.get(resource)
        return message.resource.patterns if message and message.resource else ()

    def fields(self, message: str) -> tuple[FieldInfo, ...]:
        """The fields of a message, ready for strategies."""
        if message not in self._infos:
            self._infos[message] = tuple(self._info(self.api.message_by_name[message]))
        return self._infos[message]

    def _info(self, message: Message) -> Iterator[FieldInfo]:
        descriptor = self.pool.FindMessageTypeByName(message.full_name)
        for f in message.fields:
            required = "REQUIRED" in f.behaviors or _is_required(descriptor.fields_by_name[f.name])
            identifier = (message.full_name, f.name) in self._identifiers
            names = self._names(message, f)
            own = names == message.full_name
            yield FieldInfo(f, required, "OUTPUT_ONLY" in f.behaviors, names, own, identifier)

    def _names(self, message: Message, field: Field) -> str:
        """The resource whose name goes into a field: by its option, by its shape, or as the resource's own key."""
        if field.type != "string":
            return ""
        by_option = self.references.get((message.full_name, field.name))
        if by_option:
            return self._resource_of_type.get(by_option, "")
        return self._keys.get((message.full_name, field.name), "")

    @cached_property
    def _resource_of_type(self) -> Mapping[str, str]:
        """``shop.example.com/Product`` → ``shop.catalog.v1.Product``, and what a ``child_type`` of it stands for."""
        named = {m.resource.type: m for m in self.api.message_by_name.values() if m.resource and m.resource.type}
        by_pattern = {m.resource.patterns[0]: m for m in named.values() if m.resource and m.resource.patterns}
        result = {type_: message.full_name for type_, message in named.items()}
        for pattern, child in by_pattern.items():
            above = by_pattern.get(parent_pattern(pattern))
            if above is not None and child.resource:
                result[f"{_CHILD}{child.resource.type}"] = above.full_name
        return result

    @cached_property
    def _identifiers(self) -> frozenset[tuple[str, str]]:
        wanted = {(rpc.method.input, rpc.shape.wanted_id) for rpc in self.rpcs}
        return frozenset(wanted | {(rpc.method.input, "request_id") for rpc in self.rpcs})

    @cached_property
    def _keys(self) -> Mapping[tuple[str, str], str]:
        keys: dict[tuple[str, str], str] = {}
        for rpc in self.rpcs:
            if rpc.shape.resource:
                keys[rpc.shape.resource, rpc.shape.resource_key] = rpc.shape.resource
            if rpc.shape.key:
                keys[rpc.method.input, rpc.shape.key] = rpc.shape.resource
        keys |= {(m.full_name, "name"): m.full_name for m in self.api.message_by_name.values() if m.resource}
        return keys


_CHILD = "parent of "


def text(message: Instance) -> str:
    """A message as text proto, unknown fields included."""
    return text_format.MessageToString(message, as_utf8=True, print_unknown_fields=True)


def read(src: Path, package: str, places: Mapping[str, str] | None = None) -> Schema:
    """The schema of a generated component, from its ``gen/descriptors.py``. Raises SchemaError."""
    path = src / package / "gen" / "descriptors.py"
    try:
        found = descriptors.read(path, str(path))
    except ScaffoldError as error:
        raise SchemaError(str(error)) from None
    own = dict((*found.kept, *found.files))
    try:
        for name in found.installed:
            importlib.import_module(name)
        return make(own, found.services, places)
    except (ImportError, KeyError, TypeError) as error:
        raise SchemaError(f"{path}: the API's files do not fit together: {error}") from error


def make(files: Mapping[str, bytes], services: tuple[str, ...], places: Mapping[str, str] | None = None) -> Schema:
    """A schema from serialized FileDescriptorProtos by file name; what they import besides must be installed.

    Raises KeyError for an import that nobody has, and TypeError for files that do not fit together.
    """
    ordered = list(_with_imports(files))
    pool = descriptor_pool.DescriptorPool()
    for file in ordered:
        pool.AddSerializedFile(file.SerializeToString())
    api = analyse(join([file.SerializeToString() for file in ordered]))
    digest = hashlib.sha256(b"".join(files[name] for name in sorted(files))).hexdigest()
    return Schema(api, services, digest, pool, dict(_references(ordered)), places or {})


def _with_imports(files: Mapping[str, bytes]) -> Iterator[descriptor_pb2.FileDescriptorProto]:
    """The files and all that they import, imports first."""
    seen: set[str] = set()

    def visit(name: str) -> Iterator[descriptor_pb2.FileDescriptorProto]:
        if name in seen:
            return
        seen.add(name)
        content = files.get(name)
        if content is None:
            content = descriptor_pool.Default().FindFileByName(name).serialized_pb
        file = descriptor_pb2.FileDescriptorProto.FromString(content)
        for dependency in file.dependency:
            yield from visit(dependency)
        yield file

    for name in files:
        yield from visit(name)


def _references(files: Iterable[descriptor_pb2.FileDescriptorProto]) -> Iterator[tuple[tuple[str, str], str]]:
    """The google.api.resource_reference options (AIP-124): (message, field) → resource type."""

    def walk(
        message: descriptor_pb2.DescriptorProto, prefix: str
    ) -> Iterator[tuple[str, descriptor_pb2.DescriptorProto]]:
        full_name = prefix + message.name
        yield full_name, message
        for nested in message.nested_type:
            yield from walk(nested, f"{full_name}.")

    for file in files:
        prefix = f"{file.package}." if file.package else ""
        for top in file.message_type:
            for full_name, message in walk(top, prefix):
                for f in message.field:
                    reference = f.options.Extensions[resource_pb2.resource_reference]
                    if reference.type:
                        yield (full_name, f.name), reference.type
                    elif reference.child_type:
                        yield (full_name, f.name), f"{_CHILD}{reference.child_type}"


# protobuf has moved from labels to properties; types-protobuf knows neither for every version that is allowed.


def is_repeated(descriptor: Any) -> bool:
    """Whether a field descriptor is of a list or map."""
    if hasattr(descriptor, "is_repeated"):
        return bool(descriptor.is_repeated)
    return bool(descriptor.label == descriptor.LABEL_REPEATED)


def _is_required(descriptor: Any) -> bool:
    """Whether serializing without the field fails: proto2's ``required``."""
    if hasattr(descriptor, "is_required"):
        return bool(descriptor.is_required)
    return bool(descriptor.label == descriptor.LABEL_REQUIRED)
