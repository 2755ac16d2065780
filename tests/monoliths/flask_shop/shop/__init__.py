"""A smaller shop that has grown too: the other monolith of the tests, Flask with SQLAlchemy 1.4 or 2.0 on Python 3.9."""

import os

from flask import Flask

from shop import db


def create_app(config=None):
    """The application. Nothing is connected to before the first request."""
    app = Flask(__name__)
    app.config["DATABASE_URL"] = os.environ.get("SHOP_DATABASE_URL", "sqlite:///shop.sqlite3")
    app.config["PAYMENTS_URL"] = os.environ.get("PAYMENTS_URL", "")
    app.config["PAYMENTS_KEY"] = os.environ.get("PAYMENTS_KEY", "")
    app.config.update(config or {})
    db.set_up(app)

    from shop import listeners  # noqa: F401 - connects them
    from shop.web.views import pages

    app.register_blueprint(pages)
    return app
