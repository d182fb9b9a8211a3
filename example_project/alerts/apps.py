"""Tells a log and a webhook of what needs somebody's attention."""

from django.apps import AppConfig


class AlertsConfig(AppConfig):
    """Connects the receivers of alerts."""

    name = "alerts"

    def ready(self):
        """Import the receivers, which connects them."""
        from alerts import receivers  # noqa: F401
