"""What a List with pages must do (AIP-132, AIP-158, AIP-160)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from grpc import StatusCode

from scaffold.contract import names
from scaffold.contract.checks.registry import of_kind, rpc_check
from scaffold.contract.methods import both, takes, with_request_field
from scaffold.contract.resources import maker_of, must_make
from scaffold.contract.trial import Undecided
from scaffold.contract.walk import items_in_all_pages, names_in_all_pages, page_request
from scaffold.core.shapes import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scaffold.contract.schema import Rpc, Schema
    from scaffold.contract.trial import Trial

_LIST = "AIP-132 (https://google.aip.dev/132)"
_FILTER = "AIP-160 (https://google.aip.dev/160)"
_NAMES = "AIP-122 (https://google.aip.dev/122)"
_PAGES = "AIP-158 (https://google.aip.dev/158)"

# A walk is made of calls: with many resources there already, the smallest pages are left out.
_RESOURCES = 5
_MOST_CALLS = 120

_FOREIGN_TOKENS = ("not-a-token", "AAAA", "bm90LW91cnM=", "\N{SNOWMAN}", "{}", "x" * 500)


@rpc_check(_PAGES, of_kind(Kind.LIST, beside=(Kind.CREATE,)))
def pages_are_complete(trial: Trial) -> None:
    """Whatever the page size, all pages together hold every resource once, also those just created."""
    listing = trial.about
    maker = must_make(trial, listing.shape.resource)
    parent = maker.parent()
    before = names_in_all_pages(trial, listing, parent, 1000)
    created = [maker.make(parent).name for _ in range(_RESOURCES)]
    wanted = {*before, *created}
    for size in _page_sizes(len(wanted)):
        trial.exchanges.clear()
        found = names_in_all_pages(trial, listing, parent, size)
        repeated = [name for name, count in Counter(found).items() if count > 1]
        if repeated:
            trial.fail(f"with page_size {size} the walk shows {_some(repeated)} more than once")
        missing = sorted(wanted - set(found))
        if missing:
            trial.fail(f"with page_size {size} the walk leaves out {_some(missing)}")
        invented = sorted(set(found) - wanted)
        if invented:
            trial.fail(f"with page_size {size} the walk shows {_some(invented)}, which nobody created")


def _page_sizes(total: int) -> Sequence[int]:
    """Sizes around every edge: 0 (the server's choice), the smallest, one short of all, all, one more."""
    sizes = dict.fromkeys((0, 1, 2, 3, total - 1, total, total + 1))
    return [size for size in sizes if size == 0 or total / size <= _MOST_CALLS]


def _some(found: Sequence[str]) -> str:
    shown = ", ".join(map(repr, found[:3]))
    return shown if len(found) <= 3 else f"{shown} and {len(found) - 3} more"


def _parent(trial: Trial) -> str:
    """A parent whose pages can be asked for. Undecided where the first page is refused: the rest proves nothing."""
    listing = trial.about
    parent = ""
    if listing.shape.parent:
        maker = maker_of(trial, listing.shape.resource)
        pattern = names.parent_pattern(listing.shape.pattern)
        parent = maker.parent() if maker else names.fill(pattern, trial.fresh_id())
    outcome = trial.call(listing, page_request(trial, listing, parent, 10))
    if not outcome.ok:
        raise Undecided(f"{listing.label} refused its first page: {outcome.code.name}: {outcome.message}")
    return parent


@rpc_check(_PAGES, of_kind(Kind.LIST))
def negative_page_size_is_invalid(trial: Trial) -> None:
    """A negative page_size is INVALID_ARGUMENT."""
    parent = _parent(trial)
    for size in (-1, -(2**31)):
        outcome = trial.call(trial.about, page_request(trial, trial.about, parent, size))
        trial.expect(outcome, StatusCode.INVALID_ARGUMENT, why=f"page_size {size}")


@rpc_check(_PAGES, of_kind(Kind.LIST))
def foreign_page_token_is_invalid(trial: Trial) -> None:
    """A page_token that this List never gave out is INVALID_ARGUMENT."""
    parent = _parent(trial)
    for token in _FOREIGN_TOKENS:
        outcome = trial.call(trial.about, page_request(trial, trial.about, parent, 10, token))
        trial.expect(outcome, StatusCode.INVALID_ARGUMENT, why=f"the page_token {token[:20]!r}")


@rpc_check(_PAGES, of_kind(Kind.LIST))
def above_the_maximum_is_lowered(trial: Trial) -> None:
    """A page_size above what the server allows is lowered, and no error."""
    parent = _parent(trial)
    for size in (1001, 2**31 - 1):
        outcome = trial.call(trial.about, page_request(trial, trial.about, parent, size))
        trial.expect(outcome, StatusCode.OK, why=f"page_size {size}")


@rpc_check(_PAGES, of_kind(Kind.LIST, beside=(Kind.CREATE,)))
def page_size_may_change(trial: Trial) -> None:
    """The page size may change from page to page: the walk shows the same, in the same order."""
    listing = trial.about
    maker = must_make(trial, listing.shape.resource)
    parent = maker.parent()
    for _ in range(_RESOURCES):
        maker.make(parent)
    straight = names_in_all_pages(trial, listing, parent, 1000)
    for sizes in ((2, 1), (1, 3, 1000)):
        if len(straight) / min(sizes) <= _MOST_CALLS:
            found = names_in_all_pages(trial, listing, parent, sizes)
            if found != straight:
                different = sorted({*found} ^ {*straight})
                trial.fail(f"with page sizes {sizes} in turn the walk is another: {_some(different) or 'the order'}")


def _has_arguments(schema: Schema, rpc: Rpc) -> bool:
    return bool(rpc.shape.parent) or any(takes(schema, rpc, name) for name in ("order_by", "filter"))


@rpc_check(_PAGES, both(of_kind(Kind.LIST, beside=(Kind.CREATE,)), _has_arguments))
def other_arguments_must_not_change(trial: Trial) -> None:
    """A page_token with another parent, order_by, filter or show_deleted than it was given for is INVALID_ARGUMENT."""
    listing = trial.about
    maker = must_make(trial, listing.shape.resource)
    parent, elsewhere = maker.parent(), maker.parent()
    for _ in range(2):
        maker.make(parent)
    maker.make(elsewhere)
    outcome = trial.call(listing, page_request(trial, listing, parent, 1))
    if not outcome.ok:
        raise Undecided(f"{listing.label} refused its first page: {outcome.code.name}: {outcome.message}")
    token = getattr(trial.response(listing, outcome), "next_page_token")  # noqa: B009  A class from a descriptor.
    key = listing.shape.resource_key
    changes: dict[str, object] = {"order_by": f"{key} desc", "filter": f'{key} = "x"', "show_deleted": True}
    kinds = {"show_deleted": "bool"}
    for name, value in changes.items():
        if takes(trial.schema, listing, name, kinds.get(name, "string")):
            request = page_request(trial, listing, parent, 1, token, **{name: value})
            why = f"a page_token with another {name}"
            trial.expect(trial.call(listing, request), StatusCode.INVALID_ARGUMENT, why=why)
    if listing.shape.parent and elsewhere != parent:
        request = page_request(trial, listing, elsewhere, 1, token)
        trial.expect(trial.call(listing, request), StatusCode.INVALID_ARGUMENT, why="a page_token with another parent")


def _has_parents(schema: Schema, rpc: Rpc) -> bool:
    pattern = names.parent_pattern(rpc.shape.pattern)
    return bool(rpc.shape.parent) and bool(pattern) and names.has_structure(pattern)


@rpc_check(_LIST, both(of_kind(Kind.LIST, beside=(Kind.CREATE,)), _has_parents))
def parents_are_kept_apart(trial: Trial) -> None:
    """List shows what is below its parent, and nothing that is below another one."""
    listing = trial.about
    maker = must_make(trial, listing.shape.resource)
    parent, elsewhere = maker.parent(), maker.parent()
    if parent == elsewhere:
        raise Undecided("there is only one parent")
    here, there = maker.make(parent), maker.make(elsewhere)
    found = names_in_all_pages(trial, listing, parent, 1000)
    if there.name in found:
        trial.fail(f"{there.name!r} is listed below {parent!r}")
    if here.name not in found:
        trial.fail(f"{here.name!r} is not listed below {parent!r}")


@rpc_check(_NAMES, both(of_kind(Kind.LIST, Kind.CREATE), _has_parents))
def malformed_parent_is_invalid(trial: Trial) -> None:
    """A parent that does not fit the pattern of the resource's parents is INVALID_ARGUMENT."""
    rpc = trial.about
    patterns = [names.parent_pattern(pattern) for pattern in trial.schema.patterns(rpc.shape.resource)]
    wrong = [name for name in names.malformed([p for p in patterns if p], trial.fresh_id()) if name]
    if rpc.shape.kind is Kind.CREATE:
        maker = must_make(trial, rpc.shape.resource)
        maker.make(maker.parent())
        draft = trial.subject.accepted[rpc.label]
    for name in wrong:
        if rpc.shape.kind is Kind.CREATE:
            request = maker.addressed(draft, name, trial.fresh_id())
        else:
            request = page_request(trial, rpc, name, 10)
        trial.expect(trial.call(rpc, request), StatusCode.INVALID_ARGUMENT, why=f"the malformed parent {name!r}")


_NO_ORDERS = ("no_such_field", "no_such_field desc", ",", "{key} desc desc", "{key} sideways", "{key},,{key}", "; drop")


@rpc_check(_LIST, both(of_kind(Kind.LIST, beside=(Kind.CREATE,)), with_request_field("order_by")))
def order_by_is_honest(trial: Trial) -> None:
    """An order_by that is not supported is INVALID_ARGUMENT; one that is accepted puts the pages in that order."""
    listing = trial.about
    key = listing.shape.resource_key
    maker = must_make(trial, listing.shape.resource)
    parent = maker.parent()
    created = {maker.make(parent).name for _ in range(_RESOURCES)}
    for order in _NO_ORDERS:
        request = page_request(trial, listing, parent, 10, order_by=order.format(key=key))
        trial.expect(
            trial.call(listing, request), StatusCode.INVALID_ARGUMENT, why=f"order_by {order.format(key=key)!r}"
        )
    for name, kind in _sortable(trial, listing):
        for order in (name, f"{name} desc"):
            first = trial.call(listing, page_request(trial, listing, parent, 2, order_by=order))
            if not first.ok:
                trial.expect(first, StatusCode.INVALID_ARGUMENT, why=f"order_by {order!r}")
                continue
            items = items_in_all_pages(trial, listing, parent, (2, 3), order_by=order)
            found = [item for item in items if getattr(item, key) in created]
            if {getattr(item, key) for item in found} != created or len(found) != len(created):
                trial.fail(f"with order_by {order!r} the walk does not show every resource once")
            values = [_sort_key(getattr(item, name), kind) for item in found]
            if values != sorted(values, reverse=order.endswith("desc")):
                trial.fail(f"with order_by {order!r} the walk shows {values}")


def _sortable(trial: Trial, listing: Rpc) -> list[tuple[str, str]]:
    """Fields with an order that is beyond doubt: the name (its id is made here), numbers and moments.

    How texts are sorted is the database's own business.
    """
    found = [(listing.shape.resource_key, "string")]
    for info in trial.schema.fields(listing.shape.resource):
        f = info.field
        if f.repeated or f.oneof or (f.presence and f.type != "message"):
            continue
        if f.type in ("int32", "int64", "uint32", "uint64", "sint32", "sint64"):
            found.append((f.name, f.type))
        elif f.type_name == "google.protobuf.Timestamp":
            found.append((f.name, f.type_name))
    return found


def _sort_key(value: Any, kind: str) -> Any:
    return (value.seconds, value.nanos) if kind == "google.protobuf.Timestamp" else value


_NO_FILTERS = ("((", "no_such_field = 1", '{key} = "', "= =", "AND", "{key} {key} {key} =")


@rpc_check(_FILTER, both(of_kind(Kind.LIST, beside=(Kind.CREATE,)), with_request_field("filter")))
def filter_is_honest(trial: Trial) -> None:
    """A filter that is not supported or not well formed is INVALID_ARGUMENT; one that is accepted is applied."""
    listing = trial.about
    key = listing.shape.resource_key
    maker = must_make(trial, listing.shape.resource)
    parent = maker.parent()
    created = [maker.make(parent).name for _ in range(3)]
    for text in _NO_FILTERS:
        request = page_request(trial, listing, parent, 10, filter=text.format(key=key))
        trial.expect(trial.call(listing, request), StatusCode.INVALID_ARGUMENT, why=f"filter {text.format(key=key)!r}")
    for name, expected in ((created[1], [created[1]]), (f"{created[1]}-none", [])):
        text = f'{key} = "{name}"'
        first = trial.call(listing, page_request(trial, listing, parent, 10, filter=text))
        if not first.ok:
            trial.expect(first, StatusCode.INVALID_ARGUMENT, why=f"filter {text!r}")
            continue
        found = names_in_all_pages(trial, listing, parent, 1000, filter=text)
        if found != expected:
            trial.fail(
                f"with filter {text!r} the walk shows {_some(found) or 'nothing'}, not {_some(expected) or 'nothing'}"
            )
