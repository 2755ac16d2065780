"""How the layer is put together."""

import os
from functools import cache
from pathlib import Path

from shop.db import session

from cart_acl.errors import ERRORS
from cart_acl.gen.port import CartPort
from cart_acl.gen.remote import Remote
from cart_acl.gen.runtime.acl.hooks import scoped_session
from cart_acl.gen.seam import Seam

hook = scoped_session(session)

SEAM = Path(os.environ.get("CART_SEAM") or Path(__file__).with_name("seam.toml"))


def local() -> CartPort:
    """The monolith's side: its application is made first."""
    from shop import create_app

    from cart_acl.local import Local

    create_app()
    return Local()


def remote() -> Remote:
    """The service's side."""
    return Remote(os.environ.get("CART_ADDRESS", ""), errors=ERRORS)


@cache
def cart() -> Seam:
    """What the monolith calls."""
    return Seam(local(), remote(), SEAM)
