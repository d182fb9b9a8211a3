"""What follows from an order: mails, the parcel, and a log of its life."""

from django.apps import AppConfig


class FulfilmentConfig(AppConfig):
    """Connects the receivers of fulfilment."""

    name = "fulfilment"

    def ready(self):
        """Import the receivers, which connects them."""
        from fulfilment import receivers  # noqa: F401
