"""Records the runs of receivers that were put off."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter_ns
from types import TracebackType
from typing import Any, ClassVar

from signalscope.core.faults import fault
from signalscope.recorder.calls import StrandToken, enter_strand, failed
from signalscope.recorder.captures import tell_late
from signalscope.recorder.gate import OPEN_CAPTURES, call_in_progress
from signalscope.recorder.plans import Plan
from signalscope.recorder.strands import CURRENT, Late, Record


def put_off(signal: Any, sender: object, text: str) -> Late | None:
    """
    Note that the call in progress puts off its receiver; text: until when, or to where.

    Returns what its run hangs below, None where the dispatch is not recorded.
    """
    call = call_in_progress(signal, sender)
    if call is None:
        return None
    late = Late()
    call.append(("outcome", "deferred", text))
    call.append(late)
    return late


class LateRun:
    """
    A block in which a receiver that was put off runs; it is recorded as a dispatch to it alone.

    method: what stands in the place of send(): "on_commit", "deferred", "batched".
    below: what put_off() returned; None hangs the run below what is running now.
    """

    # Given by whoever records; None while nobody does.
    make_plan: ClassVar[Callable[[Any, object, object], Plan] | None] = None

    def __init__(
        self,
        signal: Any,
        sender: object,
        receiver: object,
        *,
        method: str,
        below: Late | None = None,
    ) -> None:
        self._of = (signal, sender, receiver)
        self._method = method
        self._below = below
        self._record: Record | None = None
        self._token: StrandToken | None = None

    def __enter__(self) -> None:
        """Begin the record."""
        try:
            make_plan = type(self).make_plan
            plan = None if make_plan is None else make_plan(*self._of)
            if plan is None or not plan.is_watched:
                return
            self._strand, self._token = enter_strand()
            self._parent = self._strand.top
            record = [plan, self._method, None, perf_counter_ns()]
            if OPEN_CAPTURES:
                below = self._parent if self._below is None else self._below
                tell_late(record, below, self._of[1])
            self._record = self._strand.top = record
        except Exception as error:  # noqa: BLE001
            fault("opening the record of a run", error)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """End the record."""
        record = self._record
        if record is None:
            return
        if error is not None:
            failed(record, error)
        else:
            record.append(perf_counter_ns())
        self._strand.top = self._parent
        if self._token is not None:
            CURRENT.reset(self._token)
        try:
            parent = self._parent if self._below is None else self._below
            parent.append(record)
            for watch in record[0].watches:
                watch(record)
        except Exception as own_error:  # noqa: BLE001
            fault("closing the record of a run", own_error)
