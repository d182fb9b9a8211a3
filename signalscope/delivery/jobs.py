"""A receiver's call, or a whole dispatch, that is made elsewhere."""

from __future__ import annotations

import random
from asyncio import CancelledError
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any
from uuid import uuid4

from django.dispatch import Signal

from signalscope.delivery.options import Options
from signalscope.delivery.payload import pack
from signalscope.exceptions import UnreadablePayload
from signalscope.recorder.message import write

# The pause before the first retry is up to so long, twice that before the next, and so on.
BACKOFF_S = 2.0
MAX_BACKOFF_S = 3_600.0


# By these a receiver has failed; a KeyboardInterrupt is meant for the process.
FAILURES = (Exception, SystemExit, CancelledError)


@dataclass(frozen=True, slots=True)
class Job:
    """
    What a queue carries: nothing but what JSON has.

    key: the same in all attempts. receiver: its dotted name, "" for all that are connected.
    payload: the dispatch, as payload.pack() has it. actor: who is behind it, as texts.
    queue: None for the backend's own. delay_s: how long it waits, at least.
    retries: how many there may be. attempts: how many have failed.
    using: the database in which it is stored, "" where it is not; what runs is read from there.
    """

    key: str
    receiver: str
    payload: Mapping[str, Any]
    actor: Mapping[str, str] = field(default_factory=dict)
    queue: str | None = None
    delay_s: float = 0.0
    retries: int = 0
    attempts: int = 0
    using: str = ""

    @property
    def name(self) -> str:
        """What it is called: by its receiver, else by its signal."""
        return self.receiver or str(self.payload.get("signal", "?"))

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON has it."""
        return {name: getattr(self, name) for name in _NAMES}

    def again(self) -> Job | None:
        """Return the next attempt, after a pause; None where there is to be none."""
        attempts = self.attempts + 1
        if attempts > self.retries:
            return None
        return replace(self, attempts=attempts, delay_s=backoff_s(attempts))

    def at_once(self) -> Job:
        """Return it without its pause."""
        return replace(self, delay_s=0.0)

    @classmethod
    def from_dict(cls, told: Mapping[str, Any]) -> Job:
        """Return what to_dict() told; raises UnreadablePayload where that is not it."""
        try:
            job = cls(**{name: told[name] for name in _NAMES if name in told})
        except TypeError as error:
            raise UnreadablePayload(f"{told!r} is no job") from error
        is_whole = (
            isinstance(job.key, str)
            and isinstance(job.receiver, str)
            and isinstance(job.payload, Mapping)
            and isinstance(job.actor, Mapping)
            and all(type(count) is int for count in (job.retries, job.attempts))
        )
        if not is_whole:
            raise UnreadablePayload(f"{told!r} is no job")
        return job


_NAMES = [field.name for field in fields(Job)]


def make_job(
    receiver: str, options: Options, signal: Signal, sender: object, named: Mapping[str, Any]
) -> Job:
    """Return the job of a dispatch; raises TypeError for what it cannot carry."""
    return Job(
        key=str(uuid4()),
        receiver=receiver,
        payload=pack(signal, sender, named, exclude=options.exclude),
        actor=write(),
        queue=options.effective_queue,
        delay_s=options.delay,
        retries=options.effective_retries,
    )


def backoff_s(attempts: int, jitter: Callable[[float, float], float] = random.uniform) -> float:
    """
    Return how long to wait after so many failed attempts, in s.

    jitter: returns a number from its first argument to its second, so that what failed together
    is not tried again together.
    """
    most_s = min(BACKOFF_S * 2 ** min(attempts - 1, 20), MAX_BACKOFF_S)
    return jitter(most_s / 2, most_s)
