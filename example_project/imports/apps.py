"""Imports products in bulk, and keeps statistics right."""

from django.apps import AppConfig


class ImportsConfig(AppConfig):
    """Connects the receivers of imports."""

    name = "imports"

    def ready(self):
        """Import the receivers, which connects them."""
        from imports import receivers  # noqa: F401
