"""The shop's settings, with its layers installed."""

from shop.settings import *  # noqa: F403
from shop.settings import INSTALLED_APPS as SHOP

INSTALLED_APPS = [*SHOP, "cart_acl"]
