"""The shop: products and orders."""

from django.apps import AppConfig


class ShopConfig(AppConfig):
    """Connects the shop's receivers."""

    name = "shop"

    def ready(self):
        """Import the receivers, which connects them."""
        from shop import receivers  # noqa: F401
