"""What is recorded and not yet taken by the writer: bounded, and what does not fit is said."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from signalscope.recorder.strands import Branch
from signalscope.recorder.traces import Trace
from signalscope.recorder.tree import Tree

# As measured by benchmarks/bench_memory.py on CPython 3.11 to 3.13.
_BYTES_PER_LIST = 120
_BYTES_PER_ITEM = 40
_BYTES_PER_NODE = 900


@dataclass(slots=True)
class Part:
    """
    Finished dispatches on their way to the writer.

    trace: None for dispatches outside of any trace.
    is_last: the trace has ended, and nothing of it comes after this.
    counted: how many dispatches these are, where the roll-ups have counted them; else None.
    """

    trace: Trace | None
    items: list[Any]
    is_last: bool
    counted: int | None = None


class Buffer:
    """A bounded queue of parts; max_bytes is held by an estimate of what parts take."""

    def __init__(self, max_bytes: int = 16 * 1024 * 1024) -> None:
        self.max_bytes = max_bytes
        self.forget()

    def forget(self) -> None:
        """Be empty, with a lock that nobody holds: as new, or in a forked child."""
        self._lock = threading.Lock()
        self._parts: list[Part] = []
        self._bytes = 0

    @property
    def byte_count(self) -> int:
        """What the parts take, by the estimate."""
        return self._bytes

    def put(self, part: Part) -> bool:
        """Add a part; False when it does not fit."""
        size = estimate(part.items)
        with self._lock:
            if self._bytes + size > self.max_bytes:
                return False
            self._bytes += size
            self._parts.append(part)
            return True

    def take(self) -> list[Part]:
        """Return all parts, oldest first, and be empty."""
        with self._lock:
            taken, self._parts, self._bytes = self._parts, [], 0
            return taken


def estimate(items: list[Any]) -> int:
    """
    Estimate the memory that a trace's items take, in bytes.

    To weigh each one would cost a request more than anything else here, so of each plan's
    dispatches one in 16 is weighed, and the heavier ones are remembered.
    """
    size = _BYTES_PER_LIST
    for item in items:
        size += _BYTES_PER_ITEM
        if type(item) is list:
            plan = item[0]
            if plan.weighings % 16 == 0:
                plan.weight = max(weigh(item), plan.weight * 3 // 4)
            plan.weighings += 1
            size += plan.weight
    return size


def weigh(record: list[Any]) -> int:
    """Estimate the memory that a record and what hangs below it take, in bytes."""
    size = 0
    lists = [record]
    while lists:
        current = lists.pop()
        size += _BYTES_PER_LIST + _BYTES_PER_ITEM * len(current)
        for item in current:
            kind = type(item)
            if kind is list or issubclass(kind, Branch):
                lists.append(item)
            elif kind is Tree:
                size += item.node_count * _BYTES_PER_NODE
    return size
