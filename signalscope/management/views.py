"""What signalstats prints: the columns and rows of each of its tables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from signalscope.core.names import matches
from signalscope.formatting import short_names
from signalscope.management.tables import Column, Row
from signalscope.registry.receivers import ReceiverInfo, Run, receivers_of
from signalscope.registry.signals import registry
from signalscope.stats.reports import ReceiverStat, UnheardStat

NOBODY = "(nobody connected)"
ANY_SENDER = "any sender"


# Outcomes of calls that the receiver was not run for, or not there.
_KEPT_OUT = ("muted", "skipped", "deferred")


def _kept_out(stat: ReceiverStat) -> str:
    counts = [(getattr(stat, outcome), outcome) for outcome in _KEPT_OUT]
    return ", ".join(f"{count} {outcome}" for count, outcome in counts if count)


def _shortened(names: Iterable[str]) -> Callable[[str], str]:
    short = short_names(names)
    return lambda name: short.get(name, name)


def ms(ns: float) -> float:
    """Return ns in ms, to the last digit."""
    return round(ns / 1e6, 6)


def three_digits(value: float) -> str:
    """Return a number of ms with three digits where it is small: "0.012", "3.40", "120"."""
    if value >= 99.95:
        return f"{value:.0f}"
    if value >= 9.995:
        return f"{value:.1f}"
    if 0 < value < 0.0005:
        return "<.001"
    return f"{value:.2f}" if value >= 0.9995 else f"{value:.3f}"


def receiver_columns(stats: Sequence[ReceiverStat], *, is_short: bool) -> list[Column]:
    """Return the columns of receivers' figures; short ones show signal and others below."""
    if not is_short:
        names = [Column(key, key) for key in ("signal", "sender", "receiver")]
    else:
        receiver = _shortened(stat.receiver for stat in stats)
        names = [
            Column("receiver", "receiver", receiver),
            Column("below", "signal (sender); times in ms", is_below=True),
        ]
        if any(_kept_out(stat) for stat in stats):
            names.append(Column("kept_out", "calls that did not run there", is_below=True))
    times = [
        Column(f"{name}_ms", name, three_digits, is_number=True)
        for name in ("mean", "p50", "p95", "p99", "max", "total")
    ]
    return [
        *names,
        Column("count", "count", is_number=True),
        Column("errors", "err" if is_short else "errors", is_number=True),
        *[Column(key, key, is_number=True) for key in _KEPT_OUT if not is_short],
        *times,
        Column("share", "share", lambda share: f"{share * 100:.1f}%", is_number=True),
    ]


def receiver_rows(stats: Sequence[ReceiverStat]) -> list[Row]:
    """Return receivers' figures by key."""
    signal = _shortened(stat.signal for stat in stats)
    sender = _shortened(stat.sender for stat in stats)
    return [
        {
            "signal": stat.signal,
            "sender": stat.sender,
            "receiver": stat.receiver,
            "below": f"{signal(stat.signal)} ({sender(stat.sender)})",
            "count": stat.count,
            "errors": stat.errors,
            "muted": stat.muted,
            "skipped": stat.skipped,
            "deferred": stat.deferred,
            "kept_out": _kept_out(stat),
            "mean_ms": ms(stat.mean_ns),
            "p50_ms": ms(stat.p50_ns),
            "p95_ms": ms(stat.p95_ns),
            "p99_ms": ms(stat.p99_ns),
            "max_ms": ms(stat.max_ns),
            "total_ms": ms(stat.total_ns),
            "share": round(stat.share, 6),
        }
        for stat in stats
    ]


UNHEARD_COLUMNS = [
    Column("signal", "signal"),
    Column("sender", "sender"),
    Column("count", "count", is_number=True),
]


def unheard_rows(stats: Sequence[UnheardStat]) -> list[Row]:
    """Return by key how often each signal was sent to nobody."""
    return [{"signal": stat.signal, "sender": stat.sender, "count": stat.count} for stat in stats]


