"""Adds an object's activity to the history that the admin shows of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from signalscope.admin.activity_databases import entries_of_object
from signalscope.admin.activity_lines import MAX_LINES, Lines, activity_url
from signalscope.models import ActivityLog

if TYPE_CHECKING:
    ModelAdmin = admin.ModelAdmin[Any]
else:
    ModelAdmin = object


class SignalScopeHistoryMixin(ModelAdmin):
    """
    For any ModelAdmin, before its other bases: the object's activity below Django's own history.

    Who lacks the permission signalscope.view_activitylog sees the history as it was.
    """

    def history_view(
        self, request: HttpRequest, object_id: str, extra_context: dict[str, Any] | None = None
    ) -> HttpResponse:
        """Return the history of an object, with its newest entries: one query more."""
        response = super().history_view(request, object_id, extra_context)
        # An object that is gone leads elsewhere; and an override may answer with a finished page.
        if not isinstance(response, TemplateResponse) or response.context_data is None:
            return response
        obj = response.context_data.get("object")
        if obj is None or not request.user.has_perm("signalscope.view_activitylog"):
            return response
        entries = entries_of_object(obj, MAX_LINES + 1)
        response.context_data |= {
            "signalscope_history": response.resolve_template(response.template_name),
            "signalscope_lines": Lines(request, self.admin_site).of(entries[:MAX_LINES]),
            "signalscope_url": _all_of(entries) if len(entries) > MAX_LINES else "",
        }
        response.template_name = "admin/signalscope/object_history.html"
        return response


def _all_of(entries: list[ActivityLog]) -> str:
    """Return the address of all entries of an object, in the database of the newest one."""
    newest = entries[0]
    types = ",".join(sorted({entry.object_type for entry in entries}))
    return activity_url(
        newest._state.db, object_key__exact=newest.object_key, object_type__in=types
    )
