"""When a resource was created and changed, as its own fields say (AIP-148)."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from scaffold.contract.checks.registry import of_kind, rpc_check
from scaffold.contract.methods import both, field_of
from scaffold.contract.resources import Maker, difference
from scaffold.contract.trial import Undecided
from scaffold.contract.updates import Updater
from scaffold.core.shapes import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message as Instance

    from scaffold.contract.schema import Rpc, Schema
    from scaffold.contract.trial import Trial

_TIMES = "AIP-148 (https://google.aip.dev/148)"
_TIMESTAMP = "google.protobuf.Timestamp"
_CREATED, _UPDATED = "create_time", "update_time"

# Longer than the coarsest clock that a service would keep times by.
_TICK_SECONDS = 1.1
_TRIES = 10


def _kept(schema: Schema, rpc: Rpc) -> Iterator[str]:
    """The times that the server keeps of a resource: those that are OUTPUT_ONLY, since others a caller may set."""
    for name in (_CREATED, _UPDATED):
        info = field_of(schema, rpc.shape.resource, name, _TIMESTAMP) if rpc.shape.resource else None
        if info is not None and info.output_only:
            yield name


def _has_times(schema: Schema, rpc: Rpc) -> bool:
    return any(_kept(schema, rpc))


@rpc_check(_TIMES, both(of_kind(Kind.CREATE), _has_times))
def create_sets_the_times(trial: Trial) -> None:
    """Create sets `create_time` and `update_time`, and of two resources the second is not the older one."""
    maker = Maker(trial, trial.about)
    parent = maker.parent()
    first, second = maker.make(parent).returned, maker.make(parent).returned
    for name in _kept(trial.schema, trial.about):
        if not first.HasField(name):
            trial.fail(f"the created resource has no {name}")
        if _at(second, name) < _at(first, name):
            trial.fail(f"what was created later has the earlier {name}")


@rpc_check(_TIMES, both(of_kind(Kind.UPDATE, beside=(Kind.CREATE, Kind.GET)), _has_times))
def update_moves_update_time(trial: Trial) -> None:
    """An Update that changes something sets `update_time` anew, and leaves `create_time`."""
    updater = Updater(trial, trial.about)
    kept = tuple(_kept(trial.schema, trial.about))
    drafts: list[Instance] = []
    trial.examples(updater.drafts(), drafts.append, count=_TRIES)
    made = updater.make()
    before = updater.get(made)
    time.sleep(_TICK_SECONDS)
    for draft in drafts:
        outcome = updater.send(updater.request(updater.fixed(draft, before), made.name))
        if not outcome.ok:
            continue
        after = updater.get(made)
        if not (difference(trial, before, after) or difference(trial, after, before)):
            continue
        if _CREATED in kept and _at(after, _CREATED) != _at(before, _CREATED):
            trial.fail("an Update has changed the create_time")
        if _UPDATED in kept and _at(after, _UPDATED) <= _at(before, _UPDATED):
            trial.fail("an Update has changed the resource, and update_time is as it was")
        return
    raise Undecided(f"{trial.about.label} accepted no made-up change")


def _at(resource: Instance, name: str) -> tuple[int, int]:
    moment: Any = getattr(resource, name)
    return moment.seconds, moment.nanos
