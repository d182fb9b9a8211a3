"""Rows for tests, made by hand with as few words as they need."""

import time
from collections import Counter
from datetime import timedelta

from django.utils import timezone

from signalscope.core.histogram import bucket, pack
from signalscope.core.keys import first_key
from signalscope.models import (
    ActivityLog,
    Dispatch,
    Process,
    ReceiverCall,
    Rollup,
    SlowQuery,
    Trace,
)

SIGNAL = "tests.shop.signals.order_paid"
SENDER = "shop.Order"
RECEIVER = "shop.receivers.touch_stock"
HOSTILE = ("<script>alert(1)</script>", '=cmd()|"\t\n', "ünïcödé 漢字 \u202e\x1b[31m", "x" * 255)


def buckets(durations):
    """Return the histogram of durations, as it is stored."""
    return pack(Counter(map(bucket, durations)))


def rollup(
    *durations, signal=SIGNAL, sender=SENDER, receiver=RECEIVER, errors=0, count=None, age_s=60
):
    """Store one roll-up of calls that took so long, in ns."""
    return Rollup.objects.create(
        period_start_s=int(time.time() // 60 * 60 - age_s),
        period_s=60,
        signal=signal,
        sender=sender,
        receiver=receiver,
        call_count=len(durations) if count is None else count,
        error_count=errors,
        total_ns=sum(durations),
        max_ns=max(durations, default=0),
        histogram=buckets(durations),
    )


class Keys:
    """Primary keys as the writer makes them: rising from a moment on."""

    def __init__(self):
        self.last = first_key(timezone.now() - timedelta(minutes=1))

    def __call__(self):
        self.last += 1
        return self.last


key = Keys()


def trace(**values):
    """Store a trace."""
    given = {
        "trigger": "request",
        "name": "GET /",
        "status": "ok",
        "started_at": timezone.now(),
        "duration_ns": 10_000_000,
        "dispatch_count": 1,
        "call_count": 1,
        "error_count": 0,
        "query_count": 0,
        "left_out_count": 0,
    }
    return Trace.objects.create(id=key(), **(given | values))


def dispatch(of, parent=None, **values):
    """Store a dispatch of a trace."""
    given = {
        "position": 0,
        "signal": SIGNAL,
        "sender": SENDER,
        "method": "send",
        "repeat_count": 1,
        "duration_ns": 5_000_000,
    }
    return Dispatch.objects.create(id=key(), trace=of, parent_call=parent, **(given | values))


def call(of, **values):
    """Store a call in a dispatch."""
    given = {
        "position": 0,
        "receiver": RECEIVER,
        "duration_ns": 5_000_000,
        "own_ns": 5_000_000,
        "query_count": 0,
        "query_ns": 0,
        "repeated_query_count": 0,
        "outcome": "ok",
    }
    return ReceiverCall.objects.create(id=key(), dispatch=of, **(given | values))


def process(**values):
    """Store what a process says of itself."""
    now = timezone.now()
    given = {
        "name": "web-1:4711",
        "command": "gunicorn",
        "version": "0.1.0",
        "interval_s": 10,
        "started_at": now - timedelta(hours=1),
        "seen_at": now,
        "buffer_bytes": 0,
        "waiting_count": 0,
        "flush_count": 7,
        "failure_count": 0,
        "flush_ns": 4_000_000,
        "max_flush_ns": 90_000_000,
        "lost_traces": 0,
        "lost_calls": 0,
        "stored_count": 1,
        "trace_count": 100,
        "dispatch_count": 200,
        "dispatch_ns": 500,
        "scope_ns": 0,
        "writer_ns": 0,
        "traced_ns": 0,
    }
    return Process.objects.create(id=key(), **(given | values))


def entry(**values):
    """Store an entry of the activity log."""
    given = {
        "at": timezone.now(),
        "action": "updated",
        "actor_key": "7",
        "actor_label": "anna",
        "object_type": "shop.Order",
        "object_key": "5",
        "object_label": "Order 5",
        "changes": {"number": ["A-1", "A-2"]},
        "ip_address": "203.0.113.5",
    }
    return ActivityLog.objects.create(**(given | values))


def slow_query(**values):
    """Store a slow query."""
    given = {
        "at": timezone.now(),
        "duration_ns": 1_200_000_000,
        "using": "default",
        "sql": "SELECT id FROM shop_order WHERE number = %s",
        "signal": SIGNAL,
        "sender": SENDER,
        "receiver": RECEIVER,
    }
    return SlowQuery.objects.create(**(given | values))
