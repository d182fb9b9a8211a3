"""Tells captures, which tests open, of each dispatch as it begins, with its arguments."""

from __future__ import annotations

import copy
from _thread import get_ident
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from time import perf_counter_ns
from typing import Any

from signalscope.core.faults import fault
from signalscope.recorder.calls import FIRST_ITEM, Opened, enter_thread, open_rarely
from signalscope.recorder.gate import OPEN_CAPTURES
from signalscope.recorder.plans import Plan
from signalscope.recorder.strands import (
    CURRENT,
    DISCARD,
    LOOSE,
    Branch,
    ClosedBranch,
    ClosedLate,
    Late,
    Record,
    Strand,
    loose_strands,
    running_strand,
)
from signalscope.recorder.tree import Tree

# The captures that the running code is in.
CAPTURES: ContextVar[tuple[OpenCapture, ...]] = ContextVar("signalscope_captures", default=())

# Whether a capture is to see a dispatch, by its plan and sender.
Decide = Callable[[Plan, object], bool]


# What a capture keeps of a dispatch that it was told of:
# - the record, which grows until the dispatch has ended;
# - the list that was on top as it began, and how many sync calls of that one had ended;
# - whether it is wanted, or only known for what hangs below it: then the rest is None;
# - the sender and the named arguments.
Note = tuple[Record, list[Any] | None, int, bool, Any, dict[str, Any] | None]


class OpenCapture:
    """
    What a capture is told while it is open.

    decide: asked once for each plan. meet_thread: called in each thread that sends something, to
    let its connections tell of their statements.
    decided: what was decided, by plan. threads: by their numbers.
    notes: in the order in which the dispatches began. queries: where each statement was run.
    Once closed it is told of nothing, also by what has inherited the context and goes on.
    """

    __slots__ = ("_decide", "_meet_thread", "decided", "is_open", "notes", "queries", "threads")

    def __init__(self, decide: Decide, meet_thread: Callable[[], None]) -> None:
        self._decide = decide
        self._meet_thread = meet_thread
        self.decided: dict[Plan, bool] = {}
        self.threads: set[int] = set()
        self.notes: list[Note] = []
        self.queries: list[tuple[list[Any], int]] = []
        self.is_open = False

    def open(self) -> None:
        """Be told of what is sent in the running context, and in those that inherit it."""
        self.is_open = True
        OPEN_CAPTURES.add(id(self))
        CAPTURES.set((*[other for other in CAPTURES.get() if other.is_open], self))
        # Of what is sent in an event loop, the statements may run in this thread.
        self.meet_thread(get_ident())

    def close(self) -> None:
        """Be told of nothing more; the context may be another one than that of open()."""
        self.is_open = False
        OPEN_CAPTURES.discard(id(self))
        CAPTURES.set(tuple([other for other in CAPTURES.get() if other.is_open]))

    # The garbage collector may find one that was never closed, as of a generator that was left.
    def __del__(self) -> None:
        OPEN_CAPTURES.discard(id(self))

    def wants(self, plan: Plan, sender: object) -> bool:
        """Tell whether a dispatch itself is captured, not only what hangs below it."""
        is_wanted = self.decided.get(plan)
        if is_wanted is None:
            is_wanted = self.decided[plan] = self._decide(plan, sender)
        return is_wanted and self.is_open

    def meet_thread(self, thread: int) -> None:
        """Let a thread's statements be seen."""
        self.threads.add(thread)
        self._meet_thread()

    def forget(self) -> None:
        """Hold nothing more of what it was told, nor of whom it asked."""
        self.notes, self.queries = [], []
        self.decided, self._decide, self._meet_thread = {}, lambda *_: False, lambda: None


# Lists that belong to the call of a receiver.
_PARENTS = frozenset({list, Branch, ClosedBranch, Late, ClosedLate})


class Aside(list[Any]):
    """
    Stands for the list below it, for a record that nobody but captures is to see.

    It stays empty, and passes on what hangs below that record.
    """

    __slots__ = ("_below",)

    def __init__(self, below: list[Any]) -> None:
        super().__init__()
        self._below = below

    def append(self, record: Any) -> None:
        """Pass on what the calls of the dispatch have sent, and their statements."""
        self._pass_on(record[FIRST_ITEM:])

    def _pass_on(self, items: Iterable[Any]) -> None:
        takes_queries = self._below is not LOOSE and self._below is not DISCARD
        for item in items:
            kind = type(item)
            if kind in (list, Plan, Tree) or (
                kind is tuple and item[0] == "query" and takes_queries
            ):
                self._below.append(item)
            elif isinstance(item, Branch):
                self._pass_on(list(item))


