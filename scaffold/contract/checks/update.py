"""What Update must do (AIP-134), seen through Create and Get.

Which values a resource may have is the business of whoever wrote it: an Update that is refused for that says nothing,
except that it must have changed nothing. A check that found no Update accepted is undecided.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from grpc import StatusCode
from hypothesis import strategies as st

from scaffold.contract import names
from scaffold.contract.checks.registry import of_kind, rpc_check
from scaffold.contract.methods import both, with_request_field, with_resource_field
from scaffold.contract.resources import difference
from scaffold.contract.trial import Undecided
from scaffold.contract.updates import Updater, copy, fixed_paths, paths_of, replaced, with_paths, with_populated
from scaffold.core.shapes import Kind

if TYPE_CHECKING:
    from google.protobuf.message import Message as Instance

    from scaffold.contract.schema import Rpc, Schema
    from scaffold.contract.trial import Trial

_UPDATE = "AIP-134 (https://google.aip.dev/134)"
_MASKS = "AIP-161 (https://google.aip.dev/161)"
_ETAG = "AIP-154 (https://google.aip.dev/154)"
_BEHAVIOR = "AIP-203 (https://google.aip.dev/203)"

_updates = of_kind(Kind.UPDATE, beside=(Kind.CREATE, Kind.GET))
_PICKS = st.lists(st.integers(0, 10_000), min_size=1, max_size=3)


@rpc_check(_UPDATE, _updates)
def changes_only_the_mask(trial: Trial) -> None:
    """Fields that the mask names become what was sent, also nothing; all others stay. A refused Update changes nothing."""
    updater = Updater(trial, trial.about)
    accepted = 0

    def judge(drawn: tuple[Instance, list[int]]) -> None:
        nonlocal accepted
        draft, picks = drawn
        made = updater.make()
        before = updater.get(made)
        draft = updater.fixed(draft, before)
        body = updater.body(draft)
        choice = paths_of(updater, before, body)
        if not choice:
            raise Undecided(f"{trial.about.shape.resource} has no field that an Update could change")
        heads: dict[str, tuple[str, ...]] = {}
        for pick in picks:
            path = choice[pick % len(choice)]
            heads.setdefault(path[0], path)
        paths = list(heads.values())
        outcome = updater.send(updater.request(draft, made.name, map(".".join, paths)))
        shown = ", ".join(map(".".join, paths))
        if not outcome.ok:
            updater.unchanged(made, before, f"an Update that was refused ({outcome.code.name})")
            return
        accepted += 1
        _compare(trial, updater, updater.updated(outcome), updater.get(made), [with_paths(before, body, paths)], shown)

    trial.examples(st.tuples(updater.drafts(), _PICKS), judge)
    _decided(trial, accepted)


@rpc_check(_UPDATE, _updates)
def no_mask_means_populated(trial: Trial) -> None:
    """Without a mask, fields that are set are changed, and no others."""
    updater = Updater(trial, trial.about)
    if any(i.required for i in trial.schema.fields(trial.about.method.input) if i.field.name == trial.about.shape.mask):
        raise Undecided("the mask is REQUIRED here")
    accepted = 0

    def judge(draft: Instance) -> None:
        nonlocal accepted
        made = updater.make()
        before = updater.get(made)
        draft = updater.fixed(draft, before)
        outcome = updater.send(updater.request(draft, made.name))
        if not outcome.ok:
            updater.unchanged(made, before, f"an Update that was refused ({outcome.code.name})")
            return
        accepted += 1
        body = updater.body(draft)
        expected = [with_populated(before, body, merged=merged) for merged in (False, True)]
        _compare(trial, updater, updater.updated(outcome), updater.get(made), expected, "(none)")

    trial.examples(updater.drafts(), judge)
    _decided(trial, accepted)


@rpc_check(_UPDATE, _updates)
def star_replaces_everything(trial: Trial) -> None:
    """The mask `*` replaces the whole resource: what is not set in it is gone."""
    updater = Updater(trial, trial.about)
    accepted = 0

    def judge(draft: Instance) -> None:
        nonlocal accepted
        made = updater.make()
        before = updater.get(made)
        draft = updater.fixed(draft, before, top=True)
        outcome = updater.send(updater.request(draft, made.name, ["*"]))
        if not outcome.ok:
            updater.unchanged(made, before, f"an Update that was refused ({outcome.code.name})")
            return
        accepted += 1
        expected = replaced(updater, before, updater.body(draft))
        _compare(trial, updater, updater.updated(outcome), updater.get(made), [expected], "*")

    trial.examples(updater.drafts(), judge)
    _decided(trial, accepted)


def _compare(
    trial: Trial, updater: Updater, returned: Instance, got: Instance, expected: list[Instance], mask: str
) -> None:
    """Fail unless the resource has become one of what is expected, and the response says the same."""
    differences = [difference(trial, e, got) or difference(trial, got, e) for e in expected]
    if all(differences):
        trial.fail(f"after an Update with the mask {mask}: {differences[0]}")
    untold = difference(trial, returned, got)
    if untold:
        trial.fail(f"the response of an Update with the mask {mask} is not what Get returns: {untold}")


def _decided(trial: Trial, accepted: int) -> None:
    if not accepted:
        last = trial.exchanges[0].outcome if trial.exchanges else None
        answer = f"; the last answer: {last.code.name}: {last.message}" if last else ""
        raise Undecided(f"{trial.about.label} accepted no made-up change{answer}")


@rpc_check(_MASKS, _updates)
def unknown_path_is_invalid(trial: Trial) -> None:
    """A mask that names what does not exist, or an element of a list, is INVALID_ARGUMENT, and nothing is changed."""
    updater = Updater(trial, trial.about)
    made = updater.make()
    before = updater.get(made)
    mutable = updater.mutable()
    wrong = [["no_such_field"], ["no_such_field.either"], [""]]
    wrong += [[info.field.name, "no_such_field"] for info in mutable[:1]]
    wrong += [[f"{info.field.name}.no_such_field"] for info in mutable if not info.field.repeated][:2]
    wrong += [
        [f"{i.field.name}.0"] for i in mutable if i.field.repeated and not _is_map(trial.schema, i.field.type_name)
    ]
    for paths in wrong:
        outcome = updater.send(updater.around(before, paths))
        trial.expect(outcome, StatusCode.INVALID_ARGUMENT, why=f"the mask {paths}")
    updater.unchanged(made, before, "an Update with a wrong mask")


def _is_map(schema: Schema, message: str) -> bool:
    found = schema.api.message_by_name.get(message)
    return found is not None and found.map_entry


@rpc_check(_UPDATE, _updates)
def update_of_nothing_is_not_found(trial: Trial) -> None:
    """An Update of what does not exist is NOT_FOUND, unless it says `allow_missing`."""
    updater = Updater(trial, trial.about)
    made = updater.make()
    before = updater.get(made)
    fresh = trial.fresh_id()
    codes = set()
    for identifier in (fresh, str(uuid.UUID(bytes=(fresh + "0000").encode()[:16], version=4)), "987654321"):
        request = updater.around(before)
        name = _named_like(trial.about, made.name, identifier)
        setattr(updater.body(request), trial.about.shape.resource_key, name)
        _clear_etag(updater.body(request))
        outcome = updater.send(request)
        trial.expect(outcome, StatusCode.NOT_FOUND, StatusCode.INVALID_ARGUMENT, why=f"an Update of {name!r}")
        codes.add(outcome.code)
    if StatusCode.NOT_FOUND not in codes:
        trial.fail("an Update of what does not exist must be NOT_FOUND; every style of name was INVALID_ARGUMENT")


def _named_like(rpc: Rpc, name: str, identifier: str) -> str:
    """A name beside an existing one, under the same parent."""
    if not rpc.shape.pattern or rpc.shape.resource_key != "name":
        return identifier
    if names.fits(rpc.shape.pattern, name):
        collection, _, _ = name.rpartition("/")
        return f"{collection}/{identifier}" if collection else names.fill(rpc.shape.pattern, identifier)
    return names.fill(rpc.shape.pattern, identifier)


def _clear_etag(body: Instance) -> None:
    if "etag" in body.DESCRIPTOR.fields_by_name:
        body.ClearField("etag")


@rpc_check(_UPDATE, both(_updates, with_request_field("allow_missing", "bool")))
def allow_missing_creates(trial: Trial) -> None:
    """With `allow_missing` an Update of what does not exist creates it, whatever the mask."""
    updater = Updater(trial, trial.about)
    made = updater.make()
    before = updater.get(made)
    first = [[info.field.name] for info in updater.mutable()[:1]]
    for paths in ([], *first):
        name = _named_like(trial.about, made.name, trial.fresh_id())
        request = updater.around(before, paths, allow_missing=True)
        setattr(updater.body(request), trial.about.shape.resource_key, name)
        _clear_etag(updater.body(request))
        outcome = updater.send(request)
        trial.expect(outcome, StatusCode.OK, why=f"an Update of {name!r} with allow_missing")
        created = updater.updated(outcome)
        if getattr(created, trial.about.shape.resource_key) != name:
            trial.fail(f"what was created is called {getattr(created, trial.about.shape.resource_key)!r}, not {name!r}")
        wanted = copy(before)
        for side in (wanted, created):
            side.ClearField(trial.about.shape.resource_key)
        changed = difference(trial, wanted, created)
        if changed:
            trial.fail(f"with allow_missing and the mask {paths} all fields are applied: {changed}")


@rpc_check(_ETAG, both(_updates, with_resource_field("etag")))
def update_with_a_stale_etag_is_aborted(trial: Trial) -> None:
    """An Update with another etag than the current one is ABORTED and changes nothing; with the current one it is not."""
    updater = Updater(trial, trial.about)
    made = updater.make()
    before = updater.get(made)
    current = getattr(before, "etag")  # noqa: B009  The class is made from a descriptor.
    if not current:
        trial.fail("a resource with an etag field has no etag")
    stale = updater.send(updater.around(_with_etag(before, '"stale"')))
    trial.expect(stale, StatusCode.ABORTED, why="an Update with the etag '\"stale\"'")
    updater.unchanged(made, before, "an Update with a stale etag")
    again = updater.send(updater.around(before))
    if again.code is StatusCode.ABORTED:
        trial.fail("an Update with the current etag is ABORTED")
    _stale_after_a_change(trial, updater)


def _stale_after_a_change(trial: Trial, updater: Updater) -> None:
    """The etag of before a change does not fit after it."""

    def judge(draft: Instance) -> None:
        made = updater.make()
        before = updater.get(made)
        outcome = updater.send(updater.request(draft, made.name))
        if not outcome.ok:
            return
        after = updater.get(made)
        changed = difference(trial, before, after) or difference(trial, after, before)
        if not changed:
            return
        if getattr(before, "etag") == getattr(after, "etag"):  # noqa: B009
            trial.fail(f"a change has left the etag as it was: {changed}")
        late = updater.send(updater.around(_with_etag(after, getattr(before, "etag"))))  # noqa: B009
        trial.expect(late, StatusCode.ABORTED, why="an Update with the etag of before a change")

    trial.examples(updater.drafts(), judge, count=5)


def _with_etag(resource: Instance, etag: str) -> Instance:
    changed = copy(resource)
    setattr(changed, "etag", etag)  # noqa: B010  The class is made from a descriptor.
    return changed


def _has_immutable(schema: Schema, rpc: Rpc) -> bool:
    """Whether something in the resource is IMMUTABLE, at the top or in single messages below it."""
    seen: set[str] = set()
    waiting = [rpc.shape.resource] * bool(rpc.shape.resource)
    while waiting:
        message = waiting.pop()
        seen.add(message)
        infos = schema.fields(message)
        if any("IMMUTABLE" in info.field.behaviors for info in infos):
            return True
        inside = (i.field.type_name for i in infos if i.is_message and not i.field.repeated)
        waiting += [name for name in inside if name not in seen]
    return False


@rpc_check(_BEHAVIOR, both(_updates, _has_immutable))
def immutable_cannot_change(trial: Trial) -> None:
    """An Update of an IMMUTABLE field to another value is INVALID_ARGUMENT; sending the value that it has is fine."""
    updater = Updater(trial, trial.about)
    resources = trial.requests().valid(trial.about.shape.resource)
    tried = 0

    def judge(other: Instance) -> None:
        nonlocal tried
        made = updater.make()
        before = updater.get(made)
        for path in fixed_paths(trial, before):
            shown = ".".join(path)
            same = updater.send(updater.around(before, [shown]))
            if same.code is StatusCode.INVALID_ARGUMENT:
                trial.fail(
                    f"an Update that sends the IMMUTABLE {shown} as it is must be fine, and was INVALID_ARGUMENT"
                )
            changed = with_paths(before, other, [path])
            if changed == before:
                continue
            tried += 1
            outcome = updater.send(updater.around(changed, [shown]))
            trial.expect(outcome, StatusCode.INVALID_ARGUMENT, why=f"a change of the IMMUTABLE {shown}")
            updater.unchanged(made, before, f"an Update of the IMMUTABLE {shown}")

    trial.examples(resources, judge, count=5)
    if not tried:
        raise Undecided("no other value was found for the IMMUTABLE fields")


@rpc_check(_UPDATE, _updates)
def the_name_stays(trial: Trial) -> None:
    """The name says which resource is meant: no mask, `*` neither, makes an Update change it."""
    updater = Updater(trial, trial.about)
    made = updater.make()
    before = updater.get(made)
    key = trial.about.shape.resource_key
    for paths in ([], ["*"], [key]):
        outcome = updater.send(updater.around(before, paths))
        if paths == [key] and outcome.code is StatusCode.INVALID_ARGUMENT:
            continue
        if outcome.ok and getattr(updater.updated(outcome), key) != made.name:
            trial.fail(f"after an Update with the mask {paths} {made.name!r} is another resource's name")
        after = updater.get(made)
        if getattr(after, key) != made.name:
            trial.fail(f"Get of {made.name!r} returns {getattr(after, key)!r}")
