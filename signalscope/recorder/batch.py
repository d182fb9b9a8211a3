"""What the writer gives to a sink at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TypeVar

from signalscope.context import NOBODY, Actor
from signalscope.recorder.notes import Entry, SlowQuery
from signalscope.recorder.rollups import Key, Tally
from signalscope.recorder.tree import Tree

Row = TypeVar("Row")


class Refused(Exception):
    """A batch holds something that the database will never take."""


@dataclass(slots=True)
class TraceRow:
    """
    A trace that ended, with its tree; started_at is aware, in UTC.

    key: the one that rows which refer to it have; None where there are none.
    """

    trigger: str
    name: str
    status: str
    kept_because: str
    correlation_id: str
    started_at: datetime
    duration_ns: int
    tree: Tree
    key: int | None = None
    actor: Actor = NOBODY


@dataclass(slots=True)
class LossRow:
    """What was lost since the last one, as models.Loss counts it."""

    process: str
    trace_count: int
    dispatch_count: int
    call_count: int
    unkept_count: int
    grouped_count: int
    entry_count: int = 0
    slow_query_count: int = 0


@dataclass(slots=True)
class Batch:
    """What is stored together; node_count is that of all trees in it."""

    traces: list[TraceRow] = field(default_factory=list)
    rollups: dict[Key, Tally] = field(default_factory=dict)
    entries: list[Entry] = field(default_factory=list)
    slow_queries: list[SlowQuery] = field(default_factory=list)
    loss: LossRow | None = None
    node_count: int = 0

    def __bool__(self) -> bool:
        return bool(self.traces or self.rollups or self.entries or self.slow_queries or self.loss)

    def split(self) -> list[Batch]:
        """Return smaller batches that hold the same; none when it cannot be smaller."""
        parts = [
            *(Batch(traces=half) for half in _halves(self.traces)),
            *(Batch(rollups=dict(half)) for half in _halves(list(self.rollups.items()))),
            *(Batch(entries=half) for half in _halves(self.entries)),
            *(Batch(slow_queries=half) for half in _halves(self.slow_queries)),
            Batch(loss=self.loss),
        ]
        parts = [part for part in parts if part]
        return parts if len(parts) > 1 else []


def _halves(rows: list[Row]) -> tuple[list[Row], list[Row]]:
    middle = (len(rows) + 1) // 2
    return rows[:middle], rows[middle:]


def join(batches: list[Batch]) -> Batch:
    """Return the parts of one batch as one again."""
    joined = Batch()
    for batch in batches:
        joined.traces += batch.traces
        joined.rollups |= batch.rollups
        joined.entries += batch.entries
        joined.slow_queries += batch.slow_queries
        joined.loss = joined.loss or batch.loss
    joined.node_count = sum(row.tree.node_count for row in joined.traces)
    return joined
