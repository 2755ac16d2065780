"""What Get, Create and Delete must do (AIP-131, 133, 135), each seen through the others."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from grpc import StatusCode

from scaffold.contract import names
from scaffold.contract.checks.registry import of_kind, rpc_check
from scaffold.contract.methods import both, children_of, with_request_field
from scaffold.contract.resources import Made, Maker, difference, existing, is_gone, keyed, must_make, unwrap
from scaffold.contract.trial import Undecided
from scaffold.contract.walk import names_in_all_pages
from scaffold.core.shapes import Kind

if TYPE_CHECKING:
    from collections.abc import Callable

    from google.protobuf.message import Message as Instance

    from scaffold.contract.schema import Rpc, Schema
    from scaffold.contract.trial import Trial

_GET = "AIP-131 (https://google.aip.dev/131)"
_CREATE = "AIP-133 (https://google.aip.dev/133)"
_DELETE = "AIP-135 (https://google.aip.dev/135)"
_ETAG = "AIP-154 (https://google.aip.dev/154)"
_NAMES = "AIP-122 (https://google.aip.dev/122)"


def _with_structured_names(schema: Schema, rpc: Rpc) -> bool:
    patterns = schema.patterns(rpc.shape.resource)
    named = rpc.shape.kind in (Kind.GET, Kind.DELETE, Kind.UNDELETE) and bool(patterns)
    return named and rpc.shape.resource_key == "name" and all(map(names.has_structure, patterns))


@rpc_check(_GET, of_kind(Kind.GET, beside=(Kind.CREATE,)))
def missing_is_not_found(trial: Trial) -> None:
    """A well-formed name of nothing is NOT_FOUND.

    Only for resources that are created: one that has no Create may exist by being asked for (AIP-156). What counts as
    well formed beyond the pattern is the server's to say (a UUID, say), so of several styles of identifier it may call
    some INVALID_ARGUMENT, but not all.
    """
    rpc = trial.about
    pattern = trial.schema.patterns(rpc.shape.resource)
    fresh = trial.fresh_id()
    identifiers = (fresh, str(uuid.UUID(bytes=(fresh + "0000").encode()[:16], version=4)), "987654321")
    codes = set()
    for identifier in identifiers:
        name = names.fill(pattern[0], identifier) if pattern else identifier
        outcome = trial.call(rpc, keyed(trial, rpc, name))
        trial.expect(outcome, StatusCode.NOT_FOUND, StatusCode.INVALID_ARGUMENT, why="the name of nothing")
        codes.add(outcome.code)
    if StatusCode.NOT_FOUND not in codes:
        trial.fail("a well-formed name of nothing must be NOT_FOUND; every style of name was INVALID_ARGUMENT")


@rpc_check(_NAMES, _with_structured_names)
def malformed_name_is_invalid(trial: Trial) -> None:
    """A name that does not fit the resource's pattern is INVALID_ARGUMENT."""
    rpc = trial.about
    for name in names.malformed(trial.schema.patterns(rpc.shape.resource), trial.fresh_id()):
        outcome = trial.call(rpc, keyed(trial, rpc, name))
        trial.expect(outcome, StatusCode.INVALID_ARGUMENT, why=f"the malformed name {name!r}")


def _judge_created(trial: Trial, judge: Callable[[Made], None]) -> None:
    """Judge resources that were created from made-up drafts; undecided when the server's rules let none through."""
    maker = Maker(trial, trial.about)
    parent = maker.parent()
    accepted = 0

    def create(draft: Instance) -> None:
        nonlocal accepted
        made = maker.accept(draft, parent)
        if made is not None:
            accepted += 1
            judge(made)

    trial.examples(maker.drafts(existing(trial)), create)
    if not accepted:
        judge(maker.make(parent))


