"""Resources that a check needs: made through the component's own Create (AIP-133), found again by their names."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grpc import StatusCode

from scaffold.contract import names
from scaffold.contract.schema import is_repeated
from scaffold.contract.strategies import Style
from scaffold.contract.trial import Ending, Trial, Undecided, Violation
from scaffold.core.shapes import Kind

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from google.protobuf.message import Message as Instance
    from hypothesis.strategies import SearchStrategy

    from scaffold.contract.schema import Rpc
    from scaffold.contract.trial import Exchange
    from scaffold.contract.wire import Outcome
    from scaffold.core.shapes import Shape

_TRIES = 60

# Fields that the server sets by what AIP-148 (standard fields), AIP-154 (etag), AIP-162 (revisions), AIP-164 (soft
# delete), AIP-216 (states) and AIP-128 (reconciling) say about them, whether or not the proto says OUTPUT_ONLY.
SERVERS_OWN = frozenset(
    {
        "name", "uid", "etag", "state", "reconciling", "create_time", "update_time", "delete_time", "expire_time",
        "purge_time", "revision_id", "revision_create_time",
    }
)  # fmt: skip


@dataclass(frozen=True)
class Made:
    """A resource that was created: its name (or id), as it was sent and as it came back, and under which parent."""

    name: str
    sent: Instance
    returned: Instance
    parent: str = ""


class _Accepted(Ending):
    """Ends the search for a draft that the server takes."""

    def __init__(self, made: Made) -> None:
        super().__init__(made)
        self.made = made


@dataclass(frozen=True, repr=False)
class Maker:
    """Creates resources of one kind, by one Create."""

    trial: Trial
    create: Rpc

    @property
    def shape(self) -> Shape:
        """The shape of the Create."""
        return self.create.shape

    def drafts(self, existing: Mapping[str, Sequence[str]]) -> SearchStrategy[Instance]:
        """Requests to create something, ordinary and odd, so that business rules let some through.

        Fields that are for the server to set are empty, the name among them, and there is no request_id: a repeated
        request_id would rightly bring an earlier resource back (AIP-155). Nor is anything only tried (AIP-163).
        """
        return self.trial.requests(existing).valid(self.create.method.input).map(self._without_servers_own)

    def attempt(self, draft: Instance, parent: str = "", identifier: str = "") -> Outcome:
        """Send a draft, under a parent and an id where the Create takes them."""
        return self.trial.call(self.create, self.addressed(draft, parent, identifier))

    def accept(self, draft: Instance, parent: str = "") -> Made | None:
        """Create it, or None where the server refuses the draft: its business rules are not known here."""
        identifier = self.trial.fresh_id() if self.shape.wanted_id else ""
        outcome = self.attempt(draft, parent, identifier)
        if not outcome.ok:
            return None
        returned = unwrap(self.trial.response(self.create, outcome), self.shape)
        body = _get(draft, self.shape.body)
        return Made(_get(returned, self.shape.resource_key), body, returned, parent)

    def make(self, parent: str = "") -> Made:
        """Create something, from a draft that the server is known to accept. Raises Undecided when nothing ever is."""
        known = self.trial.subject.accepted.get(self.create.label)
        made = self.accept(known, parent) if known is not None else None
        return made or self._search(parent)

    def parent(self) -> str:
        """A parent to create under: one that is made for it where the component can, else a well-formed name."""
        if not self.shape.parent:
            return ""
        pattern = names.parent_pattern(self.shape.pattern)
        above = next((r for r in self.trial.schema.rpcs if r.shape.kind is Kind.CREATE and self._is_above(r)), None)
        if above is not None:
            maker = Maker(self.trial, above)
            return maker.make(maker.parent()).name
        return names.fill(pattern, self.trial.fresh_id())

    def _is_above(self, create: Rpc) -> bool:
        return create.shape.pattern != "" and create.shape.pattern == names.parent_pattern(self.shape.pattern)

    def _search(self, parent: str) -> Made:
        """Try plain drafts until the server takes one, and remember that one for the rest of the session.

        What is tried depends on the Create alone, not on the check that comes first: a replay finds the same.
        """
        searching = Maker(Trial(self.trial.subject, None, self.create.label, self.trial.seed), self.create)
        last: list[Exchange] = []

        def attempt(draft: Instance) -> None:
            made = searching.accept(draft, parent)
            last[:] = searching.trial.exchanges
            if made is not None:
                self.trial.subject.accepted[self.create.label] = draft
                raise _Accepted(made)

        plain = self.trial.requests().message(self.create.method.input, Style.PLAIN).map(self._without_servers_own)
        try:
            searching.trial.examples(plain, attempt, count=_TRIES)
        except _Accepted as accepted:
            return accepted.made
        answer = f"; the last answer: {last[0].outcome.code.name}: {last[0].outcome.message}" if last else ""
        raise Undecided(f"{self.create.label} accepted no made-up request{answer}")

    def _without_servers_own(self, draft: Instance) -> Instance:
        body = _get(draft, self.shape.body)
        body.SetInParent()
        for info in self.trial.schema.fields(self.shape.resource):
            name = info.field.name
            if is_servers_own(info.field.behaviors) or name in SERVERS_OWN or name == self.shape.resource_key:
                body.ClearField(name)
        for name in (self.shape.request_id, "validate_only"):
            if name in draft.DESCRIPTOR.fields_by_name:
                draft.ClearField(name)
        return draft

    def addressed(self, draft: Instance, parent: str, identifier: str) -> Instance:
        """A draft as a request, under a parent and an id where the Create takes them."""
        request = type(draft)()
        request.CopyFrom(draft)
        if self.shape.parent:
            setattr(request, self.shape.parent, parent)
        if self.shape.wanted_id:
            setattr(request, self.shape.wanted_id, identifier)
        if self.shape.request_id and self._needs_request_id():
            setattr(request, self.shape.request_id, self.trial.fresh_id())
        return request

    def _needs_request_id(self) -> bool:
        fields = self.trial.schema.fields(self.create.method.input)
        return any(i.required for i in fields if i.field.name == self.shape.request_id)


def maker_of(trial: Trial, resource: str) -> Maker | None:
    """The maker of a resource, where the component has a Create for it."""
    create = trial.schema.rpc_of(Kind.CREATE, resource)
    return Maker(trial, create) if create is not None else None


def must_make(trial: Trial, resource: str) -> Maker:
    """The maker of a resource that is known to have a Create: checks that need one exist only then."""
    maker = maker_of(trial, resource)
    assert maker is not None, f"{resource} has no Create"
    return maker


def existing(trial: Trial, count: int = 2) -> dict[str, tuple[str, ...]]:
    """Names of resources that are there, some of each kind that the component can create.

    A kind of which none can be made has none: what stands in the way is what the checks of its Create are about.
    """
    found = {}
    for create in trial.schema.rpcs:
        if create.shape.kind is Kind.CREATE and create.shape.resource not in found:
            maker = Maker(trial, create)
            try:
                parent = maker.parent()
                found[create.shape.resource] = tuple(maker.make(parent).name for _ in range(count))
            except (Ending, Violation):
                continue
    return found


def keyed(trial: Trial, rpc: Rpc, name: str) -> Instance:
    """The request of a Get or Delete for a name."""
    request = trial.schema.new(rpc.method.input)
    setattr(request, rpc.shape.key, name)
    return request


def unwrap(response: Instance, shape: Shape) -> Instance:
    """The resource in a response: the response itself, or the field that holds it."""
    resource: Instance = _get(response, shape.wrapper) if shape.wrapper else response
    return resource


def got_of(trial: Trial, resource: str, name: str) -> Instance | None:
    """What Get returns; None where it is NOT_FOUND."""
    get = trial.schema.rpc_of(Kind.GET, resource)
    assert get is not None, "the check exists only where there is a Get"
    outcome = trial.call(get, keyed(trial, get, name))
    trial.expect(outcome, StatusCode.OK, StatusCode.NOT_FOUND, why=f"a Get of {name!r}")
    return unwrap(trial.response(get, outcome), get.shape) if outcome.ok else None


def is_gone(trial: Trial, resource: str, name: str) -> bool:
    """Whether a resource is deleted; what can be undeleted may still be got, with the time of its deletion (AIP-164)."""
    got = got_of(trial, resource, name)
    delete = trial.schema.rpc_of(Kind.DELETE, resource)
    if got is None or delete is None or not delete.shape.soft:
        return got is None
    return "delete_time" not in got.DESCRIPTOR.fields_by_name or got.HasField("delete_time")


def is_servers_own(behaviors: tuple[str, ...]) -> bool:
    """Whether AIP-203 says that the client's value of a field is ignored."""
    return "OUTPUT_ONLY" in behaviors or "IDENTIFIER" in behaviors


