"""What an assertion says when it fails: what was sent instead, the nearest first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from signalscope.testing.dispatches import SeenCall, SeenDispatch
from signalscope.testing.values import arguments_text, differing

if TYPE_CHECKING:
    from signalscope.testing.assertions import Step, Wanted

MAX_LINES = 10
# In characters.
MAX_LINE = 300


def not_sent(wanted: Wanted, sent: Sequence[SeenDispatch]) -> str:
    """Return the message where a signal was to be sent and was not."""
    return f"{_described(wanted)} was not sent. {_instead(wanted, sent)}"


def sent_times(
    wanted: Wanted, times: int, found: Sequence[SeenDispatch], sent: Sequence[SeenDispatch]
) -> str:
    """Return the message where a signal was sent, but not so often as it should be."""
    head = f"{_described(wanted)} was sent {_times(len(found))}, not {_times(times)}"
    if found:
        return f"{head}:\n{_listed([_sent_line(dispatch) for dispatch in found])}"
    return f"{head}. {_instead(wanted, sent)}"


def was_sent(wanted: Wanted, found: Sequence[SeenDispatch]) -> str:
    """Return the message where a signal was not to be sent and was."""
    lines = _listed([_sent_line(dispatch) for dispatch in found])
    return f"{_described(wanted)} was sent {_times(len(found))}, and should not be:\n{lines}"


def not_received(
    name: str,
    wanted: Wanted,
    calls: Sequence[tuple[SeenDispatch, SeenCall]],
    everything: Sequence[SeenDispatch],
) -> str:
    """Return the message where a receiver was to run and did not."""
    head = f"{name} did not run"
    if wanted.signal != "*" or wanted.sender or wanted.kwargs:
        head += f" for {_described(wanted)}"
    if calls:
        return f"{head}. What became of it:\n{_listed(_call_lines(wanted, calls))}"
    ran = [call.receiver for dispatch in everything for call in dispatch.calls if call.has_run]
    if not ran:
        return f"{head}. {'No receiver ran.' if everything else 'Nothing was sent.'}"
    return f"{head}. These ran:\n{_listed(ran)}"


def received_times(
    name: str,
    wanted: Wanted,
    times: int,
    ran: Sequence[SeenCall],
    calls: Sequence[tuple[SeenDispatch, SeenCall]],
) -> str:
    """Return the message where a receiver ran, but not so often as it should."""
    head = f"{name} ran {_times(len(ran))}, not {_times(times)}"
    if not calls:
        return f"{head}."
    return f"{head}:\n{_listed(_call_lines(wanted, calls))}"


def out_of_order(
    steps: Sequence[Step], number: int, events: Sequence[SeenDispatch | SeenCall]
) -> str:
    """Return the message where a step did not come behind the ones before it."""
    step = steps[number]
    if any(step.is_met(event) for event in events) and number:
        head = f"{step.text} did not come after {steps[number - 1].text}"
    else:
        head = f"{step.text} did not come at all"
    if not events:
        return f"{head}. Nothing was sent."
    return f"{head}. The order was:\n{_listed([_event_line(event) for event in events], limit=30)}"


def too_many_calls(
    name: str, max_calls: int, calls: Sequence[tuple[SeenDispatch, SeenCall]]
) -> str:
    """Return the message where a receiver ran more often than its budget allows."""
    lines = _listed([_sent_line(dispatch) for dispatch, _ in calls])
    return f"{name} ran {_times(len(calls))}, and may run {_times(max_calls)}:\n{lines}"


def too_many_queries(
    name: str, max_queries: int, calls: Sequence[tuple[SeenDispatch, SeenCall]]
) -> str:
    """Return the message where calls of a receiver ran more statements than they may."""
    lines = [f"{call.query_count} for {_sent_line(dispatch)}" for dispatch, call in calls]
    return (
        f"a call of {name} ran {_queries(max(call.query_count for _, call in calls))}, "
        f"and may run {_queries(max_queries)}:\n{_listed(lines)}"
    )


def _described(wanted: Wanted) -> str:
    """Return such as "order_paid from shop.Order with amount=5"."""
    parts = [wanted.name]
    if wanted.sender:
        parts.append(f"from {wanted.sender}")
    if wanted.kwargs:
        parts.append(f"with {arguments_text(wanted.kwargs)}")
    return " ".join(parts)


def _instead(wanted: Wanted, sent: Sequence[SeenDispatch]) -> str:
    if not sent:
        return "Nothing was sent."
    nearest = sorted(sent, key=wanted.distance)
    return (
        f"Sent instead, the nearest first:\n{_listed([_near_line(wanted, it) for it in nearest])}"
    )


def _near_line(wanted: Wanted, dispatch: SeenDispatch) -> str:
    """Return one dispatch, and in what it differs where it is of the same signal."""
    is_other_signal, _, _ = wanted.distance(dispatch)
    line = _source(dispatch)
    if is_other_signal:
        return line
    others = differing(wanted.kwargs, dispatch.kwargs)
    different = {name: value for name, value in others.items() if name in dispatch.kwargs}
    missing = [name for name in others if name not in dispatch.kwargs]
    if different:
        line += f", but {arguments_text(different)}"
    if missing:
        line += f", without {' and '.join(missing)}"
    return line


def _sent_line(dispatch: SeenDispatch) -> str:
    line = _source(dispatch)
    return f"{line} with {arguments_text(dispatch.kwargs)}" if dispatch.kwargs else line


def _source(dispatch: SeenDispatch) -> str:
    """Return a dispatch's signal and sender: "order_paid from shop.Order"."""
    if dispatch.sender_label == "None":
        return dispatch.name
    return f"{dispatch.name} from {dispatch.sender_label}"


def _call_lines(wanted: Wanted, calls: Iterable[tuple[SeenDispatch, SeenCall]]) -> list[str]:
    lines = []
    for dispatch, call in calls:
        reason = call.reason or call.error_type
        outcome = f"{call.outcome} ({reason})" if reason else call.outcome
        lines.append(f"{outcome}: {_near_line(wanted, dispatch)}")
    return lines


def _event_line(event: SeenDispatch | SeenCall) -> str:
    if isinstance(event, SeenCall):
        return f"  {event.receiver}"
    return _source(event)


def _listed(lines: Iterable[str], *, limit: int = MAX_LINES) -> str:
    """Return lines indented, equal neighbours as one, and the rest counted."""
    folded: list[tuple[str, int]] = []
    for line in lines:
        if folded and folded[-1][0] == line:
            folded[-1] = (line, folded[-1][1] + 1)
        else:
            folded.append((line, 1))
    shown = []
    for line, count in folded[:limit]:
        text = line if len(line) <= MAX_LINE else f"{line[: MAX_LINE - 1]}…"
        shown.append(f"  {text}{f' ({_times(count)})' if count > 1 else ''}")
    rest = sum(count for _, count in folded[limit:])
    if rest:
        shown.append(f"  and {rest} more")
    return "\n".join(shown)


def _times(count: int) -> str:
    return "once" if count == 1 else f"{count} times"


def _queries(count: int) -> str:
    return "1 query" if count == 1 else f"{count} queries"
