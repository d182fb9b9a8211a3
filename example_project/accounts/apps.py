"""Customers' accounts."""

from django.apps import AppConfig


class AccountsConfig(AppConfig):
    """Connects the receivers of accounts."""

    name = "accounts"

    def ready(self):
        """Import the receivers, which connects them."""
        from accounts import receivers  # noqa: F401
