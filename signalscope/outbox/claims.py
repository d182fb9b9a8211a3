"""
Who may run a delivery: one worker at a time, until its lease is over.

A claim compares state and attempts with what was read, and each claim adds an attempt: so two
workers never have the same one. Locks that others skip only keep them from reading the same rows.
"""

from __future__ import annotations

import logging
import time
import uuid
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from django.db import connections, transaction
from django.utils import timezone

from signalscope.models import Delivery
from signalscope.models.delivery_queries import DeliveryQuerySet
from signalscope.recorder.vitals import process_name
from signalscope.sinks.rows import text

logger = logging.getLogger("signalscope.delivery")

State = Delivery.State
MAX_ERROR_LENGTH = 2_000
DIED = "Its worker died, or took longer than its lease."


@dataclass(frozen=True, slots=True)
class Claim:
    """
    A delivery that this worker runs now.

    token: nobody else's name, the same for those that were claimed together.
    until_s: s since the epoch, when others may take it.
    is_lapsed: the worker before may have run it, or does so still.
    """

    using: str
    id: int
    key: str
    receiver: str
    payload: Any
    context: Any
    order_key: str
    attempts: int
    max_attempts: int
    token: str
    until_s: float
    is_lapsed: bool


_READ = (
    *("id", "key", "receiver", "payload", "context", "order_key", "max_attempts"),
    *("state", "attempts", "lapse_count"),
)


def claim_due(using: str, *, lease_s: float, queue: str | None = None) -> Claim | None:
    """Claim what has been due longest; queue: None for whichever. None where nothing is due."""
    rows = Delivery.objects.using(using).due()
    if queue is not None:
        rows = rows.filter(queue=queue)
    return _claim(rows.order_by("lease_until_s", "id"), lease_s)


def claim_key(key: str, using: str, *, lease_s: float) -> Claim | None:
    """Claim one that was handed over; None where somebody has it, or it is not its turn."""
    rows = Delivery.objects.using(using).filter(key=key)
    return _claim((rows.untried() | rows.due()).order_by("id"), lease_s)


def claim_next(
    order_key: str, using: str, *, lease_s: float, queue: str | None = None
) -> Claim | None:
    """Claim the first one with an order key, where it may run by now and is of the queue."""
    rows = Delivery.objects.using(using).filter(order_key=order_key)
    if queue is not None:
        rows = rows.filter(queue=queue)
    waiting = rows.untried().filter(due_at__lte=timezone.now())
    return _claim((waiting | rows.due()).order_by("id"), lease_s)


def claim_batch(
    receiver: str,
    using: str,
    *,
    lease_s: float,
    most: int,
    least: int = 1,
    queue: str | None = None,
) -> list[Claim]:
    """Claim those that wait for a receiver, due or new; none if too few do."""
    waiting = Delivery.objects.using(using).batch_of(receiver).order_by("lease_until_s", "id")
    if queue is not None:
        waiting = waiting.filter(queue=queue)
    if least > 1 and waiting[:least].count() < least:
        # Most often so: without reading what each carries.
        return []
    return _claim_all(waiting, lease_s, most=most, least=least)


def renew(claims: Sequence[Claim], *, lease_s: float) -> list[Claim]:
    """Let the leases of one batch begin anew; return the claims that are still this worker's."""
    until_s = time.time() + lease_s
    own = _own(claims).filter(state=State.RUNNING)
    ids = {claim.id for claim in claims}
    if own.update(lease_until_s=until_s) < len(ids):
        ids = set(own.order_by().values_list("id", flat=True))
    return [replace(claim, until_s=until_s) for claim in claims if claim.id in ids]


def finish(claim: Claim, state: Delivery.State, error: str = "") -> bool:
    """Note what became of it; return False where another worker has claimed it since."""
    return _note(
        claim,
        state=state,
        finished_at=timezone.now(),
        lease_until_s=None,
        last_error=text(error, MAX_ERROR_LENGTH),
    )


