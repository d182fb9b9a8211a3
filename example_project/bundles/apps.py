"""Bundles of products, which know when one of their parts was changed last."""

from django.apps import AppConfig


class BundlesConfig(AppConfig):
    """Connects the receivers of bundles."""

    name = "bundles"

    def ready(self):
        """Import the receivers, which connects them."""
        from bundles import receivers  # noqa: F401
