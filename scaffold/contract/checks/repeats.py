"""What must happen when a call is made again, or only tried: request ids, idempotent methods, rehearsals."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from grpc import StatusCode

from scaffold.contract.checks.registry import of_kind, rpc_check
from scaffold.contract.methods import both, with_request_field
from scaffold.contract.resources import Maker, existing, keyed, unwrap
from scaffold.contract.strategies import Style
from scaffold.contract.trial import Undecided
from scaffold.contract.walk import names_in_all_pages
from scaffold.core.shapes import Kind

if TYPE_CHECKING:
    from google.protobuf.message import Message as Instance

    from scaffold.contract.schema import Rpc, Schema
    from scaffold.contract.trial import Trial
    from scaffold.contract.wire import Outcome

_REQUEST_ID = "AIP-155 (https://google.aip.dev/155)"
_REHEARSAL = "AIP-163 (https://google.aip.dev/163)"
_LEVEL = "protobuf: https://protobuf.dev/reference/protobuf/google.protobuf/#idempotency-level"

_READS = (Kind.GET, Kind.LIST, Kind.BATCH_GET)
# Statuses that depend on the moment.
_PASSING = (StatusCode.UNAVAILABLE, StatusCode.RESOURCE_EXHAUSTED, StatusCode.DEADLINE_EXCEEDED, StatusCode.ABORTED)


@rpc_check(_REQUEST_ID, both(of_kind(Kind.CREATE), with_request_field("request_id")))
def same_request_id_same_answer(trial: Trial) -> None:
    """A Create that is sent again with the same `request_id` answers as the first did, and makes nothing twice."""
    rpc = trial.about
    maker = Maker(trial, rpc)
    parent = maker.parent()
    maker.make(parent)
    draft = trial.subject.accepted[rpc.label]
    listing = trial.schema.rpc_of(Kind.LIST, rpc.shape.resource)
    for wanted in (trial.fresh_id() if rpc.shape.wanted_id else "", ""):
        request = maker.addressed(draft, parent, wanted)
        _set(request, "request_id", _new_request_id(trial))
        before = _count(trial, listing, parent)
        first, second = trial.call(rpc, request), trial.call(rpc, request)
        if not first.ok:
            raise Undecided(f"{rpc.label} refused a request_id: {first.code.name}: {first.message}")
        trial.expect(second, StatusCode.OK, why="the same Create with the same request_id")
        one, two = (unwrap(trial.response(rpc, outcome), rpc.shape) for outcome in (first, second))
        if one != two:
            trial.fail("the same Create with the same request_id was answered differently")
        if listing is not None and _count(trial, listing, parent) != before + 1:
            trial.fail(f"two calls with one request_id have made {_count(trial, listing, parent) - before} resources")
        other = maker.addressed(draft, parent, trial.fresh_id() if wanted else "")
        _set(other, "request_id", _new_request_id(trial))
        third = trial.call(rpc, other)
        key = rpc.shape.resource_key
        if third.ok and getattr(unwrap(trial.response(rpc, third), rpc.shape), key) == getattr(one, key):
            trial.fail("another request_id brought the first answer back")


def _new_request_id(trial: Trial) -> str:
    """A UUID of version 4, which AIP-155 recommends."""
    return str(uuid.UUID(hex=trial.subject.mint()[:32], version=4))


def _count(trial: Trial, listing: Rpc | None, parent: str) -> int:
    return len(names_in_all_pages(trial, listing, parent, 1000)) if listing is not None else 0


def _set(request: Instance, name: str, value: object) -> None:
    setattr(request, name, value)


@rpc_check(_REHEARSAL, both(of_kind(Kind.CREATE, beside=(Kind.LIST,)), with_request_field("validate_only", "bool")))
def validate_only_creates_nothing(trial: Trial) -> None:
    """A Create with `validate_only` is answered as the real one would be, and creates nothing."""
    rpc = trial.about
    maker = Maker(trial, rpc)
    parent = maker.parent()
    maker.make(parent)
    listing = trial.schema.rpc_of(Kind.LIST, rpc.shape.resource)
    before = _count(trial, listing, parent)
    request = maker.addressed(
        trial.subject.accepted[rpc.label], parent, trial.fresh_id() if rpc.shape.wanted_id else ""
    )
    _set(request, "validate_only", True)
    trial.expect(trial.call(rpc, request), StatusCode.OK, why="a Create with validate_only of what Create accepts")
    if _count(trial, listing, parent) != before:
        trial.fail("a Create with validate_only has created something")


def _may_be_repeated(schema: Schema, rpc: Rpc) -> bool:
    return not rpc.streams and (rpc.shape.kind in _READS or schema.idempotency(rpc) != "")


@rpc_check(_LEVEL, _may_be_repeated)
def repeated_calls_are_answered_alike(trial: Trial) -> None:
    """A method that is IDEMPOTENT, or has no side effects as those that read, answers the same when it is called again."""
    rpc = trial.about
    idempotent = trial.schema.idempotency(rpc) == "IDEMPOTENT"
    requests = trial.requests(existing(trial))
    drawn = requests.message(rpc.method.input, Style.PLAIN) | requests.message(rpc.method.input, Style.ODD)

    def judge(request: Instance) -> None:
        first, second = trial.call(rpc, request), trial.call(rpc, request)
        if first.code in _PASSING or second.code in _PASSING:
            return
        if first.code is not second.code:
            trial.fail(f"the same call was answered {first.code.name}, then {second.code.name}")
        # What an IDEMPOTENT method answers may tell of the time; its effect must be the same.
        if first.ok and not idempotent and not _alike(trial, rpc, first, second):
            trial.fail("the same call was answered differently the second time")

    trial.examples(drawn, judge)


def _alike(trial: Trial, rpc: Rpc, first: Outcome, second: Outcome) -> bool:
    # Compared as messages: the order of a map's entries is nobody's promise.
    return trial.response(rpc, first) == trial.response(rpc, second)


@rpc_check("AIP-131 (https://google.aip.dev/131)", of_kind(Kind.GET, beside=(Kind.CREATE, Kind.LIST)))
def get_changes_nothing(trial: Trial) -> None:
    """A Get has no side effects: List shows the same before and after, also when nothing was found."""
    rpc = trial.about
    maker = Maker(trial, _create_of(trial, rpc.shape.resource))
    made = maker.make(maker.parent())
    listing = trial.schema.rpc_of(Kind.LIST, rpc.shape.resource)
    assert listing is not None
    before = names_in_all_pages(trial, listing, made.parent, 1000)
    for name in (made.name, f"{made.name}-{trial.fresh_id()}"):
        trial.call(rpc, keyed(trial, rpc, name))
    if names_in_all_pages(trial, listing, made.parent, 1000) != before:
        trial.fail("after a Get the List is another")


def _create_of(trial: Trial, resource: str) -> Rpc:
    create = trial.schema.rpc_of(Kind.CREATE, resource)
    assert create is not None
    return create
