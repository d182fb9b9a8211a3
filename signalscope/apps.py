"""The Django app."""

from __future__ import annotations

from types import ModuleType

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from signalscope import wiring


class SignalscopeConfig(AppConfig):
    """Begins to record as Django creates it, and goes on when all apps are ready."""

    name = "signalscope"
    verbose_name = _("Signalscope")
    default_auto_field = "django.db.models.BigAutoField"

    def __init__(self, app_name: str, app_module: ModuleType | None) -> None:
        super().__init__(app_name, app_module)
        wiring.prepare()

    def ready(self) -> None:
        """Import the checks, and start."""
        from signalscope import checks  # noqa: F401

        wiring.start()
