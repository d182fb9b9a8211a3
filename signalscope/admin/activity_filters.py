"""The filters of the activity log; none of them searches the table for its choices."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from django.apps import apps
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext_lazy as _

from signalscope.admin.activity_databases import DATABASE_VAR, activity_databases
from signalscope.admin.filters import NameFilter
from signalscope.conf import get_conf
from signalscope.models import ActivityLog

OTHER = "other"


class ActionFilter(admin.SimpleListFilter):
    """What signalscope logs by itself, and all that signalscope.log() was told."""

    title = _("action")
    parameter_name = "action"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the actions; one of the project's own that is in the address as well."""
        choices: list[tuple[str, Any]] = [*ActivityLog.Action.choices, (OTHER, _("other"))]
        value = self.value()
        if value and value not in dict(choices):
            choices.append((value, value))
        return choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep what was done in this way."""
        if self.value() == OTHER:
            return queryset.exclude(action__in=ActivityLog.Action.values)
        return queryset if self.value() is None else queryset.filter(action=self.value())


class ActorFilter(admin.SimpleListFilter):
    """Whoever the address names, oneself, or nobody who is known."""

    title = _("actor")
    parameter_name = "actor"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return a few; there are too many users to list."""
        own_key = str(request.user.pk)
        choices: list[tuple[str, Any]] = [(own_key, _("Me")), ("", _("Nobody known"))]
        value = self.value()
        if value and value != own_key:
            choices.append((value, _("The user with key %(key)s") % {"key": value}))
        return choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep what they did."""
        return queryset if self.value() is None else queryset.filter(actor_key=self.value())


class ModelFilter(NameFilter):
    """The models of the project."""

    title = _("model")
    parameter_name = "object_type"

    def names(self) -> Iterable[str]:
        """Return the labels of all models but signalscope's own, and those made by Django."""
        for model in apps.get_models():
            if model._meta.app_label != "signalscope" and not model._meta.proxy:
                yield model._meta.label


class DatabaseFilter(admin.SimpleListFilter):
    """One database at a time; there is nothing to choose where all entries are in one."""

    title = _("database")
    parameter_name = DATABASE_VAR

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, Any]]:
        """Return the databases, if there are several."""
        aliases = activity_databases()
        return [(alias, alias) for alias in aliases] if len(aliases) > 1 else []

    def value(self) -> str:
        """Return which one is chosen; signalscope's own without a choice."""
        return super().value() or get_conf().database

    def choices(self, changelist: Any) -> Iterator[Any]:
        """Give the databases, without a choice for all of them."""
        choices = super().choices(changelist)
        next(choices)
        return choices

    def queryset(self, request: HttpRequest, queryset: QuerySet[Any]) -> QuerySet[Any]:
        """Keep all: get_queryset() has chosen the database."""
        return queryset
