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


def undeletes(schema: Schema, rpc: Rpc) -> str:
    """The resource that an RPC takes out of deletion (AIP-164); empty for other RPCs."""
    return rpc.shape.resource if rpc.shape.kind is Kind.UNDELETE else ""


def batch_of(schema: Schema, rpc: Rpc) -> tuple[Rpc, str] | None:
    """For a BatchCreate (AIP-233) or BatchDelete (AIP-235): the RPC that it does many times, and the list's field.

    The list is of that RPC's own requests; a BatchDelete may have names instead.
    """
    if rpc.shape.kind not in (Kind.BATCH_CREATE, Kind.BATCH_DELETE):
        return None
    one = next((r for r in schema.rpcs if r.method.full_name == rpc.shape.single), None)
    return (one, rpc.shape.body or rpc.shape.key) if one is not None else None


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
