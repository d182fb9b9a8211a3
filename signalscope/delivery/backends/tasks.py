"""Runs jobs in the workers of django.tasks, or of the package django-tasks before Django 6.0."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.utils import timezone

from signalscope.delivery.jobs import Job
from signalscope.delivery.runs import run_job
from signalscope.exceptions import UnreadablePayload

try:
    from django.tasks import DEFAULT_TASK_QUEUE_NAME, default_task_backend, task
except ImportError:
    try:
        from django_tasks import (  # type: ignore[no-redef]
            DEFAULT_TASK_QUEUE_NAME,
            default_task_backend,
            task,
        )
    except ImportError as error:
        raise ImproperlyConfigured(
            "The backend 'tasks' needs Django 6.0 or later, or: pip install django-tasks"
        ) from error


def _queue() -> str:
    """Return a queue that the project's backend knows; an empty list allows any."""
    known = default_task_backend.queues
    is_default_known = not known or DEFAULT_TASK_QUEUE_NAME in known
    return DEFAULT_TASK_QUEUE_NAME if is_default_known else min(known)


@task(queue_name=_queue())
def run(told: Mapping[str, Any]) -> None:
    """Run a job; where it is to be retried, it has failed and is queued again."""
    job = Job.from_dict(told)
    try:
        run_job(job)
    except UnreadablePayload:
        raise
    except Exception:
        following = job.again()
        if following is not None:
            # Without a pause where tasks cannot wait.
            enqueue(following if can_delay() else following.at_once())
        raise


def can_delay() -> bool:
    """Tell whether the project's backend lets tasks wait."""
    return bool(run.get_backend().supports_defer)


def enqueue(job: Job) -> None:
    """Queue a job; raises what the project's backend raises, such as for an unknown queue."""
    wanted: dict[str, Any] = {}
    if job.queue is not None:
        wanted["queue_name"] = job.queue
    if job.delay_s:
        if not can_delay():
            raise ImproperlyConfigured(
                f"{job.name} is deferred with a delay, and the backend in TASKS, "
                f"{type(run.get_backend()).__qualname__}, cannot let tasks wait"
            )
        wanted["run_after"] = timezone.now() + timedelta(seconds=job.delay_s)
    run.using(**wanted).enqueue(job.to_dict())
