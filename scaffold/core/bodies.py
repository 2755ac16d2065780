"""What the handler of a standard method says: a few lines that name the resource and leave the work to the runtime."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scaffold.core import naming, pycode
from scaffold.core.shapes import Kind
from scaffold.core.view import BodyView

if TYPE_CHECKING:
    from collections.abc import Callable

    from scaffold.core.shapes import Shape

# What handlers call their own things, beside the resource.
LOCAL_NAMES = frozenset({"context", "each", "items", "name", "names", "page", "request", "requests"})

_INDENT = 4


@dataclass(frozen=True)
class Resource:
    """A resource that a store keeps: its message, the repository's attribute, the class of its names (or empty)."""

    message: str
    attribute: str
    variable: str
    name_class: str
    patterns: tuple[str, ...]


@dataclass(frozen=True)
class Single:
    """The method that a batch does several times: its handler, the class of its request, the field for its key.

    ``wrapper`` is the field of its answer that holds the resource; empty where the answer is the resource.
    """

    handler: str
    request: str
    key: str
    wrapper: str


@dataclass(frozen=True)
class Words:
    """What a body is made of. ``runtime`` and ``name_class`` import something and say what it is called here.

    ``response`` is the class of the answer, ``empty`` whether it has no fields. ``etag`` says that callers can name the
    state of the resource that they mean. ``children`` are the attributes of the
    repositories of what belongs to the resource, ``single`` is there for batches.
    """

    runtime: Callable[[str], str]
    name_class: Callable[[], str]
    response: str
    empty: bool
    etag: bool = False
    children: tuple[str, ...] = ()
    single: Single | None = None


def body(shaped: Shape, resource: Resource, words: Words) -> BodyView:
    """The body of a standard method's handler."""
    lines = _LINES[shaped.kind](shaped, resource, words)
    return BodyView(pycode.docstring(_behaviour(shaped, resource, words), _INDENT), tuple(lines))


def _get(shaped: Shape, resource: Resource, words: Words) -> list[str]:
    call = _call("get_resource", resource, words, "name")
    return [_name(shaped.key, resource, words), *_answer(shaped.wrapper, call, resource, words)]


def _list(shaped: Shape, resource: Resource, words: Words) -> list[str]:
    names = [words.name_class()] if shaped.parent and resource.name_class else []
    count = ["count=True"] * bool(shaped.total)
    call = _call("list_resources", resource, words, "request", *names, *_key(shaped), *count)
    total = [f"{shaped.total}=page.total_size"] * bool(shaped.total)
    fields = (f"{shaped.items}=page.items", "next_page_token=page.next_page_token", *total)
    return [_fit("page = ", call), _fit("return ", _Call(words.response, fields))]


def _create(shaped: Shape, resource: Resource, words: Words) -> list[str]:
    wanted = shaped.wanted_id or ("" if resource.name_class else f"{shaped.body}.{shaped.resource_key}")
    arguments = (f"request.{wanted}", f"field={pycode.literal(wanted)}") if wanted else ()
    own_id = _Call(words.runtime("new_id"), arguments)
    if not resource.name_class:
        name = own_id
    elif shaped.parent:
        name = _Call(f"{words.name_class()}.under", (f"request.{shaped.parent}", own_id.text))
    else:
        name = _Call(words.name_class(), (own_id.text,))
    call = _call("create_resource", resource, words, "request", f"request.{shaped.body}", "name", *_key(shaped))
    return [_fit("name = ", name), *_answer(shaped.wrapper, call, resource, words)]


def _update(shaped: Shape, resource: Resource, words: Words) -> list[str]:
    name = _name(f"{shaped.body}.{shaped.resource_key}", resource, words)
    call = _call("update_resource", resource, words, "request", f"request.{shaped.body}", "name", *_key(shaped))
    return [name, *_answer(shaped.wrapper, call, resource, words)]


def _delete(shaped: Shape, resource: Resource, words: Words) -> list[str]:
    name = _name(shaped.key, resource, words)
    if shaped.soft:
        call = _call("soft_delete_resource", resource, words, "request", "name")
    else:
        children = ", ".join(f"context.app.{child}" for child in words.children)
        call = _call(
            "delete_resource", resource, words, "request", "name", *([f"children=[{children}]"] * bool(children))
        )
    if words.empty:
        return [name, _fit("", call), f"return {words.response}()"]
    return [name, *_answer(shaped.wrapper, call, resource, words)]


def _undelete(shaped: Shape, resource: Resource, words: Words) -> list[str]:
    call = _call("undelete_resource", resource, words, "request", "name")
    return [_name(shaped.key, resource, words), *_answer(shaped.wrapper, call, resource, words)]


