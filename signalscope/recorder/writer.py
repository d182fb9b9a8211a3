"""
The writer: one daemon thread per process that takes what was recorded and stores it.

It begins with the first dispatch, anew after a fork, and gets a last turn as the process ends.
Whatever the database does stays here: what is due waits up to the bound, is tried again with
growing pauses, and what cannot wait is counted as lost.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import perf_counter_ns
from typing import Protocol

from signalscope.recorder.batch import Batch, LossRow, TraceRow
from signalscope.recorder.buffer import Part
from signalscope.recorder.recorder import Recorder
from signalscope.recorder.strands import CURRENT, DISCARD, Strand
from signalscope.recorder.traces import Trace
from signalscope.recorder.tree import Tree

logger = logging.getLogger("signalscope")

MAX_PAUSE_S = 60.0
# Nodes of traces that wait while the database cannot be written to.
MAX_WAITING_NODES = 20_000


class Sink(Protocol):
    """Where batches go; alias is the database's."""

    alias: str

    def write(self, batch: Batch) -> None:
        """Store a batch, whole or not at all; raise when that fails."""

    def close(self) -> None:
        """Give up connections; a later write() opens them again."""


class Writer:
    """
    Stores what a recorder holds, every interval_s and when asked to.

    exit_timeout_s: how long the process's end may wait for the last turn.
    may_lack_tables: missing tables are expected, and not warned of.
    """

    def __init__(
        self,
        recorder: Recorder,
        sink: Sink,
        *,
        interval_s: float,
        exit_timeout_s: float,
        is_discarding: Callable[[], bool],
        may_lack_tables: bool = False,
    ) -> None:
        self._recorder = recorder
        self.sink = sink
        self.interval_s = interval_s
        self.exit_timeout_s = exit_timeout_s
        self._is_discarding = is_discarding
        self._may_lack_tables = may_lack_tables
        self.keeps_connection = True
        self._waiting = Batch()
        self._has_warned = False
        self._forget_thread()

    def _forget_thread(self) -> None:
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_stopping = False
        # Turns asked for and done, and whether the last one stored everything.
        self._asked = 0
        self._done = 0
        self._is_clean = True
        self._failures = 0

    def start(self) -> None:
        """Start the thread, unless it runs or nothing is to be stored."""
        if self._thread is not None or self._is_discarding():
            return
        with self._condition:
            if self._thread is None and not self._is_stopping:
                thread = threading.Thread(target=self._run, name="signalscope-writer", daemon=True)
                self._thread = thread
                thread.start()

    def flush(self, timeout: float | None = None) -> bool:
        """
        Store all that is finished; return whether it is stored.

        timeout: s to wait at most; None waits as long as it takes.
        """
        if self._is_discarding():
            return False
        self.start()
        thread = self._thread
        if thread is None or thread is threading.current_thread():
            return False
        with self._condition:
            self._asked += 1
            turn = self._asked
            self._condition.notify_all()
            has_ended = self._condition.wait_for(
                lambda: self._done >= turn or not thread.is_alive(), timeout
            )
            return has_ended and self._done >= turn and self._is_clean

    def stop(self) -> bool:
        """End the thread after a last turn; return whether everything is stored."""
        thread = self._thread
        if thread is None:
            return True
        is_clean = self.flush(self.exit_timeout_s)
        with self._condition:
            self._is_stopping = True
            self._condition.notify_all()
        if thread is not threading.current_thread():
            thread.join(self.exit_timeout_s)
        return is_clean

    def forget(self) -> None:
        """Begin anew in a forked child: thread and connection are the parent's."""
        self._forget_thread()
        self._waiting = Batch()

    def _run(self) -> None:
        CURRENT.set(Strand(DISCARD))
        while True:
            with self._condition:
                self._condition.wait_for(
                    lambda: self._is_stopping or self._asked > self._done, self._pause_s()
                )
                if self._is_stopping and self._asked <= self._done:
                    break
                turn = self._asked
            is_clean = self._turn()
            with self._condition:
                self._done, self._is_clean = turn, is_clean
                self._condition.notify_all()
        self.sink.close()

    def _pause_s(self) -> float:
        if not self._failures:
            return self.interval_s
        return float(min(self.interval_s * 2**self._failures, MAX_PAUSE_S))

    def _turn(self) -> bool:
        """Take what is there and store it; return whether all of it is stored."""
        try:
            self._collect()
            if self._is_discarding():
                self._waiting = Batch()
            if not self._waiting:
                return True
            self.sink.write(self._waiting)
        except Exception as error:  # noqa: BLE001
            self._put_back()
            self._failures += 1
            self._warn(error)
            return False
        finally:
            if not self.keeps_connection:
                self.sink.close()
        self._waiting = Batch()
        self._failures = 0
        self._has_warned = False
        return True

    def _collect(self) -> None:
        """Move what was recorded to the waiting batch."""
        recorder, waiting = self._recorder, self._waiting
        recorder.hand_over_all()
        for part in recorder.buffer.take():
            recorder.rollups.add(part.items)
            if part.trace is None:
                self._add_loose(part)
            elif part.trace.is_kept:
                self._add_part(part.trace, part)
        waiting.rollups = recorder.rollups.take()
        waiting.loss = self._loss()

    def _add_part(self, trace: Trace, part: Part) -> None:
        if trace.tree is None:
            trace.tree = Tree(self._recorder.trace_limit)
        trace.tree.add(part.items)
        if part.is_last:
            self._add_row(
                TraceRow(
                    trigger=trace.trigger,
                    name=trace.name,
                    status=_status(trace),
                    started_at=wall_time(trace.started_ns),
                    duration_ns=trace.ended_ns - trace.started_ns,
                    tree=trace.tree,
                )
            )

    def _add_loose(self, part: Part) -> None:
        """Make a trace of each dispatch outside of any, as far as these are kept."""
        for item in part.items:
            if not self._recorder.is_sampled():
                continue
            tree = Tree(self._recorder.trace_limit)
            tree.add([item])
            for dispatch in tree.children.values():
                started_ns = item[3] if type(item) is list else perf_counter_ns()
                self._add_row(
                    TraceRow(
                        trigger="dispatch",
                        name=dispatch.signal,
                        status="error" if tree.error_count else "ok",
                        started_at=wall_time(started_ns),
                        duration_ns=dispatch.duration_ns,
                        tree=tree,
                    )
                )

    def _add_row(self, row: TraceRow) -> None:
        waiting = self._waiting
        if waiting.node_count + row.tree.node_count > MAX_WAITING_NODES and self._failures:
            self._recorder.lost_traces += 1
            self._recorder.lost_dispatches += row.tree.dispatch_count
            return
        waiting.traces.append(row)
        waiting.node_count += row.tree.node_count

    def _loss(self) -> LossRow | None:
        recorder = self._recorder
        traces, recorder.lost_traces = recorder.lost_traces, 0
        dispatches, recorder.lost_dispatches = recorder.lost_dispatches, 0
        calls, recorder.rollups.lost_calls = recorder.rollups.lost_calls, 0
        if not (traces or dispatches or calls):
            return None
        return LossRow(f"{socket.gethostname()}:{os.getpid()}", traces, dispatches, calls)

    def _put_back(self) -> None:
        """Keep what could not be stored: the traces wait, the counts add up."""
        waiting, recorder = self._waiting, self._recorder
        recorder.rollups.put_back(waiting.rollups)
        waiting.rollups = {}
        if waiting.loss is not None:
            recorder.lost_traces += waiting.loss.trace_count
            recorder.lost_dispatches += waiting.loss.dispatch_count
            recorder.rollups.lost_calls += waiting.loss.call_count
            waiting.loss = None

    def _warn(self, error: Exception) -> None:
        """Say once per trouble that storing fails; a fault of our own is reported as one."""
        if self._may_lack_tables and is_missing_table(error):
            return
        if not self._has_warned:
            self._has_warned = True
            logger.warning(
                "signalscope cannot store what it records: %s: %s. "
                'Is "manage.py migrate signalscope" done, and the database there? '
                "It goes on trying; the project is not affected.",
                type(error).__qualname__,
                str(error).strip().partition("\n")[0],
            )


def is_missing_table(error: Exception) -> bool:
    """Tell whether an error of any of the databases says that a table is not there."""
    text = str(error)
    return any(words in text for words in ("no such table", "does not exist", "doesn't exist"))


def _status(trace: Trace) -> str:
    assert trace.tree is not None
    if trace.status == "ok" and trace.tree.error_count:
        return "error"
    return trace.status


def wall_time(clock_ns: int) -> datetime:
    """Return the moment of a clock reading, in UTC, by what both clocks say now."""
    ago_us = (perf_counter_ns() - clock_ns) // 1000
    return datetime.fromtimestamp(time.time(), UTC) - timedelta(microseconds=ago_us)
