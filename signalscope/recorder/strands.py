"""
Where the next dispatch belongs: the strand of the running thread or task.

A strand's ``top`` is the list that a finished dispatch is appended to: the dispatch whose
receiver is running, else the open trace, else LOOSE. A dispatch sent by a receiver thus hangs
below that receiver's call without anything being looked up.

Setting a ContextVar for each dispatch would cost a tenth of the dispatch, so the ContextVar holds
the strand, and a dispatch changes the strand. Within one thread that nests properly, since a
sync ``send`` cannot be suspended. A context that was copied to another thread is noticed by the
thread's number; a coroutine receiver has a strand of its own.
"""

from __future__ import annotations

import threading
from _thread import get_ident
from collections.abc import Callable
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, ClassVar

if TYPE_CHECKING:
    from signalscope.recorder.traces import Trace

# A dispatch under way or finished: [plan, method, in_atomic, started_ns, item, ...]; the items
# are explained in tree.py.
Record = list[Any]

# Finished dispatches outside of any trace, of all threads; the writer makes a trace of each.
LOOSE: list[Any] = []


class Branch(list[Any]):
    """
    A list that work running elsewhere may outlive: a trace's, or a coroutine receiver's.

    Once closed it belongs to the writer, and what still comes goes to LOOSE.
    record: of the dispatch that called the coroutine receiver, until it has ended.
    """

    __slots__ = ("__weakref__", "record")

    record: Record | None

    def close(self) -> None:
        """Send what is appended from now on to LOOSE."""
        # Each holds the other: nothing of that is left to the garbage collector.
        self.record = None
        self.__class__ = ClosedBranch


class Late(Branch):
    """The runs of a receiver that has put them off, below the call in which it did."""

    __slots__ = ()

    def close(self) -> None:
        """Send what is appended from now on to LOOSE."""
        self.__class__ = ClosedLate


def _leave_as_it_is(items: list[Any]) -> None:
    """Do nothing: nobody records."""


class ClosedBranch(Branch):
    """
    A Branch after its close().

    make_room: called with LOOSE, makes room there if it has grown long; set by whoever records.
    """

    __slots__ = ()
    make_room: ClassVar[Callable[[list[Any]], None]] = staticmethod(_leave_as_it_is)

    def append(self, item: object) -> None:
        """Let the item be outside of any trace."""
        LOOSE.append(item)
        # Who appends looks at the length of this list, which stays empty.
        type(self).make_room(LOOSE)


class ClosedLate(ClosedBranch, Late):
    """A Late after its close()."""

    __slots__ = ()


class Discard(list[Any]):
    """The list of a block that is not recorded: it stays empty."""

    __slots__ = ()

    def append(self, item: object) -> None:
        """Forget the item."""


DISCARD = Discard()


class Tap(list[Any]):
    """
    A reader's copy of what is appended to the list below it.

    limit: how many items it copies; more than the length at which the list below is emptied,
    or that list is not kept short.
    """

    __slots__ = ("below", "left_out_count", "limit")

    def __init__(self, below: list[Any], limit: int) -> None:
        super().__init__()
        self.below = below
        self.limit = limit
        self.left_out_count = 0

    def append(self, item: object) -> None:
        """Copy the item and pass it on."""
        self.below.append(item)
        if len(self) < self.limit:
            super().append(item)
        else:
            self.left_out_count += 1


class Strand:
    """
    One line of execution.

    thread: the number of the thread it runs in.
    base: the list that it began with; other threads that inherit the context use that one.
    top: the list that dispatches go to now.
    trace: the trace that all of it belongs to, None outside of any.
    """

    __slots__ = ("base", "thread", "top", "trace")

    def __init__(self, base: list[Any], trace: Trace | None = None) -> None:
        self.thread = get_ident()
        self.base = self.top = base
        self.trace = trace


CURRENT: ContextVar[Strand | None] = ContextVar("signalscope_strand", default=None)


class _LooseStrands(threading.local):
    """One strand per thread for what runs outside of any trace."""

    def __init__(self) -> None:
        self.strand = Strand(LOOSE)


loose_strands = _LooseStrands()


def running_strand() -> Strand:
    """Return the strand of the running code, for reading; the context stays as it is."""
    strand = CURRENT.get()
    if strand is None:
        return loose_strands.strand
    if strand.thread != get_ident():
        return Strand(strand.base, strand.trace)
    return strand


def running_trace() -> Trace | None:
    """Return the trace that the running code belongs to, None outside of any."""
    strand = CURRENT.get()
    return None if strand is None else strand.trace
