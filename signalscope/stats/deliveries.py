"""How stored deliveries are: how many wait, since when, and how many were run twice."""

from __future__ import annotations

import time
from dataclasses import dataclass

from signalscope.models import Delivery

# Rows are counted up to here, and doubles are looked for among so many, the newest.
COUNT_LIMIT = 10_000


@dataclass(frozen=True, slots=True)
class Deliveries:
    """
    Counts, each COUNT_LIMIT at most.

    lapsed_count: of the newest COUNT_LIMIT, those whose lease ended before a worker did, so that
    they may have been run twice. overdue_s: for how long the oldest has waited that any worker
    might take; 0 where there is none.
    """

    pending_count: int
    running_count: int
    failed_count: int
    lapsed_count: int
    overdue_s: float


def deliveries(using: str) -> Deliveries:
    """Return how they are, in six queries whose cost has a bound."""
    rows = Delivery.objects.using(using).order_by("-pk")
    state = Delivery.State
    oldest_s = rows.due().order_by("lease_until_s").values_list("lease_until_s", flat=True).first()
    beyond = rows.values_list("pk", flat=True)[COUNT_LIMIT : COUNT_LIMIT + 1]
    first_key = next(iter(beyond), 0)
    return Deliveries(
        pending_count=rows.filter(state=state.PENDING)[:COUNT_LIMIT].count(),
        running_count=rows.filter(state=state.RUNNING)[:COUNT_LIMIT].count(),
        failed_count=rows.filter(state=state.FAILED)[:COUNT_LIMIT].count(),
        lapsed_count=rows.filter(pk__gt=first_key, lapse_count__gt=0).count(),
        overdue_s=0.0 if oldest_s is None else time.time() - oldest_s,
    )
