"""What stored traces say of how signals were sent, and what receivers did there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime

from django.db.models import Min

from signalscope.models import Dispatch, ReceiverCall, Rollup

# How many of the newest rows are looked at: enough to see what is usual.
NEWEST = 10_000


def methods_of_signals(*, using: str) -> set[tuple[str, str]]:
    """Return (signal, method) of the newest dispatches that are stored, in one query."""
    rows = Dispatch.objects.using(using).order_by("-id").values_list("signal", "method")
    return set(rows[:NEWEST])


def receivers_with_queries(signals: Sequence[str], *, using: str) -> dict[tuple[str, str], int]:
    """
    Return how many queries receivers of some signals ran, by (signal, receiver), in one query.

    The newest calls that ran any are counted.
    """
    rows = (
        ReceiverCall.objects.using(using)
        .filter(dispatch__signal__in=signals, query_count__gt=0)
        .order_by("-dispatch_id")
        .values_list("dispatch__signal", "receiver", "query_count")
    )
    found: dict[tuple[str, str], int] = {}
    for signal, receiver, count in rows[:NEWEST]:
        found[signal, receiver] = found.get((signal, receiver), 0) + count
    return found


def oldest_period(using: str) -> datetime | None:
    """Return when the oldest roll-up's period began, None when there is none."""
    # Of each length and state, the first entry of the index.
    starts = [
        Rollup.objects.using(using)
        .filter(period_s=period_s, state=state)
        .aggregate(start=Min("period_start_s"))["start"]
        for period_s in Rollup.Period.values
        for state in Rollup.State.values
    ]
    known = [start for start in starts if start is not None]
    return datetime.fromtimestamp(min(known), UTC) if known else None
