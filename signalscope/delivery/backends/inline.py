"""Runs a job at once, where it is handed over; for tests."""

from __future__ import annotations

import json

from signalscope.delivery.jobs import Job
from signalscope.delivery.runs import run_job
from signalscope.exceptions import UnreadablePayload


def enqueue(job: Job) -> None:
    """
    Run a job, by way of the JSON that a queue would carry, and without its delay.

    Raises what the last attempt raises.
    """
    attempt: Job | None = Job.from_dict(json.loads(json.dumps(job.to_dict())))
    while attempt is not None:
        try:
            run_job(attempt)
            return
        except UnreadablePayload:
            raise
        except Exception:
            attempt = attempt.again()
            if attempt is None:
                raise


def can_delay() -> bool:
    """Tell whether a delay is no mistake: here it is passed over."""
    return True
