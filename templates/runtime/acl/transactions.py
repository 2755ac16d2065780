"""Never an RPC inside a transaction: rows stay locked for as long as the network takes, and a rollback takes nothing back.

What the service has done is done. So a call that the seam sends to the service while Django is inside ``atomic`` is an error
in development (``DEBUG``), where it costs nobody anything. In production, and in Django's own tests, which are inside
``atomic`` from the first line on, it is a warning, once for each RPC.
"""

from __future__ import annotations

import logging
import sys

_log = logging.getLogger(__name__)
_warned: set[str] = set()


class InTransactionError(RuntimeError):
    """A call was to go to the service inside a transaction of the monolith's."""


def check(rpc: str) -> None:
    """Say that an RPC is about to be called inside a transaction. Raises :class:`InTransactionError` in development."""
    alias = _open_transaction()
    if not alias:
        return
    message = (
        f'{rpc} goes to the service inside of transaction.atomic() on "{alias}": rows stay locked while the network answers, '
        "and a rollback does not take back what the service did; call it before, or in transaction.on_commit()"
    )
    from django.conf import settings

    if settings.DEBUG:
        raise InTransactionError(message)
    if rpc not in _warned:
        _warned.add(rpc)
        _log.warning("%s", message)


def _open_transaction() -> str:
    """The alias of a Django database that is inside ``atomic``, in this thread; empty where none is, or there is no Django."""
    if "django.db" not in sys.modules:
        return ""
    from django.conf import settings
    from django.db import connections

    if not settings.configured:
        return ""
    return next((connection.alias for connection in connections.all() if connection.in_atomic_block), "")
