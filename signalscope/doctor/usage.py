"""D004 and D005: receivers that are not called, and signals that nobody hears."""

from __future__ import annotations

from collections.abc import Iterator

from signalscope.doctor.finding import NEVER_CALLED, SENT_TO_NOBODY, Finding
from signalscope.doctor.project import Project, signal_text
from signalscope.doctor.sends import Send
from signalscope.registry.builtin import CUSTOM
from signalscope.stats.coverage import ReceiverCoverage, SignalCoverage, State


def never_called(project: Project) -> Iterator[Finding]:
    """Give receivers that were not called in the days asked about, though others were."""
    records = project.records
    if records is None or not records.is_long_enough:
        return
    by_name = {signal.name: signal for signal in records.signals}
    for group in project.groups:
        for one in group:
            signal = by_name.get(one.info.signal)
            if signal is None or not (sent := _least_sends(signal)):
                continue
            if _states(signal, one.info.receiver, one.info.sender) == {State.NEVER_CALLED}:
                yield project.finding(
                    NEVER_CALLED,
                    f"{one.info.receiver} hears {one.heard}, and was not called in the last "
                    f"{_days(records.days)}; the signal was sent at least {_times(sent)}.",
                    [one],
                )


def _days(count: int) -> str:
    return "day" if count == 1 else f"{count} days"


def _times(count: int) -> str:
    return "1 time" if count == 1 else f"{count:,} times"


def _least_sends(signal: SignalCoverage) -> int:
    """Return how often a signal was sent at least: as often as its busiest receiver was called."""
    return max([*(receiver.count + _kept_out(receiver) for receiver in signal.receivers), 0]) + (
        signal.unheard_count
    )


def _kept_out(receiver: ReceiverCoverage) -> int:
    return receiver.muted + receiver.skipped


def _states(signal: SignalCoverage, receiver: str, sender: str) -> set[State]:
    """Return what became of a receiver; two lambdas of one module have one name."""
    return {
        found.state
        for found in signal.receivers
        if (found.receiver, found.sender) == (receiver, sender)
        and not found.deferred
        and found.info is not None
    }


def sent_to_nobody(project: Project) -> Iterator[Finding]:
    """Give custom signals that are sent from the apps, or were sent, with nobody connected."""
    unheard = {}
    if project.records is not None:
        unheard = {signal.name: signal.unheard_count for signal in project.records.signals}
    for info in project.infos:
        if info.signal is None or info.family != CUSTOM or project.is_heard(info.signal):
            continue
        if not project.is_looked_at(project.file_of_signal(info.name)):
            continue
        sends = [send for send in project.sends if send.signal is info.signal]
        count = unheard.get(info.name, 0)
        if sends or count:
            yield _about(info.name, sends, count, project.records.days if project.records else 0)


def _about(name: str, sends: list[Send], count: int, days: int) -> Finding:
    text = f"{signal_text(name, CUSTOM)} is sent, and nobody is connected"
    if count:
        text += f"; {_times(count)} in the last {_days(days)}"
    if len(sends) > 1:
        others = ", ".join(f"line {send.line}" for send in sends[1:4] if send.file == sends[0].file)
        text += f"; from {len(sends)} places" + (f", also {others}" if others else "")
    return Finding(
        SENT_TO_NOBODY,
        f"{text}.",
        sends[0].file if sends else "",
        sends[0].line if sends else 0,
        signal=name,
        spots=tuple((send.file, send.line, send.last_line) for send in sends),
    )
