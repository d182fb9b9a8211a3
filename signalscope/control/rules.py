"""Rules: the receivers that are not called on the whole site, as this process knows them."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from signalscope.core.names import is_of, matches
from signalscope.recorder.gate import Candidates, Gate, Verdict, united
from signalscope.recorder.plans import MAX_PLANS, Plan

# Of one signal and sender: for each of the receivers, the rules that match it.
Matching = tuple[tuple["Rule", ...], ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """
    Receivers that are not called, until a moment.

    signal, sender, receiver, dispatch_uid: globs over labels; an empty one matches all, and all
    that are given must match.
    end_s: when it ends, in seconds since the epoch; math.inf where it is for good.
    is_forced: it also holds for receivers of Django's and of signalscope's.
    text: who keeps out what it matches: "rule 12 by alice: the CRM is down".
    """

    signal: str = ""
    sender: str = ""
    receiver: str = ""
    dispatch_uid: str = ""
    end_s: float = math.inf
    is_forced: bool = False
    text: str = ""

    def hears(self, signal: str, sender: str) -> bool:
        """Tell whether it is about what a sender sends, by their labels."""
        return _fits(self.signal, signal) and _fits(self.sender, sender)

    def names(self, receiver: str) -> bool:
        """Tell whether its glob matches a receiver's label, and the receiver is not spared."""
        return _fits(self.receiver, receiver) and (self.is_forced or not is_own(receiver))

    def has_uid(self, dispatch_uid: str) -> bool:
        """Tell whether it is about what was connected with a dispatch_uid, "" for none."""
        # A glob such as "*" asks for one, too.
        return not self.dispatch_uid or (
            bool(dispatch_uid) and matches((self.dispatch_uid,), dispatch_uid)
        )


def _fits(glob: str, label: str) -> bool:
    return not glob or matches((glob,), label)


def is_own(receiver: str) -> bool:
    """Tell whether a receiver, by its label, is one of Django's or of signalscope's."""
    return is_of(receiver, "django", "signalscope")


class Rules:
    """
    The rules that this process knows.

    on_change: called when they are others than before. clock: returns seconds since the epoch.
    """

    def __init__(
        self, on_change: Callable[[], None], clock: Callable[[], float] = time.time
    ) -> None:
        self._on_change = on_change
        self._clock = clock
        self._known: tuple[tuple[Rule, ...], dict[object, Matching]] = (), {}

    def replace(self, rules: Sequence[Rule]) -> None:
        """Know these rules instead."""
        rules = tuple(rules)
        if rules != self._known[0]:
            # At once: another thread may be asking.
            self._known = rules, {}
            self._on_change()

    def gate(self, plan: Plan, candidates: Candidates) -> Gate | None:
        """Return what says who is kept out of a plan's dispatches; None where no rule matches."""
        rules, found = self._known
        if not rules:
            return None
        # Remembered, since each instance that is a sender has a plan of its own.
        key = plan.signal, plan.sender_label, plan.receivers
        matching = found.get(key)
        if matching is None:
            if len(found) >= MAX_PLANS:
                found.clear()
            matching = found[key] = _matching(rules, plan)
        if any(rule.dispatch_uid for of_receiver in matching for rule in of_receiver):
            matching = tuple(
                [
                    tuple([rule for rule in of_receiver if rule.has_uid(dispatch_uid)])
                    for of_receiver, dispatch_uid in zip(
                        matching, candidates.dispatch_uids, strict=True
                    )
                ]
            )
        return self._gate(matching) if any(matching) else None

    def _gate(self, matching: Matching) -> Gate:
        """Return what compares the time with the ends of rules, and does nothing else."""
        # Of several rules the one that lasts longest says it all.
        longest = [max(rules, key=lambda rule: rule.end_s, default=None) for rules in matching]
        ends = sorted({rule.end_s for rule in longest if rule is not None})
        stages: list[tuple[float, Verdict]] = [
            (
                end_s,
                tuple(
                    [
                        rule.text if rule is not None and rule.end_s >= end_s else ""
                        for rule in longest
                    ]
                ),
            )
            for end_s in ends
        ]
        clock = self._clock

        def ask(decided: Verdict | None) -> Verdict | None:
            # Nothing is remembered, so that a clock that is set back sets the rule back, too.
            now_s = clock()
            for end_s, verdict in stages:
                if now_s < end_s:
                    return verdict if decided is None else united(decided, verdict)
            return decided

        return ask


def _matching(rules: Sequence[Rule], plan: Plan) -> Matching:
    heard = [rule for rule in rules if rule.hears(plan.signal, plan.sender_label)]
    found = [tuple([rule for rule in heard if rule.names(label)]) for label in plan.receivers]
    return tuple(found) if any(found) else ()
