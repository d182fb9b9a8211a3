"""The page of one receiver: its figures by signal and sender, and its worst calls."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from django.utils.translation import gettext as _

from signalscope.admin import period
from signalscope.admin.base import trace_url
from signalscope.conf import get_conf
from signalscope.formatting import duration
from signalscope.models import ReceiverCall
from signalscope.registry.receivers import ReceiverInfo, all_receivers
from signalscope.stats.latest import noteworthy_calls
from signalscope.stats.reports import ReceiverStat, receiver_page

CALL_LIMIT = 20


def context(request: HttpRequest) -> dict[str, Any]:
    """Return what the page shows; two queries, whatever it shows."""
    receiver = request.GET.get("receiver", "")
    since, name = period.chosen(request)
    using = get_conf().database
    stats = receiver_page(receiver, since=since, using=using)
    # The slowest twentieth of its calls, of all that it hears.
    slow_ns = max((stat.p95_ns for stat in stats if stat.count), default=None)
    calls = noteworthy_calls(receiver, since=since, slow_ns=slow_ns, limit=CALL_LIMIT, using=using)
    return {
        "title": _("Receiver %(name)s") % {"name": receiver.rpartition(".")[2]},
        "receiver": receiver,
        "periods": period.choices(name, receiver=receiver),
        "connections": _connections(receiver),
        "rows": [_row(stat) for stat in stats],
        "calls": [_call(call) for call in calls],
        "slow": None if slow_ns is None else duration(slow_ns),
    }


def _connections(receiver: str) -> list[ReceiverInfo]:
    return [info for info in all_receivers() if info.receiver == receiver]


def _row(stat: ReceiverStat) -> dict[str, Any]:
    times = (
        stat.mean_ns,
        stat.p50_ns,
        stat.p95_ns,
        stat.p99_ns,
        stat.max_ns,
        stat.total_ns,
    )
    return {"stat": stat, "times": [duration(ns) for ns in times]}


def _call(call: ReceiverCall) -> dict[str, Any]:
    return {
        "call": call,
        "dispatch": call.dispatch,
        "trace": call.dispatch.trace,
        "url": trace_url(call.dispatch.trace_id),
        "time": duration(call.duration_ns),
        "has_failed": call.outcome == ReceiverCall.Outcome.ERROR,
    }
