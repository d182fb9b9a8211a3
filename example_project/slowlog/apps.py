"""Shows the slow queries of each request."""

from django.apps import AppConfig


class SlowlogConfig(AppConfig):
    """Connects the receivers of slowlog."""

    name = "slowlog"

    def ready(self):
        """Import the receivers, which connects them."""
        from slowlog import receivers  # noqa: F401
