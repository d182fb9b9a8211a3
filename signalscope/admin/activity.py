"""The activity log: its list, and the page of an entry."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.views.main import ChangeList
from django.contrib.auth import get_user_model
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from signalscope.admin import activity_lines
from signalscope.admin.activity_databases import (
    DATABASE_VAR,
    activity_databases,
    entries_of_trace,
)
from signalscope.admin.activity_filters import (
    ActionFilter,
    ActorFilter,
    DatabaseFilter,
    ModelFilter,
)
from signalscope.admin.activity_lines import MAX_LINES, Lines
from signalscope.admin.base import NewestFirst, PageAdmin, stored_trace_url
from signalscope.admin.filters import MomentPeriodFilter
from signalscope.admin.values import field_changes, named_values
from signalscope.models import ActivityLog

# What a search for a person begins with.
BY = "by:"


class ActivityList(NewestFirst):
    """The list of entries, each with the address of its object."""

    def get_results(self, request: HttpRequest) -> None:
        """Read the page's rows, and find out where their objects are."""
        super().get_results(request)
        # Else the search form would tell a number, and nothing is counted beyond the next page.
        self.full_result_count = self.result_count
        lines = Lines(request, self.model_admin.admin_site)
        for row in self.result_list:
            row.target_url = lines.target_url(row)

    def url_for_result(self, result: Any) -> str:
        """Return the address of an entry's page."""
        return activity_lines.entry_url(result)


class ActivityLogAdmin(PageAdmin):
    """What was done, by whom and to what."""

    list_display = ("time", "who", "what", "target", "ip_address")
    list_filter = (
        MomentPeriodFilter,
        ActionFilter,
        ActorFilter,
        ModelFilter,
        DatabaseFilter,
    )
    # From an object or a trace to all of its entries.
    extra_lookups = ("object_key__exact", "object_type__in", "trace_key__exact")
    search_fields = ("object_key__exact",)
    page_template = "admin/signalscope/entry.html"
    search_help_text = _("The key of an object; or “by:” with the name or the key of a user.")

    @admin.display(description=_("time"))
    def time(self, row: ActivityLog) -> str:
        """Return when it was done."""
        return activity_lines.time_label(row)

    @admin.display(description=_("who"))
    def who(self, row: ActivityLog) -> SafeString:
        """Return the actor, with a link to all that they did."""
        return activity_lines.actor_link(row)

    @admin.display(description=_("action"))
    def what(self, row: ActivityLog) -> SafeString:
        """Return what was done."""
        label = activity_lines.action_label(row)
        return format_html('<span class="signalscope-badge">{}</span>', label)

    @admin.display(description=_("object and changes"))
    def target(self, row: Any) -> SafeString:
        """Return the object with a link to its page or its entries, and below it the changes."""
        return format_html(
            '{}<span class="signalscope-summary">{}</span>',
            activity_lines.target_link(row, row.target_url),
            activity_lines.summary(row),
        )

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Read from the database that the address names, if entries can be there."""
        alias = request.GET.get(DATABASE_VAR)
        entries = super().get_queryset(request)
        return entries.using(alias) if alias in activity_databases() else entries

    def get_changelist(self, request: HttpRequest, **kwargs: Any) -> type[ChangeList]:
        """Return the list that knows where the objects are."""
        return ActivityList

    def get_search_results(
        self, request: HttpRequest, queryset: QuerySet[Any], search_term: str
    ) -> tuple[QuerySet[Any], bool]:
        """Find an object's key, or what somebody did: the whole text is one term."""
        term = search_term.strip()
        if term.startswith(BY):
            name = term.removeprefix(BY).strip()
            return queryset.filter(actor_key__in=[name, *_user_keys(name)]), False
        return queryset.filter(object_key=term) if term else queryset, False

    def page_context(self, request: HttpRequest, row: ActivityLog) -> dict[str, Any]:
        """Return what the page of an entry shows; three queries at most."""
        lines = Lines(request, self.admin_site)
        of_trace: list[ActivityLog] = []
        of_object: list[ActivityLog] = []
        if row.trace_key is not None:
            of_trace = entries_of_trace(row.trace_key, MAX_LINES)
        if row.object_key:
            entries = self.get_queryset(request).filter(
                object_key=row.object_key, object_type=row.object_type
            )
            of_object = list(entries[:MAX_LINES])
        return {
            "entry": row,
            "actor": activity_lines.actor_link(row),
            "action": activity_lines.action_label(row),
            "time": activity_lines.time_label(row),
            "target": activity_lines.target_link(row, lines.target_url(row)),
            "changes": field_changes(row.changes),
            "details": named_values(row.details),
            "trace_url": stored_trace_url(row.trace_key),
            "groups": [
                (title, lines.of(other for other in entries if not _is_same(other, row)))
                for title, entries in (
                    (_("In the same trace"), of_trace),
                    (_("Of the same object"), of_object),
                )
            ],
        }


def _is_same(one: ActivityLog, other: ActivityLog) -> bool:
    # In another database the same key is another entry.
    return (one.pk, one._state.db) == (other.pk, other._state.db)


def _user_keys(name: str) -> list[str]:
    """Return the key of the user with a name, in a list; none where there is nobody."""
    user: Any = get_user_model()
    found = user._default_manager.filter(**{user.USERNAME_FIELD: name})
    return [str(key) for key in found.values_list("pk", flat=True)[:1]]
