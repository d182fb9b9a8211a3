"""Shows how far long work is, and ends it cleanly on Ctrl-C."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import closing, suppress

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from signalscope.management.advice import about_error
from signalscope.recorder.vitals import process_name
from signalscope.upkeep.lease import Held
from signalscope.upkeep.turns import LEASE

# How often a line is rewritten on a terminal, or printed elsewhere.
_TERMINAL_S = 0.2
_ELSEWHERE_S = 10.0


def listed(rows: Mapping[str, int]) -> str:
    """Return counts as one reads them: "traces 1,200, day roll-ups 1"."""
    return ", ".join(f"{label} {count:,}" for label, count in rows.items() if count) or "nothing"


def do_steps(
    command: BaseCommand,
    steps: Generator[Counter[str]],
    *,
    using: str,
    doing: str,
    sleep_s: float = 0.0,
    has_lease: bool = True,
) -> Counter[str]:
    """
    Take all steps, each of which gives rows by what they are called; return the sums.

    It takes the lease from a writer that does the same, in a database that has_lease.
    doing: such as "Deleted".
    Raises CommandError when it is stopped or the database fails: what is done stays done.
    """
    done: Counter[str] = Counter()
    line = Line(command)
    lease = Held(LEASE, f"{process_name()} (command)")
    try:
        with closing(steps):
            if has_lease:
                lease.take(using, by_force=True)
            for rows in steps:
                done.update(rows)
                line.show(f"{doing} so far: {listed(done)}")
                time.sleep(sleep_s)
                if has_lease:
                    lease.take(using, by_force=True)
        lease.give_back(using)
    except KeyboardInterrupt as error:
        line.end()
        with suppress(Error):
            lease.give_back(using)
        raise CommandError(f"Stopped. {_what_is_done(doing, done)}", returncode=130) from error
    except Error as error:
        line.end()
        raise CommandError(f"{about_error(using, error)}\n{_what_is_done(doing, done)}") from error
    line.end()
    return done


def _what_is_done(doing: str, done: Counter[str]) -> str:
    return f"{doing} until then: {listed(done)}. Run the same command again to go on."


class Line:
    """One line that is written over, on a terminal; elsewhere a line now and then."""

    def __init__(self, command: BaseCommand) -> None:
        self._out = command.stdout
        self._is_terminal = self._out.isatty()
        self._length = 0
        self._shown_s = time.monotonic()

    def show(self, text: str) -> None:
        """Show how far it is, unless that was done a moment ago."""
        now_s = time.monotonic()
        if now_s - self._shown_s < (_TERMINAL_S if self._is_terminal else _ELSEWHERE_S):
            return
        self._shown_s = now_s
        if self._is_terminal:
            self._out.write(f"\r{text:<{self._length}}", ending="")
            self._out.flush()
            self._length = len(text)
        else:
            self._out.write(text)

    def end(self) -> None:
        """Go on below the line."""
        if self._length:
            self._out.write("")
