"""A task for Celery beat."""

from __future__ import annotations

from celery import shared_task

from signalscope.outbox.databases import default_database
from signalscope.outbox.policy import Policy
from signalscope.outbox.work import Worker


@shared_task(name="signalscope.deliver", ignore_result=True)  # type: ignore[untyped-decorator]
def deliver(using: str | None = None, queue: str | None = None) -> int:
    """
    Run deliveries that are due until none is; return how many attempts that took.

    using: the database, by default where the router has deliveries. queue: None for whichever.
    Two such tasks may run at once.
    """
    worker = Worker(Policy.of_settings().lease_s)
    return sum(1 for _ in worker.run_due(using or default_database(), queue))
