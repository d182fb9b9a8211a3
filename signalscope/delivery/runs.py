"""Runs jobs, in whatever process has got them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.dispatch import Signal

from signalscope.context import CONTEXT, NOBODY, Context
from signalscope.core.variables import leave
from signalscope.delivery.async_signal import AsyncSignalMixin
from signalscope.delivery.durable import Durable
from signalscope.delivery.jobs import Job
from signalscope.delivery.payload import unpack
from signalscope.delivery.receivers import IDEMPOTENCY_KEY, deferred_receivers
from signalscope.delivery.traces import JobTrace
from signalscope.exceptions import UnreadablePayload
from signalscope.recorder.late import LateRun
from signalscope.recorder.message import read

logger = logging.getLogger("signalscope.delivery")


def run_job(job: Job) -> None:
    """
    Call a job's receiver, or send its signal, for whoever queued it.

    Raises UnreadablePayload, the database's errors where rows are read, and what the receiver
    raises. Of a job that is stored, nothing but the errors of its database.
    """
    if job.using:
        Durable.outbox.run(job.key, job.using)
        return
    actor = read(job.actor)
    context = CONTEXT.set(None if actor == NOBODY else Context.of(actor))
    try:
        with JobTrace(job):
            try:
                call = _read(job)
            except UnreadablePayload:
                logger.exception("A call of %s cannot be read, and is not made.", job.name)
                raise
            call()
    finally:
        leave(context)


def _read(job: Job) -> Callable[[], None]:
    """Return what the job asks for."""
    if job.receiver:
        deferred = deferred_receivers.find(job.receiver)
    signal, sender, named = unpack(job.payload)
    if not job.receiver:
        if not isinstance(signal, AsyncSignalMixin):
            raise UnreadablePayload(f"{job.name} is without AsyncSignalMixin")
        return partial(_send, signal, sender, named)
    if deferred.wants_key:
        named.setdefault(IDEMPOTENCY_KEY, job.key)
    return partial(_call, deferred.function, signal, sender, named)


def _call(
    function: Callable[..., Any], signal: Signal, sender: object, named: dict[str, Any]
) -> None:
    with LateRun(signal, sender, function, method="deferred"):
        if iscoroutinefunction(function):
            function = async_to_sync(function)
        function(signal=signal, sender=sender, **named)


def _send(signal: Signal, sender: Any, named: dict[str, Any]) -> None:
    """Call all receivers, then raise what one of them raised, or all of it."""
    responses = signal.send_robust(sender, **named)
    errors = [response for _, response in responses if isinstance(response, Exception)]
    if len(errors) > 1:
        raise ExceptionGroup(f"{len(errors)} receivers failed", errors)
    if errors:
        raise errors[0]
