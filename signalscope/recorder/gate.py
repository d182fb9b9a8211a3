"""What decides which receivers of a dispatch are called, and what looks at it when it is over."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextvars import ContextVar
from functools import cached_property
from typing import TYPE_CHECKING, Any

from signalscope.core.django_dispatch import dispatch_uids
from signalscope.core.names import sender_label
from signalscope.recorder.strands import LOOSE, Branch, Record, running_strand

if TYPE_CHECKING:
    from signalscope.recorder.plans import Plan

# One for each receiver of a plan, in its order: who keeps it out, as text; "" where it runs.
Verdict = tuple[str, ...]

# Asked at each dispatch of the plan that it was made for, with what is decided so far; returns
# that with what it adds. None where all run.
Gate = Callable[[Verdict | None], Verdict | None]

# Asked with the plan, signal, sender, sync and async receivers of each dispatch while a mute is
# open: a function's own arguments cost less than to put them together.
JudgeMutes = Callable[["Plan", Any, object, Sequence[object], Sequence[object]], Verdict | None]

# Called with the record of a finished dispatch, in the thread that sent it.
Watch = Callable[[Record], None]

# Keys of the mutes that are open in this process, in whatever thread or task. What each dispatch
# tests is whether this is empty: nothing is faster, or needs a lock.
OPEN_MUTES: set[int] = set()

# Keys of the captures that are open in this process; captures.py says what they are told.
OPEN_CAPTURES: set[int] = set()

# The mutes that the running code is in, the outermost first; control.mute says what they are.
MUTES: ContextVar[tuple[Any, ...]] = ContextVar("signalscope_mutes", default=())


class Candidates:
    """
    The receivers of a dispatch, before it is decided which are called.

    receivers: the live objects, sync before async.
    """

    def __init__(self, signal: Any, sender: object, receivers: Sequence[object]) -> None:
        self.signal = signal
        self.sender = sender
        self.receivers = receivers

    @cached_property
    def dispatch_uids(self) -> tuple[str, ...]:
        """The text of the dispatch_uid that each was connected with, "" where none was given."""
        return dispatch_uids(self.signal, self.sender, self.receivers)


def united(verdict: Verdict, other: Verdict) -> Verdict:
    """Return who keeps out each receiver by either verdict; the first is named before the other."""
    return tuple([by or also for by, also in zip(verdict, other, strict=True)])


def note_outcome(signal: Any, sender: object, outcome: str, text: str) -> None:
    """
    Say what became of the call in progress, by its receiver: "skipped", because of a condition.

    Nothing happens where the dispatch of that signal by that sender is not recorded.
    """
    call = call_in_progress(signal, sender)
    if call is not None:
        call.append(("outcome", outcome, text))


def call_in_progress(signal: Any, sender: object) -> list[Any] | None:
    """Return what the call of a receiver of this dispatch is recorded in, None where it is not."""
    top: Any = running_strand().top
    record = top.record if type(top) is Branch else top
    # A call that is not recorded has what encloses it on top.
    if type(record) is list and record is not LOOSE:
        plan = record[0]
        # By name, as it is decided what is recorded; a plan knows only classes themselves.
        if plan.of() is signal and plan.sender_label == sender_label(sender):
            return top  # type: ignore[no-any-return]
    return None
