"""Updates (AIP-134) that a check makes, and what a resource has to be after them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grpc import StatusCode
from hypothesis import strategies as st

from scaffold.contract.resources import (
    SERVERS_OWN,
    Made,
    difference,
    existing,
    is_servers_own,
    keyed,
    must_make,
    unwrap,
)
from scaffold.contract.schema import is_repeated
from scaffold.contract.strategies import Style
from scaffold.contract.trial import Undecided
from scaffold.core.shapes import Kind

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from google.protobuf.message import Message as Instance
    from hypothesis.strategies import SearchStrategy

    from scaffold.contract.schema import FieldInfo, Rpc
    from scaffold.contract.trial import Trial
    from scaffold.contract.wire import Outcome

Path = tuple[str, ...]

_WELL_MEANING = st.sampled_from((Style.PLAIN, Style.ODD))


@dataclass(frozen=True, repr=False)
class Updater:
    """Updates resources of one kind by one Update."""

    trial: Trial
    update: Rpc

    def make(self) -> Made:
        """Something to update. Raises Undecided where nothing can be made."""
        maker = must_make(self.trial, self.update.shape.resource)
        return maker.make(maker.parent())

    def get(self, made: Made) -> Instance:
        """The resource as it is now."""
        get = self.trial.schema.rpc_of(Kind.GET, self.update.shape.resource)
        assert get is not None, "checks of Update exist where there is a Get"
        outcome = self.trial.call(get, keyed(self.trial, get, made.name))
        self.trial.expect(outcome, StatusCode.OK, why=f"a Get of {made.name!r}")
        return unwrap(self.trial.response(get, outcome), get.shape)

    def drafts(self) -> SearchStrategy[Instance]:
        """Requests of a well-meaning caller, with nothing in the resource but what a caller may change."""
        requests = self.trial.requests(existing(self.trial))
        return _WELL_MEANING.flatmap(lambda style: requests.message(self.update.method.input, style)).map(self._cleared)

    def fixed(self, draft: Instance, before: Instance, *, top: bool = False) -> Instance:
        """A draft that sends what is IMMUTABLE as it is, by :func:`with_fixed`."""
        request = copy(draft)
        self.body(request).CopyFrom(with_fixed(self.trial, before, self.body(draft), top=top))
        return request

    def request(self, draft: Instance, name: str, paths: Iterable[str] = (), **fields: object) -> Instance:
        """A draft as a request about one resource, with that mask."""
        request: Any = copy(draft)
        body = self.body(request)
        setattr(body, self.update.shape.resource_key, name)
        getattr(request, self.update.shape.mask).paths.extend(paths)
        for field, value in fields.items():
            setattr(request, field, value)
        result: Instance = request
        return result

    def around(self, resource: Instance, paths: Iterable[str] = (), **fields: object) -> Instance:
        """A request that sends a whole resource back, as a caller does who has just read it."""
        request = self._cleared(self._blank())
        self.body(request).CopyFrom(resource)
        return self.request(request, getattr(resource, self.update.shape.resource_key), paths, **fields)

    def body(self, request: Instance) -> Any:
        """The resource in a request."""
        return getattr(request, self.update.shape.body)

    def send(self, request: Instance) -> Outcome:
        """Send a request."""
        return self.trial.call(self.update, request)

    def updated(self, outcome: Outcome) -> Instance:
        """The resource in the response."""
        return unwrap(self.trial.response(self.update, outcome), self.update.shape)

    def mutable(self) -> list[FieldInfo]:
        """The fields of the resource that a caller may change."""
        return [info for info in self.trial.schema.fields(self.update.shape.resource) if self._is_mutable(info)]

    def unchanged(self, made: Made, before: Instance, after_what: str) -> Instance:
        """Fail unless the resource is as it was; it is returned as it is."""
        after = self.get(made)
        changed = difference(self.trial, before, after) or difference(self.trial, after, before)
        if changed:
            self.trial.fail(f"{after_what} has changed the resource: {changed}")
        return after

    def _is_mutable(self, info: FieldInfo) -> bool:
        name, behaviors = info.field.name, info.field.behaviors
        fixed = is_servers_own(behaviors) or "IMMUTABLE" in behaviors
        # AIP-216 leaves a state to methods of its own. Where it is not OUTPUT_ONLY one may try; it is not compared.
        own = name in SERVERS_OWN and name != "state"
        return not fixed and not own and name != self.update.shape.resource_key

    def _cleared(self, request: Instance) -> Instance:
        """Without a mask, without what is not for the caller, and without fields by which an AIP changes what is done."""
        body = self.body(request)
        body.SetInParent()
        mutable = {info.field.name for info in self.mutable()}
        for descriptor, _ in body.ListFields():
            if descriptor.name not in mutable:
                body.ClearField(descriptor.name)
        for name in (self.update.shape.mask, "allow_missing", "validate_only", "request_id", "etag"):
            if name in request.DESCRIPTOR.fields_by_name:
                request.ClearField(name)
        return request

    def _blank(self) -> Instance:
        """An empty request; where more is REQUIRED than the resource and the mask, there is none to be made."""
        shape = self.update.shape
        for info in self.trial.schema.fields(self.update.method.input):
            if info.required and info.field.name not in (shape.body, shape.mask):
                raise Undecided(f"{self.update.label} requires {info.field.name}, of which nothing is known here")
        return self.trial.schema.new(self.update.method.input)


def paths_of(updater: Updater, before: Instance, body: Instance) -> list[Path]:
    """The paths of a mask that mean something: every changeable field, and what is inside of messages on both sides."""
    paths: list[Path] = []
    for info in updater.mutable():
        name = info.field.name
        paths.append((name,))
        inside = not info.field.repeated and info.is_message and not info.field.type_name.startswith("google.protobuf.")
        if inside and before.HasField(name) and body.HasField(name):
            fields = updater.trial.schema.fields(info.field.type_name)
            paths += [(name, i.field.name) for i in fields if not is_servers_own(i.field.behaviors)]
    return paths


def copy(message: Instance) -> Instance:
    """A message of one's own with the same content."""
    copied = type(message)()
    copied.CopyFrom(message)
    return copied


