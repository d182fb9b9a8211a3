"""The Django app."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _


class CeleryConfig(AppConfig):
    """Listens to Celery once all apps are ready."""

    name = "signalscope.contrib.celery"
    label = "signalscope_celery"
    verbose_name = _("Signalscope for Celery")

    def ready(self) -> None:
        """Connect the receivers, and let workers know the task for Celery beat."""
        from signalscope.contrib.celery import receivers, tasks  # noqa: F401

        receivers.connect()