@rpc_check(_CREATE, of_kind(Kind.CREATE))
def returns_what_was_sent(trial: Trial) -> None:
    """The response is the resource: it has a name, and every field as it was sent, apart from those the server owns."""
    shape = trial.about.shape

    def judge(made: Made) -> None:
        if not made.name:
            trial.fail(f"the created resource has no {shape.resource_key}")
        if shape.pattern and shape.resource_key == "name":
            patterns = trial.schema.patterns(shape.resource)
            if not any(names.fits(pattern, made.name) for pattern in patterns):
                trial.fail(f"the new name {made.name!r} does not fit {' or '.join(patterns)}")
        changed = difference(trial, made.sent, made.returned)
        if changed:
            trial.fail(f"the response does not hold what was sent: {changed}")

    _judge_created(trial, judge)


@rpc_check(_CREATE, of_kind(Kind.CREATE, beside=(Kind.GET,)))
def created_can_be_got(trial: Trial) -> None:
    """Get returns what Create returned, apart from OUTPUT_ONLY fields and the standard ones that the server updates."""
    get = trial.schema.rpc_of(Kind.GET, trial.about.shape.resource)
    assert get is not None

    def judge(made: Made) -> None:
        outcome = trial.call(get, keyed(trial, get, made.name))
        trial.expect(outcome, StatusCode.OK, why="a Get of what was just created")
        got = unwrap(trial.response(get, outcome), get.shape)
        if getattr(got, get.shape.resource_key) != made.name:
            trial.fail(f"Get of {made.name!r} returned {getattr(got, get.shape.resource_key)!r}")
        changed = difference(trial, made.returned, got) or difference(trial, got, made.returned)
        if changed:
            trial.fail(f"Get does not return what Create returned: {changed}")

    _judge_created(trial, judge)


@rpc_check(_CREATE, lambda schema, rpc: rpc.shape.kind is Kind.CREATE and bool(rpc.shape.wanted_id))
def duplicate_is_already_exists(trial: Trial) -> None:
    """A second resource under an id that is taken is ALREADY_EXISTS."""
    maker = Maker(trial, trial.about)
    parent = maker.parent()
    maker.make(parent)
    draft = trial.subject.accepted[trial.about.label]
    identifier = trial.fresh_id()
    first = maker.attempt(draft, parent, identifier)
    if not first.ok:
        raise Undecided(f"{trial.about.label} refused what it had accepted before: {first.code.name}: {first.message}")
    second = maker.attempt(draft, parent, identifier)
    trial.expect(second, StatusCode.ALREADY_EXISTS, why=f"a second Create with the id {identifier!r}")


def _deleted(trial: Trial) -> Made:
    """Something that was created, and deleted by the RPC that the check is about."""
    maker = must_make(trial, trial.about.shape.resource)
    made = maker.make(maker.parent())
    outcome = trial.call(trial.about, keyed(trial, trial.about, made.name))
    trial.expect(outcome, StatusCode.OK, why="a Delete of what was just created")
    return made


def _for_good(schema: Schema, rpc: Rpc) -> bool:
    return not rpc.shape.soft


@rpc_check(_DELETE, both(of_kind(Kind.DELETE, beside=(Kind.CREATE, Kind.GET)), _for_good))
def deleted_is_not_found(trial: Trial) -> None:
    """After a Delete, Get is NOT_FOUND (where there is an Undelete, AIP-164 says otherwise)."""
    get = trial.schema.rpc_of(Kind.GET, trial.about.shape.resource)
    assert get is not None
    made = _deleted(trial)
    outcome = trial.call(get, keyed(trial, get, made.name))
    trial.expect(outcome, StatusCode.NOT_FOUND, why="a Get of what was deleted")


@rpc_check(_DELETE, of_kind(Kind.DELETE, beside=(Kind.CREATE, Kind.LIST)))
def deleted_is_not_listed(trial: Trial) -> None:
    """After a Delete, List leaves the resource out."""
    listing = trial.schema.rpc_of(Kind.LIST, trial.about.shape.resource)
    assert listing is not None
    made = _deleted(trial)
    if made.name in names_in_all_pages(trial, listing, made.parent, page_size=1000):
        trial.fail(f"{made.name!r} was deleted and is still listed")


