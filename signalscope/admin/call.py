"""The list and the page of receiver calls."""

from __future__ import annotations

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from signalscope.admin.base import ReadOnlyAdmin, short, shown_duration, trace_url
from signalscope.admin.filters import KeyPeriodFilter, ReceiverFilter
from signalscope.models import ReceiverCall


class ReceiverCallAdmin(ReadOnlyAdmin):
    """Single calls of receivers, in the traces that were kept."""

    list_display = (
        "short_receiver",
        "heard",
        "outcome",
        "time",
        "own_time",
        "query_count",
        "error_type",
        "in_trace",
    )
    list_filter = (KeyPeriodFilter, "outcome", ReceiverFilter)
    list_select_related = ("dispatch__trace",)
    extra_lookups = ("dispatch__id__exact", "dispatch__exact")

    @admin.display(description=_("receiver"))
    def short_receiver(self, row: ReceiverCall) -> SafeString:
        """Return the receiver's name."""
        return short(row.receiver)

    @admin.display(description=_("dispatch"))
    def heard(self, row: ReceiverCall) -> SafeString:
        """Return which signal was heard, from which sender."""
        dispatch = row.dispatch
        return format_html("{} ({})", short(dispatch.signal), dispatch.sender)

    @admin.display(description=_("duration"))
    def time(self, row: ReceiverCall) -> SafeString:
        """Return the duration of all repeats."""
        return shown_duration(row.duration_ns)

    @admin.display(description=_("own time"))
    def own_time(self, row: ReceiverCall) -> SafeString:
        """Return the duration without the dispatches sent from it."""
        return shown_duration(row.own_ns)

    @admin.display(description=_("trace"))
    def in_trace(self, row: ReceiverCall) -> SafeString:
        """Return a link to the whole tree."""
        trace = row.dispatch.trace
        return format_html('<a href="{}">{}</a>', trace_url(trace.pk), trace.name or "-")