def finish_all(claims: Sequence[Claim]) -> set[int]:
    """
    Note that those of one batch are done.

    Returns the ids of those that were this worker's until then.
    """
    own = _own(claims)
    own.filter(state=State.RUNNING).update(
        state=State.DONE, finished_at=timezone.now(), lease_until_s=None, last_error=""
    )
    return set(own.order_by().filter(state=State.DONE).values_list("id", flat=True))


def postpone(claim: Claim, delay_s: float, error: str) -> bool:
    """Let it be tried again; return False where another worker has claimed it since."""
    return _note(
        claim,
        state=State.PENDING,
        due_at=timezone.now() + timedelta(seconds=delay_s),
        lease_until_s=time.time() + delay_s,
        last_error=text(error, MAX_ERROR_LENGTH),
    )


def give_back(claim: Claim) -> bool:
    """
    Let it be run at once by others, as if this attempt had not been.

    Returns False where another worker has claimed it since.
    """
    return _note(
        claim,
        state=State.PENDING,
        attempts=claim.attempts - 1,
        due_at=timezone.now(),
        lease_until_s=time.time(),
    )


def _own(claims: Sequence[Claim]) -> DeliveryQuerySet:
    return Delivery.objects.using(claims[0].using).filter(
        pk__in=[claim.id for claim in claims], claimed_by__in={claim.token for claim in claims}
    )


def _note(claim: Claim, **values: Any) -> bool:
    rows = Delivery.objects.using(claim.using).filter(pk=claim.id, claimed_by=claim.token)
    return bool(rows.filter(state=State.RUNNING).update(**values))


def _claim(rows: DeliveryQuerySet, lease_s: float) -> Claim | None:
    claims = _claim_all(rows, lease_s, most=1, least=1)
    return claims[0] if claims else None


def _claim_all(rows: DeliveryQuerySet, lease_s: float, *, most: int, least: int) -> list[Claim]:
    """Claim the first of some rows by one transaction; none where there are too few."""
    rows = rows.first_of_order()
    using = rows.db
    skips = connections[using].features.has_select_for_update_skip_locked
    if skips:
        rows = rows.select_for_update(skip_locked=True)
    while True:
        # Without such locks, SQLite would refuse to write in a transaction that has read.
        with transaction.atomic(using=using) if skips else nullcontext():
            # No instances: making one sends signals, which receivers of the project may hear.
            found = list(rows.values(*_READ)[:most])
            if len(found) < least:
                return []
            with nullcontext() if skips else transaction.atomic(using=using):
                token = f"{process_name()} {uuid.uuid4().hex[:12]}"
                taken = [_take(one, using, lease_s, token) for one in found]
        if claims := [claim for claim in taken if claim is not None]:
            return claims


def _take(found: dict[str, Any], using: str, lease_s: float, token: str) -> Claim | None:
    """Claim a row, unless another worker was faster or it has had all of its attempts."""
    state, attempts = found.pop("state"), found.pop("attempts")
    lapse_count = found.pop("lapse_count")
    is_lapsed = state == State.RUNNING
    row = Delivery.objects.using(using).filter(pk=found["id"], state=state, attempts=attempts)
    if is_lapsed:
        lapse_count += 1
        if attempts >= found["max_attempts"]:
            row.update(
                state=State.FAILED,
                lapse_count=lapse_count,
                finished_at=timezone.now(),
                lease_until_s=None,
                last_error=DIED,
            )
            logger.warning(
                "Delivery %s to %s has failed for good: %s", found["key"], found["receiver"], DIED
            )
            return None
    claim = Claim(
        using=using,
        attempts=attempts + 1,
        token=token,
        until_s=time.time() + lease_s,
        is_lapsed=is_lapsed,
        **{**found, "key": str(found["key"])},
    )
    is_claimed = row.update(
        state=State.RUNNING,
        attempts=claim.attempts,
        lapse_count=lapse_count,
        lease_until_s=claim.until_s,
        claimed_by=claim.token,
    )
    return claim if is_claimed else None
