"""Guards: a circuit breaker for each receiver that the GUARD setting names."""

from __future__ import annotations

import logging
import time
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from typing import Any, NamedTuple

from signalscope import signals
from signalscope.activity.journal import Journal
from signalscope.activity.operations import guard_changed
from signalscope.control.breaker import CLOSED, OPEN, Breaker, Limits
from signalscope.control.outcomes import ended_calls
from signalscope.control.rules import is_own
from signalscope.control.telling import is_telling, tell
from signalscope.core.names import matches
from signalscope.recorder.gate import Candidates, Gate, Verdict, Watch
from signalscope.recorder.plans import Plan
from signalscope.recorder.strands import Record

logger = logging.getLogger("signalscope.guard")

# SIGNALSCOPE["GUARD"]: limits by a receiver's name or a glob.
Setting = Mapping[str, Mapping[str, Any]]

OPTIONS = tuple([field.name for field in fields(Limits)])
# What a call that did not take place is noted as.
_NO_CALL = (0, "")


class Change(NamedTuple):
    """What became of a guard, and why."""

    receiver: str
    state: str
    reason: str


def find_problems(setting: Setting) -> Iterator[str]:
    """Yield a sentence for each guard that cannot be; it is left out."""
    for name, given in setting.items():
        prefix = f"SIGNALSCOPE['GUARD'][{name!r}]"
        if unknown := set(given) - set(OPTIONS):
            names = ", ".join(map(repr, sorted(unknown)))
            yield f"{prefix} has no option {names}. Allowed: {', '.join(OPTIONS)}."
            continue
        try:
            Limits(**given)
        except ValueError as error:
            yield f"{prefix}: {error}."


def _usable(setting: Setting) -> Iterator[tuple[str, Limits]]:
    for name, given in setting.items():
        try:
            yield name, Limits(**given)
        except (TypeError, ValueError):
            # A system check says which.
            continue


def is_guarded_by(name: str, receiver: str) -> bool:
    """Tell whether a key of the setting means a receiver: by its full name, or as a glob."""
    # A glob may reach further than was thought of.
    return name == receiver or (not is_own(receiver) and matches((name,), receiver))


class Guards:
    """
    The guards of this process, one for each receiver's name, whatever signals it hears.

    clock: returns s, and never goes back.
    """

    def __init__(self, journal: Journal, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self._journal = journal
        self._limits: dict[str, Limits] = {}
        self.forget()

    def configure(self, setting: Setting) -> None:
        """Take over the setting; where it says something else than before, begin anew."""
        limits = dict(_usable(setting))
        if limits != self._limits:
            self._limits = limits
            self.forget()

    def forget(self) -> None:
        """Begin with nothing counted and nobody kept out: as new, or in a forked child."""
        self._breakers: dict[str, Breaker] = {}
        # Changes that nobody was told of yet.
        self._changes: deque[Change] = deque()

    def open_receivers(self) -> frozenset[str]:
        """Return the labels of the receivers whose guard is not closed now, in this process."""
        return frozenset(
            [label for label, breaker in list(self._breakers.items()) if breaker.state != CLOSED]
        )

    def find_gate(self, plan: Plan, candidates: Candidates) -> Gate | None:
        """Return what keeps receivers of a plan out; None where none is guarded."""
        guarded = dict(self._guarded(plan))
        if not guarded:
            return None
        breakers = [guarded.get(position) for position in range(len(plan.receivers))]
        nobody = ("",) * len(breakers)

        def judge(decided: Verdict | None) -> Verdict | None:
            if all(breaker.state == CLOSED for breaker in guarded.values()):
                return decided
            # One that is kept out already makes no trial.
            return tuple(
                [
                    by or ("" if breaker is None else breaker.judge())
                    for by, breaker in zip(decided or nobody, breakers, strict=True)
                ]
            )

        return judge

    def find_watch(self, plan: Plan) -> Watch | None:
        """Return what looks at a plan's dispatches; None where no receiver is guarded."""
        guarded = self._guarded(plan)
        if not guarded:
            return None

        def look(record: Record) -> None:
            positions = record[0].positions
            ended = {
                positions[index]: (duration_ns, outcome)
                for index, duration_ns, outcome in ended_calls(record)
            }
            for position, breaker in guarded:
                if position in positions:
                    breaker.note(record[3], *ended.get(position, _NO_CALL))
            self._tell_changes()

        return look

    def _guarded(self, plan: Plan) -> list[tuple[int, Breaker]]:
        """Return the guards of a plan's receivers, with their places; excluded ones have none."""
        found = []
        for position, receiver in enumerate(plan.receivers):
            breaker = None if plan.is_excluded[position] else self._breaker(receiver)
            if breaker is not None:
                found.append((position, breaker))
        return found

    def _breaker(self, receiver: str) -> Breaker | None:
        breakers = self._breakers
        if receiver not in breakers:
            limits = self._find_limits(receiver)
            if limits is None:
                return None
            # Another thread may be here, too: all get the same one.
            breakers.setdefault(receiver, self._make_breaker(receiver, limits))
        return breakers[receiver]

    def _find_limits(self, receiver: str) -> Limits | None:
        """Return the limits by the receiver's full name, else by the first key that fits."""
        if receiver in self._limits:
            return self._limits[receiver]
        return next(
            (limits for name, limits in self._limits.items() if is_guarded_by(name, receiver)),
            None,
        )

    def _make_breaker(self, receiver: str, limits: Limits) -> Breaker:
        changes = self._changes

        def note_change(state: str, reason: str) -> None:
            changes.append(Change(receiver, state, reason))

        return Breaker(limits, self.clock, note_change)

    def _tell_changes(self) -> None:
        """
        Tell of the changes so far.

        One that a receiver of such a signal brings about waits for the next dispatch, so that
        telling comes to an end.
        """
        if not self._changes or is_telling():
            return
        for _ in range(len(self._changes)):
            try:
                change = self._changes.popleft()
            except IndexError:
                # Another thread tells of it.
                return
            self._tell(change)

    def _tell(self, change: Change) -> None:
        level = logging.WARNING if change.state == OPEN else logging.INFO
        logger.log(level, "The guard of %s is %s: %s.", *change)
        if self._journal.wants("guard_changed"):
            self._journal.note([guard_changed(*change)])
        tell(signals.guard_changed, None, **change._asdict())
