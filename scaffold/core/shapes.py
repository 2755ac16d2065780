"""What kind of method an RPC is, and which of its fields are the resource, its key, its page and its mask.

The rules are those of the API Improvement Proposals (https://google.aip.dev): Get 131, List 132, Create 133, Update
134, Delete 135, pagination 158, Undelete 164, BatchGet 231, BatchCreate 233, BatchDelete 235. They are read generously:
an API that wraps the resource in its response (``GetUserResponse { User user }``) or calls the key ``id`` is recognised
too. Whatever does not fit is CUSTOM.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from scaffold.core import naming

if TYPE_CHECKING:
    from scaffold.core.api import Api, Field, Message, Method, Service

EMPTY = "google.protobuf.Empty"
_TIMESTAMP = "google.protobuf.Timestamp"

_PATTERN = re.compile(r"[^{}*]*(?:\{[A-Za-z_][A-Za-z0-9_]*\}[^{}*]*)+")


class Kind(Enum):
    """The standard methods that are recognised, and CUSTOM for everything else."""

    GET = "Get"
    LIST = "List"
    CREATE = "Create"
    UPDATE = "Update"
    DELETE = "Delete"
    UNDELETE = "Undelete"
    BATCH_GET = "BatchGet"
    BATCH_CREATE = "BatchCreate"
    BATCH_DELETE = "BatchDelete"
    CUSTOM = "custom"


@dataclass(frozen=True)
class Shape:
    """What an RPC is.

    ``resource`` is the full name of the resource's message; ``key`` the request's field that names one (Get, Delete,
    Undelete), or the field with the list of names (BatchGet, BatchDelete). ``resource_key`` is the resource's own field
    for it, ``pattern`` the first one of its names. ``body`` is the request's field that holds the resource (Create,
    Update) or the list of requests (BatchCreate, BatchDelete), ``wrapper`` the response's field that holds the resource
    where the response is not the resource itself, ``items`` the response's list, ``total`` its field for the number of
    resources in all pages. ``single`` is the full name of the method that a batch does several times. Empty where there
    is none. ``soft`` says that what is deleted can be undeleted (Delete).
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
    single: str = ""
    total: str = ""
    soft: bool = False

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
    for prefix, recognise in _RECOGNISERS.items():
        noun = method.name.removeprefix(prefix)
        if noun and noun != method.name and noun[0].isupper():
            found = recognise(_Looked(api, method, noun)) or CUSTOM
            return found if found.writable else CUSTOM
    return CUSTOM


def usable_patterns(resource: Message) -> tuple[str, ...]:
    """The patterns of a resource, where names can be made from all of them (AIP-122): text and {variables}."""
    patterns = resource.resource.patterns if resource.resource else ()
    return patterns if all(_PATTERN.fullmatch(pattern) for pattern in patterns) else ()


@dataclass(frozen=True)
class _Looked:
    """A method that is looked at; ``noun`` is its name without the verb."""

    api: Api
    method: Method
    noun: str

    @property
    def request(self) -> Message:
        return self.api.message_by_name[self.method.input]

    @property
    def response(self) -> Message:
        return self.api.message_by_name[self.method.output]

    @property
    def service(self) -> Service:
        return self.api.service_by_name[self.method.full_name.rpartition(".")[0]]

    def sibling(self, kind: Kind, resource: str) -> tuple[Method, Shape] | None:
        """The method of the same service that does that with the same resource."""
        for method in self.service.methods:
            if method.name.startswith(kind.value):
                found = shape(self.api, method)
                if (found.kind, found.resource) == (kind, resource):
                    return method, found
        return None


def _get(looked: _Looked) -> Shape | None:
    api, noun, request, response = looked.api, looked.noun, looked.request, looked.response
    resource, wrapper = _unwrap(api, noun, response)
    if resource is None:
        return None
    keys = _keys(request, resource)
    if keys is None or any("REQUIRED" in f.behaviors and f.name != keys[0] for f in request.fields):
        return None
    return Shape(Kind.GET, resource.full_name, keys[0], keys[1], _pattern(resource), wrapper=wrapper)


def _delete(looked: _Looked) -> Shape | None:
    api, noun, request, response = looked.api, looked.noun, looked.request, looked.response
    resource, wrapper = _unwrap(api, noun, response)
    gone = resource is None and (response.full_name == EMPTY or not response.fields)
    if gone:
        resource = _resource_called(api, noun, request)
    keys = _keys(request, resource) if resource else None
    if resource is None or keys is None:
        return None
    undelete = next((m for m in looked.service.methods if m.name == f"Undelete{noun}"), None)
    soft = undelete is not None and shape(api, undelete).kind is Kind.UNDELETE
    if not soft and (undelete is not None or not gone):
        return None  # it answers with what is gone, or something is undeleted in a way that nobody knows here
    return Shape(Kind.DELETE, resource.full_name, keys[0], keys[1], _pattern(resource), wrapper=wrapper, soft=soft)


