"""Deletes what is older than it is kept, in chunks, each a short transaction of its own."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import models, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.utils import timezone

from signalscope.core.keys import first_key
from signalscope.core.retention import DAY_S, HOUR_S, MINUTE_S, Retention
from signalscope.models import (
    ActivityLog,
    Delivery,
    Dispatch,
    Loss,
    Process,
    ReceiverCall,
    Rollup,
    SlowQuery,
    Trace,
)
from signalscope.upkeep import partitions
from signalscope.upkeep.rows import delete_by_key, delete_rows

# Rows of a table that are deleted at once.
CHUNK = 1_000
_FIRST_KEY = -(2**63)


@dataclass(frozen=True, slots=True)
class CutOffs:
    """
    The moments before which rows go, in s since the epoch; -math.inf keeps all.

    minutes_s, hours_s, days_s: of roll-up rows, by the length of their period. The first is a
    full hour, the others full days, so that what is left can be added up exactly.
    activity_s: of the activity log. deliveries_s: of deliveries that are done or cancelled.
    """

    traces_s: float
    minutes_s: float
    hours_s: float
    days_s: float
    activity_s: float
    deliveries_s: float

    @classmethod
    def of(cls, retention: Retention, now_s: float) -> CutOffs:
        """Return the cut-offs of a retention; clocks of processes may differ by an hour."""
        return cls(
            now_s - retention.traces_s,
            _floor(now_s - retention.minutes_s - HOUR_S, HOUR_S),
            _floor(now_s - retention.hours_s - HOUR_S, DAY_S),
            _floor(now_s - retention.days_s, DAY_S),
            now_s - retention.activity_s,
            now_s - retention.deliveries_s,
        )

    @classmethod
    def at(cls, moment_s: float, *, with_activity: bool = False) -> CutOffs:
        """
        Return the cut-offs that leave nothing before a moment but parts of its hour and day.

        with_activity: nothing of the activity log either, which is kept otherwise.
        """
        day_s = _floor(moment_s, DAY_S)
        activity_s = moment_s if with_activity else -math.inf
        return cls(moment_s, _floor(moment_s, HOUR_S), day_s, day_s, activity_s, moment_s)

    def of_project(self) -> CutOffs:
        """Return them for a database that has no more than the activity log and deliveries."""
        never_s = -math.inf
        return CutOffs(never_s, never_s, never_s, never_s, self.activity_s, self.deliveries_s)


def doomed(cut_offs: CutOffs, using: str) -> dict[str, QuerySet[Any]]:
    """Return the rows that go, by what people call them."""
    traces = {
        label: _unpinned(model, using).filter(pk__lt=_key(cut_offs.traces_s))
        for label, model in _TRACE_MODELS.items()
        if math.isfinite(cut_offs.traces_s)
    }
    return traces | _doomed_by_age(cut_offs, using)


def prune(cut_offs: CutOffs, *, using: str, chunk: int = CHUNK) -> Generator[Counter[str]]:
    """
    Delete what goes; give how many rows each step deleted, by what people call them.

    Each step is one short transaction; whoever stops asking for steps can begin anew at any time.
    """
    if math.isfinite(cut_offs.traces_s):
        before_key = _key(cut_offs.traces_s)
        yield from partitions.drop(before_key, using=using)
        yield from _prune_traces(before_key, using=using, chunk=chunk)
    for label, rows in _doomed_by_age(cut_offs, using).items():
        while keys := list(rows.values_list("pk", flat=True)[:chunk]):
            with transaction.atomic(using=using):
                count = delete_by_key(rows, keys)
            yield Counter({label: count})


def _doomed_by_age(cut_offs: CutOffs, using: str) -> dict[str, QuerySet[Any]]:
    """
    Return the rows that go whatever other tables hold, ordered by an index.

    A table that joins needs no more than an entry here. Minutes and hours that no longer period
    has counted yet are not among the rows, however old they are.
    """
    whole, merged = Rollup.State.WHOLE, Rollup.State.MERGED
    found: dict[str, QuerySet[Any]] = {}
    for label, period_s, state, before_s in (
        ("minute roll-ups", MINUTE_S, merged, cut_offs.minutes_s),
        ("hour roll-ups", HOUR_S, merged, cut_offs.hours_s),
        ("day roll-ups", DAY_S, whole, cut_offs.days_s),
    ):
        if math.isfinite(before_s):
            rows = Rollup.objects.using(using).filter(
                period_s=period_s, state=state, period_start_s__lt=before_s
            )
            found[label] = rows.order_by("period_start_s", "pk")
    if math.isfinite(cut_offs.days_s):
        losses = Loss.objects.using(using).filter(at__lt=_moment(cut_offs.days_s))
        found["losses"] = losses.order_by("at")
    if math.isfinite(cut_offs.activity_s):
        entries = ActivityLog.objects.using(using).filter(at__lt=_moment(cut_offs.activity_s))
        found["activity entries"] = entries.order_by("at")
    if math.isfinite(cut_offs.deliveries_s):
        # Those that failed wait for somebody who acts.
        ended = Delivery.objects.using(using).filter(
            state__in=(Delivery.State.DONE, Delivery.State.CANCELLED),
            finished_at__lt=_moment(cut_offs.deliveries_s),
        )
        found["deliveries"] = ended.order_by("finished_at")
    if math.isfinite(cut_offs.traces_s):
        slow = _unpinned(SlowQuery, using).filter(at__lt=_moment(cut_offs.traces_s))
        found["slow queries"] = slow.order_by("at")
        # There are no more of them than processes that began since.
        processes = Process.objects.using(using).filter(seen_at__lt=_moment(cut_offs.traces_s))
        found["processes"] = processes.order_by("pk")
    return found


# In the order in which they are deleted. Traces are first: one that is pinned meanwhile stays,
# and then keeps what hangs below it.
_TRACE_MODELS: dict[str, type[models.Model]] = {
    "traces": Trace,
    "calls": ReceiverCall,
    "dispatches": Dispatch,
}


def _prune_traces(before_key: int, *, using: str, chunk: int) -> Generator[Counter[str]]:
    """Delete by ranges of keys, in which traces lie with all that hangs below them."""
    low = _FIRST_KEY
    while low < before_key:
        high = _end_of_range(low, before_key, using=using, chunk=chunk)
        deleted: Counter[str] = Counter()
        with transaction.atomic(using=using):
            for label, model in _TRACE_MODELS.items():
                rows = _unpinned(model, using).filter(pk__gte=low, pk__lt=high)
                deleted[label] = delete_rows(rows)
        yield deleted
        low = high


def _end_of_range(low: int, before_key: int, *, using: str, chunk: int) -> int:
    """Return where a range ends that has no more than so many rows of each table."""
    ends: list[int] = []
    for model in _TRACE_MODELS.values():
        rows = model._base_manager.using(using).filter(pk__gte=low, pk__lt=before_key)
        ends += rows.order_by("pk").values_list("pk", flat=True)[chunk : chunk + 1]
    if not ends:
        return before_key
    # Better where a trace begins, so that none is cut; but one may have more rows than that.
    begun = Trace.objects.using(using).filter(pk__gt=low, pk__lte=min(ends)).order_by("-pk")
    return begun.values_list("pk", flat=True).first() or min(ends)


def _unpinned(model: type[models.Model], using: str) -> QuerySet[Any]:
    """Return the rows of a model that belong to no pinned trace."""
    rows: QuerySet[Any] = model._base_manager.using(using).order_by()
    if model is Trace:
        return rows.filter(is_pinned=False)
    pinned = Trace.objects.using(using).filter(is_pinned=True)
    if not pinned.exists():
        return rows
    if model is Dispatch:
        return rows.filter(~Exists(pinned.filter(pk=OuterRef("trace_id"))))
    if model is SlowQuery:
        return rows.filter(~Exists(pinned.filter(pk=OuterRef("trace_key"))))
    dispatches = Dispatch.objects.using(using).filter(trace__is_pinned=True)
    return rows.filter(~Exists(dispatches.filter(pk=OuterRef("dispatch_id"))))


def _floor(moment_s: float, period_s: int) -> float:
    return moment_s // period_s * period_s if math.isfinite(moment_s) else moment_s


def _key(moment_s: float) -> int:
    return first_key(datetime.fromtimestamp(moment_s, UTC))


def _moment(moment_s: float) -> datetime:
    """Return a moment as fields of models have it."""
    moment = datetime.fromtimestamp(moment_s, UTC)
    return moment if settings.USE_TZ else timezone.make_naive(moment)
