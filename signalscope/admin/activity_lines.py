"""Entries of the activity log as any page lists them: who, what, to what, and the changes."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from django.apps import apps
from django.contrib.admin import AdminSite
from django.contrib.admin.utils import quote
from django.http import HttpRequest
from django.urls import NoReverseMatch, reverse
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.functional import Promise
from django.utils.html import format_html
from django.utils.http import urlencode
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from signalscope.admin.activity_databases import DATABASE_VAR
from signalscope.conf import get_conf
from signalscope.formatting import changes_line, values_line
from signalscope.models import ActivityLog

# How many entries a page shows of a trace or an object.
MAX_LINES = 100
_SUMMARY_LENGTH = 150


@dataclass(frozen=True, slots=True)
class Line:
    """One entry in a table, and the address of its page."""

    time: str
    url: str
    actor: SafeString
    action: str | Promise
    target: SafeString
    summary: SafeString


class Lines:
    """Makes lines for one request: who may see a model's pages is asked once per model."""

    def __init__(self, request: HttpRequest, site: AdminSite) -> None:
        self._request = request
        self._site = site
        self._has_page: dict[str, bool] = {}

    def of(self, entries: Iterable[ActivityLog]) -> list[Line]:
        """Return the lines of entries."""
        return [
            Line(
                time=time_label(entry),
                url=entry_url(entry),
                actor=actor_link(entry),
                action=action_label(entry),
                target=target_link(entry, self.target_url(entry)),
                summary=summary(entry),
            )
            for entry in entries
        ]

    def target_url(self, entry: ActivityLog) -> str:
        """Return the address of the object's own page, else of its entries; "" without a key."""
        if not entry.object_key:
            return ""
        if entry.action != ActivityLog.Action.DELETED and self._may_see(entry.object_type):
            name = f"admin:{entry.object_type.lower().replace('.', '_')}_change"
            try:
                return reverse(name, args=[quote(entry.object_key)], current_app=self._site.name)
            except NoReverseMatch:
                # An admin of the project's may have other addresses.
                pass
        return activity_url(
            entry._state.db, object_type=entry.object_type, object_key__exact=entry.object_key
        )

    def _may_see(self, label: str) -> bool:
        if label not in self._has_page:
            try:
                model = apps.get_model(label)
            except (LookupError, ValueError):
                # Of an app that is not installed any more, or no model's label.
                self._has_page[label] = False
            else:
                self._has_page[label] = self._site.is_registered(
                    model
                ) and self._site.get_model_admin(model).has_view_or_change_permission(self._request)
        return self._has_page[label]


def activity_url(using: str | None, **query: str) -> str:
    """Return the address of the list, filtered; using: the database whose entries it lists."""
    return _with(reverse("admin:signalscope_activitylog_changelist"), using, query)


def entry_url(entry: ActivityLog) -> str:
    """Return the address of an entry's page."""
    address = reverse("admin:signalscope_activitylog_change", args=[entry.pk])
    return _with(address, entry._state.db, {})


def _with(address: str, using: str | None, query: dict[str, str]) -> str:
    if using and using != get_conf().database:
        query = {DATABASE_VAR: using, **query}
    return f"{address}?{urlencode(query)}" if query else address


def time_label(entry: ActivityLog) -> str:
    """Return when it was done, to the second: several things are done in one minute."""
    at = timezone.localtime(entry.at) if timezone.is_aware(entry.at) else entry.at
    return f"{date_format(at, 'DATE_FORMAT')}, {at:%H:%M:%S}"


def action_label(entry: ActivityLog) -> str | Promise:
    """Return what was done; a text of the project's own stays as it is."""
    return dict(ActivityLog.Action.choices).get(entry.action, entry.action)


def actor_link(entry: ActivityLog) -> SafeString:
    """Return who did it, with a link to all that they did where they have a key."""
    label = entry.actor_label or entry.actor_key or "-"
    if not entry.actor_key:
        return format_html("<bdi>{}</bdi>", label)
    url = activity_url(entry._state.db, actor=entry.actor_key)
    return format_html('<a href="{}"><bdi>{}</bdi></a>', url, label)


def target_link(entry: ActivityLog, url: str) -> SafeString:
    """Return an object's model and text, which leads to an address unless that is ""."""
    text = format_html("<bdi>{}</bdi>", entry.object_label or entry.object_key)
    if url:
        text = format_html('<a href="{}">{}</a>', url, text)
    return format_html('<span class="signalscope-model">{}</span> {}', entry.object_type, text)


def summary(entry: ActivityLog) -> SafeString:
    """Return the beginning of the changes; where there are none, of the details."""
    text = changes_line(entry.changes) or values_line(entry.details)
    return format_html("<bdi>{}</bdi>", Truncator(text).chars(_SUMMARY_LENGTH))
