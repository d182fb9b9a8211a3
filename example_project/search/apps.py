"""An index of products, kept up to date in batches."""

from django.apps import AppConfig


class SearchConfig(AppConfig):
    """Connects the receivers of search."""

    name = "search"

    def ready(self):
        """Import the receivers, which connects them."""
        from search import receivers  # noqa: F401
