"""Which receivers a rule is about: those connected in this process, and those called elsewhere."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from signalscope.control.rules import Rule, is_own
from signalscope.registry.receivers import UNKNOWN, ReceiverInfo, all_receivers
from signalscope.stats.tallies import Tally, read_tallies

# How far back calls and errors are counted.
PERIOD = timedelta(hours=1)

# By signal and receiver: tallies by sender.
_Calls = dict[tuple[str, str], dict[str, Tally]]


@dataclass(frozen=True, slots=True)
class Reached:
    """
    One receiver that a rule's globs match.

    sender: "" where it hears any, of whom the rule's own glob may name some.
    is_connected: in this process; else it is known from its calls in others.
    is_spared: it is Django's or signalscope's, and the rule is not forced.
    count, errors: calls that the rule would have kept out in the last hour, and how many failed.
    """

    signal: str
    sender: str
    receiver: str
    dispatch_uid: str
    is_connected: bool
    is_spared: bool
    count: int
    errors: int


def reach(rule: Rule, *, using: str) -> list[Reached]:
    """Return the receivers that a rule's globs match, in calling order, in one query."""
    # Those that are spared are named, too.
    matching = replace(rule, is_forced=True)
    connected = all_receivers()
    calls = _calls(matching, using)
    senders = defaultdict(set)
    for info in connected:
        senders[info.signal, info.receiver].add(info.sender)
    found = []
    for info in connected:
        if not may_keep_out(matching, info):
            continue
        tallies = [
            tally
            for sender, tally in calls.get((info.signal, info.receiver), {}).items()
            # A receiver connected to this very sender goes before one that hears any.
            if sender == info.sender
            or (_hears_any(info) and sender not in senders[info.signal, info.receiver])
        ]
        found.append(
            Reached(
                signal=info.signal,
                sender=info.sender,
                receiver=info.receiver,
                dispatch_uid=info.dispatch_uid,
                is_connected=True,
                is_spared=_is_spared(rule, info.receiver),
                count=sum(tally.count for tally in tallies),
                errors=sum(tally.errors for tally in tallies),
            )
        )
    if rule.dispatch_uid:
        # Of what is called elsewhere the dispatch_uid is not known.
        return found
    for (signal, receiver), by_sender in sorted(calls.items()):
        if (signal, receiver) not in senders:
            found += [
                Reached(
                    signal=signal,
                    sender=sender,
                    receiver=receiver,
                    dispatch_uid="",
                    is_connected=False,
                    is_spared=_is_spared(rule, receiver),
                    count=tally.count,
                    errors=tally.errors,
                )
                for sender, tally in sorted(by_sender.items())
            ]
    return found


def may_keep_out(rule: Rule, info: ReceiverInfo) -> bool:
    """Tell whether a rule keeps a connected receiver out, be it of some senders' signals only."""
    heard = replace(rule, sender="") if _hears_any(info) else rule
    return (
        heard.hears(info.signal, info.sender)
        and rule.names(info.receiver)
        and rule.has_uid(info.dispatch_uid)
    )


def _hears_any(info: ReceiverInfo) -> bool:
    return info.sender in ("", UNKNOWN)


def _calls(rule: Rule, using: str) -> _Calls:
    """Return the calls of the last hour that a rule is about, whatever their dispatch_uid."""
    found: _Calls = defaultdict(dict)
    since = datetime.now(UTC) - PERIOD
    for (signal, sender, receiver), tally in read_tallies(since, using=using).items():
        if receiver and rule.hears(signal, sender) and rule.names(receiver):
            found[signal, receiver][sender] = tally
    return found


def _is_spared(rule: Rule, receiver: str) -> bool:
    return is_own(receiver) and not rule.is_forced
