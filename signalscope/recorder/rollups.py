"""Counts every call into one tally per minute, signal, sender and receiver."""

from __future__ import annotations

import threading
import time
from bisect import bisect_right
from collections.abc import Iterable
from time import perf_counter_ns
from typing import Any

from signalscope.core.histogram import BOUNDS_NS, bucket
from signalscope.recorder.calls import FIRST_ITEM, is_error
from signalscope.recorder.plans import MAX_PLANS, Plan
from signalscope.recorder.strands import Branch, Late
from signalscope.recorder.tree import Tree

PERIOD_S = 60
_PERIOD_NS = PERIOD_S * 10**9
# Stands for names that came when there were too many already.
OTHER = "(other)"
# Durations that wait to be counted, so that a busy process does not hold many.
MAX_PENDING = 10_000

# (signal, sender, receiver)
Name = tuple[str, str, str]
# (start of the period in s since the epoch, signal, sender, receiver); the receiver is empty in
# the tally of dispatches that nobody heard.
Key = tuple[int, str, str, str]


class Tally:
    """
    Calls of one receiver in one period: durations in ns, counts by histogram bucket.

    Durations are noted in ``pending`` and counted many at a time, which costs half as much.
    """

    __slots__ = (
        "buckets",
        "call_count",
        "deferred_count",
        "error_count",
        "max_ns",
        "muted_count",
        "pending",
        "skipped_count",
        "total_ns",
    )

    def __init__(self) -> None:
        self.call_count = 0
        self.error_count = 0
        self.muted_count = 0
        self.skipped_count = 0
        self.deferred_count = 0
        self.total_ns = 0
        self.max_ns = 0
        self.buckets: dict[int, int] = {}
        self.pending: list[int] = []

    def count_outcome(self, outcome: str) -> None:
        """Count a call that its receiver skipped or deferred."""
        if outcome == "deferred":
            self.deferred_count += 1
        else:
            self.skipped_count += 1

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
        self.muted_count += other.muted_count
        self.skipped_count += other.skipped_count
        self.deferred_count += other.deferred_count
        self.total_ns += other.total_ns
        self.max_ns = max(self.max_ns, other.max_ns)
        for index, count in other.buckets.items():
            self.buckets[index] = self.buckets.get(index, 0) + count


