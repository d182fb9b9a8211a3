"""What the writer gives to a sink at once."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from signalscope.recorder.rollups import Key, Tally
from signalscope.recorder.tree import Tree


@dataclass(slots=True)
class TraceRow:
    """A trace that ended, with its tree; started_at is aware, in UTC."""

    trigger: str
    name: str
    status: str
    started_at: datetime
    duration_ns: int
    tree: Tree


@dataclass(slots=True)
class LossRow:
    """What was lost since the last one, as models.Loss counts it."""

    process: str
    trace_count: int
    dispatch_count: int
    call_count: int


@dataclass(slots=True)
class Batch:
    """What is stored together; node_count is that of all trees in it."""

    traces: list[TraceRow] = field(default_factory=list)
    rollups: dict[Key, Tally] = field(default_factory=dict)
    loss: LossRow | None = None
    node_count: int = 0

    def __bool__(self) -> bool:
        return bool(self.traces or self.rollups or self.loss)
