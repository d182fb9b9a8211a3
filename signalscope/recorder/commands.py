"""A trace for each management command, and word of its end."""

from __future__ import annotations

from contextvars import Token
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any, Protocol

from signalscope.core.faults import fault
from signalscope.recorder.recorder import Recorder
from signalscope.recorder.strands import CURRENT, DISCARD, Strand
from signalscope.recorder.traces import Trace

# These serve others: nobody did anything by them.
_SERVING = frozenset({"runserver", "testserver", "test"})
# What runs in these has traces of its own; in a shell, a person does what it does.
_WITHOUT_TRACE = frozenset({*_SERVING, "shell", "dbshell"})


class TellEnd(Protocol):
    """Told of each command that ends."""

    def __call__(self, name: str, *, is_error: bool, duration_ns: int) -> None:
        """Take note."""


@dataclass(slots=True)
class Begun:
    """
    A command under way.

    token: of the strand that records nothing; None but in signalscope's own commands.
    """

    name: str
    started_ns: int
    trace: Trace | None = None
    token: Token[Strand | None] | None = None
    is_error: bool = False


class CommandTraces:
    """
    Begins and ends the traces of commands; signalscope's own commands are not recorded.

    tell_end: called before the trace ends.
    """

    def __init__(self, recorder: Recorder, tell_end: TellEnd) -> None:
        self._recorder = recorder
        self._tell_end = tell_end

    def begin_command(self, command: Any) -> Begun | None:
        """Open the trace of a command that begins."""
        try:
            module = type(command).__module__
            begun = Begun(module.rpartition(".")[2], perf_counter_ns())
            if module.startswith("signalscope."):
                begun.token = CURRENT.set(Strand(DISCARD))
            elif begun.name not in _WITHOUT_TRACE:
                begun.trace = self._recorder.open_trace("command", begun.name)
            return begun
        except Exception as error:  # noqa: BLE001
            fault("opening a command's trace", error)
            return None

    def fail_command(self, begun: Begun | None, error: BaseException) -> None:
        """Mark a command that ends with an error."""
        if begun is not None and not _is_success(error):
            begun.is_error = True
            if begun.trace is not None:
                begun.trace.status = "error"

    def end_command(self, begun: Begun | None) -> None:
        """Tell of the end, and close the trace."""
        if begun is None:
            return
        try:
            if begun.token is not None:
                CURRENT.reset(begun.token)
            elif begun.name not in _SERVING:
                duration_ns = perf_counter_ns() - begun.started_ns
                self._tell_end(begun.name, is_error=begun.is_error, duration_ns=duration_ns)
        except Exception as error:  # noqa: BLE001
            fault("telling of a command's end", error)
        try:
            self._recorder.close_trace(begun.trace)
        except Exception as error:  # noqa: BLE001
            fault("closing a command's trace", error)


def _is_success(error: BaseException) -> bool:
    return isinstance(error, SystemExit) and error.code in (None, 0)