class Rollups:
    """
    The tallies that are not stored yet.

    max_keys: how many names (signal, sender, receiver) this process counts apart; what comes
    later is counted under shared ones.
    max_tallies: how many tallies may wait; what finds no room is counted in lost_calls.
    """

    def __init__(self, max_keys: int = 5_000, max_tallies: int = 20_000) -> None:
        self.max_keys = max_keys
        self._max_tallies = max_tallies
        self._names: set[Name] = set()
        # Those that keep tallies of the present period.
        self._plans: list[Plan] = []
        self.forget()

    def forget(self) -> None:
        """Be empty, with a lock that nobody holds: as new, or in a forked child."""
        self._lock = threading.Lock()
        self._tallies: dict[Key, Tally] = {}
        # What found no room; counted as lost when the tallies are taken.
        self._lost = Tally()
        self._start()
        self.lost_calls = 0

    def _start(self) -> None:
        self._forget_plans()
        self._from_ns = self._until_ns = 0
        self._pending_count = 0
        self._period_start = 0

    def add(self, items: Iterable[Any]) -> tuple[int, int]:
        """
        Count all dispatches among the items, and those below them.

        Returns how many, and how many calls in them failed.
        The items are from one trace or one turn of the writer; all count in the period of the
        first.
        """
        with self._lock:
            self._turn_to_time_of(items)
            self._error_count = 0
            count = self._add(items)
            self._pending_count += count
            if self._pending_count > MAX_PENDING:
                self._pending_count = 0
                for tally in (*self._tallies.values(), self._lost):
                    tally.settle()
            return count, self._error_count

    def take(self) -> dict[Key, Tally]:
        """Return the tallies, settled, and begin anew."""
        with self._lock:
            taken, self._tallies = self._tallies, {}
            self._start()
            lost, self._lost = self._lost, Tally()
        for tally in taken.values():
            tally.settle()
        lost.settle()
        self.lost_calls += lost.call_count
        return taken

    def put_back(self, taken: dict[Key, Tally]) -> None:
        """
        Add tallies that could not be stored.

        Where many wait, those of one hour, then of one day, count in its first minute: rather
        the time is blurred than calls are lost.
        """
        for span_s in (3600, 86400):
            if len(taken) > self._max_tallies // 2:
                taken = _blurred(taken, span_s)
        with self._lock:
            for key, tally in taken.items():
                mine = self._tallies.get(key)
                if mine is not None:
                    mine.merge(tally)
                elif len(self._tallies) < self._max_tallies:
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
                if len(item) == FIRST_ITEM + 1 and type(item[FIRST_ITEM]) is int:
                    tallies = item[0].tallies
                    if tallies and not item[0].kept_out:
                        # One call and nothing below it: most are like this.
                        tallies[0].pending.append(item[FIRST_ITEM] - item[3])
                        count += 1
                        continue
                count += self._add_record(item)
            elif kind is Plan:
                count += 1
                self._add_unheard(item)
            elif kind is Tree:
                count += self._add_folded(item)
            elif isinstance(item, Late):
                count += self._add_late(item)
        return count

    def _add_late(self, late: Late) -> int:
        """Count the runs that were put off so far; what still comes is outside of the trace."""
        late.close()
        return self._add(late)

    def _add_folded(self, tree: Tree) -> int:
        """Return how many dispatches were folded, whose calls were counted then."""
        self._error_count += tree.error_count
        return tree.dispatch_count

    def _add_record(self, record: list[Any]) -> int:
        """Count a dispatch and what hangs below it; return how many dispatches that is."""
        plan = record[0]
        tallies = plan.tallies
        if tallies is None:
            tallies = self._tallies_of(plan)
        if plan.kept_out:
            for _, receiver, _ in plan.kept_out:
                self._tally(plan.signal, plan.sender_label, receiver).muted_count += 1
        elif not plan.receivers:
            self._add_unheard(plan)
            return 1
        count = 1
        index = 0
        branch_index = plan.sync_count
        has_failed, outcome = False, ""
        started = record[3]
        for item in record[4:]:
            kind = type(item)
            if kind is int:
                if outcome:
                    tallies[index].count_outcome(outcome)
                    outcome = ""
                else:
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
                    self._error_count += 1
                elif item[0] == "start":
                    started = item[1]
                elif item[0] == "outcome":
                    outcome = item[1]
            elif isinstance(item, Late):
                count += self._add_late(item)
            elif isinstance(item, Branch):
                count += self._add_branch(item, tallies[branch_index])
                branch_index += 1
            elif kind is Tree:
                count += self._add_folded(item)
        return count

    def _add_branch(self, branch: Branch, tally: Tally) -> int:
        """Count one async call; one that never started or never ended has no duration."""
        noted = [item[1] for item in branch if type(item) is tuple and item[0] == "outcome"]
        if noted:
            tally.count_outcome(noted[-1])
        elif len(branch) >= 2 and type(branch[-1]) is int:
            tally.pending.append(branch[-1] - branch[0])
            last_but_one = branch[-2]
            if type(last_but_one) is tuple and is_error(last_but_one):
                tally.error_count += 1
                self._error_count += 1
        return self._add(branch)

    def _add_unheard(self, plan: Plan) -> None:
        if not plan.counts_unheard or not plan.is_watched:
            return
        self._tally(plan.signal, plan.sender_label, "").call_count += 1

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
        if len(self._plans) >= MAX_PLANS:
            self._forget_plans()
        tallies = [
            Tally() if is_excluded else self._tally(plan.signal, plan.sender_label, receiver)
            for receiver, is_excluded in zip(plan.receivers, plan.is_excluded, strict=True)
        ]
        plan.tallies = tallies
        self._plans.append(plan)
        return tallies

    def _tally(self, signal: str, sender: str, receiver: str) -> Tally:
        key = (self._period_start, signal, sender, receiver)
        tally = self._tallies.get(key)
        if tally is None:
            key = (self._period_start, *self._known((signal, sender, receiver)))
            tally = self._tallies.get(key)
        if tally is None:
            if len(self._tallies) >= self._max_tallies:
                return self._lost
            tally = self._tallies[key] = Tally()
        return tally

    def _known(self, name: Name) -> Name:
        """Return the name to count under: itself, or one that it shares with others."""
        signal, _, receiver = name
        for shared, limit in (
            (name, self.max_keys),
            ((signal, OTHER, receiver), 2 * self.max_keys),
        ):
            if shared in self._names:
                return shared
            if len(self._names) < limit:
                self._names.add(shared)
                return shared
        return OTHER, OTHER, OTHER if receiver else ""


def _blurred(tallies: dict[Key, Tally], span_s: int) -> dict[Key, Tally]:
    """Return tallies with all periods of a span counted in its first one."""
    blurred: dict[Key, Tally] = {}
    for (start_s, signal, sender, receiver), tally in tallies.items():
        key = (start_s // span_s * span_s, signal, sender, receiver)
        mine = blurred.setdefault(key, tally)
        if mine is not tally:
            mine.merge(tally)
    return blurred
