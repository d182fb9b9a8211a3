"""Adds up roll-up rows: one tally per (signal, sender, receiver)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from signalscope.core.histogram import percentile_ns
from signalscope.models import Rollup

# (signal, sender, receiver); the receiver is "" where nobody heard the dispatch.
Key = tuple[str, str, str]

_COLUMNS = (
    "signal",
    "sender",
    "receiver",
    "call_count",
    "error_count",
    "total_ns",
    "max_ns",
    "histogram",
)


@dataclass(slots=True)
class Tally:
    """Calls added up: how many, how long in ns, and how many in each bucket of duration."""

    count: int = 0
    errors: int = 0
    total_ns: int = 0
    max_ns: int = 0
    buckets: dict[int, int] = field(default_factory=dict)

    def add(
        self, count: int, errors: int, total_ns: int, max_ns: int, buckets: dict[int, int]
    ) -> None:
        """Add the figures of a row, or of another tally."""
        self.count += count
        self.errors += errors
        self.total_ns += total_ns
        self.max_ns = max(self.max_ns, max_ns)
        mine = self.buckets
        for index, calls in buckets.items():
            mine[index] = mine.get(index, 0) + calls

    def merge(self, other: Tally) -> None:
        """Add what another tally counted."""
        self.add(other.count, other.errors, other.total_ns, other.max_ns, other.buckets)

    @property
    def mean_ns(self) -> int:
        """The mean duration, 0 without calls."""
        return round(self.total_ns / self.count) if self.count else 0

    def percentile_ns(self, share: float) -> int:
        """Return the duration below which a share of the calls fell, else the longest."""
        if not sum(self.buckets.values()):
            return self.max_ns
        return percentile_ns(self.buckets, share, self.max_ns)


def read_tallies(
    since: datetime | None, *, using: str, receiver: str | None = None
) -> dict[Key, Tally]:
    """
    Return the tallies of all periods that began at a moment or later, in one query.

    since: rounded down to the minute, as periods begin with one; None reads everything.
    receiver: read no rows but those of this one.
    """
    rows = Rollup.objects.using(using).order_by()
    if since is not None:
        rows = rows.filter(period_start__gte=since.replace(second=0, microsecond=0))
    if receiver is not None:
        rows = rows.filter(receiver=receiver)
    tallies: dict[Key, Tally] = {}
    for signal, sender, name, *figures, histogram in rows.values_list(*_COLUMNS).iterator():
        key = (signal, sender, name)
        tally = tallies.get(key)
        if tally is None:
            tally = tallies[key] = Tally()
        count, errors, total_ns, max_ns = figures
        tally.add(count, errors, total_ns, max_ns, _buckets(histogram))
    return tallies


def newest_period(using: str) -> datetime | None:
    """Return when the newest roll-up's period began, None when there is none."""
    rows = Rollup.objects.using(using).order_by("-id").values_list("period_start", flat=True)
    return rows.first()


def _buckets(histogram: object) -> dict[int, int]:
    """Read a stored histogram; what is none counts nothing."""
    if not isinstance(histogram, dict):
        return {}
    try:
        return {int(index): int(calls) for index, calls in histogram.items()}
    except (TypeError, ValueError):
        return {}
