"""The list and the page of dispatches."""

from __future__ import annotations

from django.contrib import admin
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from signalscope.admin.base import ReadOnlyAdmin, short, shown_duration, trace_url
from signalscope.admin.filters import KeyPeriodFilter, SenderFilter, SignalFilter
from signalscope.models import Dispatch


class DispatchAdmin(ReadOnlyAdmin):
    """Single dispatches of the traces that were kept."""

    list_display = ("short_signal", "short_sender", "repeat_count", "time", "method", "in_trace")
    list_filter = (KeyPeriodFilter, SignalFilter, SenderFilter, "in_atomic")
    list_select_related = ("trace",)
    extra_lookups = ("trace__id__exact", "trace__exact")

    @admin.display(description=_("signal"))
    def short_signal(self, row: Dispatch) -> SafeString:
        """Return the signal's name."""
        return short(row.signal)

    @admin.display(description=_("sender"))
    def short_sender(self, row: Dispatch) -> SafeString:
        """Return the sender's name."""
        return short(row.sender)

    @admin.display(description=_("duration"))
    def time(self, row: Dispatch) -> SafeString:
        """Return the duration of all repeats."""
        return shown_duration(row.duration_ns)

    @admin.display(description=_("trace"))
    def in_trace(self, row: Dispatch) -> SafeString:
        """Return a link to the whole tree."""
        return format_html('<a href="{}">{}</a>', trace_url(row.trace_id), row.trace.name or "-")
