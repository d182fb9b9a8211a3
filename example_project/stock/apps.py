"""What is in stock."""

from django.apps import AppConfig


class StockConfig(AppConfig):
    """Connects the receivers of the stock."""

    name = "stock"

    def ready(self):
        """Import the receivers, which connects them."""
        from stock import receivers  # noqa: F401
