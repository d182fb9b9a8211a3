"""Answers from roll-ups: which receivers are slow, busy or failing, and what nobody heard."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from datetime import datetime

from django.conf import settings
from django.db.models import Sum
from django.utils import timezone

from signalscope.core.names import matches
from signalscope.models import Loss
from signalscope.registry.builtin import FAMILY_OF
from signalscope.stats.tallies import Key, Tally, read_tallies


@dataclass(frozen=True, slots=True)
class ReceiverStat:
    """
    What one receiver did for one signal and sender.

    Durations in ns; percentiles are at most 5 % off.
    muted, skipped, deferred: calls kept out by control or by a condition, or put off; not in count.
    share: 0 to 1, of the time of all receivers in the period, whatever is filtered away.
    """

    signal: str
    sender: str
    receiver: str
    count: int
    errors: int
    muted: int
    skipped: int
    deferred: int
    mean_ns: int
    p50_ns: int
    p95_ns: int
    p99_ns: int
    max_ns: int
    total_ns: int
    share: float


@dataclass(frozen=True, slots=True)
class UnheardStat:
    """How often a signal was sent, by one sender, with nobody connected."""

    signal: str
    sender: str
    count: int


@dataclass(frozen=True, slots=True)
class Losses:
    """
    What was recorded and could not be kept.

    trace_count, dispatch_count: missing as rows; call_count: missing in the statistics, too.
    unkept_count: traces that failed, were slow or matched KEEP, beyond KEEP_PER_MINUTE;
    grouped_count: calls that are counted under a name shared by many, beyond MAX_KEYS.
    entry_count: entries of the activity log; slow_query_count: slow queries.
    """

    trace_count: int
    dispatch_count: int
    call_count: int
    unkept_count: int
    grouped_count: int
    entry_count: int
    slow_query_count: int

    def __bool__(self) -> bool:
        return any(astuple(self))


SORTS: Mapping[str, Callable[[ReceiverStat], float]] = {
    "total": lambda stat: stat.total_ns,
    "count": lambda stat: stat.count,
    "mean": lambda stat: stat.mean_ns,
    "p95": lambda stat: stat.p95_ns,
    "p99": lambda stat: stat.p99_ns,
    "max": lambda stat: stat.max_ns,
    "errors": lambda stat: stat.errors,
}


def receiver_stats(
    *,
    since: datetime | None,
    using: str,
    signals: Sequence[str] = (),
    senders: Sequence[str] = (),
    receivers: Sequence[str] = (),
    sort: str = "total",
    slow_ms: float | None = None,
    limit: int | None = None,
) -> list[ReceiverStat]:
    """
    Return one line per (signal, sender, receiver) that was called, the greatest first.

    signals, senders, receivers: globs over names; none of a kind keeps all.
    slow_ms: keep receivers of which at least one call took that long.
    Raises ValueError when there is no such sort.
    """
    return rank(
        read_tallies(since, using=using),
        signals=signals,
        senders=senders,
        receivers=receivers,
        sort=sort,
        slow_ms=slow_ms,
        limit=limit,
    )


def rank(
    tallies: Mapping[Key, Tally],
    *,
    signals: Sequence[str] = (),
    senders: Sequence[str] = (),
    receivers: Sequence[str] = (),
    sort: str = "total",
    slow_ms: float | None = None,
    limit: int | None = None,
) -> list[ReceiverStat]:
    """Return what receiver_stats() does, from tallies that were read before."""
    if sort not in SORTS:
        raise ValueError(f"sort is {sort!r}; it must be one of {', '.join(SORTS)}")
    whole_ns = sum(tally.total_ns for (_, _, receiver), tally in tallies.items() if receiver)
    found = [
        _stat(key, tally, whole_ns)
        for key, tally in tallies.items()
        if key[2]
        and _is_wanted(key, signals, senders, receivers)
        and (slow_ms is None or tally.max_ns >= slow_ms * 1e6)
    ]
    greatness = SORTS[sort]
    found.sort(key=lambda stat: (-greatness(stat), stat.signal, stat.sender, stat.receiver))
    return found[:limit]


def unheard(
    *,
    since: datetime | None,
    using: str,
    signals: Sequence[str] = (),
    senders: Sequence[str] = (),
) -> list[UnheardStat]:
    """Return the signals that were sent to nobody: the project's own first, then by frequency."""
    tallies = read_tallies(since, using=using, receiver="")
    return rank_unheard(tallies, signals=signals, senders=senders)


def rank_unheard(
    tallies: Mapping[Key, Tally], *, signals: Sequence[str] = (), senders: Sequence[str] = ()
) -> list[UnheardStat]:
    """Return what unheard() does, from tallies that were read before."""
    found = [
        UnheardStat(signal=key[0], sender=key[1], count=tally.count)
        for key, tally in tallies.items()
        if not key[2] and _is_wanted(key, signals, senders, ())
    ]
    found.sort(key=lambda stat: (stat.signal in FAMILY_OF, -stat.count, stat.signal, stat.sender))
    return found


def receiver_page(receiver: str, *, since: datetime | None, using: str) -> list[ReceiverStat]:
    """Return one receiver's lines, with its share of its own time only; reads no other rows."""
    return rank(read_tallies(since, using=using, receiver=receiver))


def losses(*, since: datetime | None, using: str) -> Losses:
    """Return what was lost since a moment, in one query."""
    rows = Loss.objects.using(using).order_by()
    if since is not None:
        rows = rows.filter(at__gte=as_stored(since))
    names = [field.name for field in fields(Losses)]
    sums = rows.aggregate(**{f"sum_of_{name}": Sum(name) for name in names})
    return Losses(**{name: int(sums[f"sum_of_{name}"] or 0) for name in names})


def as_stored(moment: datetime) -> datetime:
    """Return a moment as fields of models have it: without a time zone where USE_TZ is False."""
    if moment.tzinfo is not None and not settings.USE_TZ:
        return timezone.make_naive(moment)
    return moment


def _is_wanted(
    key: Key, signals: Sequence[str], senders: Sequence[str], receivers: Sequence[str]
) -> bool:
    wanted = (signals, senders, receivers)
    return all(not globs or matches(globs, name) for globs, name in zip(wanted, key, strict=True))


def _stat(key: Key, tally: Tally, whole_ns: int) -> ReceiverStat:
    signal, sender, receiver = key
    return ReceiverStat(
        signal=signal,
        sender=sender,
        receiver=receiver,
        count=tally.count,
        errors=tally.errors,
        muted=tally.muted,
        skipped=tally.skipped,
        deferred=tally.deferred,
        mean_ns=tally.mean_ns,
        p50_ns=tally.percentile_ns(0.50),
        p95_ns=tally.percentile_ns(0.95),
        p99_ns=tally.percentile_ns(0.99),
        max_ns=tally.max_ns,
        total_ns=tally.total_ns,
        share=tally.total_ns / whole_ns if whole_ns else 0.0,
    )
