"""What Django's own signals mean to the activity log."""

from __future__ import annotations

from signalscope.activity import auth, operations
from signalscope.activity.journal import Journal, Logged
from signalscope.recorder.plans import Hook

_MAKERS = {
    "django.contrib.auth.signals.user_logged_in": ("logged_in", auth.logged_in),
    "django.contrib.auth.signals.user_logged_out": ("logged_out", auth.logged_out),
    "django.contrib.auth.signals.user_login_failed": ("login_failed", auth.login_failed),
    "django.db.models.signals.post_migrate": ("migrated", operations.migrated),
    "django.core.signals.setting_changed": ("setting_changed", operations.setting_changed),
}


def standard_hooks(journal: Journal) -> dict[str, Hook]:
    """Return the hooks that log, by the signal's dotted name."""
    return {signal: Logged(journal, action, make) for signal, (action, make) in _MAKERS.items()}
