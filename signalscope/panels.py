"""The debug toolbar's panel: what was dispatched in a request."""

from __future__ import annotations

from contextvars import Token
from typing import Any

from debug_toolbar.panels import Panel
from django.apps import apps
from django.http import HttpRequest, HttpResponseBase
from django.template.loader import render_to_string
from django.utils.html import format_html
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext

from signalscope import formatting, wiring
from signalscope.conf import get_conf, is_disabled_by_environment
from signalscope.core.faults import fault
from signalscope.core.variables import leave
from signalscope.panel_stats import request_stats
from signalscope.recorder.strands import CURRENT, Strand, Tap, running_strand, running_trace

# More than the recorder holds before it hands over, so that a long request's trace is still
# handed over in parts while the panel has its own copy.
MAX_ITEMS = 5000
MAX_DEPTH = 12


class SignalScopePanel(Panel):
    """
    Shows a request's dispatches as a tree, receivers that were not called, and signals unheard.

    Everything shown comes from get_stats(): the content may be asked for later, by another
    process, from what the toolbar stored.
    """

    is_async = True
    title = _("Signalscope: signals sent in this request")
    nav_title = _("Signalscope")
    nav_icon: Any = "signalscope/icon.svg"
    template = "signalscope/panel.html"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._tap: Tap | None = None
        self._token: Token[Strand | None] | None = None

    def enable_instrumentation(self) -> None:
        """Copy what is dispatched in this context from now on; it is recorded as before."""
        if self._token is not None or not wiring.is_installed():
            return
        self._tap = Tap(below=running_strand().top, limit=MAX_ITEMS)
        self._token = CURRENT.set(Strand(self._tap, running_trace()))

    def disable_instrumentation(self) -> None:
        """Copy no longer."""
        token, self._token = self._token, None
        if token is not None:
            leave(token)

    def generate_stats(self, request: HttpRequest, response: HttpResponseBase) -> None:
        """Record what the panel shows; nothing here may touch a database, nor fail."""
        tap, self._tap = self._tap, None
        try:
            stats = _off() if tap is None else request_stats(list(tap), tap.left_out_count)
        except Exception as error:  # noqa: BLE001
            fault("building the toolbar panel", error)
            stats = {"state": "failed"}
        self.record_stats(stats)  # type: ignore[no-untyped-call]

    def _stats(self) -> dict[str, Any]:
        stats: dict[str, Any] = self.get_stats()  # type: ignore[no-untyped-call]
        return stats

    def generate_server_timing(self, request: HttpRequest, response: HttpResponseBase) -> None:
        """Give the time spent in dispatches to the browser's network panel."""
        stats = self._stats()
        if stats.get("state") == "on":
            milliseconds = formatting.milliseconds(stats["duration_ns"])
            self.record_server_timing(  # type: ignore[no-untyped-call]
                "signals", "Signal receivers", milliseconds
            )

    @property
    def nav_subtitle(self) -> str:
        """Such as "23 dispatches, 31 receivers, 4.20 ms"."""
        stats = self._stats()
        if stats.get("state") != "on":
            return str(_("not recording")) if stats else ""
        parts = [
            ngettext("%(count)d dispatch", "%(count)d dispatches", stats["dispatch_count"])
            % {"count": stats["dispatch_count"]},
            ngettext("%(count)d receiver", "%(count)d receivers", stats["call_count"])
            % {"count": stats["call_count"]},
            formatting.duration(stats["duration_ns"]),
        ]
        if stats["error_count"]:
            errors = ngettext("%(count)d error", "%(count)d errors", stats["error_count"])
            parts.append(errors % {"count": stats["error_count"]})
        return ", ".join(parts)

    @property
    def content(self) -> str:
        """The panel's HTML."""
        stats = self._stats()
        if not apps.is_installed("signalscope"):
            # Without the app its templates are not found either.
            return format_html(
                "<p>{}</p>",
                _('Nothing is recorded: add "signalscope" to INSTALLED_APPS.'),
            )
        return render_to_string(self.template, page(stats))


def _off() -> dict[str, Any]:
    """Return the stats of a request that was not recorded, with the reason."""
    if not apps.is_installed("signalscope"):
        return {"state": "off", "reason": "not_an_app", "problem": ""}
    if is_disabled_by_environment():
        return {"state": "off", "reason": "environment", "problem": ""}
    if not get_conf().enabled:
        return {"state": "off", "reason": "disabled", "problem": ""}
    if wiring.is_installed():
        return {"state": "off", "reason": "late", "problem": ""}
    problem = wiring.scope().problem
    return {"state": "off", "reason": "problem" if problem else "uninstalled", "problem": problem}


def page(stats: dict[str, Any]) -> dict[str, Any]:
    """Return the template's context: the stats with numbers and names as people read them."""
    if stats.get("state") != "on":
        return {"state": "empty", **stats}
    rows = stats["rows"]
    short_signals = formatting.short_names(
        {row["signal"] for row in rows if row["kind"] == "dispatch"}
    )
    short_receivers = formatting.short_names(
        {row["receiver"] for row in rows if row["kind"] == "call"}
    )
    longest_ns = max((row["duration_ns"] for row in rows), default=0)
    lines = []
    for row in rows:
        line = {
            **row,
            "depth": min(row["depth"], MAX_DEPTH),
            "duration": formatting.duration(row["duration_ns"]),
            "width": _share(row["duration_ns"], longest_ns),
        }
        if row["kind"] == "dispatch":
            line["short"] = short_signals[row["signal"]]
        else:
            line["short"] = short_receivers[row["receiver"]]
            line["number"] = row["position"] + 1
            line["own"] = formatting.duration(row["own_ns"])
            line["own_width"] = _share(row["own_ns"], longest_ns)
            line["query_time"] = formatting.duration(row["query_ns"])
            line["short_place"] = _short_place(row["place"])
        lines.append(line)
    return {
        **stats,
        "rows": lines,
        "duration": formatting.duration(stats["duration_ns"]),
        "not_called": [
            {**entry, "short_place": _short_place(entry["place"])} for entry in stats["not_called"]
        ],
        "not_called_left_out_count": stats["not_called_count"] - len(stats["not_called"]),
        "unheard_left_out_count": stats["unheard_count"] - len(stats["unheard"]),
    }


def _share(duration_ns: int, longest_ns: int) -> str:
    """Return a bar's width of 100 as text, which no locale writes with a comma."""
    return f"{100 * duration_ns / longest_ns:.1f}" if longest_ns else "0"


def _short_place(place: str) -> str:
    """Return a file's last two parts and its line: "shop/receivers.py:12"."""
    return "/".join(place.replace("\\", "/").split("/")[-2:])
