"""Counts every call into one tally per minute, signal, sender and receiver."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Iterable
from time import perf_counter_ns
from typing import Any

from signalscope.core.histogram import BOUNDS_NS, bucket
from signalscope.recorder.plans import MAX_PLANS, Plan
from signalscope.recorder.strands import Branch

PERIOD_S = 60
_PERIOD_NS = PERIOD_S * 10**9
# Durations that wait to be counted, so that a busy process does not hold many.
MAX_PENDING = 50_000

# (start of the period in s since the epoch, signal, sender, receiver); the receiver is empty in
# the tally of dispatches that nobody heard.
Key = tuple[int, str, str, str]


class Tally:
    """
    Calls of one receiver in one period: durations in ns, counts by histogram bucket.

    Durations are noted in ``pending`` and counted many at a time, which costs half as much.
    """

    __slots__ = ("buckets", "call_count", "error_count", "max_ns", "pending", "total_ns")

    def __init__(self) -> None:
        self.call_count = 0
        self.error_count = 0
        self.total_ns = 0
        self.max_ns = 0
        self.buckets: dict[int, int] = {}
        self.pending: list[int] = []

    def settle(self) -> None:
        """Count the pending durations."""
        pending, self.pending = sorted(self.pending), []
        if not pending:
            return
        self.call_count += len(pending)
        self.total_ns += sum(pending)
        self.max_ns = max(self.max_ns, pending[-1])
        counted = 0
        while counted < len(pending):
            index = bucket(pending[counted])
            if index < len(BOUNDS_NS):
                end = bisect_right(pending, BOUNDS_NS[index], counted)
            else:
                end = len(pending)
            self.buckets[index] = self.buckets.get(index, 0) + end - counted
            counted = end

    def merge(self, other: Tally) -> None:
        """Add what another settled tally counted."""
        self.call_count += other.call_count
        self.error_count += other.error_count
        self.total_ns += other.total_ns
        self.max_ns = max(self.max_ns, other.max_ns)
        for index, count in other.buckets.items():
            self.buckets[index] = self.buckets.get(index, 0) + count


class Rollups:
    """
    The tallies that are not stored yet.

    max_keys bounds them; what finds no room is counted in lost_calls.
    """

    def __init__(self, max_keys: int = 20_000) -> None:
        self._max_keys = max_keys
        # Those that keep tallies of the present period.
        self._plans: list[Plan] = []
        self.forget()

    def forget(self) -> None:
        """Be empty, with a lock that nobody holds: as new, or in a forked child."""
        self._lock = threading.Lock()
        self._tallies: dict[Key, Tally] = {}
        self._start()
        self.lost_calls = 0

    def _start(self) -> None:
        self._forget_plans()
        self._from_ns = self._until_ns = 0
        self._pending_count = 0
        self._period_start = 0

    def add(self, items: Iterable[Any]) -> int:
        """
        Count all dispatches among the items, and those below them; return how many.

        The items are from one trace or one turn of the writer; all count in the period of the
        first.
        """
        with self._lock:
            self._turn_to_time_of(items)
            count = self._add(items)
            self._pending_count += count
            if self._pending_count > MAX_PENDING:
                self._pending_count = 0
                for tally in self._tallies.values():
                    tally.settle()
            return count

    def take(self) -> dict[Key, Tally]:
        """Return the tallies, settled, and begin anew."""
        with self._lock:
            taken, self._tallies = self._tallies, {}
            self._start()
        for tally in taken.values():
            tally.settle()
        return taken

    def put_back(self, taken: dict[Key, Tally]) -> None:
        """Add tallies that could not be stored."""
        with self._lock:
            for key, tally in taken.items():
                mine = self._tallies.get(key)
                if mine is not None:
                    mine.merge(tally)
                elif len(self._tallies) < self._max_keys:
                    self._tallies[key] = tally
                else:
                    self.lost_calls += tally.call_count

    def _turn_to_time_of(self, items: Iterable[Any]) -> None:
        for item in items:
            if type(item) is list:
                started = item[3]
                break
        else:
            started = perf_counter_ns()
        if not self._from_ns <= started < self._until_ns:
            self._turn_to(started)

    def _add(self, items: Iterable[Any]) -> int:
        count = 0
        for item in items:
            kind = type(item)
            if kind is list:
                count += self._add_record(item)
            elif kind is Plan:
                count += 1
                self._add_unheard(item)
        return count

    def _add_record(self, record: list[Any]) -> int:
        """Count a dispatch and what hangs below it; return how many dispatches that is."""
        plan = record[0]
        tallies = plan.tallies
        if tallies is None:
            tallies = self._tallies_of(plan)
        if not plan.receivers:
            self._add_unheard(plan)
            return 1
        count = 1
        index = 0
        branch_index = plan.sync_count
        has_failed = False
        started = record[3]
        for item in record[4:]:
            kind = type(item)
            if kind is int:
                tallies[index].pending.append(item - started)
                started = item
                if has_failed:
                    tallies[index].error_count += 1
                    has_failed = False
                index += 1
            elif kind is list:
                count += self._add_record(item)
            elif kind is Plan:
                count += 1
                self._add_unheard(item)
            elif kind is tuple:
                if item[0] == "error":
                    has_failed = True
                elif item[0] == "start":
                    started = item[1]
            elif isinstance(item, Branch):
                count += self._add_branch(item, tallies[branch_index])
                branch_index += 1
        return count

    def _add_branch(self, branch: Branch, tally: Tally) -> int:
        """Count one async call; one that never started or never ended has no duration."""
        if len(branch) >= 2 and type(branch[-1]) is int:
            tally.pending.append(branch[-1] - branch[0])
            last_but_one = branch[-2]
            tally.error_count += type(last_but_one) is tuple and is_error(last_but_one)
        return self._add(branch)

    def _add_unheard(self, plan: Plan) -> None:
        if not plan.counts_unheard or not plan.is_watched:
            return
        self._tally((self._period_start, plan.signal, plan.sender_label, "")).call_count += 1

    def _turn_to(self, now_ns: int) -> None:
        """Begin the period of the wall clock that a clock reading lies in."""
        self._forget_plans()
        offset_ns = time.time_ns() - perf_counter_ns()
        start_ns = (now_ns + offset_ns) // _PERIOD_NS * _PERIOD_NS
        self._period_start = start_ns // 10**9
        self._from_ns = start_ns - offset_ns
        self._until_ns = self._from_ns + _PERIOD_NS

    def _forget_plans(self) -> None:
        """Let plans ask again for their tallies."""
        for plan in self._plans:
            plan.tallies = None
        self._plans = []

    def _tallies_of(self, plan: Plan) -> list[Tally]:
        """Return the tallies of a plan's receivers, which it keeps until the period ends."""
        key = (self._period_start, plan.signal, plan.sender_label)
        if len(self._plans) >= MAX_PLANS:
            self._forget_plans()
        tallies = [
            Tally() if is_excluded else self._tally((*key, receiver))
            for receiver, is_excluded in zip(plan.receivers, plan.is_excluded, strict=True)
        ]
        plan.tallies = tallies
        self._plans.append(plan)
        return tallies

    def _tally(self, key: Key) -> Tally:
        tally = self._tallies.get(key)
        if tally is None:
            tally = Tally()
            if len(self._tallies) < self._max_keys:
                self._tallies[key] = tally
            else:
                self.lost_calls += 1
        return tally


def is_error(item: tuple[str, str, str]) -> bool:
    """Tell whether a noted error is one, not the call's cancellation."""
    return item[0] == "error" and item[1] not in CANCELLATIONS


# By dotted path, as core.redact.error_type() gives it.
CANCELLATIONS = frozenset({"asyncio.exceptions.CancelledError", "GeneratorExit"})
