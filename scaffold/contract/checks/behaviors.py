"""What the annotations of fields promise (AIP-203)."""

from __future__ import annotations

from itertools import product
from typing import TYPE_CHECKING, Any

from grpc import StatusCode

from scaffold.contract.checks.registry import of_kind, rpc_check
from scaffold.contract.methods import both
from scaffold.contract.resources import Maker, existing, unwrap
from scaffold.contract.strategies import Style
from scaffold.contract.trial import Undecided
from scaffold.contract.updates import Updater, copy
from scaffold.core.shapes import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator

    from google.protobuf.message import Message as Instance

    from scaffold.contract.schema import FieldInfo, Rpc, Schema
    from scaffold.contract.trial import Trial
    from scaffold.contract.wire import Outcome

_BEHAVIOR = "AIP-203 (https://google.aip.dev/203)"

_Path = tuple[str, ...]


def _demands(schema: Schema, rpc: Rpc) -> bool:
    return not rpc.method.client_streaming and any(_required(schema, rpc))


def _required(schema: Schema, rpc: Rpc) -> Iterator[_Path]:
    """The REQUIRED fields of a request, and of the resource in a Create, that one can see to be missing.

    Not numbers, bools and enums without presence: zero may be what somebody means.
    """
    for info in schema.fields(rpc.method.input):
        if info.required and _shows_absence(info):
            yield (info.field.name,)
    if rpc.shape.kind is Kind.CREATE:
        for info in schema.fields(rpc.shape.resource):
            ours = info.output_only or "IDENTIFIER" in info.field.behaviors or info.field.name == rpc.shape.resource_key
            if info.required and _shows_absence(info) and not ours:
                yield rpc.shape.body, info.field.name


def _shows_absence(info: FieldInfo) -> bool:
    f = info.field
    return f.repeated or f.presence or f.type in ("string", "bytes", "message", "group")


@rpc_check(_BEHAVIOR, _demands)
def required_is_demanded(trial: Trial) -> None:
    """A request that lacks a REQUIRED field is refused: by a standard method with INVALID_ARGUMENT naming the field."""
    rpc = trial.about
    requests = trial.requests(existing(trial)).message(rpc.method.input, Style.PLAIN)
    if rpc.shape.kind is Kind.CREATE:
        maker = Maker(trial, rpc)
        parent = maker.parent()
        maker.make(parent)
        request = maker.addressed(trial.subject.accepted[rpc.label], parent, trial.fresh_id())
        _judge_missing(trial, request)
        return
    trial.examples(requests, lambda request: _judge_missing(trial, request), count=3)


def _judge_missing(trial: Trial, request: Instance) -> None:
    rpc = trial.about
    for path in _required(trial.schema, rpc):
        incomplete = copy(request)
        holder: Any = incomplete
        for name in path[:-1]:
            holder = getattr(holder, name)
        holder.ClearField(path[-1])
        shown = ".".join(path)
        outcome = trial.call(rpc, incomplete)
        if outcome.ok and not (rpc.method.server_streaming and outcome.open):
            trial.fail(f"a request without the REQUIRED {shown} must be refused, and was OK")
        if rpc.shape.standard:
            trial.expect(outcome, StatusCode.INVALID_ARGUMENT, why=f"a request without the REQUIRED {shown}")
            expect_field(trial, outcome, path[-1], f"a request without the REQUIRED {shown}")


def expect_field(trial: Trial, outcome: Outcome, field: str, why: str) -> None:
    """Fail unless the BadRequest of an error names a field: alone, within a path, or by what is missing inside of it."""
    named = outcome.bad_fields
    if not named:
        trial.fail(f"{why} must be explained by a BadRequest that names {field}; there is none")
    if all(field not in _parts(name) for name in named):
        trial.fail(f"{why} must be explained by a BadRequest that names {field}; it names {', '.join(named)}")


def _parts(path: str) -> list[str]:
    """``product.lines[3].title`` → product, lines, title."""
    return [part.partition("[")[0] for part in path.split(".")]


