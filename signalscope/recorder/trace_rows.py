"""Makes the rows of traces from what was handed over."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from time import perf_counter_ns

from signalscope.recorder.batch import TraceRow
from signalscope.recorder.buffer import Part
from signalscope.recorder.keeping import Allowance
from signalscope.recorder.recorder import Recorder
from signalscope.recorder.traces import Trace
from signalscope.recorder.tree import Tree


class TraceRows:
    """
    Builds trees, and a row of each trace that is kept.

    unkept_count: traces for which there was a reason, and too many with the same.
    """

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.allowance = Allowance()
        self.unkept_count = 0

    def rows(self, part: Part) -> Iterator[TraceRow]:
        """Take a part; yield the rows of the traces that ended with it."""
        if part.trace is None:
            yield from self._rows_of_loose(part)
        else:
            yield from self._rows_of(part.trace, part)

    def _rows_of(self, trace: Trace, part: Part) -> Iterator[TraceRow]:
        if part.is_last and not self._is_allowed(trace.reason):
            return
        if trace.ended_ns and not trace.reason:
            # A part of a trace that has ended since, without a reason to keep it.
            return
        if trace.tree is None:
            trace.tree = Tree(self._recorder.trace_limit)
        trace.tree.add(part.items)
        if part.is_last:
            tree, trace.tree = trace.tree, None
            tree.dispatch_count += trace.left_out_count
            tree.left_out_count += trace.left_out_count
            has_failed = trace.status == "ok" and tree.error_count
            yield TraceRow(
                trigger=trace.trigger,
                name=trace.find_name(),
                status="error" if has_failed else trace.status,
                kept_because=trace.reason,
                correlation_id=trace.find_correlation_id(),
                started_at=wall_time(trace.started_ns),
                duration_ns=trace.ended_ns - trace.started_ns,
                tree=tree,
                key=trace.key,
                actor=trace.actor,
            )

    def _rows_of_loose(self, part: Part) -> Iterator[TraceRow]:
        """Make a trace of each dispatch outside of any, as far as these are kept."""
        for item in part.items:
            reason = self._recorder.keeping.reason_of_loose(item)
            if not reason or not self._is_allowed(reason):
                continue
            tree = Tree(self._recorder.trace_limit)
            tree.add([item])
            for dispatch in tree.children.values():
                started_ns = item[3] if type(item) is list else perf_counter_ns()
                yield TraceRow(
                    trigger="dispatch",
                    name=dispatch.signal,
                    status="error" if tree.error_count else "ok",
                    kept_because=reason,
                    correlation_id="",
                    started_at=wall_time(started_ns),
                    duration_ns=dispatch.duration_ns,
                    tree=tree,
                )

    def _is_allowed(self, reason: str) -> bool:
        if self.allowance.take(reason):
            return True
        self.unkept_count += 1
        return False


def wall_time(clock_ns: int) -> datetime:
    """Return the moment of a clock reading, in UTC, by what both clocks say now."""
    ago_us = (perf_counter_ns() - clock_ns) // 1000
    return datetime.fromtimestamp(time.time(), UTC) - timedelta(microseconds=ago_us)
