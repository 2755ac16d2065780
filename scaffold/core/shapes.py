"""What kind of method an RPC is, and which of its fields are the resource, its key, its page and its mask.

The rules are those of the API Improvement Proposals (https://google.aip.dev): Get 131, List 132, Create 133, Update
134, Delete 135, pagination 158, BatchGet 231. They are read generously: an API that wraps the resource in its response
(``GetUserResponse { User user }``) or calls the key ``id`` is recognised too. Whatever does not fit is CUSTOM.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from scaffold.core import naming

if TYPE_CHECKING:
    from scaffold.core.api import Api, Field, Message, Method

EMPTY = "google.protobuf.Empty"


class Kind(Enum):
    """The standard methods that are recognised, and CUSTOM for everything else."""

    GET = "Get"
    LIST = "List"
    CREATE = "Create"
    UPDATE = "Update"
    DELETE = "Delete"
    BATCH_GET = "BatchGet"
    CUSTOM = "custom"


@dataclass(frozen=True)
class Shape:
    """What an RPC is.

    ``resource`` is the full name of the resource's message; ``key`` the request's field that names one (Get, Delete),
    or the field with the list of names (BatchGet). ``resource_key`` is the resource's own field for it. ``body`` is the
    request's field that holds the resource (Create, Update), ``wrapper`` the response's field that holds it where the
    response is not the resource itself, ``items`` the response's list. Empty where there is none.
    """

    kind: Kind
    resource: str = ""
    key: str = ""
    resource_key: str = ""
    pattern: str = ""
    body: str = ""
    wanted_id: str = ""
    parent: str = ""
    items: str = ""
    wrapper: str = ""
    mask: str = ""
    request_id: str = ""

    @property
    def standard(self) -> bool:
        """Whether it is a standard method."""
        return self.kind is not Kind.CUSTOM

    @property
    def writable(self) -> bool:
        """Whether Python can say ``message.field`` of every field; of one called ``import`` it cannot."""
        fields = (
            self.key,
            self.resource_key,
            self.body,
            self.wanted_id,
            self.parent,
            self.items,
            self.wrapper,
            self.mask,
        )
        return all(naming.identifier(name) == name for name in fields if name)


CUSTOM = Shape(Kind.CUSTOM)


def shape(api: Api, method: Method) -> Shape:
    """What kind of method this is; CUSTOM for streams and whatever does not fit."""
    if method.client_streaming or method.server_streaming:
        return CUSTOM
    request = api.message_by_name[method.input]
    response = api.message_by_name[method.output]
    for prefix, recognise in _RECOGNISERS.items():
        noun = method.name.removeprefix(prefix)
        if noun and noun != method.name and noun[0].isupper():
            found = recognise(api, noun, request, response) or CUSTOM
            return found if found.writable else CUSTOM
    return CUSTOM


def _get(api: Api, noun: str, request: Message, response: Message) -> Shape | None:
    resource, wrapper = _unwrap(api, noun, response)
    if resource is None:
        return None
    keys = _keys(request, resource)
    if keys is None or any("REQUIRED" in f.behaviors and f.name != keys[0] for f in request.fields):
        return None
    return Shape(Kind.GET, resource.full_name, keys[0], keys[1], _pattern(resource), wrapper=wrapper)


def _delete(api: Api, noun: str, request: Message, response: Message) -> Shape | None:
    resource = _resource_called(api, noun, request)
    if resource is None or (response.full_name != EMPTY and response.fields):
        return None
    keys = _keys(request, resource)
    return Shape(Kind.DELETE, resource.full_name, keys[0], keys[1], _pattern(resource)) if keys else None


def _list(api: Api, noun: str, request: Message, response: Message) -> Shape | None:
    lists = [f for f in response.fields if f.repeated and f.type == "message"]
    size, token, following = request.field("page_size"), request.field("page_token"), response.field("next_page_token")
    if len(lists) != 1 or not (size and token and following):
        return None
    if size.type != "int32" or token.type != "string" or following.type != "string":
        return None
    resource = api.message_by_name[lists[0].type_name]
    key = _own_key(resource)
    if resource.map_entry or key is None:
        return None
    parent = request.field("parent")
    return Shape(
        Kind.LIST,
        resource.full_name,
        resource_key=key.name,
        pattern=_pattern(resource),
        items=lists[0].name,
        parent="parent" if parent and parent.type == "string" and not parent.repeated else "",
    )


def _create(api: Api, noun: str, request: Message, response: Message) -> Shape | None:
    resource, wrapper = _unwrap(api, noun, response)
    if resource is None:
        return None
    body = next((f for f in request.fields if f.type_name == resource.full_name and not f.repeated), None)
    key = _own_key(resource)
    if body is None or key is None:
        return None
    wanted, parent = request.field(f"{naming.snake(resource.name)}_id"), request.field("parent")
    request_id = request.field("request_id")
    return Shape(
        Kind.CREATE,
        resource.full_name,
        resource_key=key.name,
        pattern=_pattern(resource),
        body=body.name,
        wanted_id=wanted.name if wanted and wanted.type == "string" and not wanted.repeated else "",
        parent="parent" if parent and parent.type == "string" and not parent.repeated else "",
        wrapper=wrapper,
        request_id="request_id" if request_id and request_id.type == "string" else "",
    )


def _update(api: Api, noun: str, request: Message, response: Message) -> Shape | None:
    resource, wrapper = _unwrap(api, noun, response)
    if resource is None:
        return None
    body = next((f for f in request.fields if f.type_name == resource.full_name and not f.repeated), None)
    mask = next((f for f in request.fields if f.type_name == "google.protobuf.FieldMask" and not f.repeated), None)
    key = _own_key(resource)
    if body is None or mask is None or key is None:
        return None
    return Shape(
        Kind.UPDATE,
        resource.full_name,
        resource_key=key.name,
        pattern=_pattern(resource),
        body=body.name,
        wrapper=wrapper,
        mask=mask.name,
    )


def _batch_get(api: Api, noun: str, request: Message, response: Message) -> Shape | None:
    lists = [f for f in response.fields if f.repeated and f.type == "message"]
    names = next((f for f in request.fields if f.name in ("names", "ids") and f.repeated and f.type == "string"), None)
    if len(lists) != 1 or names is None:
        return None
    resource = api.message_by_name[lists[0].type_name]
    key = _own_key(resource)
    if resource.map_entry or key is None:
        return None
    return Shape(
        Kind.BATCH_GET,
        resource.full_name,
        names.name,
        key.name,
        _pattern(resource),
        items=lists[0].name,
    )


_RECOGNISERS = {
    "BatchGet": _batch_get,
    "Get": _get,
    "List": _list,
    "Create": _create,
    "Update": _update,
    "Delete": _delete,
}


def _unwrap(api: Api, noun: str, response: Message) -> tuple[Message | None, str]:
    """The resource that a response is, or holds as its only field, and the name of that field."""
    if response.name == noun or response.resource is not None:
        return response, ""
    singles = [f for f in response.fields if f.type == "message" and not f.repeated]
    if len(response.fields) == 1 and singles:
        inner = api.message_by_name[singles[0].type_name]
        if inner.name == noun or inner.resource is not None:
            return inner, singles[0].name
    return None, ""


def _resource_called(api: Api, noun: str, request: Message) -> Message | None:
    """The resource a Delete is about: its response does not say, so its name does. Same package, or unique."""
    package = request.full_name.rpartition(".")[0]
    same = api.message_by_name.get(f"{package}.{noun}" if package else noun)
    if same is not None:
        return same
    called = [m for m in api.message_by_name.values() if m.name == noun]
    return called[0] if len(called) == 1 else None


def _keys(request: Message, resource: Message) -> tuple[str, str] | None:
    """The request's field that names the resource, and the resource's own field for it."""
    own = _own_key(resource)
    if own is None:
        return None
    for name in (
        own.name,
        "name",
        "id",
        f"{naming.snake(resource.name)}_{own.name}",
        f"{naming.snake(resource.name)}_id",
    ):
        field = request.field(name)
        if field is not None and _is_key(field):
            return field.name, own.name
    return None


def _own_key(resource: Message) -> Field | None:
    """The resource's key: ``name`` where there is a pattern, else ``id``, ``<resource>_id`` or ``name``."""
    own_id = f"{naming.snake(resource.name)}_id"
    order = ("name",) if resource.resource else ("id", own_id, "name")
    for name in order:
        field = resource.field(name)
        if field is not None and _is_key(field):
            return field
    return None


def _is_key(field: Field) -> bool:
    return field.type == "string" and not field.repeated and not field.oneof


def _pattern(resource: Message) -> str:
    return resource.resource.patterns[0] if resource.resource and resource.resource.patterns else ""
