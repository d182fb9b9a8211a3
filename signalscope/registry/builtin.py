"""Django's own signals, by family."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from django.dispatch import Signal

FAMILIES: dict[str, tuple[str, ...]] = {
    "model": (
        "django.db.models.signals.class_prepared",
        "django.db.models.signals.pre_init",
        "django.db.models.signals.post_init",
        "django.db.models.signals.pre_save",
        "django.db.models.signals.post_save",
        "django.db.models.signals.pre_delete",
        "django.db.models.signals.post_delete",
        "django.db.models.signals.m2m_changed",
    ),
    "migration": (
        "django.db.models.signals.pre_migrate",
        "django.db.models.signals.post_migrate",
    ),
    "request": (
        "django.core.signals.request_started",
        "django.core.signals.request_finished",
        "django.core.signals.got_request_exception",
    ),
    "test": (
        "django.core.signals.setting_changed",
        "django.test.signals.template_rendered",
    ),
    "database": ("django.db.backends.signals.connection_created",),
    "auth": (
        "django.contrib.auth.signals.user_logged_in",
        "django.contrib.auth.signals.user_logged_out",
        "django.contrib.auth.signals.user_login_failed",
    ),
    "tasks": (
        "django.tasks.signals.task_enqueued",
        "django.tasks.signals.task_started",
        "django.tasks.signals.task_finished",
    ),
    "autoreload": (
        "django.utils.autoreload.autoreload_started",
        "django.utils.autoreload.file_changed",
    ),
}

CUSTOM = "custom"

FAMILY_OF = {name: family for family, names in FAMILIES.items() for name in names}


def loaded() -> Iterator[tuple[str, Signal]]:
    """
    Give those whose modules something else has imported, with their dotted names.

    Importing has side effects in places: django.test.signals connects receivers.
    """
    for name in FAMILY_OF:
        module, _, attribute = name.rpartition(".")
        signal = getattr(sys.modules.get(module), attribute, None)
        if isinstance(signal, Signal):
            yield name, signal
