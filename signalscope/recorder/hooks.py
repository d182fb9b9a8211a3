"""What some of Django's own signals mean to the recorder: requests, tasks, settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from signalscope.recorder.plans import Hook
from signalscope.recorder.recorder import Recorder
from signalscope.recorder.requests import RequestOrigin
from signalscope.recorder.strands import CURRENT
from signalscope.recorder.traces import Trace, enclosing_trace


def make_hooks(
    recorder: Recorder,
    *,
    on_setting: Callable[[object], None],
) -> dict[str, Hook]:
    """
    Return the hooks by the signal's dotted name.

    on_setting: called with the name of each setting that a test changes.
    """
    return {
        "django.core.signals.request_started": RequestStarted(recorder),
        "django.core.signals.request_finished": RequestFinished(recorder),
        "django.core.signals.got_request_exception": RequestFailed(),
        "django.core.signals.setting_changed": Told(on_setting, "setting"),
        "django.tasks.signals.task_started": TaskStarted(recorder),
        "django.tasks.signals.task_finished": TaskFinished(recorder),
    }


def open_trace_of(trigger: str) -> Trace | None:
    """Return the trace that is open in the running context, if that trigger began it."""
    strand = CURRENT.get()
    trace = enclosing_trace(strand.base) if strand is not None else None
    return trace if type(trace) is Trace and trace.trigger == trigger else None


class RequestStarted:
    """Begins a request's trace."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def before(self, named: dict[str, Any]) -> None:
        """Open the trace; one that is still open on this thread never got its end."""
        unfinished = open_trace_of("request")
        if unfinished is not None:
            unfinished.status = "unfinished"
            self._recorder.close_trace(unfinished)
        recorder = self._recorder
        recorder.open_trace("request", origin=RequestOrigin(named, recorder.correlation_headers))

    def after(self) -> None:
        """Nothing is left to do."""


class RequestFinished:
    """Ends a request's trace."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def before(self, named: dict[str, Any]) -> None:
        """The dispatch itself still belongs to the trace."""

    def after(self) -> None:
        """Close the trace."""
        trace = open_trace_of("request")
        if trace is not None:
            self._recorder.close_trace(trace)


class RequestFailed:
    """Marks the trace of a request whose view raised."""

    def before(self, named: dict[str, Any]) -> None:
        """Set the status."""
        trace = open_trace_of("request")
        if trace is not None:
            trace.status = "error"

    def after(self) -> None:
        """Nothing is left to do."""


class TaskStarted:
    """Begins the trace of a task of django.tasks, in whatever runs it."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def before(self, named: dict[str, Any]) -> None:
        """Open the trace."""
        self._recorder.open_trace("task", named["task_result"].task.module_path)

    def after(self) -> None:
        """Nothing is left to do."""


class TaskFinished:
    """Ends the trace of a task."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def before(self, named: dict[str, Any]) -> None:
        """Note how it went; the dispatch itself still belongs to the trace."""
        trace = open_trace_of("task")
        if trace is not None and named["task_result"].status == "FAILED":
            trace.status = "error"

    def after(self) -> None:
        """Close the trace."""
        trace = open_trace_of("task")
        if trace is not None:
            self._recorder.close_trace(trace)


class Told:
    """Passes one argument of the dispatch on to another part of signalscope."""

    def __init__(self, tell: Callable[[Any], None], argument: str) -> None:
        self._tell = tell
        self._argument = argument

    def before(self, named: dict[str, Any]) -> None:
        """Pass it on."""
        self._tell(named.get(self._argument))

    def after(self) -> None:
        """Nothing is left to do."""


class Both:
    """Two hooks of one signal, one after the other."""

    def __init__(self, first: Hook, second: Hook) -> None:
        self._hooks = first, second

    def before(self, named: dict[str, Any]) -> None:
        """Act before the dispatch is recorded."""
        for hook in self._hooks:
            hook.before(named)

    def after(self) -> None:
        """Act when it has been recorded."""
        for hook in self._hooks:
            hook.after()
