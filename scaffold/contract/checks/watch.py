"""What a Watch must do: a stream of a resource as it is, and then as it becomes.

No API Improvement Proposal describes it. An RPC counts as one when it is called Watch, takes the name of a resource that
the API can create, and answers with a stream of that resource, or of a message with one field for it.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from itertools import product
from typing import TYPE_CHECKING

from grpc import StatusCode

from scaffold.contract import names
from scaffold.contract.checks.registry import rpc_check
from scaffold.contract.resources import difference, must_make
from scaffold.contract.trial import Undecided
from scaffold.contract.updates import Updater
from scaffold.core.shapes import Kind

if TYPE_CHECKING:
    from google.protobuf.message import Message as Instance

    from scaffold.contract.resources import Made
    from scaffold.contract.schema import Rpc, Schema
    from scaffold.contract.trial import Trial

_WATCH = "contract suite: https://cloud.google.com/apis/design/design_patterns#streaming"
_FIRST_SECONDS = 2.0
_CHANGE_SECONDS = 6.0
_ONE_SECONDS = 0.3
_CHANGES = 3


@dataclass(frozen=True)
class _Watch:
    """A Watch: the resource's message, the request's field for its name, the response's for it (or empty)."""

    resource: str
    key: str
    wrapper: str


def _watch(schema: Schema, rpc: Rpc) -> _Watch | None:
    if not rpc.method.name.startswith("Watch") or not rpc.method.server_streaming or rpc.method.client_streaming:
        return None
    named = [i for i in schema.fields(rpc.method.input) if i.names and not i.field.repeated]
    for info in named:
        if schema.rpc_of(Kind.CREATE, info.names) is None or schema.rpc_of(Kind.GET, info.names) is None:
            continue
        if rpc.method.output == info.names:
            return _Watch(info.names, info.field.name, "")
        holding = [i.field.name for i in schema.fields(rpc.method.output) if i.field.type_name == info.names]
        if len(holding) == 1:
            return _Watch(info.names, info.field.name, holding[0])
    return None


def _is_watch(schema: Schema, rpc: Rpc) -> bool:
    return _watch(schema, rpc) is not None


def _is_watch_beside_update(schema: Schema, rpc: Rpc) -> bool:
    watch = _watch(schema, rpc)
    return watch is not None and schema.rpc_of(Kind.UPDATE, watch.resource) is not None


def _of(trial: Trial) -> _Watch:
    watch = _watch(trial.schema, trial.about)
    assert watch is not None, "the check exists only for a Watch"
    return watch


@rpc_check(_WATCH, _is_watch)
def watch_of_nothing_is_not_found(trial: Trial) -> None:
    """A Watch of what does not exist is NOT_FOUND, before any message."""
    watch = _of(trial)
    pattern = trial.schema.patterns(watch.resource)
    name = names.fill(pattern[0], trial.fresh_id()) if pattern else trial.fresh_id()
    request = _request(trial, watch, name)
    with trial.converse(trial.about) as talk:
        talk.send(request.SerializeToString())
        talk.half_close()
        outcome = trial.note(trial.about, (request,), talk.rest(_FIRST_SECONDS))
    if outcome.responses:
        trial.fail(f"a Watch of nothing gave {len(outcome.responses)} messages")
    if outcome.open:
        trial.fail("a Watch of nothing must be NOT_FOUND, and says nothing")
    trial.expect(outcome, StatusCode.NOT_FOUND, why="a Watch of nothing")


@rpc_check(_WATCH, _is_watch)
def watch_begins_with_what_is(trial: Trial) -> None:
    """The first message of a Watch is the resource as Get returns it; whoever begins to watch has missed nothing."""
    watch = _of(trial)
    made = _made(trial, watch)
    request = _request(trial, watch, made.name)
    with trial.converse(trial.about) as talk:
        talk.send(request.SerializeToString())
        talk.half_close()
        first = talk.receive(_FIRST_SECONDS)
        outcome = trial.note(trial.about, (request,), talk.rest(0))
    if first is None:
        trial.fail(f"a Watch of what exists has given nothing: {outcome.code.name}")
    changed = _between(trial, made.returned, _seen(trial, watch, first))
    if changed:
        trial.fail(f"the first message is not the resource as it is: {changed}")


@rpc_check(_WATCH, _is_watch_beside_update)
def watch_shows_changes_in_order(trial: Trial) -> None:
    """A Watch shows changes in the order in which they were made; some may be left out, but not the last."""
    watch = _of(trial)
    update = trial.schema.rpc_of(Kind.UPDATE, watch.resource)
    assert update is not None
    updater = Updater(trial, update)
    made = _made(trial, watch)
    states = [updater.get(made)]
    request = _request(trial, watch, made.name)
    with trial.converse(trial.about) as talk:
        talk.send(request.SerializeToString())
        talk.half_close()
        data = talk.receive(_FIRST_SECONDS)
        seen = [_seen(trial, watch, data)] if data is not None else []
        fields = [info.field.name for info in updater.mutable()]
        for draft, paths in product(_drafts(updater), [fields, *([field] for field in fields)]):
            outcome = updater.send(updater.request(draft, made.name, paths))
            if outcome.ok and _between(trial, states[-1], updater.updated(outcome)):
                states.append(updater.updated(outcome))
                data = talk.receive(_ONE_SECONDS)  # so that it can show each of them; it need not
                seen += [_seen(trial, watch, data)] if data is not None else []
            if len(states) > _CHANGES:
                break
        if len(states) == 1:
            raise Undecided(f"{update.label} accepted no made-up change")
        _judge_order(trial, states, seen)
        until = time.monotonic() + _CHANGE_SECONDS
        while time.monotonic() < until and not (seen and not _between(trial, states[-1], seen[-1])):
            data = talk.receive(max(0.0, until - time.monotonic()))
            if data is None:
                break
            seen.append(_seen(trial, watch, data))
        trial.note(trial.about, (request,), talk.rest(0))
    _judge_order(trial, states, seen)
    if not seen or _between(trial, states[-1], seen[-1]):
        trial.fail(
            f"{len(states) - 1} changes were made, and {_CHANGE_SECONDS:g} s later the Watch has not shown the last"
        )


def _judge_order(trial: Trial, states: list[Instance], seen: list[Instance]) -> None:
    """Fail unless what was seen is in the order of the states; some of them may be left out."""
    place = 0
    for number, message in enumerate(seen, start=1):
        there = [i for i, state in enumerate(states) if not _between(trial, state, message)]
        if not there:
            trial.fail(f"message {number} of the Watch shows what never was")
        later = [i for i in there if i >= place]
        if not later:
            trial.fail(f"message {number} of the Watch shows state {there[-1]} after state {place}")
        place = later[0]


def _drafts(updater: Updater) -> list[Instance]:
    """Some Updates to try."""
    found: list[Instance] = []
    updater.trial.examples(updater.drafts(), found.append, count=2 * _CHANGES)
    return found


def _between(trial: Trial, one: Instance, other: Instance) -> str | None:
    return difference(trial, one, other) or difference(trial, other, one)


def _made(trial: Trial, watch: _Watch) -> Made:
    maker = must_make(trial, watch.resource)
    return maker.make(maker.parent())


def _request(trial: Trial, watch: _Watch, name: str) -> Instance:
    request = trial.schema.new(trial.about.method.input)
    setattr(request, watch.key, name)
    return request


def _seen(trial: Trial, watch: _Watch, data: bytes) -> Instance:
    message = trial.schema.message_class(trial.about.method.output).FromString(data)
    seen: Instance = getattr(message, watch.wrapper) if watch.wrapper else message
    return seen
