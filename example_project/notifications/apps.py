"""Tells followers when what they follow changes."""

from django.apps import AppConfig


class NotificationsConfig(AppConfig):
    """Connects the receivers of notifications."""

    name = "notifications"

    def ready(self):
        """Import the receivers, which connects them."""
        from notifications import receivers  # noqa: F401