def _has_output_only(schema: Schema, rpc: Rpc) -> bool:
    return bool(rpc.shape.resource) and any(_settable(schema, rpc))


def _settable(schema: Schema, rpc: Rpc) -> Iterator[FieldInfo]:
    """The OUTPUT_ONLY fields of a resource that a caller can put something conspicuous into."""
    for info in schema.fields(rpc.shape.resource):
        own = info.output_only and not info.field.repeated and not info.field.oneof
        if own and (info.field.type in _CONSPICUOUS or info.field.type_name == _TIMESTAMP):
            yield info


_TIMESTAMP = "google.protobuf.Timestamp"
_CONSPICUOUS = {
    "string": "set by the caller",
    "bytes": b"set by the caller",
    "double": 1234567.5,
    "float": 1234567.5,
    **dict.fromkeys(("int32", "int64", "uint32", "uint64", "sint32", "sint64"), 1234567),
    **dict.fromkeys(("fixed32", "fixed64", "sfixed32", "sfixed64"), 1234567),
}
# 2001-09-09, when Unix time had a billion seconds: no server sets it by itself.
_MOMENT = 1_000_000_000


def _put(resource: Any, info: FieldInfo) -> None:
    if info.field.type_name == _TIMESTAMP:
        getattr(resource, info.field.name).seconds = _MOMENT
    else:
        setattr(resource, info.field.name, _CONSPICUOUS[info.field.type])


def _is_conspicuous(resource: Any, info: FieldInfo) -> bool:
    value = getattr(resource, info.field.name)
    if info.field.type_name == _TIMESTAMP:
        return bool(value.seconds == _MOMENT)
    return bool(value == _CONSPICUOUS[info.field.type])


@rpc_check(_BEHAVIOR, both(of_kind(Kind.CREATE), _has_output_only))
def create_ignores_output_only(trial: Trial) -> None:
    """What a caller of Create puts into an OUTPUT_ONLY field is ignored, and no error."""
    maker = Maker(trial, trial.about)
    parent = maker.parent()
    maker.make(parent)
    draft = copy(trial.subject.accepted[trial.about.label])
    body = getattr(draft, trial.about.shape.body)
    infos = list(_settable(trial.schema, trial.about))
    for info in infos:
        _put(body, info)
    outcome = maker.attempt(draft, parent, trial.fresh_id() if trial.about.shape.wanted_id else "")
    trial.expect(outcome, StatusCode.OK, why="a Create with something in OUTPUT_ONLY fields, otherwise as one before,")
    created = unwrap(trial.response(trial.about, outcome), trial.about.shape)
    for info in infos:
        if _is_conspicuous(created, info):
            trial.fail(f"the caller's value of the OUTPUT_ONLY {info.field.name} was taken over")


@rpc_check(_BEHAVIOR, both(of_kind(Kind.UPDATE, beside=(Kind.CREATE, Kind.GET)), _has_output_only))
def update_ignores_output_only(trial: Trial) -> None:
    """What a caller of Update puts into an OUTPUT_ONLY field is ignored, with any mask (AIP-161)."""
    updater = Updater(trial, trial.about)
    made = updater.make()
    accepted = 0
    # An etag that is sent is compared, not stored.
    infos = [info for info in _settable(trial.schema, trial.about) if info.field.name != "etag"]
    for info, mask in product(infos, ("", "*", "{}")):
        paths = [mask.format(info.field.name)] * bool(mask)
        changed = copy(updater.get(made))
        _put(changed, info)
        outcome = updater.send(updater.around(changed, paths))
        # AIP-161 allows an error where a mask names the very field and it would change.
        if outcome.code is StatusCode.INVALID_ARGUMENT and info.field.name not in paths:
            trial.fail(f"something in the OUTPUT_ONLY {info.field.name} must be no error, and was INVALID_ARGUMENT")
        accepted += outcome.ok
        if _is_conspicuous(updater.get(made), info):
            trial.fail(f"the caller's value of the OUTPUT_ONLY {info.field.name} was taken over, with the mask {paths}")
    if not accepted:
        raise Undecided(f"{trial.about.label} accepted no such Update")
