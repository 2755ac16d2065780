"""A write and its second attempt are answered by one side: where the first went is kept, as a pin, before it is made.

The share cannot see to that by itself: it may pass an entity between the two attempts. Nor can a look at what each side
has recorded: the first attempt may still be under way, and nothing of it is to be seen. So the side that is about to be
called is kept under the key of the write, in a store that all programs with the seam share; whoever comes with the same
key goes there, whatever the modes say by then.
"""

from __future__ import annotations

import hashlib
import logging
from typing import TYPE_CHECKING, Callable

from .calls import given_key

if TYPE_CHECKING:
    from .calls import Rpc

_log = logging.getLogger(__name__)
_warned: set[str] = set()

#: The store of the pins, yours: it keeps a side under a pin that has none yet, and returns the side that is kept. One step,
#: as an INSERT that leaves what is there: of two callers at once, both get the first one's side.
Pinned = Callable[[str, str], str]

MONOLITH = "monolith"
SERVICE = "service"

#: What a column for pins has to hold; a longer key is kept as its digest.
LONGEST = 200


class PinError(RuntimeError):
    """The store of the pins gave what is no side; nothing has been called."""


def pin(component: str, rpc: Rpc, request: object) -> str:
    """What a write is kept under, ``checkout.PlaceOrder/KEY``; empty for reads, and for a write that nobody could repeat.

    The key is the request's own ``request_id``, or that of ``idempotency_key``.
    """
    key = "" if rpc.safe else given_key(request, rpc)
    if not key:
        return ""
    found = f"{component}.{rpc.name}/{key}"
    if len(found) <= LONGEST and key.isprintable():
        return found
    return f"{component}.{rpc.name}/{hashlib.sha256(key.encode('utf-8', 'surrogatepass')).hexdigest()}"


def kept(pinned: Pinned, name: str, to_service: bool) -> bool:
    """Whether the service is to have a write, which goes there by the share or not. Raises :class:`PinError`.

    What the store raises goes to the caller: without a pin nobody knows whether the other side has the write already.
    """
    side = pinned(name, SERVICE if to_service else MONOLITH)
    if side not in (MONOLITH, SERVICE):
        raise PinError(f'{name} is kept at {side!r}: a pin is "{MONOLITH}" or "{SERVICE}"')
    return side == SERVICE


def warn(component: str, rpc: Rpc, request: object) -> None:
    """Say, once for each RPC, that a write which somebody may repeat is divided by a share, and nothing is kept."""
    if rpc.method in _warned or not pin(component, rpc, request):
        return
    _warned.add(rpc.method)
    _log.warning(
        "%s is divided by a share and its calls have keys, but the seam has no pins: an attempt before the share moves and "
        "one after it may both be made, one on each side; give the seam pinned=",
        rpc.name,
    )
