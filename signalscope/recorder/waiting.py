"""What the writer has taken and not stored yet, and what of it is lost."""

from __future__ import annotations

from collections.abc import Callable

from signalscope.core.faults import fault
from signalscope.recorder.batch import Batch, LossRow, Refused, TraceRow, join
from signalscope.recorder.recorder import Recorder
from signalscope.recorder.rollups import OTHER
from signalscope.recorder.trace_rows import TraceRows
from signalscope.recorder.vitals import process_name

# Nodes of traces that wait while the database cannot be written to.
MAX_WAITING_NODES = 20_000


class Waiting:
    """The batch that is stored next; only the writer's turns touch it."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self.trace_rows = TraceRows(recorder)
        self.forget()

    def forget(self) -> None:
        """Begin anew: all is stored, or is the parent's in a forked child."""
        self.batch = Batch()

    def store(self, write: Callable[[Batch], None]) -> None:
        """Write what waits; what the database will never take is searched for and given up."""
        batches = [self.batch]
        while batches:
            batch = batches[-1]
            try:
                write(batch)
            except Refused as error:
                batches.pop()
                parts = batch.split()
                batches += parts
                if not parts:
                    self._give_up(batch)
                    fault("storing what the database refuses", error)
            except Exception:
                self.batch = join(batches)
                raise
            else:
                batches.pop()

    def collect(self, *, is_storing: bool) -> None:
        """
        Take what was recorded since.

        is_storing: what waits was stored, as far as is known; else it is kept bounded.
        """
        recorder = self._recorder
        recorder.hand_over_all()
        for part in recorder.buffer.take():
            if part.counted is None:
                count, _ = recorder.rollups.add(part.items)
                if part.trace is not None:
                    recorder.traced.add(count, part.trace.duration_ns if part.is_last else None)
            for row in self.trace_rows.rows(part):
                self._add_row(row, is_storing=is_storing)
        self.batch.rollups = recorder.rollups.take()
        self.batch.entries += recorder.entries.take()
        self.batch.slow_queries += recorder.slow_queries.take()
        self.batch.loss = self._loss()

    def _add_row(self, row: TraceRow, *, is_storing: bool) -> None:
        batch = self.batch
        if not is_storing and batch.node_count + row.tree.node_count > MAX_WAITING_NODES:
            self._lose(row)
            return
        batch.traces.append(row)
        batch.node_count += row.tree.node_count

    def _loss(self) -> LossRow | None:
        recorder = self._recorder
        traces, recorder.lost_traces = recorder.lost_traces, 0
        dispatches, recorder.lost_dispatches = recorder.lost_dispatches, 0
        calls, recorder.rollups.lost_calls = recorder.rollups.lost_calls, 0
        unkept, self.trace_rows.unkept_count = self.trace_rows.unkept_count, 0
        grouped = sum(tally.call_count for key, tally in self.batch.rollups.items() if OTHER in key)
        entries = recorder.entries.take_lost_count()
        slow_queries = recorder.slow_queries.take_lost_count()
        if not (traces or dispatches or calls or unkept or grouped or entries or slow_queries):
            return None
        return LossRow(
            process_name(), traces, dispatches, calls, unkept, grouped, entries, slow_queries
        )

    def put_back(self) -> None:
        """Keep what could not be stored: the traces wait, the counts add up."""
        batch = self.batch
        self._recorder.rollups.put_back(batch.rollups)
        batch.rollups = {}
        self._recorder.entries.put_back(batch.entries)
        self._recorder.slow_queries.put_back(batch.slow_queries)
        batch.entries, batch.slow_queries = [], []
        while batch.node_count > MAX_WAITING_NODES:
            row = batch.traces.pop()
            batch.node_count -= row.tree.node_count
            self._lose(row)
        self._take_back(batch)

    def _take_back(self, batch: Batch) -> None:
        """Count again what a batch would have told of losses."""
        loss, batch.loss = batch.loss, None
        if loss is not None:
            self._recorder.lost_traces += loss.trace_count
            self._recorder.lost_dispatches += loss.dispatch_count
            self._recorder.rollups.lost_calls += loss.call_count
            self.trace_rows.unkept_count += loss.unkept_count
            self._recorder.entries.lose(loss.entry_count)
            self._recorder.slow_queries.lose(loss.slow_query_count)

    def _give_up(self, batch: Batch) -> None:
        """Count as lost what a batch holds, but for the losses it tells of."""
        for row in batch.traces:
            self._lose(row)
        for tally in batch.rollups.values():
            self._recorder.rollups.lost_calls += tally.call_count
        self._recorder.entries.lose(len(batch.entries))
        self._recorder.slow_queries.lose(len(batch.slow_queries))
        self._take_back(batch)

    def _lose(self, row: TraceRow) -> None:
        self._recorder.lost_traces += 1
        self._recorder.lost_dispatches += row.tree.dispatch_count
