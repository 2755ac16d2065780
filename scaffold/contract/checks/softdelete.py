"""What Delete and Undelete must do where deletion can be taken back (AIP-164)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from grpc import StatusCode

from scaffold.contract import names
from scaffold.contract.checks.registry import rpc_check
from scaffold.contract.methods import takes, undeletes
from scaffold.contract.resources import difference, keyed, must_make, unwrap
from scaffold.contract.walk import names_in_all_pages
from scaffold.core.shapes import Kind

if TYPE_CHECKING:
    from google.protobuf.message import Message as Instance

    from scaffold.contract.resources import Made
    from scaffold.contract.schema import Rpc, Schema
    from scaffold.contract.trial import Trial
    from scaffold.contract.wire import Outcome

_SOFT = "AIP-164 (https://google.aip.dev/164)"


def _undelete(schema: Schema, rpc: Rpc) -> bool:
    resource = undeletes(schema, rpc)
    return bool(resource) and all(schema.rpc_of(k, resource) for k in (Kind.CREATE, Kind.GET, Kind.DELETE))


def _undelete_and_list(schema: Schema, rpc: Rpc) -> bool:
    return _undelete(schema, rpc) and schema.rpc_of(Kind.LIST, undeletes(schema, rpc)) is not None


@rpc_check(_SOFT, _undelete)
def deleted_can_still_be_got(trial: Trial) -> None:
    """What was deleted and can be undeleted is still returned by Get, with its `delete_time`."""
    made = _deleted(trial)
    got = _get(trial, made)
    if "delete_time" in got.DESCRIPTOR.fields_by_name and not got.HasField("delete_time"):
        trial.fail(f"{made.name!r} was deleted, and Get returns it without a delete_time")


@rpc_check(_SOFT, _undelete)
def undelete_restores(trial: Trial) -> None:
    """Undelete returns the resource as it was before it was deleted, and so does Get then."""
    made = _deleted(trial)
    outcome = _undeleted(trial, made.name)
    trial.expect(outcome, StatusCode.OK, why="an Undelete of what was just deleted")
    undeleted = unwrap(trial.response(trial.about, outcome), trial.about.shape)
    for what, resource in (("Undelete", undeleted), ("Get", _get(trial, made))):
        changed = difference(trial, made.returned, resource) or difference(trial, resource, made.returned)
        if changed:
            trial.fail(f"{what} does not return what there was before: {changed}")
        if "delete_time" in resource.DESCRIPTOR.fields_by_name and resource.HasField("delete_time"):
            trial.fail(f"{what} returns {made.name!r} with a delete_time after it was undeleted")


@rpc_check(_SOFT, _undelete_and_list)
def undeleted_is_listed(trial: Trial) -> None:
    """List leaves out what is deleted, unless the request says `show_deleted`; what was undeleted is there again."""
    listing = trial.schema.rpc_of(Kind.LIST, undeletes(trial.schema, trial.about))
    assert listing is not None
    made = _deleted(trial)
    if made.name in names_in_all_pages(trial, listing, made.parent, 1000):
        trial.fail(f"{made.name!r} is deleted and still listed")
    shows = takes(trial.schema, listing, "show_deleted", "bool")
    if shows and made.name not in names_in_all_pages(trial, listing, made.parent, 1000, show_deleted=True):
        trial.fail(f"{made.name!r} is deleted, and not listed with show_deleted")
    trial.expect(_undeleted(trial, made.name), StatusCode.OK, why="an Undelete of what was just deleted")
    if made.name not in names_in_all_pages(trial, listing, made.parent, 1000):
        trial.fail(f"{made.name!r} was undeleted and is not listed")


@rpc_check(_SOFT, _undelete)
def undelete_of_living_already_exists(trial: Trial) -> None:
    """An Undelete of what is not deleted is ALREADY_EXISTS."""
    maker = must_make(trial, undeletes(trial.schema, trial.about))
    made = maker.make(maker.parent())
    trial.expect(_undeleted(trial, made.name), StatusCode.ALREADY_EXISTS, why="an Undelete of what is not deleted")


@rpc_check(_SOFT, _undelete)
def undelete_of_nothing_is_not_found(trial: Trial) -> None:
    """An Undelete of what never was is NOT_FOUND."""
    pattern = trial.schema.patterns(undeletes(trial.schema, trial.about))
    name = names.fill(pattern[0], trial.fresh_id()) if pattern else trial.fresh_id()
    trial.expect(_undeleted(trial, name), StatusCode.NOT_FOUND, why="an Undelete of the name of nothing")


def _deleted(trial: Trial) -> Made:
    resource = undeletes(trial.schema, trial.about)
    delete = trial.schema.rpc_of(Kind.DELETE, resource)
    assert delete is not None
    maker = must_make(trial, resource)
    made = maker.make(maker.parent())
    outcome = trial.call(delete, keyed(trial, delete, made.name))
    trial.expect(outcome, StatusCode.OK, why="a Delete of what was just created")
    return made


def _undeleted(trial: Trial, name: str) -> Outcome:
    return trial.call(trial.about, keyed(trial, trial.about, name))


def _get(trial: Trial, made: Made) -> Instance:
    get = trial.schema.rpc_of(Kind.GET, undeletes(trial.schema, trial.about))
    assert get is not None
    outcome = trial.call(get, keyed(trial, get, made.name))
    trial.expect(outcome, StatusCode.OK, why=f"a Get of {made.name!r}")
    return unwrap(trial.response(get, outcome), get.shape)
