"""Upkeep in small turns, as part of the writer's own."""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Generator
from contextlib import AbstractContextManager

from django.db import Error, connections

from signalscope.core.faults import fault
from signalscope.core.retention import HOUR_S, Retention
from signalscope.upkeep.compact import compact, has_work
from signalscope.upkeep.lease import Held
from signalscope.upkeep.prune import CutOffs, prune

LEASE = "upkeep"
# How often a process looks whether there is something to do; deltas come due by the minute.
LOOK_S = 60.0
PRUNE_S = float(HOUR_S)
# After an error of the database.
PAUSE_S = 300.0
# How long to wait for SQLite's lock; the connection is closed when the writer's turn is over.
SQLITE_TIMEOUT_MS = 100
# Rows of one step: the project must not wait for it where one process writes at a time.
CHUNK = 500


class Upkeep:
    """
    Compaction and pruning, a little at a time, by one process at a time.

    connect: gives the alias by which the ORM reaches the writer's connection in a block.
    holder: names this process.
    budget_s: how long a turn may take; it ends after the step in which that passes.
    """

    def __init__(
        self,
        connect: Callable[[], AbstractContextManager[str]],
        *,
        holder: Callable[[], str],
        retention: Retention,
        budget_s: float,
    ) -> None:
        self._connect = connect
        self._holder = holder
        self.retention = retention
        self.budget_s = budget_s
        self.forget()

    def forget(self) -> None:
        """Begin anew, in a forked child: what is held is the parent's."""
        self._lease = Held(LEASE, self._holder())
        self._steps: Generator[Counter[str]] | None = None
        now_s = time.monotonic()
        # Not all processes of a server at once, and not those that live for moments only.
        self._next_look_s = now_s + LOOK_S * random.uniform(0.5, 1.5)  # noqa: S311
        self._next_prune_s = self._next_look_s

    def turn(self) -> None:
        """Do some of what there is to do, if any; raises nothing."""
        if time.monotonic() < self._next_look_s:
            return
        try:
            with self._connect() as using:
                self._work(using)
        except Exception as error:  # noqa: BLE001
            # What this process holds ends by itself; what it did not do is done later.
            self._rest(PAUSE_S)
            if not isinstance(error, Error):
                fault("looking after the tables", error)

    def end(self) -> None:
        """Give the lease back, at the end of the process; raises nothing."""
        if not self._lease.is_held:
            return
        try:
            with self._connect() as using:
                _wait_briefly(using)
                self._lease.give_back(using)
        except Exception:  # noqa: BLE001
            # It ends by itself.
            pass

    def _work(self, using: str) -> None:
        until_s = time.monotonic() + self.budget_s
        _wait_briefly(using)
        if self._steps is None and not self._is_due(using):
            self._rest(LOOK_S)
            return
        if not self._lease.take(using):
            self._rest(LOOK_S)
            return
        if self._steps is None:
            self._steps = self._all_steps(using)
        began_s = time.monotonic()
        for _ in self._steps:
            ended_s = time.monotonic()
            if ended_s >= until_s:
                return
            # The project's threads, and whoever waits to write, have their turn.
            time.sleep(min(ended_s - began_s, until_s - ended_s))
            began_s = time.monotonic()
        self._lease.give_back(using)
        self._rest(LOOK_S)

    def _is_due(self, using: str) -> bool:
        return time.monotonic() >= self._next_prune_s or has_work(using=using, now_s=time.time())

    def _all_steps(self, using: str) -> Generator[Counter[str]]:
        now_s = time.time()
        yield from compact(using=using, now_s=now_s, chunk=CHUNK)
        if time.monotonic() >= self._next_prune_s:
            yield from prune(CutOffs.of(self.retention, now_s), using=using, chunk=CHUNK)
            self._next_prune_s = time.monotonic() + PRUNE_S

    def _rest(self, length_s: float) -> None:
        self._steps = None
        self._next_look_s = time.monotonic() + length_s


def _wait_briefly(using: str) -> None:
    connection = connections[using]
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout = {SQLITE_TIMEOUT_MS}")
