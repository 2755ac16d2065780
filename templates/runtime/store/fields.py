"""What the fields of a message may be used for, by their ``google.api.field_behavior`` (https://google.aip.dev/203).

Behaviors are read from the descriptors, so that a change of the proto is a change of what is checked.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from google.api import field_behavior_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from ..common.errors import InvalidArgument

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from google.protobuf.descriptor import Descriptor

M = TypeVar("M", bound=Message)

# Set by the server alone, whether or not the proto says OUTPUT_ONLY (https://google.aip.dev/148, 154, 164).
_TIMES = ("create_time", "update_time", "delete_time", "purge_time")
_ETAG = "etag"

_EVERYTHING = "*"


class Field(NamedTuple):
    """A field, and what may be done with it.

    ``oneof`` is the oneof that it is a member of, ``message`` the descriptor of what it holds where that is a message:
    of its values, when it is a map.
    """

    name: str
    required: bool
    output_only: bool
    immutable: bool
    identifier: bool
    repeated: bool
    presence: bool
    map: bool
    oneof: str
    message: Descriptor | None


def given(value: str, *, field: str) -> str:
    """``value``, which came in the request's field ``field``. Raises :class:`InvalidArgument` when it is empty."""
    if not value:
        raise InvalidArgument(f"{field} is empty", field=field)
    return value


def refuse_missing(paths: Iterable[str]) -> None:
    """Raise :class:`InvalidArgument` naming these fields, if there are any."""
    violations = dict.fromkeys(paths, "is required")
    if violations:
        raise InvalidArgument(f"required, and not there: {', '.join(violations)}", violations=violations)


def missing(message: Message, prefix: str = "") -> Iterator[str]:
    """The paths of REQUIRED fields that are not set, in the message and in the messages that are set in it.

    A message counts as set when it is present, a scalar when it has presence or another value than its default. Of a
    oneof any member will do.
    """
    for field in _watched(message.DESCRIPTOR):
        path = f"{prefix}{field.name}"
        if field.required and not field.output_only and not is_set(message, field):
            yield path
        for place, inner in _inside(message, field):
            yield from missing(inner, f"{path}{place}.")


def is_set(message: Message, field: Field) -> bool:
    """Whether a field has a value: for one of a oneof, whether any member of it has."""
    if field.oneof:
        return message.WhichOneof(field.oneof) is not None
    return has_value(message, field)


def has_value(message: Message, field: Field) -> bool:
    """Whether this very field has a value."""
    return message.HasField(field.name) if field.presence else bool(getattr(message, field.name))


def server_owned(resource: Message, key: str) -> frozenset[str]:
    """The fields of a resource that no request sets: its ``key``, what is annotated so, and standard fields."""
    return _server_owned(resource.DESCRIPTOR) | {key}


def drop_server_owned(resource: Message, key: str) -> None:
    """Clear what a request cannot set, at any depth: OUTPUT_ONLY means that it is ignored (https://google.aip.dev/203)."""
    for name in server_owned(resource, key):
        resource.ClearField(name)
    _drop_output_only(resource)