def with_paths(before: Instance, body: Instance, paths: Iterable[Path]) -> Instance:
    """What a resource becomes when a mask names these paths."""
    expected = copy(before)
    for path in paths:
        _copy_path(body, expected, path)
    return expected


def with_populated(before: Instance, body: Instance, *, merged: bool) -> Instance:
    """What a resource becomes without a mask: what is set is taken over, messages as a whole or field by field.

    AIP-134 says "fields that are populated" and not of which depth; a service may read it either way.
    """
    expected = copy(before)
    for descriptor, value in body.ListFields():
        if merged and descriptor.message_type and not is_repeated(descriptor):
            getattr(expected, descriptor.name).MergeFrom(value)
        else:
            _copy_path(body, expected, (descriptor.name,))
    return expected


def with_fixed(trial: Trial, before: Instance, sent: Instance, *, top: bool = False) -> Instance:
    """A resource to send with what is IMMUTABLE as it was: within single messages, and at the ``top`` where that is said.

    Left out, it would be restored by one service and refused by the next, and both are right (AIP-203).
    """
    kept = copy(sent)
    _fix(trial, before, kept, top=top)
    return kept


def _fix(trial: Trial, before: Instance, sent: Instance, *, top: bool) -> None:
    for info in trial.schema.fields(before.DESCRIPTOR.full_name):
        name = info.field.name
        if "IMMUTABLE" in info.field.behaviors:
            if top:
                _copy_path(before, sent, (name,))
        elif info.is_message and not info.field.repeated and before.HasField(name):
            _fix(trial, getattr(before, name), getattr(sent, name), top=True)


def fixed_paths(trial: Trial, resource: Instance, above: Path = ()) -> Iterator[Path]:
    """Where a resource has something IMMUTABLE: at the top, and within single messages that are there."""
    for info in trial.schema.fields(resource.DESCRIPTOR.full_name):
        path = (*above, info.field.name)
        if "IMMUTABLE" in info.field.behaviors:
            yield path
        elif info.is_message and not info.field.repeated and resource.HasField(info.field.name):
            yield from fixed_paths(trial, getattr(resource, info.field.name), path)


def replaced(updater: Updater, before: Instance, body: Instance) -> Instance:
    """What a resource becomes when the mask is ``*``: as it was sent, apart from what a caller cannot change."""
    return with_paths(before, body, [(info.field.name,) for info in updater.mutable()])


def _copy_path(source: Instance, target: Instance, path: Sequence[str]) -> None:
    """Make a field what it is in ``source``, also when it is not set there."""
    name, *rest = path
    if rest:
        _copy_path(getattr(source, name), getattr(target, name), rest)
        return
    target.ClearField(name)
    descriptor = source.DESCRIPTOR.fields_by_name[name]
    if is_repeated(descriptor):
        getattr(target, name).MergeFrom(getattr(source, name))
    elif descriptor.has_presence and not source.HasField(name):
        return
    elif descriptor.message_type:
        getattr(target, name).CopyFrom(getattr(source, name))
    else:
        setattr(target, name, getattr(source, name))
