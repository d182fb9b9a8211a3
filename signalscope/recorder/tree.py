"""
Builds the tree of a trace from its records, folding repeats.

A record is ``[plan, method, in_atomic, started_ns, item, ...]`` with items in the order in which
they came:

- an int, the clock when a sync call ended; it began with the one before, or ``started_ns``;
- a list, the record of a dispatch sent by the call in progress;
- a Plan, a dispatch that nobody heard, sent by the call in progress;
- a Late, the dispatches that the call in progress put off;
- a Branch, an async call: its start, items of the same kinds, its end;
- ``("query", sql, duration_ns)`` of the call in progress;
- ``("error", type, message)`` that ends the call in progress;
- ``("outcome", outcome, text)`` that the call in progress gave itself, and why;
- ``("start", ns)`` where the sync calls of ``asend`` began, ``("end", ns)`` of the dispatch;
- a Tree and a Call, the dispatches and queries of the call in progress that were folded already.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from typing import Any

from signalscope.recorder.calls import is_error
from signalscope.recorder.plans import Plan
from signalscope.recorder.strands import Branch, Late


class Call:
    """
    One receiver in a dispatch, or in all the repeats that were folded into it.

    duration_ns, query_count and query_ns are sums over the repeats. own_ns is without the
    dispatches sent from the call. repeated_query_count: queries whose statement the same call
    had run before, the mark of N+1.
    outcome: ok, error, cancelled, skipped, deferred or muted; why is in error_message.
    """

    __slots__ = (
        "children",
        "duration_ns",
        "error_message",
        "error_type",
        "outcome",
        "own_ns",
        "position",
        "query_count",
        "query_ns",
        "receiver",
        "repeated_query_count",
        "statements",
    )

    def __init__(self, receiver: str, position: int) -> None:
        self.receiver = receiver
        self.position = position
        self.children: dict[Any, Dispatch] = {}
        self.duration_ns = 0
        self.own_ns = 0
        self.query_count = 0
        self.query_ns = 0
        self.repeated_query_count = 0
        self.outcome = "ok"
        self.error_type = ""
        self.error_message = ""
        self.statements: set[str] | None = None

    def add_query(self, sql: str, duration_ns: int, statements: set[str] | None) -> set[str]:
        """Count one statement; ``statements`` are those that the same call ran before."""
        self.query_count += 1
        self.query_ns += duration_ns
        if statements is None:
            return {sql}
        if sql in statements:
            self.repeated_query_count += 1
        statements.add(sql)
        return statements

    def absorb(self, other: Call) -> None:
        """Add the statements that another one counted for this call."""
        statements, others = self.statements or set(), other.statements or set()
        self.query_count += other.query_count
        self.query_ns += other.query_ns
        self.repeated_query_count += other.repeated_query_count + len(statements & others)
        self.statements = statements | others

    def note_error(self, item: tuple[str, str, str]) -> None:
        """Take the outcome from a noted error."""
        self.outcome = "error" if is_error(item) else "cancelled"
        self.error_type, self.error_message = item[1], item[2]

    def finish(self, duration_ns: int) -> None:
        """Set the times, once the children are known."""
        self.duration_ns = duration_ns
        below_ns = sum(child.duration_ns for child in self.children.values())
        self.own_ns = max(duration_ns - below_ns, 0)
        self.statements = None


class Dispatch:
    """
    One dispatch, or repeats of it under one parent; duration_ns is their sum.

    is_unheard: nobody was called.
    is_partial: calls are missing, since excluded ones are left out, or it was still going on.
    not_called: labels of receivers that were not reached, since one before them failed.
    ran: the calls without those that were muted.
    """

    __slots__ = (
        "calls",
        "duration_ns",
        "in_atomic",
        "is_partial",
        "is_unheard",
        "kind",
        "method",
        "not_called",
        "position",
        "ran",
        "repeat_count",
        "sender",
        "signal",
    )

    def __init__(self, plan: Plan, method: str, in_atomic: bool | None) -> None:
        self.kind = plan.kind
        self.signal = plan.signal
        self.sender = plan.sender_label
        self.method = method
        self.in_atomic = in_atomic
        self.position = 0
        self.repeat_count = 1
        self.duration_ns = 0
        self.is_unheard = False
        self.is_partial = False
        self.calls: list[Call] = []
        self.ran = self.calls
        self.not_called: list[str] = []

    def key(self) -> Any:
        """Return what repeats have in common; a dispatch with a failure has no repeats."""
        if self.not_called or self.is_partial:
            return object()
        # Those that are muted make a kind of their own.
        for call in self.ran:
            if call.outcome != "ok":
                return self._key_of_outcomes()
        return (self.kind, self.method, self.in_atomic)

    def _key_of_outcomes(self) -> Any:
        outcomes = tuple([(call.outcome, call.error_message) for call in self.ran])
        if all(outcome in ("ok", "skipped", "deferred") for outcome, _ in outcomes):
            return (self.kind, self.method, self.in_atomic, outcomes)
        return object()

    def size(self) -> tuple[int, int]:
        """Return how many nodes this one and those below it are, and how many dispatches."""
        nodes, dispatches = 1, self.repeat_count
        for call in self.calls:
            for child in call.children.values():
                below = child.size()
                nodes += below[0]
                dispatches += below[1]
        return nodes, dispatches

    def merge(self, other: Dispatch) -> int:
        """Fold a repeat into this one; return how many nodes that saved."""
        saved = 1
        self.repeat_count += other.repeat_count
        self.duration_ns += other.duration_ns
        for mine, its in zip(self.calls, other.calls, strict=True):
            mine.duration_ns += its.duration_ns
            mine.own_ns += its.own_ns
            mine.query_count += its.query_count
            mine.query_ns += its.query_ns
            mine.repeated_query_count += its.repeated_query_count
            saved += merge_children(mine.children, its.children.values())
        return saved


def _is_plain(record: list[Any], call_count: int) -> bool:
    """Tell whether a record has so many finished sync calls, no failure, and nothing unusual."""
    finished = 0
    for item in record[4:]:
        kind = type(item)
        if kind is int:
            finished += 1
        elif kind is tuple:
            if item[0] != "query":
                return False
        elif kind is not list and kind is not Plan:
            return False
    return finished == call_count > 0


def merge_children(children: dict[Any, Dispatch], others: Iterable[Dispatch]) -> int:
    """Add dispatches to those under one parent; return how many nodes folding saved."""
    saved = 0
    for other in others:
        key = other.key()
        twin = children.get(key)
        if twin is not None:
            saved += twin.merge(other)
        else:
            other.position = len(children)
            children[key] = other
    return saved


class Tree:
    """
    The folded dispatches of a trace, or of a part of it.

    limit: how many nodes it may have; what comes later is left out and counted.
    longest_ns, signals: the longest call, and names, where Recorder._fold() noted them.
    The other counts are of all dispatches, calls and queries, left out or not.
    """

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self.children: dict[Any, Dispatch] = {}
        self.node_count = 0
        self.dispatch_count = 0
        self.call_count = 0
        self.error_count = 0
        self.query_count = 0
        self.left_out_count = 0
        self.longest_ns = 0
        self.signals: frozenset[str] = frozenset()

    def add(self, items: Iterable[Any]) -> None:
        """Add a trace's items."""
        for item in items:
            if type(item) is tuple:
                self.query_count += item[0] == "query"
            else:
                self._add_child(self.children, item)

    def _add_child(self, children: dict[Any, Dispatch], item: Any) -> int:
        """Add an item that is a dispatch, or a part folded already; return its duration in ns."""
        kind = type(item)
        if kind is list:
            duration_ns = self._add_repeat(children, item)
            if duration_ns is not None:
                return duration_ns
            child = self._dispatch(item)
        elif kind is Plan:
            if not (item.shows_unheard and item.is_watched):
                return 0
            self.dispatch_count += 1
            child = Dispatch(item, "send", None)
            child.is_unheard = True
        elif kind is Tree:
            return self._absorb(children, item)
        else:
            return 0
        if child is None:
            return 0
        self._place(children, child)
        return child.duration_ns

    def _add_repeat(self, children: dict[Any, Dispatch], record: list[Any]) -> int | None:
        """
        Add a dispatch to a node that it repeats, without a node of its own: nearly all.

        Returns its duration in ns; None, with nothing added, where that cannot be done.
        """
        plan = record[0]
        twin = children.get((plan.kind, record[1], record[2]))
        if twin is None or not _is_plain(record, len(twin.ran)):
            return None
        self.dispatch_count += 1
        self.call_count += len(twin.ran)
        twin.repeat_count += 1
        calls = iter(twin.ran)
        call, below_ns, moment, statements = next(calls), 0, record[3], None
        for item in record[4:]:
            kind = type(item)
            if kind is int:
                duration_ns = item - moment
                call.duration_ns += duration_ns
                call.own_ns += max(duration_ns - below_ns, 0)
                call, below_ns, moment, statements = next(calls, call), 0, item, None
            elif kind is tuple:
                self.query_count += 1
                statements = call.add_query(item[1], item[2], statements)
            else:
                below_ns += self._add_child(call.children, item)
        twin.duration_ns += moment - record[3]
        return int(moment - record[3])

    def _place(self, children: dict[Any, Dispatch], child: Dispatch) -> None:
        """Put a dispatch, whose own children are counted, below its parent."""
        key = child.key()
        twin = children.get(key)
        if twin is not None:
            self.node_count -= twin.merge(child) - 1
        elif self.node_count >= self.limit:
            nodes, dispatches = child.size()
            self.node_count -= nodes - 1
            self.left_out_count += dispatches
        else:
            child.position = len(children)
            children[key] = child
            self.node_count += 1

    def _absorb(self, children: dict[Any, Dispatch], part: Tree) -> int:
        """Add a part that was folded already; return what its dispatches took, in ns."""
        duration_ns = sum(child.duration_ns for child in part.children.values())
        self.dispatch_count += part.dispatch_count
        self.call_count += part.call_count
        self.error_count += part.error_count
        self.query_count += part.query_count
        self.left_out_count += part.left_out_count
        self.node_count += part.node_count - len(part.children)
        # Copied, since repeats are added to them, and a part may be read more than once.
        for child in copy.deepcopy(list(part.children.values())):
            self._place(children, child)
        return duration_ns

    def _dispatch(self, record: list[Any]) -> Dispatch | None:
        """Build one dispatch and what hangs below it; None where it is not worth a node."""
        plan: Plan = record[0]
        if not (plan.receivers or plan.kept_out or plan.shows_unheard):
            return None
        self.dispatch_count += 1
        dispatch = Dispatch(plan, record[1], record[2])
        dispatch.is_unheard = not (plan.receivers or plan.kept_out)
        started = moment = record[3]
        index, branches = 0, []
        call = self._call(plan, index)
        for item in record[4:]:
            kind = type(item)
            if kind is int:
                self._finish(dispatch, plan, index, call, item - moment)
                moment = item
                index += 1
                call = self._call(plan, index)
            elif kind is tuple:
                if item[0] == "start":
                    moment = item[1]
                elif item[0] == "end":
                    dispatch.duration_ns = item[1] - started
                else:
                    self._note(call, item)
            elif kind is Call:
                self.query_count += item.query_count
                call.absorb(item)
            elif isinstance(item, Late):
                self._add_late(call, item)
            elif isinstance(item, Branch):
                branches.append(item)
            else:
                self._add_child(call.children, item)
        if call.children:
            # The record was read while this call was still running.
            index += 1
            self._finish(dispatch, plan, index - 1, call, 0)
        dispatch.duration_ns = dispatch.duration_ns or moment - started
        dispatch.not_called.extend(plan.receivers[index : plan.sync_count])
        for index, branch in enumerate(branches, plan.sync_count):
            self._add_branch(dispatch, plan, index, branch)
        dispatch.not_called.extend(plan.receivers[plan.sync_count + len(branches) :])
        dispatch.is_partial = len(dispatch.calls) != len(plan.receivers)
        if plan.kept_out:
            self._add_kept_out(dispatch, plan)
        return dispatch

    def _add_kept_out(self, dispatch: Dispatch, plan: Plan) -> None:
        """Put the receivers that were not called in their places."""
        dispatch.ran = list(dispatch.calls)
        for position, receiver, by in plan.kept_out:
            call = Call(receiver, position)
            call.outcome, call.error_message = "muted", by
            dispatch.calls.append(call)
        dispatch.calls.sort(key=lambda call: call.position)

    def _add_branch(self, dispatch: Dispatch, plan: Plan, index: int, branch: Branch) -> None:
        call = self._call(plan, index)
        if not branch:
            call.outcome = "cancelled"
            call.error_message = "it was not started or not timed"
            self._finish(dispatch, plan, index, call, 0)
            return
        for item in branch[1:]:
            if type(item) is tuple:
                self._note(call, item)
            elif type(item) is Call:
                self.query_count += item.query_count
                call.absorb(item)
            elif isinstance(item, Late):
                self._add_late(call, item)
            else:
                self._add_child(call.children, item)
        if type(branch[-1]) is int and len(branch) > 1:
            duration_ns = branch[-1] - branch[0]
        else:
            call.outcome = "cancelled"
            call.error_message = "it was still running when its dispatch ended"
            duration_ns = 0
        self._finish(dispatch, plan, index, call, duration_ns)

    def _add_late(self, call: Call, late: Late) -> None:
        """Add runs that were put off below the call that did; what still comes is elsewhere."""
        late.close()
        for item in list(late):
            self._add_child(call.children, item)

    def _call(self, plan: Plan, index: int) -> Call:
        if index < len(plan.receivers):
            return Call(plan.receivers[index], plan.positions[index])
        return Call("", index)

    def _note(self, call: Call, item: Any) -> None:
        if item[0] == "query":
            self.query_count += 1
            call.statements = call.add_query(item[1], item[2], call.statements)
        elif item[0] == "outcome":
            _, call.outcome, call.error_message = item
        else:
            call.note_error(item)

    def _finish(
        self, dispatch: Dispatch, plan: Plan, index: int, call: Call, duration_ns: int
    ) -> None:
        call.finish(duration_ns)
        is_excluded = index < len(plan.is_excluded) and plan.is_excluded[index]
        if is_excluded and not call.children:
            return
        self.call_count += not is_excluded
        self.error_count += call.outcome == "error"
        dispatch.calls.append(call)