class Mask:
    """Which fields an Update changes (https://google.aip.dev/134, https://google.aip.dev/161)."""

    def __init__(self, resource: Message, paths: Sequence[str], key: str, *, field: str = "update_mask") -> None:
        """``paths`` are those of the request's field ``field``, for resources like that, whose name is in ``key``.

        Raises :class:`InvalidArgument` naming that field for a path that does not exist, or leads into a list or map.
        """
        self._key = key
        self._named: frozenset[str] = frozenset()
        if list(paths) == [_EVERYTHING]:
            self._paths: tuple[tuple[str, ...], ...] = tuple((field.name,) for field in fields_of(resource.DESCRIPTOR))
        else:
            self._named = frozenset(paths)
            owned = server_owned(resource, key)
            split = tuple(_split(resource, path, field) for path in dict.fromkeys(paths))
            # What the server owns is ignored in a mask, so that the mask of a Get fits here as well.
            self._paths = tuple(path for path in split if path[0] not in owned)
        self._populated = not paths

    def apply(self, stored: M, wanted: M, prefix: str) -> M:
        """``stored`` with the masked fields of ``wanted``; without a mask with those that are set, each as a whole.

        ``prefix`` is what errors put before the names of fields. What the server owns stays as it was stored.

        Raises :class:`InvalidArgument` for a change of an IMMUTABLE field, or a REQUIRED one that would be missing.
        """
        source = copy(wanted)
        drop_server_owned(source, self._key)
        paths = tuple((field.name,) for field, _ in source.ListFields()) if self._populated else self._paths
        merged = copy(stored)
        for path in paths:
            _copy_path(source, merged, path)
        self._keep(stored, merged, source, prefix)
        heads = tuple(".".join(path) for path in paths)
        refuse_missing(f"{prefix}{path}" for path in missing(merged) if _concerns(path, heads))
        return merged

    def _keep(self, stored: Message, merged: Message, source: Message, prefix: str, above: str = "") -> None:
        """Put back what an update cannot change; ``above`` is the path of the message that is looked at."""
        owned = frozenset() if above else server_owned(stored, self._key)
        for name in owned:
            copy_field(stored, merged, name)
        for field in _watched(stored.DESCRIPTOR):
            path = f"{above}{field.name}"
            if field.name in owned:
                continue
            if field.output_only:
                copy_field(stored, merged, field.name)
            elif field.immutable and not _is_same(stored, merged, field):
                if has_value(source, field) or path in self._named:
                    raise InvalidArgument(f"{path} cannot change", field=f"{prefix}{path}")
                copy_field(stored, merged, field.name)
            elif field.message and not field.repeated and stored.HasField(field.name) and merged.HasField(field.name):
                inner = [getattr(message, field.name) for message in (stored, merged, source)]
                self._keep(inner[0], inner[1], inner[2], prefix, f"{path}.")


def copy(message: M) -> M:
    """A message of one's own with the same content."""
    copied = type(message)()
    copied.CopyFrom(message)
    return copied


def copy_field(source: Message, target: Message, name: str) -> None:
    """Make a field of ``target`` what it is in ``source``: also when that is nothing."""
    target.ClearField(name)
    for field, value in source.ListFields():
        if field.name != name:
            continue
        if _is_repeated(field):
            getattr(target, name).MergeFrom(value)
        elif field.message_type is not None:
            getattr(target, name).CopyFrom(value)
        else:
            setattr(target, name, value)


@cache
def fields_of(descriptor: Descriptor) -> tuple[Field, ...]:
    """The fields of a message, in the order of their declaration."""
    return tuple(_field(field) for field in descriptor.fields)


def _field(field: FieldDescriptor) -> Field:
    behaviors = set(field.GetOptions().Extensions[field_behavior_pb2.field_behavior])
    kind = field.message_type
    is_map = kind is not None and kind.GetOptions().map_entry
    return Field(
        name=field.name,
        required=field_behavior_pb2.REQUIRED in behaviors,
        output_only=field_behavior_pb2.OUTPUT_ONLY in behaviors,
        immutable=field_behavior_pb2.IMMUTABLE in behaviors,
        identifier=field_behavior_pb2.IDENTIFIER in behaviors,
        repeated=_is_repeated(field),
        presence=field.has_presence,
        map=is_map,
        oneof=_oneof(field),
        message=kind.fields_by_name["value"].message_type if kind is not None and is_map else kind,
    )


def _oneof(field: FieldDescriptor) -> str:
    """The oneof that a field is a member of; what `optional` is made of, one with a single member, does not count."""
    oneof = field.containing_oneof
    if oneof is None or (len(oneof.fields) == 1 and oneof.name == f"_{field.name}"):
        return ""
    return oneof.name


