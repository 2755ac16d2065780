"""Walks through the pages of a List (AIP-158)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scaffold.contract.trial import Undecided

if TYPE_CHECKING:
    from collections.abc import Sequence

    from google.protobuf.message import Message as Instance

    from scaffold.contract.schema import Rpc
    from scaffold.contract.trial import Trial

# AIP-158 lets a page be empty and still have a successor, so only a number of pages beyond reason says that a walk has
# no end.
_MOST_PAGES = 2000


def page_request(
    trial: Trial, listing: Rpc, parent: str, page_size: int, token: str = "", **arguments: object
) -> Instance:
    """A request for one page; ``arguments`` are fields beside those of every List."""
    request: Any = trial.schema.new(listing.method.input)
    request.page_size = page_size
    request.page_token = token
    if listing.shape.parent:
        setattr(request, listing.shape.parent, parent)
    for name, value in arguments.items():
        setattr(request, name, value)
    result: Instance = request
    return result


def names_in_all_pages(
    trial: Trial, listing: Rpc, parent: str, page_size: int | Sequence[int], **arguments: object
) -> list[str]:
    """The names on all pages, in order; several page sizes take turns.

    Fails the check when a page is longer than asked for, or the walk has no end. Raises Undecided when the first page is
    refused: the List wants something that is not known here.
    """
    items = items_in_all_pages(trial, listing, parent, page_size, **arguments)
    return [getattr(item, listing.shape.resource_key) for item in items]


def items_in_all_pages(
    trial: Trial, listing: Rpc, parent: str, page_size: int | Sequence[int], **arguments: object
) -> list[Instance]:
    """Like :func:`names_in_all_pages`, the resources themselves."""
    sizes = (page_size,) if isinstance(page_size, int) else tuple(page_size)
    shown = " and ".join(map(str, sizes))
    found: list[Instance] = []
    token = ""
    pages = 0
    while not pages or token:
        size = sizes[pages % len(sizes)]
        outcome = trial.call(listing, page_request(trial, listing, parent, size, token, **arguments))
        if not outcome.ok and not pages:
            raise Undecided(f"{listing.label} refused its first page: {outcome.code.name}: {outcome.message}")
        if not outcome.ok:
            trial.fail(f"the walk with page_size {shown} broke off at page {pages + 1}: {outcome.code.name}")
        page: Any = trial.response(listing, outcome)
        items = getattr(page, listing.shape.items)
        if 0 < size < len(items):
            trial.fail(f"a page holds {len(items)} items though page_size was {size}")
        found += items
        token = page.next_page_token
        pages += 1
        if pages >= _MOST_PAGES:
            trial.fail(f"the walk with page_size {shown} has not ended after {pages} pages")
    return found