@rpc_check(_DELETE, of_kind(Kind.DELETE, beside=(Kind.CREATE,)))
def second_delete_is_not_found(trial: Trial) -> None:
    """A Delete of what was deleted is NOT_FOUND."""
    made = _deleted(trial)
    outcome = trial.call(trial.about, keyed(trial, trial.about, made.name))
    trial.expect(outcome, StatusCode.NOT_FOUND, why="a second Delete")


@rpc_check(_DELETE, both(of_kind(Kind.DELETE, beside=(Kind.CREATE,)), with_request_field("allow_missing", "bool")))
def allow_missing_lets_delete_pass(trial: Trial) -> None:
    """A Delete of what does not exist is OK with `allow_missing`."""
    made = _deleted(trial)
    never = f"{made.name.rpartition('/')[0]}/{trial.fresh_id()}" if "/" in made.name else trial.fresh_id()
    for name in (made.name, never):
        outcome = trial.call(trial.about, _with(keyed(trial, trial.about, name), "allow_missing", True))
        trial.expect(outcome, StatusCode.OK, why=f"a Delete of {name!r}, which is not there, with allow_missing")


@rpc_check(_ETAG, both(of_kind(Kind.DELETE, beside=(Kind.CREATE, Kind.GET)), with_request_field("etag")))
def delete_with_a_stale_etag_is_aborted(trial: Trial) -> None:
    """A Delete with another etag than the current one is ABORTED and deletes nothing; with the current one it deletes."""
    get = trial.schema.rpc_of(Kind.GET, trial.about.shape.resource)
    assert get is not None
    maker = must_make(trial, trial.about.shape.resource)
    made = maker.make(maker.parent())
    stale = trial.call(trial.about, _with(keyed(trial, trial.about, made.name), "etag", '"stale"'))
    trial.expect(stale, StatusCode.ABORTED, why="a Delete with the etag '\"stale\"'")
    outcome = trial.call(get, keyed(trial, get, made.name))
    trial.expect(outcome, StatusCode.OK, why="a Get after a Delete that was ABORTED")
    got = unwrap(trial.response(get, outcome), get.shape)
    current = getattr(got, "etag", "")
    if current:
        right = trial.call(trial.about, _with(keyed(trial, trial.about, made.name), "etag", current))
        trial.expect(right, StatusCode.OK, why="a Delete with the current etag")


def _has_children(schema: Schema, rpc: Rpc) -> bool:
    return any(children_of(schema, rpc.shape.resource))


@rpc_check(
    _DELETE,
    both(of_kind(Kind.DELETE, beside=(Kind.CREATE, Kind.GET)), with_request_field("force", "bool"), _has_children),
)
def children_need_force(trial: Trial) -> None:
    """A Delete of what has something below it is FAILED_PRECONDITION; with `force` it deletes that too."""
    get = trial.schema.rpc_of(Kind.GET, trial.about.shape.resource)
    assert get is not None
    maker = must_make(trial, trial.about.shape.resource)
    made = maker.make(maker.parent())
    child = next(children_of(trial.schema, trial.about.shape.resource))
    below = Maker(trial, child).make(made.name)
    outcome = trial.call(trial.about, keyed(trial, trial.about, made.name))
    trial.expect(outcome, StatusCode.FAILED_PRECONDITION, why=f"a Delete of {made.name!r}, which has {below.name!r},")
    still = trial.call(get, keyed(trial, get, made.name))
    trial.expect(still, StatusCode.OK, why="a Get after a Delete that was refused")
    forced = trial.call(trial.about, _with(keyed(trial, trial.about, made.name), "force", True))
    trial.expect(forced, StatusCode.OK, why="a Delete with force")
    for resource, name in ((trial.about.shape.resource, made.name), (child.shape.resource, below.name)):
        if trial.schema.rpc_of(Kind.GET, resource) is not None and not is_gone(trial, resource, name):
            trial.fail(f"{made.name!r} was deleted with force, and {name!r} is still there")


def _with(request: Instance, field: str, value: object) -> Instance:
    setattr(request, field, value)
    return request
