"""What a person types for a request, as the messages of an RPC.

JSON text, ``key=value`` words and mappings all become a value as JSON has it. That is looked over for names that do not
exist (and what was perhaps meant) before protobuf's own JSON parser makes messages of it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, TypeAlias, cast

from scaffold.core.diagnostics import Diagnostic, Location, ScaffoldError
from scaffold.run.spans import printable

if TYPE_CHECKING:
    from google.protobuf.descriptor import Descriptor, EnumDescriptor, FieldDescriptor, MethodDescriptor
    from google.protobuf.descriptor_pool import DescriptorPool
    from google.protobuf.message import Message

Request: TypeAlias = "str | Sequence[str] | Mapping[str, Any]"

# Messages that the JSON mapping writes as a string, and those that hold JSON of any kind
# (https://protobuf.dev/programming-guides/json/). The wrappers (Int64Value …) are written as what they wrap.
_WELL_KNOWN = "google.protobuf"
_TEXT_TYPES = frozenset(f"{_WELL_KNOWN}.{name}" for name in ("Timestamp", "Duration", "FieldMask"))
_FREE_FORM = frozenset(f"{_WELL_KNOWN}.{name}" for name in ("Any", "Struct", "Value", "ListValue"))
_NUMBER = re.compile(r"-?\d{1,10}")


def messages(pool: DescriptorPool, method: MethodDescriptor, request: Request) -> list[Message]:
    """The request's messages: one, or what a JSON list has of them where the RPC takes a stream.

    Raises ScaffoldError ``unknown-field``, ``unknown-value``, ``bad-json`` or ``bad-request``.
    """
    found = _parsed(method.input_type, request)
    if isinstance(found, list) and method.client_streaming:
        return [_message(pool, method.input_type, one, f"[{index}]") for index, one in enumerate(found)]
    return [_message(pool, method.input_type, found, "")]


def meant(name: str, known: Sequence[str], said: str) -> str:
    """A remedy for a name that is not known: ``did you mean "x"? the fields are x, y``."""
    if not known:
        return f"{said} none: there are none"
    folded = {other.lower(): other for other in known}
    # An enum's values begin with its name (STATE_PAID), and a person types the rest.
    ending = [other for other in folded if other.endswith(f"_{name.lower()}")]
    close = ending if len(ending) == 1 else get_close_matches(name.lower(), folded, n=1)
    question = f'did you mean "{folded[close[0]]}"? ' if close else ""
    return f"{question}{said} {', '.join(known)}"


def _parsed(descriptor: Descriptor, request: Request) -> object:
    """The request as JSON has it."""
    if isinstance(request, str):
        return _load(request) if request.strip() else {}
    if isinstance(request, Mapping):
        return request
    if len(request) == 1 and request[0].lstrip().startswith(("{", "[")):
        return _load(request[0])
    return _Words(descriptor).parse(request)


def _load(text: str) -> object:
    def unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise _bad_request(f'"{printable(twice)}" is there twice in one object')
        return found

    try:
        return json.loads(text, object_pairs_hook=unique)
    except json.JSONDecodeError as error:
        raise ScaffoldError(
            Diagnostic(
                "bad-json",
                f"the request is not JSON: {error.msg}",
                Location("request", error.lineno, error.colno),
                remedy="""write {"name": "carts/1"}, in single quotes for the shell, or name=carts/1""",
            )
        ) from error
    except (ValueError, RecursionError) as error:  # a number of thousands of digits, nesting as deep
        raise _bad_request(str(error)) from error


class _Words:
    """``key=value`` words, read as JSON with the help of the message's descriptor."""

    def __init__(self, descriptor: Descriptor) -> None:
        self._descriptor = descriptor

    def parse(self, words: Sequence[str]) -> dict[str, object]:
        found: dict[str, object] = {}
        for word in words:
            key, equals, value = word.partition("=")
            if not equals or not key:
                raise ScaffoldError(self._no_word(word))
            self._put(found, key, value)
        return found

    def _no_word(self, word: str) -> Diagnostic:
        remedy = meant(word, _names(self._descriptor), f"the fields of {self._descriptor.full_name} are")
        if word.lstrip().startswith(("{", "[")):
            remedy = "give the request as one piece of JSON and nothing else, or all of it as key=value"
        return Diagnostic("bad-request", f'"{printable(word)}" is not of the form key=value', remedy=remedy)

    def _put(self, found: dict[str, object], key: str, value: str) -> None:
        *path, last = key.split(".")
        place, descriptor = found, self._descriptor
        for depth, name in enumerate(path):
            field = _field(descriptor, name, ".".join(path[:depth]))
            here = ".".join(path[: depth + 1])
            if _is_map(field):
                keys = self._inside(place, field, key)
                _set_once(keys, ".".join([*path[depth + 1 :], last]), _map_entry(field, here, value, key), key)
                return
            if field.message_type is None or field.is_repeated or field.message_type.full_name in _FREE_FORM:
                kind = "a list" if field.is_repeated else "no message with fields"
                raise _bad_request(f"{key}: {here} is {kind}; give it as JSON, {here}=…")
            place, descriptor = self._inside(place, field, key), field.message_type
        field = _field(descriptor, last, ".".join(path))
        if field.is_repeated and not _is_map(field):
            elements = cast("list[object]", place.setdefault(field.name, []))
            elements += _load_list(value) if value.startswith("[") else [_value(field, value, key)]
        else:
            _set_once(place, field.name, _value(field, value, key), key)

    def _inside(self, place: dict[str, object], field: FieldDescriptor, key: str) -> dict[str, object]:
        inner = place.setdefault(field.name, {})
        if not isinstance(inner, dict):
            raise _bad_request(f"{key}: {field.name} has a value already")
        return inner


