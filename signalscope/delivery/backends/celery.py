"""Runs jobs in Celery's workers, by one task of the project's own app."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured

from signalscope.delivery.jobs import Job
from signalscope.delivery.runs import run_job
from signalscope.delivery.traces import CELERY_TASK
from signalscope.exceptions import UnreadablePayload

try:
    from celery import shared_task
except ImportError as error:
    raise ImproperlyConfigured(
        "The backend 'celery' needs Celery 5.5 or later: pip install signalscope[celery]"
    ) from error


# JSON whatever the project's tasks use: nothing is unpickled.
@shared_task(name=CELERY_TASK, bind=True, ignore_result=True, serializer="json")  # type: ignore[untyped-decorator]
def run(task: Any, told: Mapping[str, Any]) -> None:
    """Run a job; Celery brings it again after a pause where it is to be retried."""
    job = Job.from_dict({**told, "attempts": task.request.retries})
    try:
        run_job(job)
    except UnreadablePayload:
        raise
    except Exception as error:
        following = job.again()
        if following is None:
            raise
        raise task.retry(
            exc=error,
            countdown=following.delay_s,
            max_retries=job.retries,
            argsrepr=_shown(job),
        ) from error


def enqueue(job: Job) -> None:
    """Publish a job; raises the broker's errors."""
    run.apply_async(
        (job.to_dict(),),
        queue=job.queue,
        countdown=job.delay_s or None,
        argsrepr=_shown(job),
    )


def _shown(job: Job) -> str:
    """Return what Celery's logs and monitors show: no arguments, which may be confidential."""
    return f"({job.name}, {job.key})"


def can_delay() -> bool:
    """Tell whether jobs can wait: Celery's can."""
    return True
