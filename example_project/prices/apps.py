"""The history of prices, and who is told of a change."""

from django.apps import AppConfig


class PricesConfig(AppConfig):
    """Connects the receivers of prices."""

    name = "prices"

    def ready(self):
        """Import the receivers, which connects them."""
        from prices import receivers  # noqa: F401
