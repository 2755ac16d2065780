"""The shop's settings, with the checkout's layer installed, and the table of its pins."""

from shop.settings import *  # noqa: F403
from shop.settings import INSTALLED_APPS as SHOP

INSTALLED_APPS = [*SHOP, "checkout_acl", "pins"]
