"""What is done as Celery publishes a task, begins it, and ends it."""

from __future__ import annotations

from contextvars import ContextVar, Token
from dataclasses import dataclass
from typing import Any

from celery import signals

from signalscope import wiring
from signalscope.context import CONTEXT, NOBODY, Actor, Context
from signalscope.core.faults import fault
from signalscope.core.variables import leave
from signalscope.recorder.message import read, write
from signalscope.recorder.traces import Trace

HEADER = "signalscope"


@dataclass(frozen=True, slots=True)
class Origin:
    """Tells a task's trace its name, and the correlation id of whoever queued it."""

    task_name: str
    sender: Actor

    def name(self) -> str:
        """Return the task's name."""
        return self.task_name

    def correlation_id(self) -> str:
        """Return the sender's."""
        return self.sender.correlation_id


@dataclass(frozen=True, slots=True)
class Run:
    """One run of a task, until it ends; outer: the one that runs it by itself, eagerly."""

    task_id: str
    context: Token[Context | None] | None
    trace: Trace | None
    outer: Run | None


RUNNING: ContextVar[Run | None] = ContextVar("signalscope_celery_run", default=None)


def connect() -> None:
    """Connect the receivers; nothing happens when this is called again."""
    for signal, receiver in (
        (signals.before_task_publish, publish),
        (signals.task_prerun, begin),
        (signals.task_postrun, end),
    ):
        signal.connect(receiver, weak=False, dispatch_uid=f"{__name__}.{receiver.__name__}")


def publish(headers: dict[str, Any] | None = None, **kwargs: Any) -> None:
    """Put into a message who queues the task."""
    try:
        told = write()
        if told and headers is not None:
            headers[HEADER] = told
    except Exception as error:  # noqa: BLE001
        fault("telling a task who queued it", error)


def begin(task_id: str = "", task: Any = None, **kwargs: Any) -> None:
    """Let a task run in its sender's context, in a trace of its own."""
    try:
        sender = read(getattr(task.request, HEADER, None))
        context = None
        # A task that is run at once, without a message, is in its sender's context already.
        if not task.request.is_eager:
            context = CONTEXT.set(None if sender == NOBODY else Context.of(sender))
        trace = None
        if wiring.is_installed():
            origin = Origin(task.name, sender)
            trace = wiring.scope().recorder.open_trace("task", origin=origin)
        RUNNING.set(Run(task_id, context, trace, RUNNING.get()))
    except Exception as error:  # noqa: BLE001
        fault("beginning a task", error)


def end(task_id: str = "", state: str | None = None, **kwargs: Any) -> None:
    """Close the trace, and let the context be as it was."""
    run = RUNNING.get()
    if run is None or run.task_id != task_id:
        return
    RUNNING.set(run.outer)
    try:
        if run.trace is not None:
            if state == "FAILURE":
                run.trace.status = "error"
            wiring.scope().recorder.close_trace(run.trace)
    except Exception as error:  # noqa: BLE001
        fault("ending a task", error)
    if run.context is not None:
        leave(run.context)
