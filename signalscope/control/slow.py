"""Tells the project of calls that took long, where it listens."""

from __future__ import annotations

from signalscope import signals
from signalscope.control.outcomes import ERROR, OK, ended_calls
from signalscope.control.telling import is_telling, tell
from signalscope.core.names import matches
from signalscope.recorder.gate import Watch
from signalscope.recorder.plans import Plan
from signalscope.recorder.strands import Record


class SlowCalls:
    """
    Sends receiver_slow for each call that took limit_ns or longer; None for none.

    Those of signalscope's own signals, and below them, are not told of.
    """

    def __init__(self) -> None:
        self.limit_ns: float | None = None

    def find_watch(self, plan: Plan) -> Watch | None:
        """Return what looks at a plan's dispatches; None while nobody listens."""
        if self.limit_ns is None or not signals.receiver_slow.receivers:
            return None
        return None if matches(("signalscope.*",), plan.signal) else self._look

    def _look(self, record: Record) -> None:
        if self.limit_ns is None or is_telling():
            return
        plan: Plan = record[0]
        for index, duration_ns, outcome in ended_calls(record):
            if (
                duration_ns >= self.limit_ns
                and outcome in (OK, ERROR)
                and not plan.is_excluded[index]
            ):
                tell(
                    signals.receiver_slow,
                    plan.sender(),
                    signal_name=plan.signal,
                    receiver=plan.receivers[index],
                    duration_ns=duration_ns,
                    outcome=outcome,
                )
