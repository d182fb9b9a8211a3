"""The list of traces, and the page that shows one as a tree."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.utils.safestring import SafeString
from django.utils.translation import gettext_lazy as _

from signalscope.admin.base import ReadOnlyAdmin, receiver_url, shown_duration
from signalscope.admin.filters import KeyPeriodFilter
from signalscope.admin.tree import lines
from signalscope.conf import get_conf
from signalscope.formatting import duration
from signalscope.models import Dispatch, ReceiverCall, Rollup, Trace


class TraceAdmin(ReadOnlyAdmin):
    """Requests, commands and blocks, each with all that it dispatched."""

    list_display = (
        "name",
        "time",
        "dispatch_count",
        "call_count",
        "error_count",
        "query_count",
        "status",
        "trigger",
        "started_at",
        "user_label",
    )
    list_filter = (KeyPeriodFilter, "trigger", "status")

    @admin.display(description=_("duration"))
    def time(self, row: Trace) -> SafeString:
        """Return how long it took."""
        return shown_duration(row.duration_ns)

    def change_view(
        self,
        request: HttpRequest,
        object_id: str,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        """Show a trace as a tree, in three queries."""
        if request.method not in ("GET", "HEAD") or not self.has_view_permission(request):
            raise PermissionDenied
        trace = self.get_object(request, unquote(object_id))
        if trace is None:
            redirect: HttpResponse = self._get_obj_does_not_exist_redirect(  # type: ignore[attr-defined]
                request, self.opts, object_id
            )
            return redirect
        request.current_app = self.admin_site.name
        return TemplateResponse(
            request,
            "admin/signalscope/trace.html",
            {
                **self.admin_site.each_context(request),
                "title": _("Trace"),
                "subtitle": str(trace),
                "opts": self.opts,
                "media": self.media,
                **self._tree(request, trace),
                **(extra_context or {}),
            },
        )

    def _tree(self, request: HttpRequest, trace: Trace) -> dict[str, Any]:
        using = get_conf().database
        dispatches = list(Dispatch.objects.using(using).filter(trace=trace).order_by("pk"))
        calls = list(ReceiverCall.objects.using(using).filter(dispatch__trace=trace).order_by("pk"))
        statistics = self.admin_site.get_model_admin(Rollup)
        has_links = statistics.has_view_permission(request)
        return {
            "trace": trace,
            "time": duration(trace.duration_ns),
            "lines": list(
                lines(
                    dispatches,
                    calls,
                    whole_ns=trace.duration_ns,
                    url_of=receiver_url if has_links else None,
                )
            ),
        }
