"""Reads from a finished dispatch how its own calls ended."""

from __future__ import annotations

from collections.abc import Iterator

from signalscope.recorder.calls import FIRST_ITEM, is_error
from signalscope.recorder.strands import Branch, Record

OK, ERROR = "ok", "error"


def ended_calls(record: Record) -> Iterator[tuple[int, int, str]]:
    """
    Yield (index, duration in ns, outcome) of each receiver that was called and ended.

    index: its place in the receivers of the record's plan. outcome: ok, error, cancelled, or what
    the call said of itself. What it sent, and calls without a clock, are left out.
    """
    plan = record[0]
    index, branch_index = 0, plan.sync_count
    moment, outcome = record[3], OK
    for item in record[FIRST_ITEM:]:
        kind = type(item)
        if kind is int:
            yield index, item - moment, outcome
            index += 1
            moment, outcome = item, OK
        elif kind is tuple:
            if item[0] == "start":
                moment = item[1]
            else:
                outcome = _outcome(item, outcome)
        elif isinstance(item, Branch):
            if len(item) > 1 and type(item[-1]) is int:
                yield branch_index, item[-1] - item[0], _outcome_of_branch(item)
            branch_index += 1


def _outcome_of_branch(branch: Branch) -> str:
    outcome = OK
    for item in branch:
        if type(item) is tuple:
            outcome = _outcome(item, outcome)
    return outcome


def _outcome(item: tuple[str, str, str], outcome: str) -> str:
    """Return the outcome of a call after one more of its items."""
    if item[0] == "error":
        return ERROR if is_error(item) else "cancelled"
    return item[1] if item[0] == "outcome" else outcome
