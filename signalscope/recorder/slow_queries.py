"""Notes statements that take long, with the call that ran them, and tells the project."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

from signalscope import signals
from signalscope.recorder.calls import FIRST_ITEM
from signalscope.recorder.notes import MAX_SQL_LENGTH, SlowQuery
from signalscope.recorder.strands import DISCARD, LOOSE, Branch, running_strand, running_trace

# Whether the running code is called by the signal that tells of a slow query.
_IS_TELLING: ContextVar[bool] = ContextVar("signalscope_tells_slow_query", default=False)


class SlowQueries:
    """
    Gives each statement that took limit_ns or longer to note(), and sends slow_query.

    One that a receiver of slow_query runs is noted, and not sent again.
    """

    def __init__(self, note: Callable[[SlowQuery], None]) -> None:
        self._note = note
        self.limit_ns = math.inf

    def read(self, connection: Any, sql: str, duration_ns: int) -> None:
        """Note a statement, if it took long and nobody asked not to record."""
        if duration_ns < self.limit_ns:
            return
        top = running_strand().top
        if top is DISCARD:
            return
        signal, sender, receiver = running_call(top)
        trace = running_trace()
        query = SlowQuery(
            at=datetime.now(UTC),
            duration_ns=duration_ns,
            using=connection.alias,
            # What waits for the database must stay small.
            sql=sql[: MAX_SQL_LENGTH + 1],
            signal=signal,
            sender=sender,
            receiver=receiver,
            trace_key=None if trace is None else trace.refer("slow query"),
        )
        self._note(query)
        if not _IS_TELLING.get():
            _tell(connection, sql, query)


def running_call(top: list[Any]) -> tuple[str, str, str]:
    """
    Return signal, sender and receiver of the call in progress, "" where there is none.

    top: the list of the running strand.
    """
    record = top.record if type(top) is Branch else top
    if type(record) is not list or record is LOOSE:
        return "", "", ""
    plan, items = record[0], record[FIRST_ITEM:]
    if record is top:
        index = sum(type(item) is int for item in items)
    else:
        branches = [item for item in items if isinstance(item, Branch)]
        index = plan.sync_count + next(n for n, branch in enumerate(branches) if branch is top)
    receiver = plan.receivers[index] if index < len(plan.receivers) else ""
    return plan.signal, plan.sender_label, receiver


def _tell(connection: Any, sql: str, query: SlowQuery) -> None:
    token = _IS_TELLING.set(True)
    try:
        signals.slow_query.send_robust(
            sender=type(connection),
            connection=connection,
            sql=sql,
            duration_ns=query.duration_ns,
            trace_key=query.trace_key,
        )
    finally:
        _IS_TELLING.reset(token)
