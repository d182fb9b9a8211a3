"""The questions that ActivityLog.objects answers."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from django.apps import apps
from django.db import models

from signalscope.activity.spans import write_waiting
from signalscope.activity.values import object_key

if TYPE_CHECKING:
    # Ruff takes the name in quotes below for a mere text.
    from signalscope.models.activity import ActivityLog  # noqa: F401


class ActivityLogQuerySet(models.QuerySet["ActivityLog"]):
    """Entries of the activity log, newest first."""

    @property
    def db(self) -> str:
        """The database to ask, as of any queryset; what waits to be written there is, first."""
        alias: str = super().db
        write_waiting(alias)
        return alias

    def for_object(self, obj: models.Model) -> Self:
        """
        Return what was done to an object.

        With multi-table inheritance, as any of the models that it is, or that have its key.
        Nothing, of one that is not stored: it has no key.
        """
        if obj.pk is None:
            return self.none()
        # A proxy's entries are those of the model behind it.
        model: Any = obj._meta.concrete_model
        wanted = models.Q(object_key=object_key(obj), object_type__in=_labels_below(model))
        for parent in model._meta.all_parents:
            # A second parent, or one that is linked by another field, has a key of its own.
            key = str(getattr(obj, parent._meta.pk.attname))
            wanted |= models.Q(object_key=key, object_type=parent._meta.label)
        return self.filter(wanted)

    def by(self, user: models.Model) -> Self:
        """Return what a user did; nothing, of one that is not stored."""
        return self.none() if user.pk is None else self.filter(actor_key=object_key(user))

    def between(self, start: datetime, end: datetime) -> Self:
        """Return what was done from a moment on, and before another one."""
        return self.filter(at__gte=start, at__lt=end)


def _labels_below(model: Any) -> list[str]:
    """Return the label of a model, and of those below it whose rows have its key."""
    labels = []
    for child in apps.get_models():
        above: Any = child
        while above is not model and (link := above._meta.pk.remote_field) and link.parent_link:
            above = link.model
        if above is model and not child._meta.proxy:
            labels.append(child._meta.label)
    return sorted(labels)
