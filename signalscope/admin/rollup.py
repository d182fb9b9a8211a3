"""The list and the page of roll-ups, and the addresses of the pages made from them."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from signalscope.admin import receiver_page, signals_page
from signalscope.admin.base import ReadOnlyAdmin, receiver_url, short, shown_duration
from signalscope.admin.filters import (
    ReceiverFilter,
    RollupPeriodFilter,
    SenderFilter,
    SignalFilter,
)
from signalscope.models import Rollup


class RollupAdmin(ReadOnlyAdmin):
    """Counts of all calls, by period."""

    list_display = (
        "period",
        "period_s",
        "state",
        "short_signal",
        "short_sender",
        "linked_receiver",
        "call_count",
        "error_count",
        "muted_count",
        "skipped_count",
        "deferred_count",
        "total_time",
        "longest",
    )
    list_filter = (RollupPeriodFilter, "period_s", SignalFilter, SenderFilter, ReceiverFilter)
    fields = (
        "period",
        "period_s",
        "state",
        "signal",
        "sender",
        "receiver",
        "call_count",
        "error_count",
        "muted_count",
        "skipped_count",
        "deferred_count",
        "total_ns",
        "max_ns",
        "histogram",
    )
    readonly_fields = ("period",)

    @admin.display(description=_("period"))
    def period(self, row: Rollup) -> str:
        """Return when it began, in the reader's time zone; days begin as those of UTC."""
        return date_format(timezone.localtime(row.period_start), "DATETIME_FORMAT")

    @admin.display(description=_("signal"))
    def short_signal(self, row: Rollup) -> SafeString:
        """Return the signal's name."""
        return short(row.signal)

    @admin.display(description=_("sender"))
    def short_sender(self, row: Rollup) -> SafeString:
        """Return the sender's name."""
        return short(row.sender)

    @admin.display(description=_("receiver"))
    def linked_receiver(self, row: Rollup) -> SafeString | str:
        """Return the receiver's name, with a link to its statistics."""
        if not row.receiver:
            return str(_("(nobody)"))
        return format_html('<a href="{}">{}</a>', receiver_url(row.receiver), short(row.receiver))

    @admin.display(description=_("total time"))
    def total_time(self, row: Rollup) -> SafeString:
        """Return the time of all calls."""
        return shown_duration(row.total_ns)

    @admin.display(description=_("longest"))
    def longest(self, row: Rollup) -> SafeString:
        """Return the time of the longest call."""
        return shown_duration(row.max_ns)

    def get_urls(self) -> list[URLPattern]:
        """Return also the addresses of the Signals page and of a receiver's statistics."""
        view = self.admin_site.admin_view
        return [
            path("signals/", view(self.signals_view), name="signalscope_signals"),
            path("receiver/", view(self.receiver_view), name="signalscope_receiver"),
            *super().get_urls(),
        ]

    def signals_view(self, request: HttpRequest) -> HttpResponse:
        """Show all signals, and what became of their receivers."""
        self.check_view(request)
        return self.page(request, "signals", signals_page.context(request))

    def receiver_view(self, request: HttpRequest) -> HttpResponse:
        """Show the statistics of one receiver."""
        self.check_view(request)
        return self.page(request, "receiver", receiver_page.context(request))

    def page(self, request: HttpRequest, name: str, context: dict[str, Any]) -> HttpResponse:
        """Return one of the templates, with what every admin page needs."""
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request,
            f"admin/signalscope/{name}.html",
            {**self.admin_site.each_context(request), "opts": self.opts, **context},
        )

    def check_view(self, request: HttpRequest) -> None:
        """Raise PermissionDenied for those who may not look at roll-ups."""
        if not self.has_view_permission(request):
            raise PermissionDenied
