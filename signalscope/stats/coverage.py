"""Joins the registry with the roll-ups: what is called, what never is, what nobody hears."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from signalscope.core.names import matches
from signalscope.registry.builtin import CUSTOM
from signalscope.registry.receivers import UNKNOWN, ReceiverInfo, receivers_of
from signalscope.registry.signals import registry
from signalscope.stats.reports import UnheardStat, rank_unheard
from signalscope.stats.tallies import Key, Tally, read_tallies


class State(StrEnum):
    """What became of a receiver in the period."""

    CALLED = "called"
    KEPT_OUT = "kept out"
    NEVER_CALLED = "never called"
    NOT_CONNECTED = "not connected"
    NOT_RECORDED = "not recorded"


@dataclass(frozen=True, slots=True)
class ReceiverCoverage:
    """
    One receiver of a signal, and its calls in the period.

    sender: "" where it hears any.
    info: what the registry knows; None when it is not connected in this process.
    muted, skipped, deferred: calls kept out by control or by a condition, or put off; not in count.
    p95_ns: None without calls.
    """

    receiver: str
    sender: str
    info: ReceiverInfo | None
    count: int
    errors: int
    muted: int
    skipped: int
    deferred: int
    p95_ns: int | None
    state: State


@dataclass(frozen=True, slots=True)
class SignalCoverage:
    """One signal, its receivers in calling order, and what was sent with nobody connected."""

    name: str
    family: str
    receivers: list[ReceiverCoverage]
    unheard: list[UnheardStat]

    @property
    def unheard_count(self) -> int:
        """How many dispatches nobody heard."""
        return sum(stat.count for stat in self.unheard)


def coverage(
    *,
    since: datetime | None,
    using: str,
    include: Sequence[str] = (),
    exclude: Sequence[str] = (),
) -> list[SignalCoverage]:
    """
    Return all signals of the registry, and those with roll-ups that it does not know, in one query.

    include, exclude: the globs that say which receivers are recorded at all.
    """
    tallies = read_tallies(since, using=using)
    calls: dict[str, dict[Key, Tally]] = {}
    for key, tally in tallies.items():
        calls.setdefault(key[0], {})[key] = tally
    found = []
    for info in registry.signals():
        connected = [
            (receiver, is_recorded(receiver, include, exclude)) for receiver in receivers_of(info)
        ]
        found.append(_signal(info.name, info.family, connected, calls.pop(info.name, {})))
    found += [_signal(name, CUSTOM, [], calls[name]) for name in sorted(calls)]
    return found


def _signal(
    name: str,
    family: str,
    connected: list[tuple[ReceiverInfo, bool]],
    calls: dict[Key, Tally],
) -> SignalCoverage:
    owners = {(info.sender, info.receiver) for info, _ in connected}
    owned: dict[tuple[str, str], Tally] = {}
    strays: dict[tuple[str, str], Tally] = {}
    for (_, sender, receiver), tally in calls.items():
        if not receiver:
            continue
        # A receiver connected to this very sender goes before one that hears any.
        for heard in (sender, "", UNKNOWN):
            if (heard, receiver) in owners:
                owned.setdefault((heard, receiver), Tally()).merge(tally)
                break
        else:
            strays.setdefault((sender, receiver), Tally()).merge(tally)
    receivers = [
        _connected(info, owned.get((info.sender, info.receiver), Tally()), is_recorded=is_recorded)
        for info, is_recorded in connected
    ]
    receivers += [
        ReceiverCoverage(
            receiver=receiver,
            sender=sender,
            info=None,
            count=tally.count,
            errors=tally.errors,
            muted=tally.muted,
            skipped=tally.skipped,
            deferred=tally.deferred,
            p95_ns=tally.percentile_ns(0.95),
            state=State.NOT_CONNECTED,
        )
        for (sender, receiver), tally in sorted(strays.items())
    ]
    return SignalCoverage(name, family, receivers, rank_unheard(calls))


def _connected(info: ReceiverInfo, tally: Tally, *, is_recorded: bool) -> ReceiverCoverage:
    if tally.count:
        state = State.CALLED
    elif tally.muted or tally.skipped:
        state = State.KEPT_OUT
    else:
        state = State.NEVER_CALLED if is_recorded else State.NOT_RECORDED
    return ReceiverCoverage(
        receiver=info.receiver,
        sender=info.sender,
        info=info,
        count=tally.count,
        errors=tally.errors,
        muted=tally.muted,
        skipped=tally.skipped,
        deferred=tally.deferred,
        p95_ns=tally.percentile_ns(0.95) if tally.count else None,
        state=state,
    )


def is_recorded(info: ReceiverInfo, include: Sequence[str], exclude: Sequence[str]) -> bool:
    """Tell whether the calls of a connected receiver are recorded, by the globs that say so."""
    names = [name for name in (info.signal, info.sender, info.receiver) if name]
    return not any(matches(exclude, name) for name in names) or any(
        matches(include, name) for name in names
    )
