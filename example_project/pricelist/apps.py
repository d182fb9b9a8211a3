"""A price list that is cached, and made anew when a product changes."""

from django.apps import AppConfig


class PricelistConfig(AppConfig):
    """Connects the receivers of pricelist."""

    name = "pricelist"

    def ready(self):
        """Import the receivers, which connects them."""
        from pricelist import receivers  # noqa: F401
