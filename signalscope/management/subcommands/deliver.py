"""``manage.py signalscope deliver``: runs deliveries that are due, until it is stopped."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import Context
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error, connections

from signalscope.management import options as parse
from signalscope.management.advice import about_error
from signalscope.management.progress import Line, listed
from signalscope.management.tables import wrap
from signalscope.models import Delivery
from signalscope.outbox.databases import default_database
from signalscope.outbox.policy import Policy
from signalscope.outbox.work import Outcome, Worker

HELP = "Run deliveries that are due and that nobody else runs, until Ctrl-C or SIGTERM."
INTERVAL_S = 1.0
# The longest pause while the database does not answer.
MAX_PAUSE_S = 30.0
# What people call the outcomes.
_NAMES = {
    Outcome.DONE: "done",
    Outcome.RETRY: "to be tried again",
    Outcome.FAILED: "failed",
    Outcome.OVERTAKEN: "overtaken",
}
_AGAIN = "begun before by a worker that did not end in time"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--once", action="store_true", help="end when nothing more is due")
    parser.add_argument("--queue", metavar="NAME", help="only deliveries of this queue")
    parser.add_argument(
        "--interval",
        type=parse.pause,
        default=INTERVAL_S,
        metavar="S",
        help="seconds to wait when nothing is due (default: %(default)s)",
    )
    parser.add_argument(
        "--database", choices=sorted(connections), help="default: where the router has deliveries"
    )


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    """Run what is due; the delivery in hand is ended before the command is."""
    # Of this command nothing is recorded, but of the receivers that it runs.
    Context().run(_Loop(command, options).run)


class _Loop:
    """Runs deliveries, counts what becomes of them, and waits for more."""

    def __init__(self, command: BaseCommand, options: dict[str, Any]) -> None:
        self._command = command
        self._using: str = options["database"] or default_database()
        self._queue: str | None = options["queue"]
        self._is_once: bool = options["once"]
        self._interval_s: float = options["interval"]
        self._worker = Worker(Policy.of_settings().lease_s)
        self._counts: Counter[str] = Counter()
        self._line = Line(command)
        self._stop = threading.Event()

    def run(self) -> None:
        """Go on until it is stopped, or once."""
        pause_s = self._interval_s
        with _set_by_signals(self._stop):
            while not self._stop.is_set():
                try:
                    self._run_due()
                    pause_s = self._interval_s
                except Error as error:
                    connections[self._using].close()
                    advice = about_error(self._using, error, Delivery)
                    if self._is_once:
                        raise CommandError(f"{advice}\n{self._told()}") from error
                    if pause_s <= self._interval_s:
                        self._command.stderr.write(wrap(advice))
                    pause_s = min(max(pause_s, 0.5) * 2, MAX_PAUSE_S)
                if self._is_once:
                    break
                self._stop.wait(pause_s)
        self._line.end()
        self._command.stdout.write(self._told())

    def _run_due(self) -> None:
        for claim, outcome in self._worker.run_due(self._using, self._queue):
            self._counts[_NAMES[outcome]] += 1
            self._counts[_AGAIN] += claim.is_lapsed
            self._line.show(f"Delivered so far: {listed(self._counts)}")
            if self._stop.is_set():
                return

    def _told(self) -> str:
        return f"Delivered: {listed(self._counts)}."


@contextmanager
def _set_by_signals(event: threading.Event) -> Iterator[None]:
    """Let SIGINT and SIGTERM set an event in a block; the same signal again does what it did."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        # None stands for a handler that is not Python's.
        number: signal.getsignal(number) or signal.SIG_DFL
        for number in (signal.SIGINT, signal.SIGTERM)
    }

    def handle(number: int, _frame: object) -> None:
        if event.is_set():
            signal.signal(number, before[signal.Signals(number)])
            signal.raise_signal(number)
        event.set()

    for number in before:
        signal.signal(number, handle)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
