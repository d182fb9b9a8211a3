"""Lists what the example project shows."""

from django.apps import AppConfig


class PatternsConfig(AppConfig):
    """Holds patterns."""

    name = "patterns"
