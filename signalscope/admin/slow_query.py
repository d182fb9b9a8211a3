"""The list and the page of slow queries."""

from __future__ import annotations

from typing import Any

import sqlparse
from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator
from django.utils.translation import gettext_lazy as _
from sqlparse.exceptions import SQLParseError

from signalscope.admin.base import (
    PageAdmin,
    receiver_url,
    short,
    shown_duration,
    stored_trace_url,
    trace_url,
)
from signalscope.admin.filters import MomentPeriodFilter
from signalscope.formatting import duration
from signalscope.models import Rollup, SlowQuery

_CUT_LENGTH = 150


class SlowQueryAdmin(PageAdmin):
    """Statements that took long, and who ran them."""

    list_display = (
        "at",
        "time",
        "using",
        "statement",
        "short_signal",
        "short_receiver",
        "in_trace",
    )
    list_filter = (MomentPeriodFilter,)
    page_template = "admin/signalscope/slow_query.html"

    @admin.display(description=_("duration"))
    def time(self, row: SlowQuery) -> SafeString:
        """Return how long it took."""
        return shown_duration(row.duration_ns)

    @admin.display(description=_("SQL"))
    def statement(self, row: SlowQuery) -> SafeString:
        """Return the beginning of the statement."""
        return format_html("<code>{}</code>", Truncator(row.sql).chars(_CUT_LENGTH))

    @admin.display(description=_("signal"))
    def short_signal(self, row: SlowQuery) -> SafeString:
        """Return the signal's name."""
        return short(row.signal)

    @admin.display(description=_("receiver"))
    def short_receiver(self, row: SlowQuery) -> SafeString:
        """Return the receiver's name."""
        return short(row.receiver)

    @admin.display(description=_("trace"))
    def in_trace(self, row: SlowQuery) -> SafeString | None:
        """Return a link to the trace; of one that is gone, Django says so."""
        if row.trace_key is None:
            return None
        return format_html('<a href="{}">{}</a>', trace_url(row.trace_key), _("trace"))

    def page_context(self, request: HttpRequest, row: SlowQuery) -> dict[str, Any]:
        """Return what the page of a slow query shows; one query."""
        has_links = self.admin_site.get_model_admin(Rollup).has_view_permission(request)
        return {
            "query": row,
            "time": duration(row.duration_ns),
            "sql": _formatted(row.sql),
            "receiver_url": receiver_url(row.receiver) if row.receiver and has_links else "",
            "trace_url": stored_trace_url(row.trace_key),
        }


def _formatted(sql: str) -> str:
    """Return a statement on several lines; as it is where sqlparse gives up on it."""
    try:
        text: str = sqlparse.format(sql, reindent=True)
    except (SQLParseError, RecursionError):
        return sql
    return text
