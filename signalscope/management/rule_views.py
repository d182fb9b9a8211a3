"""What the commands about rules print."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils import timezone

from signalscope.formatting import short_names
from signalscope.management.tables import Column, Row
from signalscope.models import ControlRule
from signalscope.stats.reach import Reached


def spoken_end(rule: ControlRule) -> str:
    """Return until when a rule holds, in the project's time zone."""
    if rule.until is None:
        return "for good"
    until = rule.until
    if timezone.is_aware(until):
        until = timezone.localtime(until)
    return f"until {until:%Y-%m-%d %H:%M:%S %Z}".strip()


def reach_columns(found: Sequence[Reached]) -> list[Column]:
    """Return the columns of the receivers that a rule matches."""
    receivers = short_names(reached.receiver for reached in found)
    return [
        Column("receiver", "receiver", lambda name: receivers[name]),
        Column("note", ""),
        Column("count", "calls, last hour", is_number=True),
        Column("errors", "errors", is_number=True),
        Column("below", "signal (sender)", is_below=True),
    ]


def reach_rows(found: Sequence[Reached]) -> list[Row]:
    """Return the receivers that a rule matches, by key."""
    return [
        {
            "receiver": reached.receiver,
            "note": _note(reached),
            "count": reached.count,
            "errors": reached.errors,
            "below": f"{reached.signal} ({reached.sender or 'any sender'})",
        }
        for reached in found
    ]


def _note(reached: Reached) -> str:
    if reached.is_spared:
        return "not muted without --force"
    return "" if reached.is_connected else "not connected here"