def _batch_get(shaped: Shape, resource: Resource, words: Words) -> list[str]:
    field = [f"field={pycode.literal(shaped.key)}"] * (shaped.key != "names")
    if resource.name_class:
        names = _fit("names = ", _Call(f"{words.name_class()}.parse_all", (f"request.{shaped.key}", *field)))
    else:
        names = f"names = list(request.{shaped.key})"
    call = _call("batch_get_resources", resource, words, "request", "names", *field)
    return [names, _fit("items = ", call), f"return {words.response}({shaped.items}=items)"]


def _batch_create(shaped: Shape, resource: Resource, words: Words) -> list[str]:
    single = _single(words)
    create = f"{single.handler}(each, context)" + (f".{single.wrapper}" if single.wrapper else "")
    each = f"lambda each: {create}"
    call = _call("batch_create_resources", resource, words, "request", f"request.{shaped.body}", each)
    return [_fit("items = ", call), f"return {words.response}({shaped.items}=items)"]


def _batch_delete(shaped: Shape, resource: Resource, words: Words) -> list[str]:
    single = _single(words)
    each = f"lambda each: {single.handler}(each, context)"
    if shaped.body:
        before, requests, field = [], f"request.{shaped.body}", []
    else:
        made = f"{single.request}({single.key}=name) for name in request.{shaped.key}"
        before = [pycode.fit("requests = [", (made,), "]", _INDENT)]
        requests, field = "requests", [f"field={pycode.literal(shaped.key)}"]
    call = _call("batch_delete_resources", resource, words, "request", requests, each, *field)
    if words.empty:
        return [*before, _fit("", call), f"return {words.response}()"]
    return [*before, _fit("items = ", call), f"return {words.response}({shaped.items}=items)"]


_LINES = {
    Kind.GET: _get,
    Kind.LIST: _list,
    Kind.CREATE: _create,
    Kind.UPDATE: _update,
    Kind.DELETE: _delete,
    Kind.UNDELETE: _undelete,
    Kind.BATCH_GET: _batch_get,
    Kind.BATCH_CREATE: _batch_create,
    Kind.BATCH_DELETE: _batch_delete,
}


@dataclass(frozen=True)
class _Call:
    """A call, to be laid out on one line or on several."""

    function: str
    arguments: tuple[str, ...]

    @property
    def text(self) -> str:
        return f"{self.function}({', '.join(self.arguments)})"


def _call(function: str, resource: Resource, words: Words, *arguments: str) -> _Call:
    return _Call(words.runtime(function), (f"context.app.{resource.attribute}", *arguments))


def _fit(lead: str, call: _Call) -> str:
    return pycode.fit(f"{lead}{call.function}(", call.arguments, ")", _INDENT)


def _name(field: str, resource: Resource, words: Words) -> str:
    """The statement that reads the resource's name from a field of the request."""
    place = [] if field == "name" and resource.name_class else [f"field={pycode.literal(field)}"]
    function = f"{words.name_class()}.parse" if resource.name_class else words.runtime("given")
    return _fit("name = ", _Call(function, (f"request.{field}", *place)))


def _key(shaped: Shape) -> tuple[str, ...]:
    return () if shaped.resource_key == "name" else (f"key={pycode.literal(shaped.resource_key)}",)


def _answer(wrapper: str, call: _Call, resource: Resource, words: Words) -> list[str]:
    if not wrapper:
        return [_fit("return ", call)]
    return [_fit(f"{resource.variable} = ", call), f"return {words.response}({wrapper}={resource.variable})"]


def _single(words: Words) -> Single:
    assert words.single is not None, "a batch is recognised by the method that it does several times"
    return words.single


def _behaviour(shaped: Shape, resource: Resource, words: Words) -> str:
    """What a standard method answers where things go wrong."""
    noun = resource.variable.strip("_").replace("_", " ")
    malformed = "A malformed name" if resource.name_class else f"An empty {shaped.key or shaped.resource_key}"
    missing = f"a missing {noun} is NOT_FOUND"
    stale = "; an old etag is ABORTED" if words.etag else ""
    return {
        Kind.GET: f"{malformed} is INVALID_ARGUMENT; {missing}.",
        Kind.LIST: "A page, an order or anything else that is asked for and cannot be given is INVALID_ARGUMENT.",
        Kind.CREATE: f"A field that is missing or malformed is INVALID_ARGUMENT; {naming.article(noun)} {noun} that exists "
        "already is ALREADY_EXISTS.",
        Kind.UPDATE: f"A malformed name, mask or value is INVALID_ARGUMENT; {missing}{stale}.",
        Kind.DELETE: f"{malformed} is INVALID_ARGUMENT; {missing}{stale}.",
        Kind.UNDELETE: f"{malformed} is INVALID_ARGUMENT; {missing}; one that is not deleted is ALREADY_EXISTS.",
        Kind.BATCH_GET: f"No names, too many or a malformed one are INVALID_ARGUMENT; one {missing[2:]}.",
        Kind.BATCH_CREATE: "All are created, or none: what is wrong with one is wrong with all.",
        Kind.BATCH_DELETE: "All are deleted, or none: what is wrong with one is wrong with all.",
    }[shaped.kind]
