"""Reads the rules that are stored: by the writer's thread now and then, and at once where asked."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from django.db import Error

from signalscope.control.rules import Rule, Rules
from signalscope.core.faults import fault

logger = logging.getLogger("signalscope")

# The longest pause while the rules cannot be read.
MAX_PAUSE_S = 60.0


class Refresh:
    """
    Keeps the rules of a process as they are stored; where they cannot be read, as they were.

    read: called with an alias, returns the rules that have not ended.
    alias: of the database they are in.
    connect: gives that alias, by which the ORM reaches the writer's connection in a block.
    was_active: called; tells whether something happened in the process since it was called last.
    due_s: when to look next, by time.monotonic().
    is_asleep: nothing had happened when it looked last.
    """

    def __init__(
        self,
        rules: Rules,
        *,
        read: Callable[[str], Sequence[Rule]],
        alias: str,
        connect: Callable[[], AbstractContextManager[str]],
        was_active: Callable[[], bool],
        interval_s: float,
    ) -> None:
        self._rules = rules
        self._read = read
        self.alias = alias
        self._connect = connect
        self._was_active = was_active
        self.interval_s = interval_s
        self.forget()

    def forget(self) -> None:
        """Begin anew, in a forked child, with the rules that the parent knew."""
        # So that what was read last is also what is known last.
        self._lock = threading.RLock()
        self._failures = 0
        self.due_s = 0.0
        self.is_asleep = False

    def turn(self) -> None:
        """Read the rules, if that is due and something has happened; raises nothing."""
        now_s = time.monotonic()
        if now_s < self.due_s:
            return
        self.due_s = now_s + self.interval_s
        # Before it is asked, so that nobody who begins meanwhile goes unnoticed.
        self.is_asleep = True
        if not self._was_active():
            return
        self.is_asleep = False
        # Who holds it reads them now.
        if self._lock.acquire(blocking=False):
            try:
                with self._connect() as using:
                    self._rules.replace(self._read(using))
                self._failures = 0
            except Exception as error:  # noqa: BLE001
                self._failures += 1
                pause_s = self.interval_s * 2 ** min(self._failures, 10)
                self.due_s = time.monotonic() + max(self.interval_s, min(pause_s, MAX_PAUSE_S))
                self._report(error)
            finally:
                self._lock.release()

    def now(self) -> None:
        """Read the rules at once, over the running thread's own connection; raises nothing."""
        try:
            with self._lock:
                self._rules.replace(self._read(self.alias))
        except Exception as error:  # noqa: BLE001
            self._report(error)

    def _report(self, error: Exception) -> None:
        if not isinstance(error, Error):
            fault("reading the rules", error)
        elif self._failures <= 1:
            # No warning: the writer, which needs the same database, says what is wrong and how
            # to mend it.
            logger.info("signalscope cannot read its rules, the last known ones hold: %s", error)
