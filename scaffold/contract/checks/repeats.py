"""What must happen when a call is made again, or only tried: request ids, idempotent methods, rehearsals."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

from grpc import StatusCode

from scaffold.contract.checks.registry import of_kind, rpc_check
from scaffold.contract.methods import both, with_request_field
from scaffold.contract.resources import Maker, difference, existing, keyed, unwrap
from scaffold.contract.strategies import Style
from scaffold.contract.trial import Undecided
from scaffold.contract.updates import Updater
from scaffold.contract.walk import names_in_all_pages
from scaffold.core.shapes import Kind

if TYPE_CHECKING:
    from google.protobuf.message import Message as Instance

    from scaffold.contract.resources import Made
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


@rpc_check(_REQUEST_ID, both(of_kind(Kind.UPDATE, beside=(Kind.CREATE, Kind.GET)), with_request_field("request_id")))
def repeated_update_is_done_once(trial: Trial) -> None:
    """An Update that comes again with its `request_id`, and late, is answered as before and undoes nothing."""
    updater = Updater(trial, trial.about)
    made = updater.make()
    first = _a_change(trial, updater, made, request_id=True)
    second = _a_change(trial, updater, made)
    again = updater.send(first.request)
    trial.expect(again, StatusCode.OK, why="the same Update with the same request_id")
    if updater.updated(again) != first.after:
        trial.fail("the same Update with the same request_id was answered differently")
    updater.unchanged(made, second.after, "an Update that was repeated with its request_id")


@dataclass(frozen=True)
class _Change:
    request: Instance
    after: Instance


def _a_change(trial: Trial, updater: Updater, made: Made, *, request_id: bool = False) -> _Change:
    """An Update that has changed something. Raises Undecided where none is accepted."""
    before = updater.get(made)
    drafts: list[Instance] = []
    trial.examples(updater.drafts(), drafts.append)
    for draft in drafts:
        own = {"request_id": _new_request_id(trial)} if request_id else {}
        request = updater.request(updater.fixed(draft, before), made.name, **own)
        outcome = updater.send(request)
        if not outcome.ok:
            continue
        after = updater.updated(outcome)
        if difference(trial, before, after) or difference(trial, after, before):
            return _Change(request, after)
    raise Undecided(f"{updater.update.label} accepted no made-up change")


@rpc_check(_REQUEST_ID, both(of_kind(Kind.DELETE, beside=(Kind.CREATE,)), with_request_field("request_id")))
def repeated_delete_is_done_once(trial: Trial) -> None:
    """A Delete that comes again with its `request_id` is answered as before, not NOT_FOUND."""
    rpc = trial.about
    maker = Maker(trial, _create_of(trial, rpc.shape.resource))
    made = maker.make(maker.parent())
    request = keyed(trial, rpc, made.name)
    _set(request, "request_id", _new_request_id(trial))
    first, second = trial.call(rpc, request), trial.call(rpc, request)
    trial.expect(first, StatusCode.OK, why="a Delete of what was just created")
    trial.expect(second, StatusCode.OK, why="the same Delete with the same request_id")
    if not _alike(trial, rpc, first, second):
        trial.fail("the same Delete with the same request_id was answered differently")


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


@rpc_check(
    _REHEARSAL, both(of_kind(Kind.UPDATE, beside=(Kind.CREATE, Kind.GET)), with_request_field("validate_only", "bool"))
)
def validate_only_updates_nothing(trial: Trial) -> None:
    """An Update with `validate_only` changes nothing, whatever the answer."""
    updater = Updater(trial, trial.about)
    made = updater.make()
    before = updater.get(made)
    accepted = 0

    def judge(draft: Instance) -> None:
        nonlocal accepted
        request = updater.request(updater.fixed(draft, before), made.name, validate_only=True)
        accepted += updater.send(request).ok
        updater.unchanged(made, before, "an Update with validate_only")

    trial.examples(updater.drafts(), judge)
    if not accepted:
        raise Undecided(f"{trial.about.label} accepted no made-up change")


@rpc_check(_REHEARSAL, both(of_kind(Kind.DELETE, beside=(Kind.CREATE,)), with_request_field("validate_only", "bool")))
def validate_only_deletes_nothing(trial: Trial) -> None:
    """A Delete with `validate_only` is answered as the real one would be, which can still be done after it."""
    rpc = trial.about
    maker = Maker(trial, _create_of(trial, rpc.shape.resource))
    made = maker.make(maker.parent())
    rehearsed, real = keyed(trial, rpc, made.name), keyed(trial, rpc, made.name)
    _set(rehearsed, "validate_only", True)
    trial.expect(trial.call(rpc, rehearsed), StatusCode.OK, why="a Delete with validate_only of what exists")
    trial.expect(trial.call(rpc, real), StatusCode.OK, why="the Delete itself, after one with validate_only")


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
