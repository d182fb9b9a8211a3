"""
The writer: one daemon thread per process that takes what was recorded and stores it.

It begins with the first dispatch, anew after a fork, and gets a last turn as the process ends.
Whatever the database does stays here: what is due waits up to the bound, is tried again with
growing pauses, and what cannot wait is counted as lost.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from _thread import get_ident
from collections.abc import Callable, Iterator, Mapping, Set
from contextlib import contextmanager
from time import perf_counter_ns, thread_time_ns
from typing import Any, Protocol

from signalscope.core.faults import fault
from signalscope.core.masks import block_signals
from signalscope.recorder.batch import Batch
from signalscope.recorder.recorder import Recorder
from signalscope.recorder.strands import CURRENT, DISCARD, Strand
from signalscope.recorder.vitals import Vitals
from signalscope.recorder.waiting import Waiting

logger = logging.getLogger("signalscope")

MAX_PAUSE_S = 60.0
# How long a turn waits for transactions of the project's that its own would break.
MAX_COURTESY_S = 5.0
_COURTESY_PAUSE_S = 0.005
# As SQLite, PostgreSQL and MariaDB say it.
_MISSING = ("no such table", "has no column", "does not exist", "doesn't exist", "Unknown column")


class Sink(Protocol):
    """
    Where batches go; alias is the database's.

    fork_timeout_s: how long a fork may wait, so that the child does not inherit a connection.
    """

    alias: str
    fork_timeout_s: float

    def write(self, batch: Batch) -> None:
        """Store a batch, whole or not at all; raise when that fails."""

    def report(self, row: Mapping[str, object]) -> None:
        """Store what this process says of itself, over what it said before."""

    def meet(self, connection: Any) -> None:
        """Know of a connection of the project's."""

    def would_break(self, besides: Set[int]) -> bool:
        """
        Tell whether to write now would break an open transaction of the project's.

        besides: numbers of the threads whose transactions do not count.
        """

    def close(self) -> None:
        """Give up connections; a later write() opens them again."""

    def forget(self) -> None:
        """Leave connections alone, in a forked child: they are the parent's."""


class Refresh(Protocol):
    """
    What reads that which others decide; nothing is raised.

    due_s: when its next turn is, by time.monotonic(). is_asleep: nothing had happened at its last.
    """

    due_s: float
    is_asleep: bool

    def turn(self) -> None:
        """Read it, if that is due and something has happened."""

    def forget(self) -> None:
        """Begin anew in a forked child."""


class Upkeep(Protocol):
    """What looks after the tables, a little at a time; nothing is raised."""

    def turn(self) -> None:
        """Do some of it, if there is something to do."""

    def end(self) -> None:
        """Let another process do it, as this one ends."""

    def forget(self) -> None:
        """Begin anew in a forked child."""


