"""What roll-ups and stored traces say, read once for all diagnoses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from signalscope.core.retention import Retention
from signalscope.stats.coverage import SignalCoverage, coverage
from signalscope.stats.sent import methods_of_signals, oldest_period, receivers_with_queries

INIT_SIGNALS = ("django.db.models.signals.pre_init", "django.db.models.signals.post_init")


@dataclass(frozen=True, slots=True)
class Records:
    """
    What was recorded.

    days: of how many days signals are. since: when the oldest record began, None without any.
    signals: each with its calls. methods: (signal, method) of stored dispatches.
    init_queries: queries that receivers of pre_init and post_init ran, by (signal, receiver).
    """

    days: int
    since: datetime | None
    signals: list[SignalCoverage]
    methods: set[tuple[str, str]]
    init_queries: dict[tuple[str, str], int]

    @property
    def is_long_enough(self) -> bool:
        """Whether records reach back as many days as are asked about."""
        start = datetime.now(UTC) - timedelta(days=self.days)
        return self.since is not None and self.since <= start


def read_records(
    days: int,
    *,
    using: str,
    retention: Retention,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> Records:
    """
    Return what was recorded in the last days; raises django.db.Error where there are no tables.

    retention: how long rows are kept. include, exclude: globs that say what is recorded at all.
    """
    start = retention.rounded(datetime.now(UTC) - timedelta(days=days))
    return Records(
        days=days,
        since=oldest_period(using),
        signals=coverage(since=start, using=using, include=include, exclude=exclude),
        methods=methods_of_signals(using=using),
        init_queries=receivers_with_queries(INIT_SIGNALS, using=using),
    )