def _undelete(looked: _Looked) -> Shape | None:
    resource, wrapper = _unwrap(looked.api, looked.noun, looked.response)
    keys = _keys(looked.request, resource) if resource else None
    deleted = resource.field("delete_time") if resource else None
    if resource is None or keys is None or deleted is None or deleted.type_name != _TIMESTAMP or deleted.repeated:
        return None
    return Shape(Kind.UNDELETE, resource.full_name, keys[0], keys[1], _pattern(resource), wrapper=wrapper)


def _list(looked: _Looked) -> Shape | None:
    api, request, response = looked.api, looked.request, looked.response
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
    parent, total = request.field("parent"), response.field("total_size")
    return Shape(
        Kind.LIST,
        resource.full_name,
        resource_key=key.name,
        pattern=_pattern(resource),
        items=lists[0].name,
        parent="parent" if parent and parent.type == "string" and not parent.repeated else "",
        total="total_size" if total and total.type in ("int32", "int64") and not total.repeated else "",
    )


def _create(looked: _Looked) -> Shape | None:
    api, noun, request, response = looked.api, looked.noun, looked.request, looked.response
    resource, wrapper = _unwrap(api, noun, response)
    if resource is None:
        return None
    body = next((f for f in request.fields if f.type_name == resource.full_name and not f.repeated), None)
    key = _own_key(resource)
    if body is None or key is None:
        return None
    wanted, parent = request.field(f"{naming.snake(resource.name)}_id"), request.field("parent")
    has_parent = parent is not None and parent.type == "string" and not parent.repeated
    if not _can_be_named(resource, has_parent):
        return None
    request_id = request.field("request_id")
    return Shape(
        Kind.CREATE,
        resource.full_name,
        resource_key=key.name,
        pattern=_pattern(resource),
        body=body.name,
        wanted_id=wanted.name if wanted and wanted.type == "string" and not wanted.repeated else "",
        parent="parent" if has_parent else "",
        wrapper=wrapper,
        request_id="request_id" if request_id and request_id.type == "string" else "",
    )


def _update(looked: _Looked) -> Shape | None:
    api, noun, request, response = looked.api, looked.noun, looked.request, looked.response
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


def _batch_get(looked: _Looked) -> Shape | None:
    api, request, response = looked.api, looked.request, looked.response
    lists = [f for f in response.fields if f.repeated and f.type == "message"]
    names = next((f for f in request.fields if f.name in ("names", "ids") and _is_list_of_keys(f)), None)
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


def _batch_create(looked: _Looked) -> Shape | None:
    lists = [f for f in looked.response.fields if f.repeated and f.type == "message"]
    requests = looked.request.field("requests")
    if len(lists) != 1 or requests is None or not requests.repeated:
        return None
    found = looked.sibling(Kind.CREATE, lists[0].type_name)
    if found is None or found[0].input != requests.type_name:
        return None
    method, single = found
    return Shape(
        Kind.BATCH_CREATE,
        single.resource,
        resource_key=single.resource_key,
        pattern=single.pattern,
        body=requests.name,
        items=lists[0].name,
        single=method.full_name,
    )


def _batch_delete(looked: _Looked) -> Shape | None:
    resource = _resource_called(looked.api, naming.pascal(naming.singular(naming.snake(looked.noun))), looked.request)
    found = looked.sibling(Kind.DELETE, resource.full_name) if resource else None
    if found is None:
        return None
    method, single = found
    lists = [f for f in looked.response.fields if f.repeated and f.type_name == single.resource]
    if len(lists) > 1 or bool(looked.response.fields) != bool(lists) or (lists and method.output != single.resource):
        return None  # a list of what was deleted is made of the answers of Delete
    names = next((f for f in looked.request.fields if f.name in ("names", "ids") and _is_list_of_keys(f)), None)
    requests = looked.request.field("requests")
    if names is None and (requests is None or not requests.repeated or requests.type_name != method.input):
        return None
    return Shape(
        Kind.BATCH_DELETE,
        single.resource,
        key=names.name if names else "",
        resource_key=single.resource_key,
        pattern=single.pattern,
        body="" if names or not requests else requests.name,
        items=lists[0].name if lists else "",
        single=method.full_name,
        soft=single.soft,
    )


_RECOGNISERS = {
    "BatchGet": _batch_get,
    "BatchCreate": _batch_create,
    "BatchDelete": _batch_delete,
    "Undelete": _undelete,
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


def _is_list_of_keys(field: Field) -> bool:
    return field.repeated and field.type == "string"


def _can_be_named(resource: Message, has_parent: bool) -> bool:
    """Whether a Create can make names: below a parent where the pattern has one, and from one id of the resource's own."""
    patterns = usable_patterns(resource)
    if not patterns:
        return not has_parent
    nested = any("{" in "/".join(pattern.split("/")[:-2]) for pattern in patterns)
    return all(re.fullmatch(r"\{\w+\}", pattern.split("/")[-1]) for pattern in patterns) and (has_parent or not nested)


def _pattern(resource: Message) -> str:
    return resource.resource.patterns[0] if resource.resource and resource.resource.patterns else ""