def registry_rows(
    signals: Sequence[str], senders: Sequence[str], receivers: Sequence[str]
) -> list[Row]:
    """
    Return one row per connected receiver, and one per signal that has none.

    signals, senders, receivers: globs; none of a kind keeps all.
    """
    rows: list[Row] = []
    for info in registry.signals():
        if signals and not matches(signals, info.name):
            continue
        connected = receivers_of(info)
        rows += [
            _receiver_row(receiver)
            for receiver in connected
            if (not senders or (receiver.sender and matches(senders, receiver.sender)))
            and (not receivers or matches(receivers, receiver.receiver))
        ]
        if not connected and not senders and not receivers:
            rows.append(_receiver_row(None, signal=info.name, family=info.family))
    return rows


def model_rows(runs: Sequence[Run]) -> list[Row]:
    """Return what runs for a model by key, in order; a catch-all hears every sender."""
    return [
        {
            **_receiver_row(run.info),
            "position": position,
            "is_catch_all": run.is_catch_all,
            "catch_all": "catch-all" if run.is_catch_all else "",
        }
        for position, run in enumerate(runs, start=1)
    ]


def registry_columns(rows: Sequence[Row], *, is_short: bool) -> list[Column]:
    """Return the columns of the registry; short ones leave signal and family to headings."""
    if not is_short:
        return [Column(key, key, _cell) for key in ("family", "signal", *RECEIVER_KEYS)]
    receiver = _shortened(row["receiver"] for row in rows)
    sender = _shortened(row["sender"] for row in rows)
    return [
        Column("receiver", "receiver", lambda name: receiver(name) or NOBODY),
        Column("heard", "sender", sender),
        Column("kind", "kind"),
        Column("place", "defined in"),
        Column("uid", "", is_below=True),
    ]


def model_columns(rows: Sequence[Row], *, is_short: bool) -> list[Column]:
    """Return the columns of what runs for a model, in order."""
    if not is_short:
        keys = ("position", "signal", "sender", "receiver", "is_catch_all", *RECEIVER_KEYS[2:])
        return [Column(key, key, _cell) for key in keys]
    signal = _shortened(row["signal"] for row in rows)
    receiver = _shortened(row["receiver"] for row in rows)
    return [
        Column("position", "#", is_number=True),
        Column("signal", "signal", signal),
        Column("receiver", "receiver", receiver),
        Column("catch_all", "hears"),
        Column("kind", "kind"),
        Column("place", "defined in"),
        Column("uid", "", is_below=True),
    ]


RECEIVER_KEYS = ("sender", "receiver", "dispatch_uid", "is_weak", "is_async", "file", "line")


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "" if value is None else str(value)


def _receiver_row(info: ReceiverInfo | None, *, signal: str = "", family: str = "") -> Row:
    """Return a receiver by key; without one, a row that says that nobody is connected."""
    if info is None:
        empty: dict[str, Any] = dict.fromkeys(RECEIVER_KEYS)
        texts = {"sender": "", "receiver": "", "dispatch_uid": "", "file": ""}
        shown = {"heard": "", "kind": "", "place": "", "uid": ""}
        return {**empty, **texts, **shown, "signal": signal, "family": family}
    return {
        "family": info.family,
        "signal": info.signal,
        "sender": info.sender,
        "receiver": info.receiver,
        "heard": info.sender or ANY_SENDER,
        "dispatch_uid": info.dispatch_uid,
        "is_weak": info.is_weak,
        "is_async": info.is_async,
        "file": info.file,
        "line": info.line,
        "kind": f"{'weak' if info.is_weak else 'strong'} {'async' if info.is_async else 'sync'}",
        "place": _near(info),
        "uid": f"dispatch_uid {info.dispatch_uid}" if info.dispatch_uid else "",
    }


def _near(info: ReceiverInfo) -> str:
    """Return file and line, from the current directory where the file is below it."""
    if not info.file:
        return ""
    try:
        file = Path(info.file).relative_to(Path.cwd())
    except (ValueError, OSError):
        return info.place
    return f"{file}:{info.line}"
