"""What some of Django's own signals mean to the recorder: requests, connections, settings."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from signalscope.recorder.plans import Hook
from signalscope.recorder.recorder import Recorder
from signalscope.recorder.strands import CURRENT, Tap
from signalscope.recorder.traces import Trace


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
    }


def open_request_trace() -> Trace | None:
    """Return the request's trace that is open in the running context."""
    strand = CURRENT.get()
    base = strand.base if strand is not None else None
    while isinstance(base, Tap):
        base = base.below
    if type(base) is Trace and base.trigger == "request":
        return base
    return None


class RequestStarted:
    """Begins a request's trace."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def before(self, named: dict[str, Any]) -> None:
        """Open the trace; one that is still open on this thread never got its end."""
        unfinished = open_request_trace()
        if unfinished is not None:
            unfinished.status = "unfinished"
            self._recorder.close_trace(unfinished)
        self._recorder.open_trace("request", lambda: request_name(named))

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
        trace = open_request_trace()
        if trace is not None:
            self._recorder.close_trace(trace)


class RequestFailed:
    """Marks the trace of a request whose view raised."""

    def before(self, named: dict[str, Any]) -> None:
        """Set the status."""
        trace = open_request_trace()
        if trace is not None:
            trace.status = "error"

    def after(self) -> None:
        """Nothing is left to do."""


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


def request_name(named: dict[str, Any]) -> str:
    """Return "GET /path" of a WSGI environ or an ASGI scope; the query string is left out."""
    environ, scope = named.get("environ"), named.get("scope")
    if type(environ) is dict:
        raw = f"{environ.get('SCRIPT_NAME', '')}{environ.get('PATH_INFO', '')}"
        path = raw.encode("latin-1", "replace").decode("utf-8", "replace")
        return f"{environ.get('REQUEST_METHOD', '?')} {path or '/'}"
    if type(scope) is dict:
        return f"{scope.get('method', '?')} {scope.get('path', '/')}"
    return "request"
