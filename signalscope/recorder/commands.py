"""A trace for each management command."""

from __future__ import annotations

from contextvars import Token
from typing import Any

from signalscope.core.faults import fault
from signalscope.recorder.recorder import Recorder
from signalscope.recorder.strands import CURRENT, DISCARD, Strand
from signalscope.recorder.traces import Trace

# These serve others or wait for a person: what runs in them has traces of its own.
WITHOUT_TRACE = frozenset({"runserver", "testserver", "test", "shell", "dbshell"})

Begun = Trace | Token[Strand | None] | None


class CommandTraces:
    """Begins and ends the traces of commands; signalscope's own commands are not recorded."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def begin_command(self, command: Any) -> Begun:
        """Open the trace of a command that begins."""
        try:
            module = type(command).__module__
            if module.startswith("signalscope."):
                return CURRENT.set(Strand(DISCARD))
            name = module.rpartition(".")[2]
            if name in WITHOUT_TRACE:
                return None
            return self._recorder.open_trace("command", name)
        except Exception as error:  # noqa: BLE001
            fault("opening a command's trace", error)
            return None

    def fail_command(self, begun: Begun, error: BaseException) -> None:
        """Mark the trace of a command that ends with an error."""
        if isinstance(begun, Trace) and not _is_success(error):
            begun.status = "error"

    def end_command(self, begun: Begun) -> None:
        """Close the trace."""
        try:
            if isinstance(begun, Trace):
                self._recorder.close_trace(begun)
            elif begun is not None:
                CURRENT.reset(begun)
        except Exception as error:  # noqa: BLE001
            fault("closing a command's trace", error)


def _is_success(error: BaseException) -> bool:
    return isinstance(error, SystemExit) and error.code in (None, 0)
