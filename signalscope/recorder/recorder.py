"""The recorder: opens and closes records and traces, and keeps what it holds bounded."""

from __future__ import annotations

import random
import threading
import weakref
from _thread import get_ident
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter_ns
from typing import Any

from signalscope.core.django_dispatch import calls_its_list
from signalscope.core.faults import fault
from signalscope.recorder import calls
from signalscope.recorder.buffer import Buffer, Part
from signalscope.recorder.plans import NO_RECEIVERS, PLANS, Plan, Planner
from signalscope.recorder.rollups import Rollups
from signalscope.recorder.strands import (
    CURRENT,
    DISCARD,
    LOOSE,
    Record,
    Tap,
    loose_strands,
    running_strand,
)
from signalscope.recorder.traces import Trace
from signalscope.recorder.tree import Call, Tree

# So many finished dispatches under one parent are handed over, or folded.
SPILL_LENGTH = 1000


class Recorder:
    """
    What the instrumented methods report to.

    sample_rate: the share of traces that is kept as rows, 0 to 1, decided as a trace begins.
    trace_limit: how many nodes a trace may have.
    is_discarding: called; True while nothing is stored (in a test run).
    """

    def __init__(
        self,
        *,
        planner: Planner,
        buffer: Buffer,
        rollups: Rollups,
        sample_rate: float = 1.0,
        trace_limit: int = 1000,
        is_discarding: Callable[[], bool],
    ) -> None:
        self.buffer = buffer
        self.rollups = rollups
        self.trace_limit = trace_limit
        self._planner = planner
        self.sample_rate = sample_rate
        self._is_discarding = is_discarding
        self._random = random.Random()  # noqa: S311
        self._loose_lock = threading.Lock()
        self._open_traces: dict[int, weakref.ref[Trace]] = {}
        # Traces and dispatches that found no room in the buffer.
        self.lost_traces = 0
        self.lost_dispatches = 0

    # What the instrumented methods call.

    def helpers(self) -> Mapping[str, object]:
        """Return what the statements put into Signal's methods call, by name."""
        return {
            "plans": PLANS.get,
            "current": CURRENT.get,
            "loose": loose_strands,
            "clock": perf_counter_ns,
            "get_ident": get_ident,
            "limit": SPILL_LENGTH,
            "fault": fault,
            "make_plan": self.make_plan,
            "unheard": self.unheard,
            "open_hooked": calls.open_hooked,
            "close_rarely": self.close_rarely,
            "open_async": self.open_async,
            "close_async": self.close_async,
            "enter_thread": calls.enter_thread,
            "failed": calls.failed,
            "abort": calls.abort,
            "drive": calls.drive,
            "enter_sync_part": calls.enter_sync_part,
            "leave_sync_part": calls.leave_sync_part,
        }

    def make_plan(
        self,
        signal: Any,
        sender: object,
        sync_receivers: Sequence[object],
        async_receivers: Sequence[object],
    ) -> Plan:
        """Return the plan of a dispatch that has none yet."""
        receivers = [*sync_receivers, *async_receivers]
        return self._planner.plan(signal, sender, receivers, len(sync_receivers))

    def find_plan(self, signal: Any, sender: object) -> Plan | None:
        """Return the plan of a dispatch, if there is one that fits (as the sync methods do)."""
        signal_class = type(signal)
        plan = PLANS.get(id(signal) ^ id(sender))
        entries = signal.receivers
        if (
            plan is None
            or plan.sender() is not sender
            or plan.of() is not signal
            or plan.receiver_count != (len(entries) or NO_RECEIVERS)
            or (entries and plan.last_key is not entries[-1][0])
            or not calls_its_list(signal_class)
        ):
            return None
        return plan

    def unheard(self, signal: Any, sender: object, named: dict[str, Any]) -> None:
        """Note a dispatch that nobody heard; Django's own are of interest only to hooks."""
        try:
            entries = signal.receivers
            plan = PLANS.get(id(signal) ^ id(sender))
            if (
                plan is None
                or plan.sender() is not sender
                or plan.receivers
                or plan.of() is not signal
                or plan.receiver_count != (len(entries) or NO_RECEIVERS)
            ):
                plan = self.make_plan(signal, sender, (), ())
            if plan.hook is not None:
                plan.hook.before(named)
                plan.hook.after()
            if plan.counts_unheard and plan.is_watched:
                parent = running_strand().top
                parent.append(plan)
                if len(parent) > SPILL_LENGTH:
                    self.spill(parent)
        except Exception as error:  # noqa: BLE001
            fault("counting an unheard dispatch", error)

    def close_rarely(self, plan: Plan, parent: list[Any], token: calls.StrandToken | None) -> None:
        """Do what only few dispatches need at their end."""
        if token is not None:
            CURRENT.reset(token)
        if plan.hook is not None:
            plan.hook.after()
        if len(parent) > SPILL_LENGTH:
            self.spill(parent)

    def open_async(
        self,
        signal: Any,
        sender: object,
        sync_receivers: Sequence[object],
        async_receivers: Sequence[object],
        method: str,
        named: dict[str, Any],
    ) -> tuple[list[Any] | None, Record | None]:
        """Open the record of an asend(); return its parent and it, or (None, None)."""
        try:
            plan = self.find_plan(signal, sender)
            if plan is None:
                plan = self.make_plan(signal, sender, sync_receivers, async_receivers)
            if not plan.is_watched:
                return None, None
            if plan.hook is not None:
                plan.hook.before(named)
            in_atomic = plan.read_atomic(named) if plan.read_atomic is not None else None
            return running_strand().top, [plan, method, in_atomic, perf_counter_ns()]
        except Exception as error:  # noqa: BLE001
            fault("opening the record of an async dispatch", error)
            return None, None

    def close_async(self, parent: list[Any], record: Record) -> None:
        """Close the record of an asend()."""
        try:
            record.append(("end", perf_counter_ns()))
            parent.append(record)
            self.close_rarely(record[0], parent, None)
        except Exception as error:  # noqa: BLE001
            fault("closing the record of an async dispatch", error)

    # Traces.

    def open_trace(self, trigger: str, name: str | Callable[[], str]) -> Trace | None:
        """
        Begin a trace in the running context; None where nothing is recorded.

        name: a function is only called for a trace that is kept.
        """
        if running_strand().top is DISCARD:
            return None
        is_kept = self.is_sampled()
        if callable(name):
            name = name() if is_kept else ""
        trace = Trace(trigger, name, is_kept=is_kept)
        trace.on_abandoned = self._abandoned
        self._open_traces[id(trace)] = weakref.ref(trace)
        trace.enter()
        return trace

    def close_trace(self, trace: Trace | None) -> None:
        """End a trace; the writer gets what it holds. In a forked child nothing is left of it."""
        if trace is None:
            return
        trace.leave()
        if id(trace) in self._open_traces:
            self._hand_over_last(trace)

    def is_sampled(self) -> bool:
        """Decide whether a trace that begins is kept."""
        return self._random.random() < self.sample_rate

    def abandon_open_traces(self) -> None:
        """Take traces that are still open as the process ends."""
        for reference in list(self._open_traces.values()):
            trace = reference()
            if trace is not None:
                self._abandoned(trace)

    def _abandoned(self, trace: Trace) -> None:
        """Take a trace whose end was never seen."""
        trace.status = "unfinished"
        self._hand_over_last(trace)

    def _hand_over_last(self, trace: Trace) -> None:
        self._open_traces.pop(id(trace), None)
        trace.close()
        if trace.is_kept:
            self._hand_over(Part(trace, list(trace), is_last=True))
        elif not self._is_discarding():
            # Counted at once: to keep it for the writer would cost more.
            self.rollups.add(trace)
        trace.clear()

    def forget(self) -> None:
        """Begin anew in a forked child: open traces go on in the parent."""
        self._loose_lock = threading.Lock()
        self.rollups.forget()
        self.buffer.forget()
        self.lost_traces = self.lost_dispatches = 0
        open_traces, self._open_traces = self._open_traces, {}
        for reference in open_traces.values():
            trace = reference()
            if trace is not None:
                trace.is_kept = False
                trace.clear()
                trace.close()

    # Keeping it bounded.

    def spill(self, parent: list[Any]) -> None:
        """Make room in a list that has grown long."""
        if isinstance(parent, Tap):
            if len(parent.below) > SPILL_LENGTH:
                self.spill(parent.below)
        elif parent is LOOSE:
            self.hand_over_loose()
        elif isinstance(parent, Trace):
            self._hand_over_open(parent)
        else:
            self._fold(parent)

    def hand_over_all(self) -> None:
        """Hand over what is finished, also of traces that are still open."""
        self.hand_over_loose()
        for reference in list(self._open_traces.values()):
            trace = reference()
            if trace is not None:
                self._hand_over_open(trace)

    def hand_over_loose(self) -> None:
        """Hand over the dispatches outside of any trace."""
        with self._loose_lock:
            items = LOOSE[:]
            del LOOSE[: len(items)]
        if items:
            self._hand_over(Part(None, items, is_last=True))

    def _hand_over_open(self, trace: Trace) -> None:
        with self._loose_lock:
            items = trace[:]
            del trace[: len(items)]
        if items:
            self._hand_over(Part(trace, items, is_last=False))

    def _hand_over(self, part: Part) -> None:
        if self._is_discarding():
            return
        if not self.buffer.put(part):
            # The roll-ups stay exact: they are counted here and now.
            count = self.rollups.add(part.items)
            self.lost_dispatches += count
            if part.trace is None:
                self.lost_traces += count
            elif part.is_last:
                self.lost_traces += 1

    def _fold(self, record: list[Any]) -> None:
        """Fold what is finished below the call in progress, so that the record stays short."""
        first = 1 + max(index for index, item in enumerate(record) if type(item) is int)
        tree, queries, others = Tree(self.trace_limit), Call("", 0), []
        dispatches = []
        for item in record[first:]:
            if type(item) in (list, Plan, Tree):
                dispatches.append(item)
            elif type(item) is tuple and item[0] == "query":
                queries.statements = queries.add_query(item[1], item[2], queries.statements)
            elif type(item) is Call:
                queries.absorb(item)
            else:
                others.append(item)
        self.rollups.add(dispatches)
        tree.add(dispatches)
        record[first:] = [tree, queries, *others]
