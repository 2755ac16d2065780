"""What the batch methods must do (AIP-231, 233, 235), seen through the methods that do one at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grpc import StatusCode

from scaffold.contract import names
from scaffold.contract.checks.registry import of_kind, rpc_check
from scaffold.contract.methods import batch_of, both, takes
from scaffold.contract.resources import Maker, difference, got_of, is_gone, keyed, must_make, unwrap
from scaffold.contract.trial import Undecided
from scaffold.core.shapes import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message as Instance

    from scaffold.contract.checks.registry import Applies
    from scaffold.contract.resources import Made
    from scaffold.contract.schema import Rpc, Schema
    from scaffold.contract.trial import Trial

_GET = "AIP-231 (https://google.aip.dev/231)"
_CREATE = "AIP-233 (https://google.aip.dev/233)"
_DELETE = "AIP-235 (https://google.aip.dev/235)"


@rpc_check(_GET, of_kind(Kind.BATCH_GET, beside=(Kind.CREATE, Kind.GET)))
def batch_equals_gets(trial: Trial) -> None:
    """BatchGet returns what Get returns of each name, in the order of the names."""
    rpc = trial.about
    made = _several(trial, rpc.shape.resource, 4)
    for order in ((0,), (2, 0, 3, 1), (3, 2, 1, 0)):
        wanted = [made[index] for index in order]
        outcome = trial.call(rpc, _batch_get(trial, rpc, wanted))
        trial.expect(outcome, StatusCode.OK, why=f"a BatchGet of {len(wanted)} that exist")
        got = list(getattr(trial.response(rpc, outcome), rpc.shape.items))
        found = [getattr(resource, rpc.shape.resource_key) for resource in got]
        if found != [one.name for one in wanted]:
            trial.fail(f"asked for {[one.name for one in wanted]}, and got {found}")
        for one, resource in zip(wanted, got, strict=True):
            alone = got_of(trial, rpc.shape.resource, one.name)
            assert alone is not None, "it was made just now"
            changed = difference(trial, alone, resource) or difference(trial, resource, alone)
            if changed:
                trial.fail(f"BatchGet does not return of {one.name!r} what Get returns: {changed}")


@rpc_check(_GET, of_kind(Kind.BATCH_GET, beside=(Kind.CREATE,)))
def batch_get_of_something_missing(trial: Trial) -> None:
    """A BatchGet with a name of nothing is NOT_FOUND; where the response has a field to say so, it may be OK without it."""
    rpc = trial.about
    made = _several(trial, rpc.shape.resource, 2)
    missing = _missing_beside(rpc, made[0], trial.fresh_id())
    request = _batch_get(trial, rpc, [made[0], made[1]])
    getattr(request, rpc.shape.key).insert(1, missing)
    outcome = trial.call(rpc, request)
    if outcome.ok:
        response = trial.response(rpc, outcome)
        found = [getattr(item, rpc.shape.resource_key) for item in getattr(response, rpc.shape.items)]
        if len(response.DESCRIPTOR.fields) == 1:
            trial.fail(f"a BatchGet with the name of nothing must be NOT_FOUND, and was OK with {found}")
        if found != [made[0].name, made[1].name]:
            trial.fail(f"a BatchGet of two that exist and one that does not returned {found}")
        return
    trial.expect(outcome, StatusCode.NOT_FOUND, why="a BatchGet with the name of nothing")


def _takes_a_parent(schema: Schema, rpc: Rpc) -> bool:
    return takes(schema, rpc, "parent")


@rpc_check(_GET, both(of_kind(Kind.BATCH_GET, beside=(Kind.CREATE,)), _takes_a_parent))
def batch_get_keeps_to_its_parent(trial: Trial) -> None:
    """A BatchGet with a `parent` and a name that is not below it is refused."""
    rpc = trial.about
    maker = must_make(trial, rpc.shape.resource)
    here, there = (maker.make(maker.parent()) for _ in range(2))
    if not here.parent or here.parent == there.parent:
        raise Undecided(f"no two parents of {rpc.shape.resource} were found")
    request = _batch_get(trial, rpc, [here, there])
    if trial.call(rpc, request).ok:
        trial.fail(
            f"a BatchGet with the parent {here.parent!r} and the name {there.name!r} must be refused, and was OK"
        )


def _batch_of(kind: Kind, *beside: Kind) -> Applies:
    def applies(schema: Schema, rpc: Rpc) -> bool:
        found = batch_of(schema, rpc)
        if found is None or found[0].shape.kind is not kind:
            return False
        return all(schema.rpc_of(other, found[0].shape.resource) is not None for other in beside)

    return applies


@rpc_check(_CREATE, _batch_of(Kind.CREATE))
def batch_creates_all(trial: Trial) -> None:
    """BatchCreate makes them all, and returns them in the order of the requests, as Create would."""
    one, field = _one(trial)
    requests = _creates(trial, one, 3)
    outcome = trial.call(trial.about, _batch(trial, field, requests))
    trial.expect(outcome, StatusCode.OK, why="a BatchCreate of what Create accepts")
    created = _resources(trial, outcome.responses[0], one)
    if len(created) != len(requests):
        trial.fail(f"{len(requests)} were to be created, and {len(created)} came back")
    for request, resource in zip(requests, created, strict=True):
        changed = difference(trial, getattr(request, one.shape.body), resource)
        if changed:
            trial.fail(f"the response does not hold what was sent, in its order: {changed}")
        name = getattr(resource, one.shape.resource_key)
        wanted = getattr(request, one.shape.wanted_id) if one.shape.wanted_id else ""
        if not name.endswith(wanted):
            trial.fail(f"{wanted!r} was asked for, and {name!r} came back in its place")
        if trial.schema.rpc_of(Kind.GET, one.shape.resource) and got_of(trial, one.shape.resource, name) is None:
            trial.fail(f"{name!r} was created in a batch, and is not there")


@rpc_check(_CREATE, _batch_of(Kind.CREATE, Kind.GET))
def batch_create_is_atomic(trial: Trial) -> None:
    """When one of a BatchCreate cannot be created, none is."""
    one, field = _one(trial)
    if not one.shape.wanted_id:
        raise Undecided(f"{one.label} takes no id by which something could be taken already")
    requests = _creates(trial, one, 3)
    first = trial.call(one, requests[2])
    trial.expect(first, StatusCode.OK, why="a Create of what Create accepts")
    name = getattr(unwrap(trial.response(one, first), one.shape), one.shape.resource_key)
    outcome = trial.call(trial.about, _batch(trial, field, requests))
    if outcome.ok:
        trial.fail(f"a BatchCreate of something that exists already ({name!r}) must be refused, and was OK")
    collection = name.rpartition("/")[0]
    for request in requests[:2]:
        identifier = getattr(request, one.shape.wanted_id)
        beside = f"{collection}/{identifier}" if collection else identifier
        if got_of(trial, one.shape.resource, beside) is not None:
            trial.fail(f"the BatchCreate was refused ({outcome.code.name}), and {beside!r} is there")


@rpc_check(_DELETE, _batch_of(Kind.DELETE, Kind.CREATE, Kind.GET))
def batch_deletes_all(trial: Trial) -> None:
    """After a BatchDelete none of them is there."""
    one, field = _one(trial)
    made = _several(trial, one.shape.resource, 3)
    outcome = trial.call(trial.about, _deletes(trial, one, field, [m.name for m in made], made[0].parent))
    trial.expect(outcome, StatusCode.OK, why="a BatchDelete of what was just created")
    for each in made:
        if not is_gone(trial, one.shape.resource, each.name):
            trial.fail(f"{each.name!r} was deleted in a batch, and is still there")


@rpc_check(_DELETE, _batch_of(Kind.DELETE, Kind.CREATE, Kind.GET))
def batch_delete_is_atomic(trial: Trial) -> None:
    """When one of a BatchDelete cannot be deleted, none is."""
    one, field = _one(trial)
    made = _several(trial, one.shape.resource, 2)
    missing = _missing_beside(one, made[0], trial.fresh_id())
    names_ = [made[0].name, made[1].name, missing]
    outcome = trial.call(trial.about, _deletes(trial, one, field, names_, made[0].parent))
    trial.expect(outcome, StatusCode.NOT_FOUND, why="a BatchDelete with the name of nothing")
    for each in made:
        if is_gone(trial, one.shape.resource, each.name):
            trial.fail(f"the BatchDelete was refused, and {each.name!r} is gone")


def _one(trial: Trial) -> tuple[Rpc, str]:
    found = batch_of(trial.schema, trial.about)
    assert found is not None, "the check exists only for batches"
    return found


def _several(trial: Trial, resource: str, count: int) -> list[Made]:
    """Some resources, below one parent where they have one."""
    maker = must_make(trial, resource)
    parent = maker.parent()
    return [maker.make(parent) for _ in range(count)]


def _creates(trial: Trial, one: Rpc, count: int) -> list[Instance]:
    """Requests of a Create that it is known to accept, with ids of their own."""
    maker = Maker(trial, one)
    parent = maker.parent()
    maker.make(parent)
    draft = trial.subject.accepted[one.label]
    return [maker.addressed(draft, parent, trial.fresh_id()) for _ in range(count)]


def _batch(trial: Trial, field: str, requests: Sequence[Instance]) -> Instance:
    batch: Any = trial.schema.new(trial.about.method.input)
    getattr(batch, field).extend(requests)
    _set_parent(batch, getattr(requests[0], "parent", ""))
    result: Instance = batch
    return result


def _deletes(trial: Trial, one: Rpc, field: str, wanted: Sequence[str], parent: str) -> Instance:
    batch: Any = trial.schema.new(trial.about.method.input)
    items = getattr(batch, field)
    items.extend(wanted if field == trial.about.shape.key else [keyed(trial, one, name) for name in wanted])
    _set_parent(batch, parent)
    result: Instance = batch
    return result


def _batch_get(trial: Trial, rpc: Rpc, made: Sequence[Made]) -> Any:
    request = trial.schema.new(rpc.method.input)
    getattr(request, rpc.shape.key).extend(one.name for one in made)
    _set_parent(request, made[0].parent)
    return request


def _set_parent(request: Any, parent: str) -> None:
    """The parent that all share, where a batch has a field for it."""
    if parent and "parent" in request.DESCRIPTOR.fields_by_name:
        request.parent = parent


def _missing_beside(rpc: Rpc, made: Made, identifier: str) -> str:
    collection = made.name.rpartition("/")[0]
    if collection:
        return f"{collection}/{identifier}"
    return names.fill(rpc.shape.pattern, identifier) if rpc.shape.pattern else identifier


def _resources(trial: Trial, response: bytes, one: Rpc) -> list[Instance]:
    """The resources in a batch's response: its list of them."""
    message = trial.schema.message_class(trial.about.method.output).FromString(response)
    for info in trial.schema.fields(trial.about.method.output):
        if info.field.repeated and info.field.type_name == one.shape.resource:
            return list(getattr(message, info.field.name))
    raise Undecided(f"{trial.about.method.output} has no list of {one.shape.resource}")