class Writer:
    """
    Stores what a recorder holds, every interval_s and when asked to.

    exit_timeout_s: how long the process's end may wait for the last turn.
    may_lack_tables: missing tables and columns are expected, and no trouble.
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
        vitals: Vitals | None = None,
        upkeep: Upkeep | None = None,
        refresh: Refresh | None = None,
    ) -> None:
        self._recorder = recorder
        self.waiting = Waiting(recorder)
        self.sink = sink
        self.interval_s = interval_s
        self.exit_timeout_s = exit_timeout_s
        self._is_discarding = is_discarding
        self._may_lack_tables = may_lack_tables
        self._vitals = vitals or Vitals()
        self.upkeep = upkeep
        self._refresh = refresh
        self._forget_thread()

    def _forget_thread(self) -> None:
        self._condition = threading.Condition()
        self._thread: threading.Thread | None = None
        # Whether the next turn may be the last one, and whether the thread is to end.
        self._is_last = self._is_stopping = False
        # Turns asked for and done, and whether the last one stored everything.
        self._asked = 0
        self._done = 0
        self._is_clean = True
        self._failures = 0
        self._has_warned = False
        # Held during a turn; and while the sink may be connected, or by a thread that forks.
        self._turn_lock, self._sink_lock = threading.Lock(), threading.Lock()
        # The threads that take a turn, and that fork.
        self._turning = self._forking = 0
        # Threads that wait for a turn: one that the turn waited for would never end.
        self._askers: set[int] = set()

    def start(self) -> bool:
        """Start the thread, unless it runs or nothing is to be stored; return whether it began."""
        if self._thread is not None or self._is_discarding():
            return False
        with self._condition:
            if self._thread is not None or self._is_stopping:
                return False
            thread = threading.Thread(target=self._run, name="signalscope-writer", daemon=True)
            # First, since a signal's handler may come here while the thread begins.
            self._thread = thread
            try:
                thread.start()
            except RuntimeError:
                # No thread can begin any more: the interpreter is about to end.
                self._thread = None
                return False
            return True

    def flush(self, timeout: float | None = None) -> bool:
        """
        Store all that is finished; return whether it is stored.

        timeout: s to wait at most; None waits as long as it takes.
        """
        if self._is_discarding():
            return False
        self.start()
        return self._ask_for_turn(timeout)

    def stop(self) -> bool:
        """
        End the thread after a last turn; return whether everything is stored.

        Where that fails the thread goes on trying, as long as the process lasts.
        """
        deadline = time.monotonic() + self.exit_timeout_s
        self._is_last = True
        # A thread if there can be one: Django lets nobody query where an event loop runs.
        self.start()
        is_clean = self._ask_for_turn(self.exit_timeout_s)
        thread = self._thread
        if is_clean and thread is not None:
            with self._condition:
                self._is_stopping = True
                self._condition.notify_all()
            thread.join(max(0.0, deadline - time.monotonic()))
        self._is_last = False
        return is_clean

    def _ask_for_turn(self, timeout: float | None) -> bool:
        """Wait for a turn of the thread; where there is none, take the turn here."""
        if get_ident() in self._recorder.busy:
            # A receiver that the turn itself has called, or what runs while a lock is held.
            return False
        with self._condition:
            thread = self._thread
            if thread is not None:
                self._asked += 1
                turn = self._asked
                self._askers.add(get_ident())
                self._condition.notify_all()
                has_ended = self._condition.wait_for(
                    lambda: self._done >= turn or not thread.is_alive(), timeout
                )
                self._askers.discard(get_ident())
                return has_ended and self._done >= turn and self._is_clean
            turn = self._asked
        return self._take_turn(turn)

    def hold(self) -> None:
        """Wait for the sink to close its connection, as this thread is about to fork."""
        if self._turning != get_ident() and self._sink_lock.acquire(
            timeout=self.sink.fork_timeout_s
        ):
            self._forking = get_ident()

    def release(self) -> None:
        """Let the sink connect again."""
        if self._forking == get_ident():
            self._forking = 0
            self._sink_lock.release()

    def forget(self) -> None:
        """Begin anew in a forked child: thread and connection are the parent's."""
        self._forget_thread()
        self.waiting.forget()
        self.waiting.trace_rows.unkept_count = 0
        self._vitals = self._vitals.forget()
        if self.upkeep is not None:
            self.upkeep.forget()
        if self._refresh is not None:
            self._refresh.forget()
        self.sink.forget()

    def wake(self) -> None:
        """Let be read at once what others decide, in a process that was idle."""
        refresh = self._refresh
        if refresh is not None and refresh.is_asleep:
            with self._condition:
                refresh.due_s = 0.0
                self._condition.notify_all()

    def _run(self) -> None:
        block_signals()
        due_s = time.monotonic() + self._pause_s()
        while True:
            with self._condition:
                wait_s = min(due_s, self._refresh_s()) - time.monotonic()
                self._condition.wait_for(self._is_called, max(0.0, wait_s))
                if self._is_stopping and self._asked <= self._done:
                    self._thread = None
                    self._is_stopping = False
                    break
                turn = self._asked
                is_due = turn > self._done or time.monotonic() >= due_s
            if is_due:
                self._take_turn(turn)
                due_s = time.monotonic() + self._pause_s()
            else:
                self._take_short_turn()

    def _refresh_s(self) -> float:
        return math.inf if self._refresh is None or self._is_last else self._refresh.due_s

    def _is_called(self) -> bool:
        return (
            self._is_stopping or self._asked > self._done or self._refresh_s() <= time.monotonic()
        )

    def _take_short_turn(self) -> None:
        """Read what others decide, and store nothing."""
        with self._alone(), self._sink_lock:
            try:
                self._read()
            finally:
                self._close()

    def _read(self) -> None:
        """Read what others decide: by the thread only, and not as it ends."""
        if self._refresh is not None and self._is_in_thread() and not self._is_last:
            self._refresh.turn()

    def _take_turn(self, number: int) -> bool:
        """Take what is there and store it; no fork comes in between, no connection outlives it."""
        with self._alone():
            started_ns = thread_time_ns()
            has_collected = self._try(self._collect)
            self._be_courteous()
            with self._sink_lock:
                try:
                    # First, since to store may take long.
                    self._read()
                    is_clean = has_collected and self._turn()
                    self._vitals.worked(thread_time_ns() - started_ns)
                    with self._condition:
                        self._done, self._is_clean = number, is_clean
                        self._condition.notify_all()
                    self._report()
                    self._look_after()
                finally:
                    self._close()
            return is_clean

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let no other thread take a turn in a block, and record nothing of what it does."""
        with self._turn_lock:
            self._turning = get_ident()
            self._recorder.busy.add(self._turning)
            token = CURRENT.set(Strand(DISCARD))
            try:
                yield
            finally:
                CURRENT.reset(token)
                self._recorder.busy.discard(self._turning)
                self._turning = 0

    def _be_courteous(self) -> None:
        """Wait for the project's transactions, but neither for ever nor as the process ends."""
        deadline = time.monotonic() + MAX_COURTESY_S
        while (
            not self._is_last
            and self.sink.would_break(self._askers)
            and time.monotonic() < deadline
        ):
            time.sleep(_COURTESY_PAUSE_S)

    def _close(self) -> None:
        try:
            self.sink.close()
        except Exception as error:  # noqa: BLE001
            fault("closing the writer's connection", error)

    def _pause_s(self) -> float:
        if not self._failures:
            return self.interval_s
        # After many days 2**failures would be too large for a float.
        return float(min(self.interval_s * 2 ** min(self._failures, 20), MAX_PAUSE_S))

    def _report(self) -> None:
        """Store how this process is, now and then; a failure of this loses nothing."""
        if self._is_discarding() or not self._vitals.is_due(is_ended=self._is_last):
            return
        if self._is_last and self._failures:
            # The end of the process does not wait for the same trouble twice.
            return
        try:
            self.sink.report(
                self._vitals.report(
                    self._recorder,
                    interval_s=self.interval_s,
                    waiting_count=self.waiting.batch.node_count,
                    is_ended=self._is_last,
                )
            )
        except Exception as error:  # noqa: BLE001
            self._warn(error)

    def _look_after(self) -> None:
        """Let the tables be looked after: by the thread only, and not while storing fails."""
        if (
            self.upkeep is None
            or not self._is_in_thread()
            or self._failures
            or self._is_discarding()
        ):
            return
        if self._is_last:
            self.upkeep.end()
        else:
            self.upkeep.turn()

    def _is_in_thread(self) -> bool:
        return self._thread is not None and self._thread.ident == get_ident()

    def _try(self, step: Callable[[], None]) -> bool:
        """Take a step of a turn; return whether that went well."""
        try:
            step()
        except Exception as error:  # noqa: BLE001
            self.waiting.put_back()
            self._failures += 1
            if not (self._may_lack_tables and is_missing_table(error)):
                self._vitals.failed(error)
                self._warn(error)
            return False
        return True

    def _turn(self) -> bool:
        """Store what waits; return whether all of it is stored."""
        started = perf_counter_ns()
        waiting = self.waiting
        if self._is_discarding():
            waiting.forget()
        if not waiting.batch:
            return True
        if not self._try(lambda: waiting.store(self.sink.write)):
            return False
        self._vitals.stored(waiting.batch, perf_counter_ns() - started)
        waiting.forget()
        self._failures = 0
        self._has_warned = False
        return True

    def _collect(self) -> None:
        self.waiting.collect(is_storing=not self._failures)

    def _warn(self, error: Exception) -> None:
        """Say once per trouble that storing fails."""
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
    """Tell whether an error of any of the databases says that a table or column is not there."""
    text = str(error)
    return any(words in text for words in _MISSING)
