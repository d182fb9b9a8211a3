"""Filters whose choices come from the registry, so that no table is searched for them."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

from django.apps import apps
from django.conf import settings
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.functional import Promise
from django.utils.translation import gettext_lazy as _

from signalscope.core.keys import first_key
from signalscope.formatting import short_names
from signalscope.registry.receivers import all_receivers
from signalscope.registry.signals import registry

PERIODS: dict[str, tuple[timedelta, Promise]] = {
    "1h": (timedelta(hours=1), _("Last hour")),
    "24h": (timedelta(hours=24), _("Last 24 hours")),
    "7d": (timedelta(days=7), _("Last 7 days")),
}


class NameFilter(admin.SimpleListFilter):
    """One name out of those that the registry knows; another one in the address works, too."""

    def names(self) -> Iterable[str]:
        """Return the names to choose from."""
        raise NotImplementedError

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """Return the names, each with its shortest unique ending."""
        names = set(self.names())
        if value := self.value():
            names.add(value)
        short = short_names(names)
        return sorted(short.items(), key=lambda pair: (pair[1].lower(), pair[0]))

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows with the name that was chosen."""
        if self.value() is None:
            return queryset
        return queryset.filter(**{str(self.parameter_name): self.value()})


class SignalFilter(NameFilter):
    """The signals of the registry."""

    title = _("signal")
    parameter_name = "signal"

    def names(self) -> Iterable[str]:
        """Return the names of all signals."""
        return (info.name for info in registry.signals())


class SenderFilter(NameFilter):
    """All models, and whatever else a receiver is connected to."""

    title = _("sender")
    parameter_name = "sender"

    def names(self) -> Iterable[str]:
        """Return the labels of models and of receivers' senders."""
        for model in apps.get_models(include_auto_created=True):
            if model._meta.app_label != "signalscope":
                yield model._meta.label
        yield from (info.sender for info in all_receivers() if info.sender)


class ReceiverFilter(NameFilter):
    """The receivers that are connected in this process."""

    title = _("receiver")
    parameter_name = "receiver"

    def names(self) -> Iterable[str]:
        """Return the names of all connected receivers."""
        return (info.receiver for info in all_receivers())


class KeyPeriodFilter(admin.SimpleListFilter):
    """The last hours or days, by the moment that is part of the primary key."""

    title = _("time")
    parameter_name = "since"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the periods."""
        return [(key, label) for key, (_length, label) in PERIODS.items()]

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep the rows of the period."""
        period = PERIODS.get(self.value() or "")
        if period is None:
            return queryset
        return self.newest(queryset, datetime.now(UTC) - period[0])

    def newest(self, queryset: QuerySet[Any], since: Any) -> QuerySet[Any]:
        """Keep the rows since a moment."""
        return queryset.filter(pk__gte=first_key(since))


class MomentPeriodFilter(KeyPeriodFilter):
    """The last hours or days, by the field that says when it was."""

    def newest(self, queryset: QuerySet[Any], since: Any) -> QuerySet[Any]:
        """Keep the rows since a moment."""
        if not settings.USE_TZ:
            since = timezone.make_naive(since)
        return queryset.filter(at__gte=since)


class RollupPeriodFilter(KeyPeriodFilter):
    """The last hours or days, by the period of the roll-up."""

    def newest(self, queryset: QuerySet[Any], since: Any) -> QuerySet[Any]:
        """Keep the rows since a moment."""
        return queryset.filter(period_start_s__gte=since.timestamp())
