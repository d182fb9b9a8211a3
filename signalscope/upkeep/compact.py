"""
Adds up roll-ups as they age: deltas into minutes, minutes into hours, hours into days (UTC).

Rows are never changed but for their state: a sum that grows is deleted and written again. So the
row counts of deletes and updates tell whether what was read before is still so; if not, another
process was first, and nothing is done. Reading stays outside of the transaction, which then
begins with a write: SQLite waits for its turn instead of refusing.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Generator, Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connections, transaction
from django.db.models import QuerySet

from signalscope.core.histogram import pack
from signalscope.core.retention import DAY_S, HOUR_S, MINUTE_S
from signalscope.models import Rollup
from signalscope.sinks.database import insert
from signalscope.sinks.rows import Row
from signalscope.stats.tallies import COLUMNS, Key, Tally
from signalscope.upkeep.rows import delete_by_key, update_by_key

# A process may store what it counted so long after the minute ended, and not be late.
GRACE_S = 120
# A row's key, and stats.tallies.COLUMNS.
_Source = tuple[Any, ...]
# Rows that are read at once.
CHUNK = 2_000


@dataclass(frozen=True, slots=True)
class Level:
    """Rows of one length and state are added up into longer periods; label is for people."""

    label: str
    period_s: int
    state: Rollup.State
    into_s: int

    def rows(self, using: str) -> QuerySet[Rollup]:
        """Return all rows that are to be added up, the oldest first."""
        rows = Rollup.objects.using(using).filter(period_s=self.period_s, state=self.state)
        return rows.order_by("period_start_s", "pk")

    def first_due_s(self, using: str, now_s: float) -> int | None:
        """Return when the oldest of them began whose longer period is over; None without any."""
        end_s = (now_s - GRACE_S) // self.into_s * self.into_s
        due = self.rows(using).filter(period_start_s__lt=end_s)
        return due.values_list("period_start_s", flat=True).first()


LEVELS = (
    Level("deltas", MINUTE_S, Rollup.State.DELTA, MINUTE_S),
    Level("minute roll-ups", MINUTE_S, Rollup.State.WHOLE, HOUR_S),
    Level("hour roll-ups", HOUR_S, Rollup.State.WHOLE, DAY_S),
)


class _BeatenError(Exception):
    """Another process changed a row meanwhile."""


def has_work(*, using: str, now_s: float) -> bool:
    """Tell whether rows of periods that are over wait to be added up; reads no more than one."""
    return any(level.first_due_s(using, now_s) is not None for level in LEVELS)


def compact(*, using: str, now_s: float, chunk: int = CHUNK) -> Generator[Counter[str]]:
    """
    Add up what is due; give how many rows each step took, by label.

    Each step is one short transaction; whoever stops asking for steps can begin anew at any time.
    A step without rows was beaten by another process.
    """
    for level in LEVELS:
        while (first_s := level.first_due_s(using, now_s)) is not None:
            start_s = first_s // level.into_s * level.into_s
            yield Counter({level.label: _merge(level, start_s, using=using, chunk=chunk)})


def _merge(level: Level, start_s: int, *, using: str, chunk: int) -> int:
    """Add rows of one longer period to what it has already; return how many."""
    period = level.rows(using).filter(
        period_start_s__gte=start_s, period_start_s__lt=start_s + level.into_s
    )
    sources = _read(period[:chunk])
    tallies: dict[Key, Tally] = {}
    _add(tallies, sources)
    whole = Rollup.objects.using(using).filter(period_s=level.into_s, state=Rollup.State.WHOLE)
    whole = whole.order_by()
    candidates = whole.filter(
        period_start_s=start_s, receiver__in={receiver for _, _, receiver in tallies}
    )
    # Databases may take letters for equal that are not.
    earlier = [row for row in _read(candidates) if row[1:4] in tallies]
    _add(tallies, earlier)
    merged = [_row(start_s, level.into_s, key, tally) for key, tally in sorted(tallies.items())]
    connection = connections[using]
    try:
        with transaction.atomic(using=using):
            _take(delete_by_key(whole, _keys(earlier)), earlier)
            if level.state == Rollup.State.DELTA:
                _take(delete_by_key(level.rows(using), _keys(sources)), sources)
            else:
                merged_state = Rollup.State.MERGED
                changed = update_by_key(level.rows(using), _keys(sources), state=merged_state)
                _take(changed, sources)
            with connection.cursor() as cursor:
                insert(connection, cursor, Rollup, merged)
    except _BeatenError:
        return 0
    return len(sources)


def _read(rows: QuerySet[Rollup]) -> list[_Source]:
    # No instances: making one sends signals, which receivers of the project may hear.
    return list(rows.values_list("pk", *COLUMNS))


def _take(count: int, rows: list[_Source]) -> None:
    if count != len(rows):
        raise _BeatenError


def _keys(rows: list[_Source]) -> list[int]:
    # In one order, so that two processes never wait for each other in a circle.
    return sorted(row[0] for row in rows)


def _add(tallies: dict[Key, Tally], rows: Iterable[_Source]) -> None:
    for _, signal, sender, receiver, *figures in rows:
        tallies.setdefault((signal, sender, receiver), Tally()).add(*figures)


def _row(start_s: int, period_s: int, key: Key, tally: Tally) -> Row:
    return (
        start_s,
        period_s,
        Rollup.State.WHOLE.value,
        *key,
        tally.count,
        tally.errors,
        tally.muted,
        tally.skipped,
        tally.deferred,
        tally.total_ns,
        tally.max_ns,
        json.dumps(pack(tally.buckets)),
    )
