"""The shop's settings, with the checkout's layer installed."""

from shop.settings import *  # noqa: F403
from shop.settings import INSTALLED_APPS as SHOP

INSTALLED_APPS = [*SHOP, "checkout_acl"]
