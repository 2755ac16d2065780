"""Types of the port as protobuf messages, and back. The only module here that knows what a message is.

The messages live in a pool of their own, so a program that has registered another version of the same proto file, or
generated code for it, is not disturbed, and does not disturb: nothing but bytes leaves this module.
"""

from __future__ import annotations

import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, Callable, Mapping, TypeVar

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory
from google.protobuf.message import DecodeError, EncodeError

from ..common.messages import DescriptorError, MalformedMessageError

if TYPE_CHECKING:
    import enum
    from collections.abc import Iterable, Iterator

    from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor
    from google.protobuf.message import Message

T = TypeVar("T")

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.timezone.utc)
_MICROSECOND = datetime.timedelta(microseconds=1)

_TIMESTAMP = "google.protobuf.Timestamp"
_DURATION = "google.protobuf.Duration"
_MASK = "google.protobuf.FieldMask"
_WRAPPERS = frozenset(
    f"google.protobuf.{name}Value"
    for name in ("Double", "Float", "Int64", "UInt64", "Int32", "UInt32", "Bool", "String", "Bytes")
)


class UnsayableError(ValueError):
    """A value that the API has no way to say: its type is not the field's, a datetime has no zone, a oneof is set twice."""


def pool(files: Iterable[tuple[str, bytes]], installed: Iterable[str] = ()) -> descriptor_pool.DescriptorPool:
    """A pool with these files, and with the files of installed modules (``google.type.money_pb2``) that they import.

    Raises :class:`DescriptorError` for files that do not fit one another.
    """
    made = descriptor_pool.DescriptorPool()
    added: set[str] = set()
    for name, data in (*_installed(installed), *files):
        if name in added:
            continue
        added.add(name)
        try:
            made.AddSerializedFile(data)
        except TypeError as error:
            raise DescriptorError(f"{name} does not fit the files that it imports: {error}") from error
    return made


def _installed(modules: Iterable[str]) -> Iterator[tuple[str, bytes]]:
    """The files of modules, with all that they import, imports first."""
    yield descriptor_pb2.DESCRIPTOR.name, descriptor_pb2.DESCRIPTOR.serialized_pb
    waiting = [import_module(module).DESCRIPTOR for module in modules]
    for file in waiting:
        yield from _with_imports(file)


def _with_imports(file: Any) -> Iterator[tuple[str, bytes]]:
    for other in file.dependencies:
        yield from _with_imports(other)
    yield file.name, file.serialized_pb


class Codec:
    """Encodes and decodes the types of one port."""

    def __init__(
        self,
        messages: descriptor_pool.DescriptorPool,
        types: Mapping[type, str],
        enums: Mapping[type[enum.Enum], str],
        attributes: Mapping[str, str],
    ) -> None:
        """``types`` and ``enums`` have full names by class; ``attributes`` a field's name in Python where it differs."""
        self._attributes = dict(attributes)
        self._names = dict(types)
        self._classes = {name: cls for cls, name in types.items()}
        self._enums = {name: cls for cls, name in enums.items()}
        self._shapes: dict[str, _Shape] = {}
        for name in types.values():
            self._shapes[name] = _Shape(messages.FindMessageTypeByName(name), self._classes[name])
        for shape in self._shapes.values():
            shape.complete(self)

    def encode(self, value: object, full_name: str) -> bytes:
        """The value as bytes of that message. Raises :class:`UnsayableError`."""
        shape = self._shapes[full_name]
        if type(value) is not shape.cls:
            raise UnsayableError(f"{type(value).__name__} is no {shape.cls.__name__}")
        message = shape.new()
        shape.fill(message, value)
        try:
            data: bytes = message.SerializeToString(deterministic=True)
        except EncodeError as error:
            raise UnsayableError(f"{shape.cls.__name__} cannot be written: {error}") from error
        return data

    def decode(self, data: bytes, cls: type[T]) -> T:
        """The value that the bytes hold. Raises :class:`MalformedMessageError`."""
        shape = self._shapes[self._names[cls]]
        try:
            message = shape.new.FromString(data)
        except DecodeError as error:
            raise MalformedMessageError(f"not a valid {self._names[cls]}: {error}") from error
        value: T = shape.read(message)
        return value

    def type_of(self, full_name: str) -> type[object]:
        """The class of a message."""
        return self._classes[full_name]

    def attribute(self, field: FieldDescriptor) -> str:
        """What a field is called in Python."""
        return self._attributes.get(field.full_name, field.name)

    def shape(self, descriptor: Descriptor) -> _Shape:
        """The shape of a message that a field holds."""
        return self._shapes[descriptor.full_name]

    def enum(self, descriptor: EnumDescriptor) -> type[enum.Enum]:
        """The class of an enum."""
        return self._enums[descriptor.full_name]


