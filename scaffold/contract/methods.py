"""What an API offers beside the plain standard methods: the fields and methods by which a law applies, or does not.

Everything is recognised by the names and types that the API Improvement Proposals give it (https://google.aip.dev).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from scaffold.core.shapes import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from scaffold.contract.checks.registry import Applies
    from scaffold.contract.schema import FieldInfo, Rpc, Schema


def field_of(schema: Schema, message: str, name: str, type_: str = "string") -> FieldInfo | None:
    """A field of a message that is no list, by name and type (a scalar's, or a message's full name)."""
    for info in schema.fields(message):
        f = info.field
        if f.name == name and not f.repeated and type_ in (f.type, f.type_name):
            return info
    return None


def takes(schema: Schema, rpc: Rpc, name: str, type_: str = "string") -> bool:
    """Whether the request of an RPC has that field."""
    return field_of(schema, rpc.method.input, name, type_) is not None


def resource_has(schema: Schema, rpc: Rpc, name: str, type_: str = "string") -> bool:
    """Whether the resource that an RPC is about has that field."""
    return bool(rpc.shape.resource) and field_of(schema, rpc.shape.resource, name, type_) is not None


def undelete_of(schema: Schema, resource: str) -> Rpc | None:
    """The Undelete of a resource (AIP-164), which makes its Delete a soft one."""
    return next((rpc for rpc in schema.rpcs if undeletes(schema, rpc) == resource), None)


def undeletes(schema: Schema, rpc: Rpc) -> str:
    """The resource that an RPC takes out of deletion: ``UndeleteBook(name) returns (Book)``; empty for other RPCs."""
    message = schema.api.message_by_name[rpc.method.output]
    named = rpc.method.name == f"Undelete{message.name}" and not rpc.streams
    return message.full_name if named and takes(schema, rpc, "name") else ""


def batch_of(schema: Schema, rpc: Rpc) -> tuple[Rpc, str] | None:
    """For a BatchCreate (AIP-233) or BatchDelete (AIP-235): the RPC that it does many times, and the list's field.

    The list is ``requests``, of that RPC's own requests; a BatchDelete may have ``names`` instead.
    """
    prefix = next((p for p in ("BatchCreate", "BatchDelete") if rpc.method.name.startswith(p)), "")
    if not prefix or rpc.streams:
        return None
    for one in schema.rpcs:
        if one.service != rpc.service or one.shape.kind.value != prefix.removeprefix("Batch"):
            continue
        for info in schema.fields(rpc.method.input):
            if info.field.repeated and info.field.type_name == one.method.input and info.field.name == "requests":
                return one, info.field.name
            of_names = info.field.repeated and info.field.type == "string" and info.field.name == "names"
            if of_names and prefix == "BatchDelete" and _is_about(schema, rpc, one):
                return one, info.field.name
    return None


def _is_about(schema: Schema, batch: Rpc, one: Rpc) -> bool:
    """Whether ``BatchDeleteBooks`` is about what ``DeleteBook`` deletes: the list of names does not say."""
    noun = schema.api.message_by_name[one.shape.resource].name
    of_batch = batch.method.name.removeprefix("BatchDelete")
    return of_batch.lower()[: max(len(noun) - 1, 1)] == noun.lower()[:-1] if len(noun) > 1 else of_batch == noun


def children_of(schema: Schema, resource: str) -> Iterator[Rpc]:
    """The Creates of resources that live below one, directly."""
    own = set(schema.patterns(resource))
    for rpc in schema.rpcs:
        above = rpc.shape.pattern.split("/")[:-2]
        if rpc.shape.kind is Kind.CREATE and rpc.shape.parent and above and "/".join(above) in own:
            yield rpc


def both(*conditions: Applies) -> Applies:
    """True where all conditions are."""
    return lambda schema, rpc: all(condition(schema, rpc) for condition in conditions)


def with_request_field(name: str, type_: str = "string") -> Applies:
    """For RPCs whose request has that field."""
    return lambda schema, rpc: takes(schema, rpc, name, type_)


def with_resource_field(name: str, type_: str = "string") -> Applies:
    """For RPCs whose resource has that field."""
    return lambda schema, rpc: resource_has(schema, rpc, name, type_)
