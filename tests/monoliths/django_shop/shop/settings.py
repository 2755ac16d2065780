"""One settings module for every machine: what differs comes from the environment."""

import os
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

BASE = Path(__file__).resolve().parent.parent

SECRET_KEY = os.environ.get("SHOP_SECRET_KEY", "for tests only")
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "testserver"]

INSTALLED_APPS = [
    "django.contrib.contenttypes",
    "django.contrib.auth",
    "shop.catalog",
    "shop.partner",
    "shop.basket",
    "shop.orders.apps.OrdersConfig",
    "shop.audit",
]
MIDDLEWARE = []
ROOT_URLCONF = "shop.urls"
WSGI_APPLICATION = "shop.wsgi.application"


def database(url):
    """``sqlite:///FILE`` or ``postgresql://USER@HOST:PORT/NAME?host=FOLDER`` as Django wants it."""
    parts = urlsplit(url)
    if parts.scheme.startswith("sqlite"):
        return {
            "ENGINE": "shop.sqlite",
            "NAME": unquote(parts.path[1:]) or ":memory:",
            "OPTIONS": {"timeout": 20},
        }
    options = parse_qs(parts.query)
    return {
        "ENGINE": "django.db.backends.postgresql",
        "NAME": parts.path[1:],
        "USER": parts.username or "",
        "PASSWORD": parts.password or "",
        "HOST": options.get("host", [parts.hostname or ""])[0],
        "PORT": str(parts.port or ""),
    }


DATABASES = {"default": database(os.environ.get("SHOP_DATABASE_URL", "sqlite:///{}".format(BASE / "shop.sqlite3")))}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

# It began before anybody thought of other time zones: every datetime is naive, and means Berlin.
USE_TZ = False
TIME_ZONE = "Europe/Berlin"

PAYMENTS_URL = os.environ.get("PAYMENTS_URL", "")
PAYMENTS_KEY = os.environ.get("PAYMENTS_KEY", "")
