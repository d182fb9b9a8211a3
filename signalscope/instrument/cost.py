"""Measures what recording adds to a dispatch and to a trace, in this very process."""

from __future__ import annotations

from collections.abc import Callable
from time import thread_time_ns
from typing import Any

from django.dispatch import Signal

from signalscope.instrument.patch import Patch
from signalscope.recorder.recorder import Recorder
from signalscope.recorder.strands import CURRENT, Branch, Strand
from signalscope.recorder.vitals import Cost

# Some 2 ms of processor time in all; the quickest round is the one that nothing disturbed.
SENDS = 100
ROUNDS = 5


def hear(sender: object, **kwargs: object) -> None:
    """Hear the signal that is sent to measure."""


# What has a name of signalscope's is not recorded.
hear.__module__ = "measured"


def measure(patch: Patch, recorder: Recorder) -> Cost:
    """
    Return what dispatches and traces cost more than without signalscope; nothing is recorded.

    A private signal with one receiver is sent, by Django's own method and by the one in its
    place, the latter in traces that a twin of the recorder opens, counts and throws away.
    Processor time of the running thread is taken, so that other threads do not matter.
    """
    sends = patch.sends()
    if sends is None:
        return Cost()
    original, ours = sends
    signal = Signal()
    signal.connect(hear)
    twin = recorder.twin()
    token = CURRENT.set(Strand(Branch()))
    try:
        rounds = [
            (
                _time(_send, original, signal),
                _time(_trace, twin, _nothing, signal),
                _time(_trace, twin, ours, signal),
            )
            # In turns, since the processor is not as fast at one moment as at another.
            for _ in range(ROUNDS)
        ]
    finally:
        CURRENT.reset(token)
        signal.disconnect(hear)
    bare_ns, empty_ns, full_ns = map(min, zip(*rounds, strict=True))
    return Cost(
        dispatch_ns=max(full_ns - empty_ns - bare_ns, 0) // SENDS,
        trace_ns=empty_ns,
    )


def _time(work: Callable[..., None], *args: Any) -> int:
    started = thread_time_ns()
    work(*args)
    return thread_time_ns() - started


def _send(send: Callable[..., Any], signal: Signal) -> None:
    for _ in range(SENDS):
        send(signal, sender=None)


def _trace(twin: Recorder, send: Callable[..., Any], signal: Signal) -> None:
    trace = twin.open_trace("block", "measured")
    if send is not _nothing:
        _send(send, signal)
    twin.close_trace(trace)


def _nothing(signal: Signal, sender: object) -> None:
    """Send nothing."""
