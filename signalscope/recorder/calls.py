"""What the instrumented Signal methods call that needs nothing but the record at hand."""

from __future__ import annotations

import collections.abc
from _thread import get_ident
from contextvars import Token
from time import perf_counter_ns
from types import CoroutineType
from typing import Any

from signalscope.core.faults import fault
from signalscope.core.redact import error_message, error_type
from signalscope.recorder.gate import MUTES
from signalscope.recorder.plans import Plan
from signalscope.recorder.strands import (
    CURRENT,
    Branch,
    Record,
    Strand,
    loose_strands,
    running_trace,
)

StrandToken = Token[Strand | None]

# strand, token, parent and record, as the inserted statements name them.
Opened = tuple[Strand | None, StrandToken | None, list[Any] | None, Record | None]

# Where the items of a record begin: behind plan, method, in_atomic and the first clock reading.
FIRST_ITEM = 4

# By dotted path, as core.redact.error_type() gives it.
CANCELLATIONS = frozenset({"asyncio.exceptions.CancelledError", "GeneratorExit"})


def is_error(item: tuple[str, str, str]) -> bool:
    """Tell whether a noted error is one, not the call's cancellation."""
    return item[0] == "error" and item[1] not in CANCELLATIONS


def enter_thread(strand: Strand) -> tuple[Strand, StrandToken]:
    """Give this thread a strand of its own, where its context came from another thread."""
    own = Strand(strand.base, strand.trace)
    return own, CURRENT.set(own)


def enter_strand() -> tuple[Strand, StrandToken | None]:
    """Return the strand that a dispatch changes now, and what is to be reset afterwards."""
    strand = CURRENT.get()
    if strand is None:
        return loose_strands.strand, None
    if strand.thread != get_ident():
        return enter_thread(strand)
    return strand, None


def open_rarely(plan: Plan, method: str, named: dict[str, Any]) -> Opened:
    """Open the record of a dispatch that is hooked or watched."""
    if plan.hook is not None:
        plan.hook.before(named)
        if not plan.is_watched:
            plan.hook.after()
            return None, None, None, None
    strand, token = enter_strand()
    parent = strand.top
    in_atomic = plan.read_atomic(named) if plan.read_atomic is not None else None
    record = [plan, method, in_atomic, perf_counter_ns()]
    strand.top = record
    return strand, token, parent, record


def failed(record: Record, error: BaseException) -> None:
    """Note the error of the sync receiver in progress, and when it ended."""
    try:
        record.append(("error", error_type(error), error_message(error)))
        record.append(perf_counter_ns())
    except Exception as own_error:  # noqa: BLE001
        fault("noting an error", own_error)


def abort(record: Record, error: BaseException) -> None:
    """Note the error that ended a dispatch early, if it came out of a sync receiver."""
    is_robust = record[1].endswith("robust")
    if is_robust and isinstance(error, Exception):
        # The receiver's own error was caught and noted; this one came from logging it.
        return
    finished = sum(type(item) is int for item in record[FIRST_ITEM:])
    if finished < record[0].sync_count:
        failed(record, error)


def enter_sync_part(record: Record) -> StrandToken:
    """Begin the sync part of asend(), in a thread with a copy of the caller's context."""
    token = CURRENT.set(Strand(record, running_trace()))
    record.append(("start", perf_counter_ns()))
    return token


def leave_sync_part(token: StrandToken) -> None:
    """End what enter_sync_part() began."""
    CURRENT.reset(token)


def drive(coroutine: Any, record: Record | None) -> Any:
    """
    Return a coroutine that runs an async receiver's and reads the clock at its ends.

    Without a record it is handed on as it is, and so is anything else that a receiver
    returned, which is not timed.
    """
    if record is None:
        return coroutine
    branch = Branch()
    record.append(branch)
    if type(coroutine) is not CoroutineType:
        return coroutine
    branch.record = record
    return ReceiverCoroutine(coroutine, branch)


class ReceiverCoroutine(collections.abc.Coroutine[Any, Any, Any]):
    """
    Runs a receiver's coroutine step by step, with a strand of its own while a step runs.

    Receivers of one dispatch share a context from Django 6.1 on, so the strand, and the mutes
    that the receiver is in, must not be there while it is suspended.
    """

    __slots__ = ("__weakref__", "_branch", "_coroutine", "_mutes", "_strand")

    def __init__(self, coroutine: Any, branch: Branch) -> None:
        self._coroutine = coroutine
        self._branch = branch
        self._strand: Strand | None = Strand(branch, running_trace())
        self._mutes = MUTES.get()

    def __await__(self) -> ReceiverCoroutine:
        return self

    def __iter__(self) -> ReceiverCoroutine:
        return self

    def __next__(self) -> Any:
        return self.send(None)

    def send(self, value: Any) -> Any:
        """Run the receiver to its next await."""
        branch, coroutine = self._branch, self._coroutine
        if not branch:
            branch.append(perf_counter_ns())
        tokens = CURRENT.set(self._strand), MUTES.set(self._mutes)
        try:
            return coroutine.send(value)
        except BaseException as error:
            _finish(branch, error)
            raise
        finally:
            self._suspend(*tokens)

    def throw(self, *error: Any) -> Any:
        """Let the receiver handle an error, such as its cancellation."""
        branch, coroutine = self._branch, self._coroutine
        tokens = CURRENT.set(self._strand), MUTES.set(self._mutes)
        try:
            return coroutine.throw(*error)
        except BaseException as raised:
            _finish(branch, raised)
            raise
        finally:
            self._suspend(*tokens)

    def close(self) -> None:
        """End the receiver where it stands."""
        branch, coroutine = self._branch, self._coroutine
        coroutine.close()
        if branch and type(branch) is Branch:
            _finish(branch, GeneratorExit())

    def __getattr__(self, name: str) -> Any:
        # cr_frame, cr_code, __qualname__ and the like, for asyncio's debugging.
        return getattr(self._coroutine, name)

    def _suspend(self, strand_token: StrandToken, mutes_token: Token[tuple[Any, ...]]) -> None:
        # What the receiver opened with a block of its own (a trace) waits for its next step.
        self._strand, self._mutes = CURRENT.get(), MUTES.get()
        CURRENT.reset(strand_token)
        MUTES.reset(mutes_token)


def _finish(branch: Branch, error: BaseException) -> None:
    """Close an async receiver's branch; StopIteration is its normal return."""
    try:
        if not branch:
            branch.append(perf_counter_ns())
        if not isinstance(error, StopIteration):
            branch.append(("error", error_type(error), error_message(error)))
        branch.append(perf_counter_ns())
        branch.close()
    except Exception as own_error:  # noqa: BLE001
        fault("closing an async call", own_error)
