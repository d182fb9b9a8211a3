"""Stores what is promised, and hands it over once it is committed."""

from __future__ import annotations

import hashlib
import json
import logging
import time
from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.utils import timezone

from signalscope.context import MAX_TEXT_LENGTH
from signalscope.delivery.handing import hand_over
from signalscope.delivery.jobs import Job
from signalscope.delivery.options import Options
from signalscope.models import Delivery
from signalscope.outbox.policy import Policy
from signalscope.outbox.work import Worker
from signalscope.outbox.writing import Row, write
from signalscope.sinks.rows import label, text

logger = logging.getLogger("signalscope.delivery")

# How long a queue is left alone after it took no job; deliveries wait for a worker then.
PAUSE_S = 10.0
# As many characters as the column has room for.
_MAX_ORDER_KEY = 255


class Promises:
    """Stores deliveries, and knows which queues could take none lately."""

    def __init__(self) -> None:
        # By backend and queue: a queue that is unknown says nothing of the others.
        self._paused_until_s: dict[tuple[str, str | None], float] = {}

    def store(self, job: Job, options: Options, using: str) -> None:
        """
        Store a job in the transaction that is open in a database, if any; hand it over after it.

        Raises what the database raises.
        """
        connection = transaction.get_connection(using)
        # Without autocommit Django tells nobody of the commit: a worker finds it then.
        can_hand_over = connection.in_atomic_block or connection.get_autocommit()
        lead_s = Policy.of_settings().hand_over_s if can_hand_over else 0.0
        write(_row(job, options, lead_s=lead_s), using)
        if can_hand_over:
            # What a worker needs is in the row.
            name = {"signal": job.payload["signal"]}
            told = replace(job, payload=name, actor={}, retries=0, using=using)
            transaction.on_commit(
                partial(self._hand_over, told, options.effective_backend), using=using
            )

    def keep(self, job: Job, options: Options, using: str) -> None:
        """
        Store a job in the transaction that is open in a database, if any; a worker finds it.

        Raises what the database raises.
        """
        write(_row(job, options, lead_s=0.0), using)

    def run(self, key: str, using: str) -> None:
        """Run one that was handed over; raises the errors of its database."""
        Worker(Policy.of_settings().lease_s).run_key(key, using)

    def _hand_over(self, job: Job, backend: str) -> None:
        place = backend, job.queue
        if time.monotonic() < self._paused_until_s.get(place, 0.0):
            return
        try:
            hand_over(job, backend)
        except Exception as error:  # noqa: BLE001
            if not isinstance(error, ImproperlyConfigured):
                # Else it is the job's own fault, such as a delay where none can be.
                self._paused_until_s[place] = time.monotonic() + PAUSE_S
            logger.warning(
                "The backend %r does not take delivery %s to %s, which is stored and waits for "
                '"manage.py signalscope deliver": %r',
                backend,
                job.key,
                job.name,
                error,
            )


def _row(job: Job, options: Options, *, lead_s: float) -> Row:
    """Return the row of a new delivery; lead_s: how long it is left to its backend."""
    policy = Policy.of_settings()
    has_own_limit = options.retries is not None
    told = job.to_dict()
    payload = told.pop("payload")
    actor = {name: text(value, MAX_TEXT_LENGTH) for name, value in job.actor.items()}
    now = timezone.now()
    return {
        "key": job.key,
        "receiver": label(job.receiver),
        "signal": label(payload["signal"]),
        "sender": label(_plain(payload["sender"])),
        "payload": payload,
        "context": {**told, "actor": actor},
        "queue": text(job.queue or "", 100),
        "order_key": _order_key(payload["named"], options.order_by),
        "state": Delivery.State.PENDING,
        "attempts": 0,
        "max_attempts": job.retries + 1 if has_own_limit else policy.max_attempts,
        "lapse_count": 0,
        "created_at": now,
        "due_at": now + timedelta(seconds=job.delay_s),
        "finished_at": None,
        "lease_until_s": time.time() + job.delay_s + lead_s,
        "claimed_by": "",
        "last_error": "",
    }


def _order_key(named: Mapping[str, Any], order_by: str | None) -> str:
    """Return what deliveries have in common that run one after another, "" for any order."""
    if order_by is None:
        return ""
    if order_by not in named:
        raise TypeError(
            f"order_by is {order_by!r}, but the dispatch has no such argument; it has: "
            f"{', '.join(named) or 'none'}"
        )
    packed = named[order_by]
    if isinstance(packed, dict) and "instance" in packed:
        # Whatever the fields were: rows of the same model with the same key are one object, and
        # one that has no key yet is like no other.
        instance = packed["instance"]
        if instance["key"] is None:
            return ""
        model = apps.get_model(instance["model"])._meta.concrete_model
        found = json.dumps([model._meta.label, instance["using"], instance["key"]])
    else:
        found = json.dumps([order_by, packed])
    if len(found) <= _MAX_ORDER_KEY:
        return found
    return hashlib.sha256(found.encode()).hexdigest()


def _plain(packed: Any) -> str:
    """Return a packed sender as people read it."""
    if isinstance(packed, dict):
        (packed,) = packed.values()
    return "" if packed is None else str(packed)