class _Shape:
    """One message: its class here, its class in protobuf, and what to do for each field."""

    def __init__(self, descriptor: Descriptor, cls: type[Any]) -> None:
        self.cls = cls
        self.new: Any = message_factory.GetMessageClass(descriptor)
        self._descriptor = descriptor
        self._puts: list[tuple[str, Callable[[Any, Any], None]]] = []
        self._gets: list[tuple[str, Callable[[Any], object]]] = []
        self._oneofs: list[tuple[str, tuple[str, ...]]] = []

    def complete(self, codec: Codec) -> None:
        for field in self._descriptor.fields:
            attribute = codec.attribute(field)
            put, get = _field(field, codec)
            self._puts.append((attribute, put))
            self._gets.append((attribute, get))
        for oneof in self._descriptor.oneofs:
            if len(oneof.fields) > 1:
                self._oneofs.append((oneof.name, tuple(codec.attribute(f) for f in oneof.fields)))

    def fill(self, message: Message, value: Any) -> None:
        for name, attributes in self._oneofs:
            if sum(getattr(value, attribute) is not None for attribute in attributes) > 1:
                raise UnsayableError(f"{self.cls.__name__}: more than one of {name} is set")
        for attribute, put in self._puts:
            try:
                put(message, getattr(value, attribute))
            except (TypeError, ValueError, AttributeError) as error:
                raise UnsayableError(f"{self.cls.__name__}.{attribute}: {error}") from error

    def read(self, message: Message) -> Any:
        return self.cls(**{attribute: get(message) for attribute, get in self._gets})


Put = Callable[[Any, Any], None]
Get = Callable[[Any], object]


def _field(field: FieldDescriptor, codec: Codec) -> tuple[Put, Get]:
    """How a field is written and read."""
    if _is_map(field):
        return _map(field, codec)
    write, read = _value(field, codec)
    if _is_repeated(field):
        return _repeated(field, write, read)
    if field.message_type is not None:
        return _single(field, write, read)
    return _scalar(field, write, read)


def _is_repeated(field: FieldDescriptor) -> bool:
    # `label` is gone in protobuf 7, and `is_repeated` is not there before 6.
    if hasattr(field, "is_repeated"):
        return bool(field.is_repeated)
    old: Any = field
    return bool(old.label == old.LABEL_REPEATED)


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _scalar(field: FieldDescriptor, write: Callable[[Any], object], read: Callable[[Any], object]) -> tuple[Put, Get]:
    name = field.name
    if field.has_presence:

        def put_optional(message: Any, value: Any) -> None:
            if value is not None:
                setattr(message, name, write(value))

        def get_optional(message: Any) -> object:
            return read(getattr(message, name)) if message.HasField(name) else None

        return put_optional, get_optional

    def put(message: Any, value: Any) -> None:
        if value is None:
            raise UnsayableError("None, and the field cannot be absent")
        setattr(message, name, write(value))

    def get(message: Any) -> object:
        return read(getattr(message, name))

    return put, get


def _single(field: FieldDescriptor, write: Callable[[Any, Any], None], read: Get) -> tuple[Put, Get]:
    name = field.name

    def put(message: Any, value: Any) -> None:
        if value is not None:
            inner = getattr(message, name)
            inner.SetInParent()
            write(inner, value)

    def get(message: Any) -> object:
        return read(getattr(message, name)) if message.HasField(name) else None

    return put, get


def _repeated(field: FieldDescriptor, write: Callable[..., Any], read: Get) -> tuple[Put, Get]:
    name, composite = field.name, field.message_type is not None

    def put(message: Any, values: Any) -> None:
        items = getattr(message, name)
        for value in values:
            if composite:
                write(items.add(), value)
            else:
                items.append(write(value))

    def get(message: Any) -> object:
        return tuple(read(item) for item in getattr(message, name))

    return put, get


def _map(field: FieldDescriptor, codec: Codec) -> tuple[Put, Get]:
    name = field.name
    assert field.message_type is not None  # a map is a list of entries
    inner = field.message_type.fields_by_name["value"]
    write, read = _value(inner, codec)
    composite = inner.message_type is not None

    def put(message: Any, values: Any) -> None:
        entries = getattr(message, name)
        for key, value in values.items():
            if composite:
                write(entries[key], value)
            else:
                entries[key] = write(value)

    def get(message: Any) -> object:
        entries = getattr(message, name)
        return {key: read(entries[key]) for key in entries}

    return put, get


def _value(field: FieldDescriptor, codec: Codec) -> tuple[Callable[..., Any], Callable[[Any], Any]]:
    """How one value is written and read; of a message, it is written into one that is there."""
    if field.message_type is not None:
        return _message(field.message_type, codec)
    if field.enum_type is not None:
        return _enum(field.enum_type, codec)
    return _check(field), _as_it_is


