"""The trace of a job's run, linked to the trace of whoever queued it."""

from __future__ import annotations

from dataclasses import dataclass
from types import TracebackType
from typing import ClassVar

from signalscope.core.faults import fault
from signalscope.delivery.jobs import Job
from signalscope.recorder.recorder import Recorder
from signalscope.recorder.strands import running_trace
from signalscope.recorder.traces import Trace

# The tasks that run jobs, by the names that Celery and django.tasks know them by.
CELERY_TASK = "signalscope.run"
DJANGO_TASK = "signalscope.delivery.backends.tasks.run"


@dataclass(frozen=True, slots=True)
class JobOrigin:
    """Tells a trace what it is called, and the correlation id of whoever queued the job."""

    job: Job

    def name(self) -> str:
        """Return the receiver's or the signal's name."""
        return self.job.name

    def correlation_id(self) -> str:
        """Return the sender's."""
        return str(self.job.actor.get("correlation_id", ""))


class JobTrace:
    """
    A block that is one trace; it has failed where the block raises.

    The trace that Celery or django.tasks began for the task that runs the job becomes the job's.
    """

    # Given by whoever records; None while nobody does.
    recorder: ClassVar[Recorder | None] = None

    def __init__(self, job: Job) -> None:
        self._origin = JobOrigin(job)
        self._trace: Trace | None = None
        self._opened: tuple[Recorder, Trace | None] | None = None

    def __enter__(self) -> None:
        recorder = type(self).recorder
        if recorder is None:
            return
        try:
            running = running_trace()
            if running is not None and _is_tasks(running):
                running.rename(self._origin)
                self._trace = running
            else:
                self._trace = recorder.open_trace("task", origin=self._origin)
                self._opened = recorder, self._trace
        except Exception as error:  # noqa: BLE001
            fault("opening a job's trace", error)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        try:
            if self._trace is not None and kind is not None:
                self._trace.status = "error"
            if self._opened is not None:
                recorder, trace = self._opened
                recorder.close_trace(trace)
        except Exception as own_error:  # noqa: BLE001
            fault("closing a job's trace", own_error)


def _is_tasks(trace: Trace) -> bool:
    return trace.trigger == "task" and trace.find_name() in (CELERY_TASK, DJANGO_TASK)
