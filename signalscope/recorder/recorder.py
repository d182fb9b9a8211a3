"""The recorder: opens and closes records and traces, and keeps what it holds bounded."""

from __future__ import annotations

import copy
import threading
import weakref
from _thread import get_ident
from collections.abc import Callable, Mapping, Sequence
from time import perf_counter_ns
from typing import Any

from signalscope.context import CONTEXT, Context
from signalscope.core.correlation import CorrelationHeader
from signalscope.core.django_dispatch import calls_its_list
from signalscope.core.faults import fault
from signalscope.recorder import calls, captures, gate
from signalscope.recorder.buffer import Buffer, Part
from signalscope.recorder.gate import OPEN_CAPTURES, OPEN_MUTES, JudgeMutes
from signalscope.recorder.keeping import SAMPLE, Keeping, longest_ns
from signalscope.recorder.notes import Entry, Notes, SlowQuery
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
    running_trace,
)
from signalscope.recorder.traces import Origin, Trace, Traced, enclosing_trace
from signalscope.recorder.tree import Call, Tree

# So many finished dispatches under one parent are handed over, or folded.
SPILL_LENGTH = 1000


class Recorder:
    """
    What the instrumented methods report to.

    keeping: decides which traces are stored as rows.
    trace_limit: how many nodes a trace may have.
    is_discarding: called; True while nothing is stored (in a test run).
    """

    def __init__(
        self,
        *,
        planner: Planner,
        buffer: Buffer,
        rollups: Rollups,
        trace_limit: int = 1000,
        is_discarding: Callable[[], bool],
    ) -> None:
        self.buffer = buffer
        self.rollups = rollups
        self.trace_limit = trace_limit
        self._planner = planner
        self.keeping = Keeping()
        self.correlation_headers: Sequence[CorrelationHeader] = ()
        self._is_discarding = is_discarding
        self.entries: Notes[Entry] = Notes()
        self.slow_queries: Notes[SlowQuery] = Notes()
        # Called when there is something for the writer that no plan was made for.
        self.on_note: Callable[[], None] = lambda: None
        # Called as something begins to happen, after was_active() was told of nothing new.
        self.on_active: Callable[[], None] = lambda: None
        # Asked in each dispatch, while a mute is open in the process.
        self.judge_mutes: JudgeMutes = lambda *_: None
        # Held while a list is emptied that others may append to, or empty, too.
        self._lock = threading.Lock()
        # Threads that may hold a lock of signalscope's. The garbage collector, and handlers of
        # signals, let them do anything meanwhile: nothing of that may wait for a lock.
        self.busy: set[int] = set()
        self._open_traces: dict[int, weakref.ref[Trace]] = {}
        # Those that were deleted before they ended, or ended in a busy thread.
        self._dropped_traces: list[Trace] = []
        self.traced = Traced()
        # Whether something was recorded since was_active(), and how much was held then.
        self._is_active = True
        self._held_before = 0
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
            "gate": gate,
            "choose": self.choose,
            "choose_anew": self.choose_anew,
            "unheard": self.unheard,
            "open_rarely": calls.open_rarely,
            "open_captured": captures.open_captured,
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

    def choose(
        self,
        plan: Plan,
        signal: Any,
        sender: object,
        sync_receivers: Sequence[object],
        async_receivers: Sequence[object],
    ) -> tuple[Plan, Sequence[object], Sequence[object]]:
        """Return the plan to follow, and the receivers to call, in their order."""
        if len(sync_receivers) != plan.sync_count or len(async_receivers) != plan.async_count:
            # Another thread has changed the list since Django read it, and made this plan.
            plan = self.make_plan(signal, sender, sync_receivers, async_receivers)
        verdict = None
        if OPEN_MUTES:
            verdict = self.judge_mutes(plan, signal, sender, sync_receivers, async_receivers)
        for ask in plan.gates:
            verdict = ask(verdict)
        if verdict is None:
            return plan, sync_receivers, async_receivers
        variant = plan.variants.get(verdict) or self._planner.variant(plan, verdict)
        if variant is plan:
            return plan, sync_receivers, async_receivers
        # Most dispatches have no async ones.
        if async_receivers:
            async_receivers = variant.pick_async(async_receivers)
        return variant, variant.pick_sync(sync_receivers), async_receivers

    def choose_anew(
        self,
        signal: Any,
        sender: object,
        sync_receivers: Sequence[object],
        async_receivers: Sequence[object],
    ) -> tuple[Sequence[object], Sequence[object]]:
        """Return the receivers to call in a dispatch that is not recorded."""
        try:
            plan = self.make_plan(signal, sender, sync_receivers, async_receivers)
            return self.choose(plan, signal, sender, sync_receivers, async_receivers)[1:]
        except Exception as error:  # noqa: BLE001
            fault("choosing the receivers of a dispatch", error)
            return sync_receivers, async_receivers

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

    def unheard(self, signal: Any, sender: object, named: dict[str, Any], method: str) -> None:
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
            if OPEN_CAPTURES:
                captures.tell_unheard(plan, method, sender, named)
            if plan.counts_unheard and plan.is_watched:
                parent = running_strand().top
                parent.append(plan)
                if len(parent) > SPILL_LENGTH:
                    self.spill(parent)
        except Exception as error:  # noqa: BLE001
            fault("counting an unheard dispatch", error)

    def close_rarely(
        self, record: Record, parent: list[Any], token: calls.StrandToken | None
    ) -> None:
        """Do what only few dispatches need at their end."""
        if token is not None:
            CURRENT.reset(token)
        plan: Plan = record[0]
        for watch in plan.watches:
            watch(record)
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
    ) -> tuple[list[Any] | None, Record | None, Sequence[object], Sequence[object]]:
        """
        Open the record of an asend().

        Returns its parent and it, or None twice, and the receivers to call, sync and async.
        """
        try:
            plan = self.find_plan(signal, sender)
            if plan is None:
                plan = self.make_plan(signal, sender, sync_receivers, async_receivers)
            if OPEN_MUTES or plan.gates:
                plan, sync_receivers, async_receivers = self.choose(
                    plan, signal, sender, sync_receivers, async_receivers
                )
            told = captures.CAPTURES.get() if OPEN_CAPTURES else ()
            if told and not plan.is_watched:
                opened = captures.open_unwatched(told, plan, method, sender, named)
                return *(opened or (None, None)), sync_receivers, async_receivers
            if plan.hook is not None:
                plan.hook.before(named)
            if not plan.is_watched:
                if plan.hook is not None:
                    plan.hook.after()
                return None, None, sync_receivers, async_receivers
            in_atomic = plan.read_atomic(named) if plan.read_atomic is not None else None
            record = [plan, method, in_atomic, perf_counter_ns()]
            parent = running_strand().top
            if told:
                captures.tell(told, record, parent, sender, named)
            return parent, record, sync_receivers, async_receivers
        except Exception as error:  # noqa: BLE001
            fault("opening the record of an async dispatch", error)
            return None, None, sync_receivers, async_receivers

    def close_async(self, parent: list[Any], record: Record) -> None:
        """Close the record of an asend()."""
        try:
            record.append(("end", perf_counter_ns()))
            parent.append(record)
            self.close_rarely(record, parent, None)
        except Exception as error:  # noqa: BLE001
            fault("closing the record of an async dispatch", error)

    # Activity and slow queries.

    def note_entries(self, entries: list[Entry]) -> None:
        """Give entries of the activity log to the writer."""
        if entries and not self._is_discarding():
            self.entries.put(entries)
            self.on_note()

    def note_slow_query(self, query: SlowQuery) -> None:
        """Give a slow query to the writer."""
        if not self._is_discarding():
            self.slow_queries.put([query])
            self.on_note()

    def attach(self, context: Context) -> None:
        """Let the running trace say who is behind it."""
        trace = running_trace()
        if trace is not None:
            trace.context = context

    # Traces.

    def open_trace(
        self, trigger: str, name: str = "", origin: Origin | None = None
    ) -> Trace | None:
        """
        Begin a trace in the running context; None where nothing is recorded.

        origin: tells the name and the correlation id instead; a trace inside another one has
        that one's id.
        """
        strand = running_strand()
        if strand.top is DISCARD:
            return None
        outer = enclosing_trace(strand.base)
        correlation_id = outer.find_correlation_id() if outer is not None else ""
        trace = Trace(trigger, name, correlation_id, origin)
        trace.on_abandoned = self._drop
        trace.context = CONTEXT.get()
        self._open_traces[id(trace)] = weakref.ref(trace)
        trace.enter()
        if not self._is_active:
            self._is_active = True
            self.on_active()
        return trace

    def close_trace(self, trace: Trace | None) -> None:
        """End a trace; the writer gets what it holds. In a forked child nothing is left of it."""
        if trace is None:
            return
        trace.leave()
        self._end(trace)

    def abandon_open_traces(self) -> None:
        """Take traces that are still open as the process ends."""
        for reference in list(self._open_traces.values()):
            trace = reference()
            if trace is not None:
                self._end(trace, status="unfinished")

    def _drop(self, trace: Trace) -> None:
        """
        Keep for the writer a trace that is being deleted while it is open.

        The garbage collector may call this anywhere, also while this thread holds a lock.
        """
        self._open_traces.pop(id(trace), None)
        if not self._is_discarding():
            trace.status = "unfinished"
            trace.close()
            self._dropped_traces.append(trace)

    def _end(self, trace: Trace, status: str = "") -> None:
        """End an open trace; only one of several threads that try to does."""
        if self._open_traces.pop(id(trace), None) is None:
            return
        trace.status = status or trace.status
        trace.close()
        thread = get_ident()
        if thread in self.busy:
            # The writer counts it.
            self._dropped_traces.append(trace)
            return
        self._is_active = True
        self.busy.add(thread)
        try:
            self._hand_over_last(trace)
        finally:
            self.busy.discard(thread)

    def _hand_over_last(self, trace: Trace) -> None:
        """Hand over what is left of a trace that is closed, and open to nobody any more."""
        with self._lock:
            items = trace[:]
            trace.clear()
        if not self._is_discarding():
            count = None
            if not self._is_sampled(trace):
                # Counted at once: to keep it for the writer would cost more.
                count, error_count = self.rollups.add(items)
                count_before = trace.held_count + trace.left_out_count
                self.traced.add(count_before + count, trace.duration_ns)
                trace.reason = trace.reason or self.keeping.reason(trace, items, error_count)
            if trace.reason:
                trace.find_name()
                trace.find_correlation_id()
                if trace.context is not None:
                    trace.actor = trace.context.actor(may_query=False)
                self._hand_over(Part(trace, items, is_last=True, counted=count))
        # The request must not live longer for being recorded.
        trace.origin = trace.context = None

    def _is_sampled(self, trace: Trace) -> bool:
        if trace.is_sampled is None:
            trace.is_sampled = self.keeping.is_sampled(trace)
            if trace.is_sampled:
                trace.reason = SAMPLE
        return trace.is_sampled

    def forget(self) -> None:
        """Begin anew in a forked child: open traces go on in the parent."""
        self._lock = threading.Lock()
        self.busy = set()
        self._is_active = True
        self.rollups.forget()
        self.buffer.forget()
        self.traced = Traced()
        self.lost_traces = self.lost_dispatches = 0
        self._dropped_traces = []
        self.entries.forget()
        self.slow_queries.forget()
        open_traces, self._open_traces = self._open_traces, {}
        for reference in open_traces.values():
            trace = reference()
            if trace is not None:
                trace.clear()
                trace.close()

    def was_active(self) -> bool:
        """Tell whether something was recorded since this was asked last."""
        was_active, self._is_active = self._is_active, False
        traces = [reference() for reference in list(self._open_traces.values())]
        held = len(LOOSE) + sum([len(trace) for trace in traces if trace is not None])
        held_before, self._held_before = self._held_before, held
        return was_active or held != held_before

    def twin(self) -> Recorder:
        """Return one that works alike and stores nothing, to measure what this one costs."""
        twin = copy.copy(self)
        twin.buffer, twin.rollups, twin.traced = Buffer(), Rollups(), Traced()
        twin.entries, twin.slow_queries = Notes(), Notes()
        twin._open_traces = {}
        twin._dropped_traces = []
        twin.busy = set()
        twin._is_active = True
        twin._is_discarding = lambda: False
        return twin

    # Keeping it bounded.

    def spill(self, parent: list[Any]) -> None:
        """Make room in a list that has grown long."""
        while isinstance(parent, Tap):
            parent = parent.below
        thread = get_ident()
        if len(parent) <= SPILL_LENGTH or thread in self.busy:
            return
        self._is_active = True
        self.busy.add(thread)
        try:
            if parent is LOOSE:
                self.hand_over_loose()
            elif isinstance(parent, Trace):
                self._hand_over_open(parent)
            else:
                self._fold(parent)
        finally:
            self.busy.discard(thread)

    def hand_over_all(self) -> None:
        """Hand over what is finished, also of traces that are still open; for the writer."""
        self.hand_over_loose()
        while self._dropped_traces:
            self._hand_over_last(self._dropped_traces.pop())
        for reference in list(self._open_traces.values()):
            trace = reference()
            if trace is not None:
                self._hand_over_open(trace)

    def hand_over_loose(self) -> None:
        """Hand over the dispatches outside of any trace."""
        with self._lock:
            items = LOOSE[:]
            del LOOSE[: len(items)]
        if items:
            self._is_active = True
            self._hand_over(Part(None, items, is_last=True))

    def _hand_over_open(self, trace: Trace) -> None:
        """
        Hand over what an open trace holds.

        Where it is not in the share that is kept, the end may still bring a reason to store it,
        so that some are held until then, and always those that are a reason themselves.
        """
        # Until all is done: its end waits for that, since the reason may be found here.
        with self._lock:
            if id(trace) not in self._open_traces:
                return
            items = trace[:]
            del trace[: len(items)]
            if not items or self._is_discarding():
                return
            self._is_active = True
            if self._is_sampled(trace):
                self._hand_over(Part(trace, items, is_last=False))
                return
            count, error_count = self.rollups.add(items)
            duration_ns = perf_counter_ns() - trace.started_ns
            reason = self.keeping.reason_of_items(items, error_count, duration_ns)
            is_first = bool(reason) and not trace.reason
            trace.reason = trace.reason or reason
            if is_first or trace.held_count < self.trace_limit:
                trace.held_count += count
                self._hand_over(Part(trace, items, is_last=False, counted=count))
            else:
                trace.left_out_count += count

    def _hand_over(self, part: Part) -> None:
        if self._is_discarding():
            return
        if not self.buffer.put(part):
            # The roll-ups stay exact: they are counted here and now.
            count = part.counted
            if count is None:
                count, _ = self.rollups.add(part.items)
                if part.trace is not None:
                    self.traced.add(count, part.trace.duration_ns if part.is_last else None)
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
        tree.longest_ns = longest_ns(dispatches)
        tree.signals = self.keeping.signals(dispatches)
        tree.add(dispatches)
        record[first:] = [tree, queries, *others]
