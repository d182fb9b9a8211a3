"""Turns a trace's rows into the lines of its tree, in the order in which a page shows them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from signalscope.formatting import duration, short_names
from signalscope.models import Dispatch, ReceiverCall

_BAR_WIDTH = 100


@dataclass(frozen=True, slots=True)
class Line:
    """
    One dispatch or call; the template opens and closes its lists around it.

    kind: "dispatch", "call" or "end", which closes the last one that is open.
    bar, own_bar: 0 to 100, the share of the whole trace's time.
    """

    kind: str
    row: Any = None
    name: str = ""
    title: str = ""
    sender: str = ""
    url: str = ""
    time: str = ""
    own_time: str = ""
    query_time: str = ""
    bar: int = 0
    own_bar: int = 0
    has_children: bool = False


def lines(
    dispatches: Sequence[Dispatch],
    calls: Sequence[ReceiverCall],
    *,
    whole_ns: int,
    url_of: Callable[[str], str] | None,
) -> Iterator[Line]:
    """
    Give the lines of the tree, each item's end after what is below it.

    whole_ns: what fills a bar.
    url_of: returns the address of a receiver's statistics; None for no links.
    Without recursion: signals may nest as deeply as Python does.
    """
    calls_of: dict[int, list[ReceiverCall]] = defaultdict(list)
    for call in calls:
        calls_of[call.dispatch_id].append(call)
    known = {call.pk for call in calls}
    below: dict[int | None, list[Dispatch]] = defaultdict(list)
    for dispatch in dispatches:
        # A call that is missing leaves its dispatches at the top.
        parent = dispatch.parent_call_id
        below[parent if parent in known else None].append(dispatch)
    names = _Names(dispatches, calls)
    top: tuple[Line | None, Iterator[Any]] = (None, _ordered(below[None]))
    stack = [top]
    while stack:
        parent_line, rows = stack[-1]
        row = next(rows, None)
        if row is None:
            stack.pop()
            if parent_line is not None:
                yield Line("end", has_children=parent_line.has_children)
            continue
        children: Sequence[Any]
        if isinstance(row, Dispatch):
            children = calls_of[row.pk]
            line = names.dispatch(row, whole_ns, has_children=bool(children))
        else:
            children = below[row.pk]
            url = url_of(row.receiver) if url_of else ""
            line = names.call(row, whole_ns, url, has_children=bool(children))
        yield line
        stack.append((line, _ordered(children)))


class _Names:
    """Makes lines, with names as short as they can be on this page."""

    def __init__(self, dispatches: Sequence[Dispatch], calls: Sequence[ReceiverCall]) -> None:
        self._signals = short_names(dispatch.signal for dispatch in dispatches)
        self._senders = short_names(dispatch.sender for dispatch in dispatches)
        self._receivers = short_names(call.receiver for call in calls)

    def dispatch(self, row: Dispatch, whole_ns: int, *, has_children: bool) -> Line:
        """Return the line of a dispatch."""
        return Line(
            "dispatch",
            row,
            name=self._signals[row.signal],
            title=row.signal,
            sender=self._senders[row.sender],
            time=duration(row.duration_ns),
            bar=_bar(row.duration_ns, whole_ns),
            has_children=has_children,
        )

    def call(self, row: ReceiverCall, whole_ns: int, url: str, *, has_children: bool) -> Line:
        """Return the line of a call."""
        return Line(
            "call",
            row,
            name=self._receivers[row.receiver],
            title=row.receiver,
            url=url,
            time=duration(row.duration_ns),
            own_time=duration(row.own_ns) if row.own_ns != row.duration_ns else "",
            query_time=duration(row.query_ns),
            bar=_bar(row.duration_ns, whole_ns),
            own_bar=_bar(row.own_ns, whole_ns),
            has_children=has_children,
        )


def _ordered(rows: Iterable[Any]) -> Iterator[Any]:
    return iter(sorted(rows, key=lambda row: (row.position, row.pk)))


def _bar(ns: int, whole_ns: int) -> int:
    """Return how long a bar is; what took any time at all is seen."""
    if ns <= 0 or whole_ns <= 0:
        return 0
    return min(_BAR_WIDTH, max(1, round(ns * _BAR_WIDTH / whole_ns)))
