"""The list of traces, and the page that shows one as a tree."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.contrib import admin
from django.contrib.admin.helpers import ACTION_CHECKBOX_NAME
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseNotAllowed,
    HttpResponseRedirect,
)
from django.urls import URLPattern, path, reverse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from signalscope.admin.activity_databases import entries_of_trace
from signalscope.admin.activity_lines import MAX_LINES, Lines, activity_url
from signalscope.admin.base import PageAdmin, receiver_url, shown_duration, trace_url
from signalscope.admin.filters import KeyPeriodFilter
from signalscope.admin.tree import Line, lines
from signalscope.conf import get_conf
from signalscope.formatting import duration
from signalscope.models import ActivityLog, Dispatch, ReceiverCall, Rollup, SlowQuery, Trace


class TraceAdmin(PageAdmin):
    """Requests, commands and blocks, each with all that it dispatched."""

    list_display = (
        "name",
        "time",
        "status",
        "kept_because",
        "started_at",
        "dispatch_count",
        "call_count",
        "error_count",
        "query_count",
        "is_pinned",
        "trigger",
        "user_label",
    )
    # From one trace of a distributed request to the others.
    extra_lookups = ("correlation_id__exact",)
    list_filter = (KeyPeriodFilter, "trigger", "status", "kept_because", "is_pinned")
    actions = ("pin_selected", "unpin_selected")
    page_template = "admin/signalscope/trace.html"

    @admin.display(description=_("duration"))
    def time(self, row: Trace) -> SafeString:
        """Return how long it took."""
        return shown_duration(row.duration_ns)

    def has_pin_permission(self, request: HttpRequest) -> bool:
        """Tell who may pin traces: who may change them, though nothing else in them changes."""
        return request.user.has_perm("signalscope.change_trace")

    @admin.action(description=_("Pin selected traces"), permissions=["pin"])
    def pin_selected(self, request: HttpRequest, queryset: QuerySet[Trace]) -> None:
        """Keep the selected traces for ever."""
        self._pin(request, request.POST.getlist(ACTION_CHECKBOX_NAME), is_pinned=True)

    @admin.action(description=_("Unpin selected traces"), permissions=["pin"])
    def unpin_selected(self, request: HttpRequest, queryset: QuerySet[Trace]) -> None:
        """Let the selected traces go when they are old."""
        self._pin(request, request.POST.getlist(ACTION_CHECKBOX_NAME), is_pinned=False)

    def pin_view(self, request: HttpRequest, object_id: int) -> HttpResponse:
        """Pin or unpin one trace, and show it again."""
        if request.method != "POST":
            return HttpResponseNotAllowed(["POST"])
        if not (self.has_view_permission(request) and self.has_pin_permission(request)):
            raise PermissionDenied
        if self.get_object(request, str(object_id)) is not None:
            self._pin(request, [str(object_id)], is_pinned=request.POST.get("is_pinned") == "1")
        # The page of a trace that is gone says so.
        return HttpResponseRedirect(trace_url(object_id))

    def _pin(self, request: HttpRequest, keys: Sequence[str], *, is_pinned: bool) -> None:
        """Change those that are there, by key: never a whole table."""
        # update() tells no receiver of the project.
        traces = self.get_queryset(request).order_by().filter(pk__in=keys)
        count = traces.update(is_pinned=is_pinned)
        if is_pinned:
            text = ngettext("%d trace is pinned.", "%d traces are pinned.", count)
        else:
            text = ngettext("%d trace is unpinned.", "%d traces are unpinned.", count)
        self.message_user(request, text % count)

    def get_urls(self) -> list[URLPattern]:
        """Return also the address that pins a trace."""
        pin = self.admin_site.admin_view(self.pin_view)
        return [
            path("<int:object_id>/pin/", pin, name="signalscope_trace_pin"),
            *super().get_urls(),
        ]

    def page_context(self, request: HttpRequest, row: Trace) -> dict[str, Any]:
        """Return the tree, and what else was noted of the trace; five queries in all."""
        return {
            "trace": row,
            "can_pin": self.has_pin_permission(request),
            "time": duration(row.duration_ns),
            "lines": self._tree(request, row),
            **self._notes(request, row),
        }

    def _tree(self, request: HttpRequest, trace: Trace) -> list[Line]:
        using = get_conf().database
        dispatches = list(Dispatch.objects.using(using).filter(trace=trace).order_by("pk"))
        calls = list(ReceiverCall.objects.using(using).filter(dispatch__trace=trace).order_by("pk"))
        statistics = self.admin_site.get_model_admin(Rollup)
        has_links = statistics.has_view_permission(request)
        return list(
            lines(
                dispatches,
                calls,
                whole_ns=trace.duration_ns,
                url_of=receiver_url if has_links else None,
            )
        )

    def _notes(self, request: HttpRequest, trace: Trace) -> dict[str, Any]:
        """Return the trace's activity and slow queries, of each what the reader may see."""
        site = self.admin_site
        notes: dict[str, Any] = {}
        if site.get_model_admin(ActivityLog).has_view_permission(request):
            entries = entries_of_trace(trace.pk, MAX_LINES + 1)
            notes["activity"] = Lines(request, site).of(entries[:MAX_LINES])
            if len(entries) > MAX_LINES:
                notes["activity_url"] = activity_url(
                    entries[0]._state.db, trace_key__exact=str(trace.pk)
                )
        slow_queries = site.get_model_admin(SlowQuery)
        if slow_queries.has_view_permission(request):
            queries = slow_queries.get_queryset(request).filter(trace_key=trace.pk)
            notes["slow_queries"] = [
                {
                    "row": row,
                    "time": duration(row.duration_ns),
                    "url": reverse("admin:signalscope_slowquery_change", args=[row.pk]),
                }
                for row in queries.order_by("-duration_ns")[:MAX_LINES]
            ]
        return notes