def _is_repeated(field: FieldDescriptor) -> bool:
    # `label` is on its way out, and not every protobuf that services are installed with has `is_repeated`.
    if hasattr(field, "is_repeated"):
        return bool(field.is_repeated)
    return bool(getattr(field, "label", None) == FieldDescriptor.LABEL_REPEATED)


@cache
def _server_owned(descriptor: Descriptor) -> frozenset[str]:
    return frozenset(
        field.name
        for field in fields_of(descriptor)
        if field.output_only
        or field.identifier
        or (field.name in _TIMES and field.message is Timestamp.DESCRIPTOR and not field.repeated)
        or (
            field.name == _ETAG
            and descriptor.fields_by_name[_ETAG].type == FieldDescriptor.TYPE_STRING
            and not field.repeated
        )
    )


@cache
def _watched(descriptor: Descriptor) -> tuple[Field, ...]:
    """The fields that have a behavior, or hold messages in which some field has one: in most messages there are few."""
    return tuple(
        field
        for field in fields_of(descriptor)
        if _has_behavior(field) or (field.message is not None and _has_behaviors(field.message))
    )


@cache
def _has_behaviors(descriptor: Descriptor) -> bool:
    """Whether any field at or below a message has a behavior. Messages may hold one another in circles."""
    seen: set[str] = set()
    waiting = [descriptor]
    while waiting:
        current = waiting.pop()
        if current.full_name in seen:
            continue
        seen.add(current.full_name)
        if any(_has_behavior(field) for field in fields_of(current)):
            return True
        waiting += [field.message for field in fields_of(current) if field.message is not None]
    return False


def _has_behavior(field: Field) -> bool:
    return field.required or field.output_only or field.immutable


def _inside(message: Message, field: Field) -> Iterator[tuple[str, Message]]:
    """The messages in a field, with their places (``[3]``)."""
    if field.message is None:
        return
    value = getattr(message, field.name)
    if field.map:
        held: Mapping[object, Message] = value
        yield from ((f"[{key}]", held[key]) for key in held)
    elif field.repeated:
        yield from ((f"[{index}]", inner) for index, inner in enumerate(value))
    elif message.HasField(field.name):
        yield "", value


def _drop_output_only(message: Message) -> None:
    for field in _watched(message.DESCRIPTOR):
        if field.output_only:
            message.ClearField(field.name)
        for _, inner in _inside(message, field):
            _drop_output_only(inner)


def _split(resource: Message, path: str, mask: str) -> tuple[str, ...]:
    """A path of a mask, checked."""
    names = tuple(path.split("."))
    fields = fields_of(resource.DESCRIPTOR)
    for place, name in enumerate(names):
        found = next((field for field in fields if field.name == name), None)
        if found is None:
            raise InvalidArgument(f'"{path}" is not a field of {resource.DESCRIPTOR.full_name}', field=mask)
        if found.repeated and place < len(names) - 1:
            raise InvalidArgument(f'"{path}" leads into a list or map: name it as a whole', field=mask)
        fields = fields_of(found.message) if found.message else ()
    return names


def _copy_path(source: Message, target: Message, path: Sequence[str]) -> None:
    """Make what is at a path of ``target`` what it is in ``source``: also when that is nothing."""
    name, *rest = path
    if not rest:
        copy_field(source, target, name)
    elif source.HasField(name) or target.HasField(name):
        _copy_path(getattr(source, name), getattr(target, name), rest)


def _is_same(one: Message, other: Message, field: Field) -> bool:
    present = has_value(one, field) == has_value(other, field)
    return present and bool(getattr(one, field.name) == getattr(other, field.name))


def _concerns(path: str, heads: Sequence[str]) -> bool:
    """Whether a field is at, below or above one of those that change: ``lines[0].product`` is in ``lines``."""
    whole = path.partition("[")[0]
    return any(whole == head or whole.startswith(f"{head}.") or head.startswith(f"{whole}.") for head in heads)
