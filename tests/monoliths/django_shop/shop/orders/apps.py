"""The orders, and who listens to them."""

from django.apps import AppConfig


class OrdersConfig(AppConfig):
    name = "shop.orders"

    def ready(self):
        from shop.orders import receivers  # noqa: F401 - connects them