def _set_once(place: dict[str, object], name: str, value: object, key: str) -> None:
    if name in place:
        raise _bad_request(f"{key} is there twice")
    place[name] = value


def _load_list(text: str) -> list[object]:
    found = _load(text)
    assert isinstance(found, list)  # it begins with a bracket
    return found


def _value(field: FieldDescriptor, text: str, key: str) -> object:
    """The text as JSON's mapping wants it for this field: numbers, enums and bytes are understood as strings, too."""
    message = field.message_type
    if message is not None:
        return _message_value(message, text, key)
    if field.type == field.TYPE_BOOL:
        if text not in ("true", "false"):
            raise _bad_request(f'{key}: "{printable(text)}" is not true or false')
        return text == "true"
    return int(text) if field.enum_type is not None and _NUMBER.fullmatch(text) else text


def _map_entry(field: FieldDescriptor, here: str, text: str, key: str) -> object:
    """The value of a map's key. All behind the map's name is the key, dots too, so that a message has to be JSON."""
    value = _map_value(field)
    message = value.message_type
    if message is None or text.startswith("{") or _wraps(message) or message.full_name in _TEXT_TYPES | _FREE_FORM:
        return _value(value, text, key)
    raise _bad_request(f"{key} is a {message.full_name} in a map: give it as JSON, {here}.KEY={{…}}")


def _wraps(message: Descriptor) -> bool:
    """Whether it is one of protobuf's own around one value, which the JSON mapping writes as that value."""
    return message.file.package == _WELL_KNOWN and list(message.fields_by_name) == ["value"]


def _message_value(message: Descriptor, text: str, key: str) -> object:
    if message.full_name in _TEXT_TYPES:
        return text
    if message.full_name in _FREE_FORM or text.startswith("{"):
        return _load(text)
    if _wraps(message):
        return _value(message.fields_by_name["value"], text, key)
    fields = ", ".join(f"{key}.{name}=…" for name in _names(message)[:3])
    instead = f"field by field ({fields}), or as JSON ({key}={{…}})" if fields else f"as {key}={{}}"
    raise _bad_request(f"{key} is a {message.full_name}: give it {instead}")


def _message(pool: DescriptorPool, descriptor: Descriptor, found: object, where: str) -> Message:
    from google.protobuf import json_format, message_factory

    _check(descriptor, found, where)
    message = message_factory.GetMessageClass(descriptor)()
    try:
        json_format.ParseDict(cast("dict[str, Any]", found), message, descriptor_pool=pool)
    except (json_format.ParseError, ValueError, TypeError, AttributeError) as error:
        raise _bad_request(f"{f'{where}: ' if where else ''}{error}") from error
    return message


def _check(descriptor: Descriptor, found: object, where: str) -> None:
    """Find names that do not exist, where we can say better than the parser what was perhaps meant."""
    if descriptor.file.package == _WELL_KNOWN:  # has a form of its own, which the parser knows
        return
    if not isinstance(found, Mapping):
        raise _bad_request(f"{where or 'the request'} is a {descriptor.full_name}: a JSON object")
    for name, value in found.items():
        if name.startswith("["):  # an extension, by its full name
            continue
        field = _field(descriptor, name, where)
        here = f"{where}.{name}" if where else name
        if _is_map(field):
            for key, inner in value.items() if isinstance(value, Mapping) else ():
                _check_value(_map_value(field), inner, f"{here}.{key}")
        elif field.is_repeated:
            for index, inner in enumerate(value if isinstance(value, list | tuple) else ()):
                _check_value(field, inner, f"{here}[{index}]")
        else:
            _check_value(field, value, here)


def _check_value(field: FieldDescriptor, value: object, where: str) -> None:
    if value is None:
        return
    if field.message_type is not None:
        _check(field.message_type, value, where)
    elif field.enum_type is not None and isinstance(value, str):
        _check_enum(field.enum_type, value, where)


def _check_enum(enum: EnumDescriptor, value: str, where: str) -> None:
    if value not in enum.values_by_name and not _NUMBER.fullmatch(value):
        raise ScaffoldError(
            Diagnostic(
                "unknown-value",
                f'{printable(where)}: "{printable(value)}" is not a value of {enum.full_name}',
                remedy=meant(value, [one.name for one in enum.values], "the values are"),
            )
        )


def _field(descriptor: Descriptor, name: str, where: str) -> FieldDescriptor:
    """The field of this proto name or JSON name."""
    field = descriptor.fields_by_name.get(name) or descriptor.fields_by_camelcase_name.get(name)
    field = field or next((one for one in descriptor.fields if one.json_name == name), None)
    if field is None:
        inside = f" (at {printable(where)})" if where else ""
        raise ScaffoldError(
            Diagnostic(
                "unknown-field",
                f'"{printable(name)}" is not a field of {descriptor.full_name}{inside}',
                remedy=meant(name, _names(descriptor), "its fields are"),
            )
        )
    return field


def _names(descriptor: Descriptor) -> list[str]:
    return [field.name for field in descriptor.fields]


def _is_map(field: FieldDescriptor) -> bool:
    return field.message_type is not None and field.message_type.GetOptions().map_entry


def _map_value(field: FieldDescriptor) -> FieldDescriptor:
    assert field.message_type is not None
    return field.message_type.fields_by_name["value"]


def _bad_request(problem: str) -> ScaffoldError:
    return ScaffoldError(
        Diagnostic(
            "bad-request",
            f"the request does not fit: {printable(problem)}",
            remedy="write it as the proto's JSON mapping has it: https://protobuf.dev/programming-guides/json/",
        )
    )
