"""The list of checks, and which of them an RPC gets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from scaffold.contract.schema import Rpc, Schema
    from scaffold.contract.trial import Trial
    from scaffold.core.shapes import Kind

    Carry = Callable[[Trial], None]
    Applies = Callable[[Schema, Rpc], bool]


@dataclass(frozen=True)
class Check:
    """A law. ``law`` is the first line of its function's docstring, ``source`` where it comes from.

    ``needs_spans`` is set for those that can only be carried out where the target's spans can be seen.
    """

    name: str
    source: str
    law: str
    carry_out: Carry
    applies: Applies | None = None
    needs_spans: bool = False


_component: list[Check] = []
_rpc: list[Check] = []


def component_check(source: str) -> Callable[[Carry], Carry]:
    """Register a check that is carried out once for the component. Its test is called ``catalog-NAME``."""

    def register(function: Carry) -> Carry:
        _component.append(_check(function, source, None, needs_spans=False))
        return function

    return register


def rpc_check(source: str, applies: Applies | None = None, *, needs_spans: bool = False) -> Callable[[Carry], Carry]:
    """Register a check that every RPC gets for which ``applies`` is true: ``CatalogService.GetProduct-NAME``."""

    def register(function: Carry) -> Carry:
        _rpc.append(_check(function, source, applies, needs_spans))
        return function

    return register


def _check(function: Carry, source: str, applies: Applies | None, needs_spans: bool) -> Check:
    law = (function.__doc__ or "").splitlines()[0]
    return Check(function.__name__, source, law, function, applies, needs_spans)


def checks_of_component() -> tuple[Check, ...]:
    """The checks of a component as a whole."""
    return tuple(_component)


def checks_of_rpc(schema: Schema, rpc: Rpc) -> tuple[Check, ...]:
    """The checks that an RPC gets: a law that needs an RPC which the component does not have is not among them."""
    return tuple(check for check in _rpc if check.applies is None or check.applies(schema, rpc))


def of_kind(*kinds: Kind, beside: tuple[Kind, ...] = ()) -> Applies:
    """For RPCs of one of these kinds, where the component has the others for the same resource.

    Not for a Get or Delete that requires more than a name: the laws know nothing to put there.
    """

    def applies(schema: Schema, rpc: Rpc) -> bool:
        others = [schema.rpc_of(kind, rpc.shape.resource) for kind in beside]
        return rpc.shape.kind in kinds and all(o is not None and _can_be_asked(schema, o) for o in (rpc, *others))

    return applies


def _can_be_asked(schema: Schema, rpc: Rpc) -> bool:
    required = {info.field.name for info in schema.fields(rpc.method.input) if info.required}
    return not rpc.shape.key or required <= {rpc.shape.key}