def difference(trial: Trial, sent: Instance, got: Instance, path: str = "") -> str | None:
    """The first field that was sent and did not come back as it was, in words; None where all did.

    Left out: what the server owns (OUTPUT_ONLY and IDENTIFIER fields, standard fields of the AIPs at the top level) and
    INPUT_ONLY fields, which never come back. Fields that were not sent are the server's to fill.
    """
    infos = {i.field.name: i for i in trial.schema.fields(sent.DESCRIPTOR.full_name)}
    for descriptor, _ in sent.ListFields():
        behaviors = infos[descriptor.name].field.behaviors
        own_by_name = not path and descriptor.name in SERVERS_OWN
        if is_servers_own(behaviors) or "INPUT_ONLY" in behaviors or own_by_name:
            continue
        found = _field_difference(trial, sent, got, descriptor.name, f"{path}{descriptor.name}")
        if found:
            return found
    return None


def _field_difference(trial: Trial, sent: Instance, got: Instance, name: str, here: str) -> str | None:
    pairs = _messages_within(sent, got, name)
    if pairs is None:
        same = _bytes_of(sent, name) == _bytes_of(got, name)
        return None if same else f"{here} was sent as {_shown(_get(sent, name))} and is {_shown(_get(got, name))}"
    if len(pairs[0]) != len(pairs[1]):
        return f"{here}: {len(pairs[0])} were sent and there are {len(pairs[1])}"
    for place, was in pairs[0].items():
        if place not in pairs[1]:
            return f"{here}[{place!r}] was sent and is missing"
        found = difference(trial, was, pairs[1][place], f"{here}{'' if place is None else f'[{place!r}]'}.")
        if found:
            return found
    return None


