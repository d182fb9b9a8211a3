"""Hands jobs over to what runs them."""

from __future__ import annotations

import logging
from functools import partial
from importlib import import_module
from types import ModuleType

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from signalscope.delivery.durable import Durable
from signalscope.delivery.jobs import Job
from signalscope.delivery.options import Options
from signalscope.delivery.payload import unpack_origin
from signalscope.delivery.receivers import deferred_receivers
from signalscope.delivery.traces import JobTrace
from signalscope.recorder.late import LateRun

logger = logging.getLogger("signalscope.delivery")


def load(backend: str) -> ModuleType:
    """Return a backend; raises ImproperlyConfigured where what it needs is not installed."""
    return import_module(f"signalscope.delivery.backends.{backend}")


def load_for_workers(options: Options) -> None:
    """Let workers of Celery know the task that runs jobs before a message comes."""
    if options.backend == "celery":
        load(options.backend)


def find_problem(options: Options) -> str:
    """Return why calls cannot be put off so, "" where they can."""
    try:
        backend = load(options.effective_backend)
    except ImproperlyConfigured as error:
        return str(error)
    if options.delay and not backend.can_delay():
        return "it cannot let calls wait, and a delay is given."
    return ""


def hand_over(job: Job, backend: str) -> None:
    """Give a job to a backend, which may raise what it likes where it cannot take it."""
    load(backend).enqueue(job)


def deliver(job: Job, options: Options, using: str) -> None:
    """
    Hand a job over once the transaction that is open on a database is committed.

    Outside of any that is at once, and its error is the caller's. Raises
    TransactionManagementError, as transaction.on_commit() does, where nobody is told of a commit.
    """
    if options.is_durable:
        Durable.outbox.store(job, options, using)
        return
    backend = options.effective_backend
    connection = transaction.get_connection(using)
    if connection.in_atomic_block or (connection.connection and not connection.get_autocommit()):
        transaction.on_commit(partial(_after_commit, job, backend), using=using)
    else:
        hand_over(job, backend)


def _after_commit(job: Job, backend: str) -> None:
    """Hand over; the work that is committed must not look as if it had failed."""
    try:
        hand_over(job, backend)
    except Exception as error:
        if backend == "inline":
            raise
        lose(job, error)


def lose(job: Job, error: Exception) -> None:
    """Say that a job will not run: in the log, and as a call that failed."""
    if job.using:
        # It is stored, and will run.
        return
    logger.error(
        "A call of %s is lost, since it could not be handed over; durable=True would keep it.",
        job.name,
        exc_info=error,
    )
    try:
        with JobTrace(job):
            if job.receiver:
                signal, sender = unpack_origin(job.payload)
                receiver = deferred_receivers.find(job.receiver).function
                with LateRun(signal, sender, receiver, method="deferred"):
                    raise error
            raise error
    except Exception:  # noqa: BLE001
        # Logged above.
        pass
