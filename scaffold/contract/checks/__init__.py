"""What is checked: one small function for each law, each naming where the law is written.

Importing this package registers them all with :mod:`scaffold.contract.checks.registry`, in the order in which they are
run.
"""

from scaffold.contract.checks import (
    batch,
    behaviors,
    component,
    constraints,
    every,
    paging,
    repeats,
    resource,
    softdelete,
    streams,
    times,
    update,
    watch,
)
from scaffold.contract.checks.registry import Check, checks_of_component, checks_of_rpc

__all__ = [
    "Check",
    "batch",
    "behaviors",
    "checks_of_component",
    "checks_of_rpc",
    "component",
    "constraints",
    "every",
    "paging",
    "repeats",
    "resource",
    "softdelete",
    "streams",
    "times",
    "update",
    "watch",
]
