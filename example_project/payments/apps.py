"""Payments for orders."""

from django.apps import AppConfig


class PaymentsConfig(AppConfig):
    """Connects the receivers of payments."""

    name = "payments"

    def ready(self):
        """Import the receivers, which connects them."""
        from payments import receivers  # noqa: F401
