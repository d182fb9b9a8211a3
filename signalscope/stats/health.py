"""How signalscope itself is: its processes, what it lost, its tables, and what it costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from django.utils import timezone

from signalscope.models import Process
from signalscope.stats.reports import Losses, as_stored, losses
from signalscope.stats.tables import Tables, table_sizes

# An idle process reports once a minute, one in trouble at least so; see recorder/vitals.py.
_REPORT_EVERY_S = 60.0
_MISSED_REPORTS = 3
# More than a person reads; the rest is old.
MAX_PROCESSES = 500


class State(StrEnum):
    """What became of a process."""

    ALIVE = "alive"
    FAILING = "failing"
    ENDED = "ended"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class ProcessHealth:
    """
    One process and its state.

    alive: it has reported lately. failing: so it has, but its last flush failed. ended: it said
    so. silent: it has not reported for a while, nor said that it ends: killed, perhaps.
    """

    row: Process
    state: State


@dataclass(frozen=True, slots=True)
class Health:
    """
    The answer; processes: the newest first, those that were seen in the period.

    share: 0 to 1, of the time of traces that was spent for signalscope; None while nothing is
    known of it.
    """

    since: datetime
    processes: list[ProcessHealth]
    losses: Losses
    tables: Tables
    share: float | None

    def count(self, state: State) -> int:
        """Return how many processes are in a state."""
        return sum(process.state == state for process in self.processes)

    @property
    def last_error(self) -> Process | None:
        """The process with the newest error of all that were seen."""
        failed = [process.row for process in self.processes if process.row.error_at is not None]
        return max(failed, key=lambda row: str(row.error_at), default=None)


def health(*, since: datetime, using: str, now: datetime | None = None) -> Health:
    """Return how signalscope was since a moment, in four queries."""
    now = now or timezone.now()
    seen = Process.objects.using(using).filter(seen_at__gte=as_stored(since))
    rows = list(seen[:MAX_PROCESSES])
    return Health(
        since=since,
        processes=[ProcessHealth(row, state_of(row, now)) for row in rows],
        losses=losses(since=since, using=using),
        tables=table_sizes(using),
        share=cost_share(rows),
    )


def state_of(row: Process, now: datetime) -> State:
    """Return what became of a process by what it last said."""
    if row.is_ended:
        return State.ENDED
    patience_s = _MISSED_REPORTS * max(row.interval_s, _REPORT_EVERY_S)
    if now - row.seen_at > timedelta(seconds=patience_s):
        return State.SILENT
    return State.FAILING if row.is_failing else State.ALIVE


def cost_share(rows: Sequence[Process]) -> float | None:
    """Return the share of the traces' time that signalscope took, 0 to 1; None without traces."""
    traced_ns = sum(row.traced_ns for row in rows)
    if not traced_ns:
        return None
    return sum(row.scope_ns + row.writer_ns for row in rows) / traced_ns
