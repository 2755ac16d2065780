"""What the protos mean: the one value that everything after the compiler works from.

Names are full proto names without a leading dot (``shop.cart.v1.Cart``). Order is the order of the files, then of the
declarations. Equality is meaning: locations and comments do not take part, so two equal Apis differ at most in those.
``rest`` is what else a declaration says, serialized (options, defaults, reserved numbers, extensions): to be compared.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from scaffold.core.diagnostics import Location

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

NOWHERE = Location("")


@dataclass(frozen=True)
class Resource:
    """The google.api.resource option of a message (AIP-123): ``shop.example.com/Product``, ``products/{product}``."""

    type: str
    patterns: tuple[str, ...]


@dataclass(frozen=True)
class Field:
    """One field. ``type`` is the proto keyword (``string``, ``message``, ``enum`` …).

    ``type_name`` is the full name of a message or enum, else empty. ``presence`` is explicit presence (HasField works).
    ``oneof`` is the name of the oneof it is a member of; a proto3 ``optional`` has none. A map field is ``repeated``,
    its ``type_name`` is a message whose ``map_entry`` is set. ``behaviors`` are google.api.field_behavior names
    (AIP-203), upper case. ``reference`` is the type of the resource that it names (google.api.resource_reference).
    """

    name: str
    number: int
    type: str
    type_name: str = ""
    repeated: bool = False
    presence: bool = False
    oneof: str = ""
    behaviors: tuple[str, ...] = ()
    deprecated: bool = False
    reference: str = ""
    rest: bytes = b""
    doc: str = field(default="", compare=False)
    where: Location = field(default=NOWHERE, compare=False)


@dataclass(frozen=True)
class EnumValue:
    """One value of an enum; ``number`` is 32 bits, signed."""

    name: str
    number: int
    rest: bytes = b""
    doc: str = field(default="", compare=False)


@dataclass(frozen=True)
class Enum:
    """An enum; ``closed`` ones (proto2) keep unknown numbers out of the field."""

    full_name: str
    values: tuple[EnumValue, ...]
    closed: bool = False
    rest: bytes = b""
    file: str = field(default="", compare=False)
    doc: str = field(default="", compare=False)
    where: Location = field(default=NOWHERE, compare=False)

    @property
    def name(self) -> str:
        """The last part of the full name."""
        return self.full_name.rpartition(".")[2]


@dataclass(frozen=True)
class Message:
    """A message with what is nested in it. ``oneofs`` are the real ones, in order."""

    full_name: str
    fields: tuple[Field, ...] = ()
    oneofs: tuple[str, ...] = ()
    messages: tuple[Message, ...] = ()
    enums: tuple[Enum, ...] = ()
    map_entry: bool = False
    resource: Resource | None = None
    deprecated: bool = False
    rest: bytes = b""
    file: str = field(default="", compare=False)
    doc: str = field(default="", compare=False)
    where: Location = field(default=NOWHERE, compare=False)

    @property
    def name(self) -> str:
        """The last part of the full name."""
        return self.full_name.rpartition(".")[2]

    def field(self, name: str) -> Field | None:
        """The field of that name, or None."""
        return next((f for f in self.fields if f.name == name), None)


@dataclass(frozen=True)
class Method:
    """One RPC. ``input`` and ``output`` are full names of messages.

    ``idempotency`` is what ``option idempotency_level`` says, upper case: ``NO_SIDE_EFFECTS``, ``IDEMPOTENT``, or empty.
    """

    full_name: str
    input: str
    output: str
    client_streaming: bool = False
    server_streaming: bool = False
    idempotency: str = ""
    deprecated: bool = False
    rest: bytes = b""
    doc: str = field(default="", compare=False)
    where: Location = field(default=NOWHERE, compare=False)

    @property
    def name(self) -> str:
        """The last part of the full name."""
        return self.full_name.rpartition(".")[2]


@dataclass(frozen=True)
class Service:
    """A service and its RPCs, in the order of the file."""

    full_name: str
    methods: tuple[Method, ...]
    rest: bytes = b""
    file: str = field(default="", compare=False)
    doc: str = field(default="", compare=False)
    where: Location = field(default=NOWHERE, compare=False)

    @property
    def name(self) -> str:
        """The last part of the full name."""
        return self.full_name.rpartition(".")[2]


@dataclass(frozen=True)
class File:
    """A proto file by its import name, with what it imports (``public`` is a subset of ``imports``)."""

    name: str
    package: str
    imports: tuple[str, ...] = ()
    public: tuple[str, ...] = ()
    resources: tuple[Resource, ...] = ()
    rest: bytes = b""


@dataclass(frozen=True)
class Api:
    """A closed set of files (every import is in it) and what they declare at their top level."""

    files: tuple[File, ...]
    services: tuple[Service, ...]
    messages: tuple[Message, ...]
    enums: tuple[Enum, ...]

    @cached_property
    def packages(self) -> Mapping[str, str]:
        """The proto package of every file."""
        return {f.name: f.package for f in self.files}

    @cached_property
    def message_by_name(self) -> Mapping[str, Message]:
        """Every message, nested ones too, by full name."""
        return {m.full_name: m for top in self.messages for m in walk(top)}

    @cached_property
    def enum_by_name(self) -> Mapping[str, Enum]:
        """Every enum, nested ones too, by full name."""
        nested = {e.full_name: e for m in self.message_by_name.values() for e in m.enums}
        return {e.full_name: e for e in self.enums} | nested

    @cached_property
    def service_by_name(self) -> Mapping[str, Service]:
        """Every service by full name."""
        return {s.full_name: s for s in self.services}

    @cached_property
    def file_by_name(self) -> Mapping[str, File]:
        """Every file by its import name."""
        return {f.name: f for f in self.files}

    def services_of(self, file: str) -> tuple[str, ...]:
        """The full names of the services that a file declares."""
        return tuple(s.full_name for s in self.services if s.file == file)

    def closure(self, names: tuple[str, ...]) -> tuple[File, ...]:
        """The named files and all that they import, imports first."""
        seen: dict[str, File] = {}

        def visit(name: str) -> None:
            if name in seen or name not in self.file_by_name:
                return
            for dependency in self.file_by_name[name].imports:
                visit(dependency)
            seen.setdefault(name, self.file_by_name[name])

        for name in names:
            visit(name)
        return tuple(seen.values())


def walk(message: Message) -> Iterator[Message]:
    """The message, then everything nested in it, outermost first."""
    yield message
    for nested in message.messages:
        yield from walk(nested)