_Places = dict[object, Any]


def _messages_within(sent: Instance, got: Instance, name: str) -> tuple[_Places, _Places] | None:
    """The messages of a field on either side, by their places in it; None for a field of scalars.

    The place is None for a single message, else an index or a map's key.
    """
    descriptor = sent.DESCRIPTOR.fields_by_name[name]
    kind = descriptor.message_type
    if kind is None:
        return None
    if kind.GetOptions().map_entry:
        if kind.fields_by_name["value"].message_type is None:
            return None
        return dict(_get(sent, name)), dict(_get(got, name))
    if is_repeated(descriptor):
        return dict(enumerate(_get(sent, name))), dict(enumerate(_get(got, name)))
    single: list[_Places] = [{None: _get(side, name)} if side.HasField(name) else {} for side in (sent, got)]
    return single[0], single[1]


def _bytes_of(message: Instance, name: str) -> bytes:
    """A field alone, encoded: exact for floats (NaN equals itself, -0.0 is not 0.0), whatever the order of a map."""
    alone = type(message)()
    alone.CopyFrom(message)
    for descriptor, _ in message.ListFields():
        if descriptor.name != name:
            alone.ClearField(descriptor.name)
    alone.DiscardUnknownFields()
    return alone.SerializePartialToString(deterministic=True)


def _shown(value: object) -> str:
    text = str(value).strip() if not isinstance(value, (str, bytes)) else repr(value)
    return f"{text[:77]}..." if len(text) > 80 else text or "empty"


def _get(message: Instance, name: str) -> Any:
    return getattr(message, name)
