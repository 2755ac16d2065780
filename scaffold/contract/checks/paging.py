"""What a List with pages must do (AIP-132, AIP-158)."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from grpc import StatusCode

from scaffold.contract import names
from scaffold.contract.checks.registry import of_kind, rpc_check
from scaffold.contract.resources import maker_of, must_make
from scaffold.contract.trial import Undecided
from scaffold.contract.walk import names_in_all_pages, page_request
from scaffold.core.shapes import Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scaffold.contract.trial import Trial

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