def open_captured(plan: Plan, method: str, sender: object, named: dict[str, Any]) -> Opened:
    """Open the record of a sync dispatch while a capture is open in the process."""
    captures = CAPTURES.get()
    if not captures:
        if plan.is_watched or plan.hook is not None:
            return open_rarely(plan, method, named)
        return None, None, None, None
    if plan.is_plain:
        token = None
        strand: Strand = CURRENT.get() or loose_strands.strand
        if strand.thread != get_ident():
            strand, token = enter_thread(strand)
        below = strand.top
        read_atomic = plan.read_atomic
        record = [plan, method, read_atomic and read_atomic(named)]
        tell(captures, record, below, sender, named)
        record.append(perf_counter_ns())
        strand.top = record
        return strand, token, below, record
    if plan.is_watched:
        opened = open_rarely(plan, method, named)
        _, _, parent, rare_record = opened
        if rare_record is not None and parent is not None:
            tell(captures, rare_record, parent, sender, named)
        return opened
    unwatched = open_unwatched(captures, plan, method, sender, named)
    if unwatched is None:
        return None, None, None, None
    aside, unwatched_record = unwatched
    own = Strand(aside, running_strand().trace)
    token = CURRENT.set(own)
    own.top = unwatched_record
    return own, token, aside, unwatched_record


def open_unwatched(
    captures: tuple[OpenCapture, ...],
    plan: Plan,
    method: str,
    sender: object,
    named: dict[str, Any],
) -> tuple[Aside, Record] | None:
    """
    Open a record for captures alone, of a dispatch that is not recorded else.

    Returns what it is appended to at its end, and it; None where no capture wants it.
    """
    if plan.hook is not None:
        plan.hook.before(named)
    if not any(capture.wants(plan, sender) for capture in captures):
        if plan.hook is not None:
            plan.hook.after()
        return None
    # What watches the calls that are recorded is not told of these.
    plan = copy.copy(plan)
    plan.watches, plan.is_plain = (), False
    below = running_strand().top
    record = [plan, method, None, perf_counter_ns()]
    tell(captures, record, below, sender, named)
    return Aside(below), record


def tell(
    captures: tuple[OpenCapture, ...],
    record: Record,
    below: list[Any],
    sender: object,
    named: dict[str, Any],
) -> None:
    """Tell captures of a dispatch that begins; below: the list that it will be appended to."""
    try:
        plan, thread = record[0], get_ident()
        call = ended_calls(below) if type(below) is list and len(below) > FIRST_ITEM else 0
        # What belongs to a trace must not live longer for being captured.
        parent = below if type(below) in _PARENTS else None
        for capture in captures:
            if not capture.is_open:
                continue
            if thread not in capture.threads:
                capture.meet_thread(thread)
            if capture.decided.get(plan) or capture.wants(plan, sender):
                capture.notes.append((record, parent, call, True, sender, named))
            else:
                capture.notes.append((record, parent, call, False, None, None))
    except Exception as error:  # noqa: BLE001
        fault("telling captures of a dispatch", error)


def tell_late(record: Record, below: list[Any], sender: object) -> None:
    """Tell captures of the run of a receiver that was put off."""
    captures = CAPTURES.get()
    if captures:
        tell(captures, record, below, sender, {})


def tell_unheard(plan: Plan, method: str, sender: object, named: dict[str, Any]) -> None:
    """Tell captures of a dispatch that nobody hears."""
    captures = tuple([capture for capture in CAPTURES.get() if capture.wants(plan, sender)])
    if captures:
        tell(captures, [plan, method, None, 0], running_strand().top, sender, named)


def tell_query(*_: object) -> None:
    """Tell captures of a statement that a receiver ran; which one does not matter."""
    captures = CAPTURES.get()
    if not captures:
        return
    top = running_strand().top
    if type(top) in _PARENTS and top is not LOOSE:
        call = ended_calls(top) if type(top) is list else 0
        for capture in captures:
            if capture.is_open:
                capture.queries.append((top, call))


def ended_calls(record: list[Any]) -> int:
    """Return how many sync calls of a dispatch have ended; of LOOSE, 0."""
    if record is LOOSE:
        return 0
    return sum([type(item) is int for item in record[FIRST_ITEM:]])
