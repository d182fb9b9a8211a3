"""Runs deliveries that this process has claimed, and notes what became of each."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from enum import StrEnum
from functools import partial
from typing import TypeVar

from django.db import Error, connections

from signalscope.core.redact import error_message, error_type
from signalscope.delivery.batch_runs import batched_receivers, find_batch, run_batch
from signalscope.delivery.batches import Options
from signalscope.delivery.jobs import FAILURES, Job, backoff_s
from signalscope.delivery.runs import run_job
from signalscope.exceptions import UnreadablePayload
from signalscope.outbox.claims import (
    Claim,
    State,
    claim_batch,
    claim_due,
    claim_key,
    claim_next,
    finish,
    finish_all,
    give_back,
    postpone,
    renew,
)

Noted = TypeVar("Noted")

logger = logging.getLogger("signalscope.delivery")

# While the database does not answer.
_FIRST_PAUSE_S = 0.1
_MAX_PAUSE_S = 5.0


class Outcome(StrEnum):
    """
    What became of one attempt.

    retry: it failed, and is to be tried again. overtaken: the lease was over before it ended, and
    another worker has claimed the delivery since.
    """

    DONE = "done"
    RETRY = "retry"
    FAILED = "failed"
    OVERTAKEN = "overtaken"


class Worker:
    """
    Runs stored deliveries, one after another; several workers may do so at once.

    lease_s: how long a receiver may take; after that another worker may run it, too.
    jitter: returns a number from its first argument to its second.
    """

    def __init__(
        self, lease_s: float, *, jitter: Callable[[float, float], float] = random.uniform
    ) -> None:
        self.lease_s = lease_s
        self._jitter = jitter

    def run_due(self, using: str, queue: str | None = None) -> Iterator[tuple[Claim, Outcome]]:
        """Run what is due in a database until nothing is; give each with its outcome."""
        yield from self._run_full_batches(using, queue)
        while True:
            _close_left_connections(using)
            claim = claim_due(using, lease_s=self.lease_s, queue=queue)
            if claim is None:
                return
            batch = find_batch(claim.receiver)
            if batch is None:
                for ran in self._run_in_order(claim, queue):
                    yield ran
                    _close_left_connections(using)
            else:
                yield from self._run_batch(batch, self._with_others(claim, batch.size, queue))

    def run_key(self, key: str, using: str) -> None:
        """Run one that was handed over, unless somebody else does or did so."""
        claim = claim_key(key, using, lease_s=self.lease_s)
        if claim is not None:
            for _ in self._run_in_order(claim):
                pass

    def _run_in_order(
        self, claim: Claim, queue: str | None = None
    ) -> Iterator[tuple[Claim, Outcome]]:
        """Run one, then those that had to wait for it, and are of the queue."""
        following: Claim | None = claim
        while following is not None:
            claim = following
            yield claim, self.run(claim)
            following = None
            if claim.order_key:
                following = claim_next(
                    claim.order_key, claim.using, lease_s=self.lease_s, queue=queue
                )

    def _run_full_batches(self, using: str, queue: str | None) -> Iterator[tuple[Claim, Outcome]]:
        """Run batches that are not due, but full, of the receivers that this process knows."""
        for name, options in batched_receivers().items():
            size = options.size
            while claims := claim_batch(
                name, using, lease_s=self.lease_s, most=size, least=size, queue=queue
            ):
                yield from self._run_batch(options, sorted(claims, key=_id))
                _close_left_connections(using)

    def _with_others(self, claim: Claim, size: int, queue: str | None) -> list[Claim]:
        """Return the batch of one that is due, oldest first."""
        if claim.is_lapsed:
            # It may be what its worker died of.
            return [claim]
        others = claim_batch(
            claim.receiver, claim.using, lease_s=self.lease_s, most=size - 1, queue=queue
        )
        return sorted([claim, *others], key=_id)

    def _run_batch(self, options: Options, claims: list[Claim]) -> Iterator[tuple[Claim, Outcome]]:
        """Run those of one batch; what the receiver cannot handle is noted, and not raised."""
        held = _Held(claims, self.lease_s)
        payloads = [claim.payload for claim in claims]
        try:
            errors = run_batch(claims[0].receiver, options, payloads, own=held.renew)
        except BaseException:
            # The process is about to end, or the database is away.
            _give_back(claims)
            raise
        claims = held.claims
        good = [claim for place, claim in enumerate(claims) if place not in errors]
        done = _insist(claims[0], partial(finish_all, good)) if good else set()
        outcomes = [
            (claim, Outcome.DONE if claim.id in done else Outcome.OVERTAKEN) for claim in good
        ]
        for place, error in errors.items():
            outcome, note = self._failed(claims[place], error)
            is_own = _insist(claims[place], note)
            outcomes.append((claims[place], outcome if is_own else Outcome.OVERTAKEN))
        yield from outcomes

    def run(self, claim: Claim) -> Outcome:
        """Run a claimed one; what the receiver raises is noted and logged, and not raised."""
        try:
            run_job(_job(claim))
        except FAILURES as error:
            outcome, note = self._failed(claim, error)
        except BaseException:
            # The process is about to end.
            _give_back([claim])
            raise
        else:
            outcome, note = Outcome.DONE, partial(finish, claim, State.DONE)
        return outcome if _insist(claim, note) else Outcome.OVERTAKEN

    def _failed(self, claim: Claim, error: BaseException) -> tuple[Outcome, Callable[[], bool]]:
        """Return what is to become of one whose receiver raised an error."""
        said = f"{error_type(error)}: {error_message(error)}"
        if isinstance(error, UnreadablePayload) or claim.attempts >= claim.max_attempts:
            _log(claim, "has failed for good", error)
            return Outcome.FAILED, partial(finish, claim, State.FAILED, said)
        pause_s = backoff_s(claim.attempts, self._jitter)
        _log(claim, f"has failed, and is tried again in {pause_s:.0f} s", error)
        return Outcome.RETRY, partial(postpone, claim, pause_s, said)


class _Held:
    """
    The claims of one batch.

    To halve a batch again and again may take longer than one lease: each call of its receiver
    begins with a new one.
    """

    def __init__(self, claims: list[Claim], lease_s: float) -> None:
        self.claims = claims
        self._lease_s = lease_s

    def renew(self) -> set[int]:
        """Renew the leases; return the places of those that no other worker has taken."""
        note = partial(renew, self.claims, lease_s=self._lease_s)
        renewed = {claim.id: claim for claim in _insist(self.claims[0], note)}
        self.claims = [renewed.get(claim.id, claim) for claim in self.claims]
        return {place for place, claim in enumerate(self.claims) if claim.id in renewed}


def _give_back(claims: Sequence[Claim]) -> None:
    """Let others run them at once, if the database can be told."""
    with suppress(Error):
        for claim in claims:
            give_back(claim)


def _close_left_connections(using: str) -> None:
    """
    Let the next receiver have connections that work, however the one before left them.

    using: the worker's own database, whose connection stays open while it works.
    """
    for connection in connections.all(initialized_only=True):
        if connection.in_atomic_block:
            continue
        # Between requests Django does so: what idles may be closed at the other end.
        if connection.alias != using or connection.errors_occurred:
            connection.close_if_unusable_or_obsolete()


def _job(claim: Claim) -> Job:
    return Job.from_dict({**claim.context, "payload": claim.payload})


def _log(claim: Claim, what: str, error: BaseException) -> None:
    logger.warning("Delivery %s to %s %s.", claim.key, claim.receiver, what, exc_info=error)


def _id(claim: Claim) -> int:
    return claim.id


def _insist(claim: Claim, note: Callable[[], Noted]) -> Noted:
    """Note what became of it, as soon as the database answers; until the lease is over."""
    pause_s = _FIRST_PAUSE_S
    while True:
        try:
            return note()
        except Error:
            connection = connections[claim.using]
            if connection.in_atomic_block or time.time() + pause_s > claim.until_s:
                raise
            connection.close()
        time.sleep(pause_s)
        pause_s = min(pause_s * 2, _MAX_PAUSE_S)