def _message(descriptor: Descriptor, codec: Codec) -> tuple[Callable[[Any, Any], None], Get]:
    name = descriptor.full_name
    if name == _TIMESTAMP:
        return _put_timestamp, _get_timestamp
    if name == _DURATION:
        return _put_duration, _get_duration
    if name == _MASK:
        return _put_mask, _get_mask
    if name in _WRAPPERS:
        check = _check(descriptor.fields_by_name["value"])

        def put_wrapped(message: Any, value: Any) -> None:
            message.value = check(value)

        return put_wrapped, _get_wrapped
    shape = codec.shape(descriptor)

    def put(message: Any, value: Any) -> None:
        if type(value) is not shape.cls:
            raise UnsayableError(f"{type(value).__name__} is no {shape.cls.__name__}")
        shape.fill(message, value)

    return put, shape.read


def _enum(descriptor: EnumDescriptor, codec: Codec) -> tuple[Callable[[Any], int], Get]:
    """By name, never by number: what the other side numbers otherwise is an error, not another value."""
    cls = codec.enum(descriptor)
    numbers = {member: descriptor.values_by_name[member.value].number for member in cls}
    members = {number: cls(value.name) for number, value in descriptor.values_by_number.items()}

    def write(value: Any) -> int:
        try:
            return numbers[value]
        except (KeyError, TypeError):
            raise UnsayableError(f"{value!r} is no {cls.__name__}") from None

    def read(number: Any) -> object:
        try:
            return members[number]
        except KeyError:
            raise MalformedMessageError(f"{number} is no value of {descriptor.full_name} that is known here") from None

    return write, read


def _as_it_is(value: Any) -> Any:
    return value


def _whole(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        raise UnsayableError(f"{value!r} is no int")
    return value


def _floating(value: Any) -> float:
    # protobuf takes whatever has __float__, a Decimal too: that is how amounts change.
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise UnsayableError(f"{value!r} is no float")
    return float(value)


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise UnsayableError(f"{value!r} is no bool")
    return value


def _string(value: Any) -> str:
    # protobuf takes bytes, too.
    if not isinstance(value, str):
        raise UnsayableError(f"{value!r} is no str")
    return value


def _octets(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise UnsayableError(f"{value!r} is no bytes")
    return value


def _check(field: FieldDescriptor) -> Callable[[Any], Any]:
    """The check of a scalar's type; its range protobuf checks itself."""
    if field.type == field.TYPE_BYTES:
        return _octets
    return _CHECKED[field.cpp_type]


# By FieldDescriptor.CPPTYPE_*: int32, int64, uint32, uint64 · double, float · bool · string.
_CHECKED: Mapping[int, Callable[[Any], Any]] = {
    1: _whole, 2: _whole, 3: _whole, 4: _whole, 5: _floating, 6: _floating, 7: _truth, 9: _string,
}  # fmt: skip


def _put_timestamp(message: Any, value: Any) -> None:
    if not isinstance(value, datetime.datetime) or value.tzinfo is None:
        raise UnsayableError(f"{value!r} is no datetime with a time zone")
    microseconds = (value - _EPOCH) // _MICROSECOND
    message.seconds, rest = divmod(microseconds, 1_000_000)
    message.nanos = rest * 1000


def _get_timestamp(message: Any) -> object:
    try:
        return _EPOCH + datetime.timedelta(seconds=message.seconds, microseconds=message.nanos // 1000)
    except OverflowError:
        raise MalformedMessageError(f"{message.seconds} seconds is no time between the years 1 and 9999") from None


def _put_duration(message: Any, value: Any) -> None:
    if not isinstance(value, datetime.timedelta):
        raise UnsayableError(f"{value!r} is no timedelta")
    microseconds = value // _MICROSECOND
    sign = -1 if microseconds < 0 else 1
    seconds, rest = divmod(abs(microseconds), 1_000_000)
    message.seconds, message.nanos = sign * seconds, sign * rest * 1000


def _get_duration(message: Any) -> object:
    try:
        # Towards zero, as the sign of both parts is the same.
        return datetime.timedelta(seconds=message.seconds, microseconds=int(message.nanos / 1000))
    except OverflowError:
        raise MalformedMessageError(f"{message.seconds} seconds is no timedelta") from None


def _put_mask(message: Any, value: Any) -> None:
    if isinstance(value, str):
        raise UnsayableError("a mask is a tuple of paths, not one string")
    message.paths.extend(value)


def _get_mask(message: Any) -> object:
    return tuple(message.paths)


def _get_wrapped(message: Any) -> object:
    return message.value
