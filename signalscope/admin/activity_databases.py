"""In which databases entries of the activity log are: a tracked model's are where the model is."""

from __future__ import annotations

from django.apps import apps
from django.db import models, router

from signalscope.activity.tracking import tracker
from signalscope.conf import get_conf
from signalscope.models import ActivityLog

# What names one of them in an address.
DATABASE_VAR = "database"


def activity_databases() -> list[str]:
    """Return the aliases, that of signalscope's own database first."""
    aliases = [get_conf().database]
    if not tracker.waits_for_commit:
        tracked = (model for model in apps.get_models() if tracker.find(model))
        aliases += sorted({router.db_for_write(model) for model in tracked})
    return list(dict.fromkeys(aliases))


def entries_of_trace(key: int, limit: int) -> list[ActivityLog]:
    """Return what was done in a trace, oldest first: one query for each database."""
    found: list[ActivityLog] = []
    for alias in activity_databases():
        entries = ActivityLog.objects.using(alias).filter(trace_key=key)
        found += entries.order_by("pk")[:limit]
    return sorted(found, key=lambda entry: entry.at)[:limit]


def entries_of_object(obj: models.Model, limit: int) -> list[ActivityLog]:
    """Return what was done to an object, newest first: one query for each database."""
    own = get_conf().database
    found: list[ActivityLog] = []
    for alias in activity_databases():
        if alias in (own, obj._state.db):
            entries = ActivityLog.objects.using(alias).for_object(obj)
            found += entries.order_by("-pk")[:limit]
    return sorted(found, key=lambda entry: entry.at, reverse=True)[:limit]
