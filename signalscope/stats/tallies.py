"""Adds up roll-up rows: one tally per (signal, sender, receiver), each call counted once."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet

from signalscope.core.histogram import LENGTH, add_packed, percentile_ns
from signalscope.core.retention import DAY_S, HOUR_S, MINUTE_S
from signalscope.models import Rollup

# (signal, sender, receiver); the receiver is "" where nobody heard the dispatch.
Key = tuple[str, str, str]

COLUMNS = (
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


@dataclass(slots=True)
class Tally:
    """
    Calls added up: how many, how long in ns, and how many in each bucket of duration.

    muted, skipped, deferred: calls kept out by control or by a condition, or put off; not in count.
    """

    count: int = 0
    errors: int = 0
    muted: int = 0
    skipped: int = 0
    deferred: int = 0
    total_ns: int = 0
    max_ns: int = 0
    # Calls by bucket, of all of them: rows are added up fast so.
    _counts: list[int] = field(default_factory=lambda: [0] * LENGTH)

    def add(
        self,
        count: int,
        errors: int,
        muted: int,
        skipped: int,
        deferred: int,
        total_ns: int,
        max_ns: int,
        stored: Any,
    ) -> None:
        """Add the figures of a row, in the order of COLUMNS; stored: its histogram."""
        self.count += count
        self.errors += errors
        self.muted += muted
        self.skipped += skipped
        self.deferred += deferred
        self.total_ns += total_ns
        if max_ns > self.max_ns:
            self.max_ns = max_ns
        add_packed(self._counts, stored)

    def merge(self, other: Tally) -> None:
        """Add what another tally counted."""
        self.add(
            other.count,
            other.errors,
            other.muted,
            other.skipped,
            other.deferred,
            other.total_ns,
            other.max_ns,
            [0, *other._counts],
        )

    @property
    def buckets(self) -> dict[int, int]:
        """Calls by bucket, of those that have any."""
        return {index: calls for index, calls in enumerate(self._counts) if calls}

    @property
    def mean_ns(self) -> int:
        """The mean duration, 0 without calls."""
        return round(self.total_ns / self.count) if self.count else 0

    def percentile_ns(self, share: float) -> int:
        """Return the duration below which a share of the calls fell, else the longest."""
        buckets = self.buckets
        return percentile_ns(buckets, share, self.max_ns) if buckets else self.max_ns


def read_tallies(
    since: datetime | None, *, using: str, receiver: str | None = None
) -> dict[Key, Tally]:
    """
    Return the tallies of all calls since a moment, in one query.

    since: rounded down to the minute. A moment of which minutes or hours are no longer kept must
    have been rounded to what is, by core.retention. None reads everything.
    receiver: read no rows but those of this one.
    """
    rows = _rows(since, using)
    if receiver is not None:
        rows = rows.filter(receiver=receiver)
    tallies: dict[Key, Tally] = {}
    for row in rows.values_list(*COLUMNS).iterator():
        key = row[:3]
        tally = tallies.get(key)
        if tally is None:
            tally = tallies[key] = Tally()
        tally.add(*row[3:])
    return tallies


def _rows(since: datetime | None, using: str) -> QuerySet[Rollup]:
    """
    Return rows that have each call since a moment once, of periods as long as can be.

    What is merged is left out where the longer period, which has it, too, is read. Each
    condition is a range of the index; as all is one statement, what compaction does meanwhile is
    seen wholly or not at all.
    """
    state = Rollup.State
    rows = Rollup.objects.using(using).order_by()
    start_s = math.floor(since.timestamp()) // MINUTE_S * MINUTE_S if since is not None else 0
    hour_s = -(-start_s // HOUR_S) * HOUR_S
    day_s = -(-start_s // DAY_S) * DAY_S
    return rows.filter(
        Q(period_s=DAY_S, state=state.WHOLE, period_start_s__gte=day_s)
        | Q(period_s=HOUR_S, state=state.WHOLE, period_start_s__gte=hour_s)
        | Q(
            period_s=HOUR_S,
            state=state.MERGED,
            period_start_s__gte=hour_s,
            period_start_s__lt=day_s,
        )
        | Q(period_s=MINUTE_S, state=state.DELTA, period_start_s__gte=start_s)
        | Q(period_s=MINUTE_S, state=state.WHOLE, period_start_s__gte=start_s)
        | Q(
            period_s=MINUTE_S,
            state=state.MERGED,
            period_start_s__gte=start_s,
            period_start_s__lt=hour_s,
        )
    )


def newest_period(using: str) -> datetime | None:
    """Return when the newest roll-up's period began, None when there is none."""
    rows = Rollup.objects.using(using).order_by("-period_start_s")
    # Of each length and state, the last entry of the index.
    found = (
        rows.filter(period_s=period_s, state=state).only("period_start_s").first()
        for period_s in Rollup.Period.values
        for state in Rollup.State.values
    )
    newest = max((row for row in found if row is not None), key=_start, default=None)
    return newest.period_start if newest is not None else None


def _start(row: Rollup) -> int:
    return row.period_start_s
