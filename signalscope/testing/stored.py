"""Runs in a test the deliveries that are stored, each once, however long they should wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator

from django.utils import timezone

from signalscope.models import Delivery
from signalscope.outbox.claims import Claim
from signalscope.outbox.policy import Policy
from signalscope.outbox.work import Outcome, Worker


class _Observed(Worker):
    """Keeps the errors that a worker only logs, by the id of the delivery."""

    def __init__(self) -> None:
        super().__init__(Policy.of_settings().lease_s)
        self.errors: dict[int, BaseException] = {}

    def _failed(self, claim: Claim, error: BaseException) -> tuple[Outcome, Callable[[], bool]]:
        self.errors[claim.id] = error
        return super()._failed(claim, error)


def run_stored(using: str, tried: set[int]) -> Iterator[tuple[str, BaseException | None]]:
    """
    Run the deliveries that are stored in a database and were not tried yet.

    tried: their ids, to which these are added. Yields the receiver of each, and its error.
    """
    waiting = Delivery.objects.using(using).filter(state=Delivery.State.PENDING)
    waiting.exclude(pk__in=tried).update(due_at=timezone.now(), lease_until_s=time.time())
    worker = _Observed()
    for claim, _ in worker.run_due(using):
        tried.add(claim.id)
        yield claim.receiver, worker.errors.get(claim.id)
