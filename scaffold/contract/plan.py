"""What the engine has to know about a workspace, and cannot read from a component's descriptors: one small JSON file.

`scaffold test` writes it; the pytest plugin reads it (``--contract-plan FILE``). Paths are absolute or relative to the
workspace. ::

    {"components": {
       "cart":     {"kind": "store", "package": "cart", "src": "services/cart/src"},
       "checkout": {"kind": "process", "package": "checkout", "src": "services/checkout/src", "uses": ["cart"],
                    "vendors": {"payments": {"command": ["python", "-m", "standin_payments"],
                                             "env": ["PAYMENTS_URL", "PAYMENTS_KEY"]}},
                    "environ": {"FEATURE_X": "1"}, "metadata": {"x-tenant-id": "contract"},
                    "places": {"shop.checkout.v1.CheckoutService.PlaceOrder": "protos/shop/checkout/v1/c.proto:25"}}},
     "known": [{"component": "cart", "check": "CartService.GetCart-explains_errors", "reason": "…",
                "until": "2027-03-31"}]}
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from scaffold.contract.ledger import Known

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

Kind = Literal["store", "process"]

DEFAULT_EXAMPLES = 20  # requests that a check draws


class PlanError(Exception):
    """The plan is not there, or not one: the message says what is wrong."""


@dataclass(frozen=True)
class Vendor:
    """A third-party HTTP service.

    ``command`` starts its stand-in, which listens on ``PORT`` of loopback; without one, calls to the vendor find
    nobody. ``env`` are the variables that the process reads about it, besides ``NAME_URL``: what ends with ``_URL``
    becomes the stand-in's address, the rest some text that is no secret. ``environ`` is added to the stand-in's own
    environment.
    """

    command: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Component:
    """A store or a process: where its import package is, and what it needs beside it.

    ``environ`` are settings that it cannot start without, ``metadata`` request headers that it refuses calls without,
    ``places`` where RPCs (by full name) are declared.
    """

    kind: Kind
    package: str
    src: str
    uses: tuple[str, ...] = ()
    vendors: Mapping[str, Vendor] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    places: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Plan:
    """The components of a workspace, by name, and the failures that are known there."""

    components: Mapping[str, Component]
    known: tuple[Known, ...] = ()

    def dumps(self) -> str:
        """The plan as JSON, the same bytes for equal plans."""
        return json.dumps(asdict(self), indent=2, sort_keys=True) + "\n"


def load(path: Path) -> Plan:
    """Read a plan. Raises PlanError."""
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
        components = {name: _component(table) for name, table in raw["components"].items()}
        return Plan(components, tuple(Known(**table) for table in raw.get("known", ())))
    except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
        raise PlanError(f"{path} is not a plan for the contract suite: {error!r}; `scaffold test` writes one") from None


def _component(table: dict[str, Any]) -> Component:
    vendors = {name: _vendor(vendor) for name, vendor in table.get("vendors", {}).items()}
    return Component(**{**table, "uses": tuple(table.get("uses", ())), "vendors": vendors})


def _vendor(table: dict[str, Any]) -> Vendor:
    return Vendor(**{**table, "command": tuple(table.get("command", ())), "env": tuple(table.get("env", ()))})
