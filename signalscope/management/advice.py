"""Says why there is nothing to print, and what to do about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from django.db import Error, connections
from django.db.models import Model
from django.utils import timezone

from signalscope import wiring
from signalscope.conf import get_conf
from signalscope.formatting import counted
from signalscope.models import Rollup
from signalscope.stats.reports import Losses
from signalscope.stats.tallies import Key, Tally


def why_empty(
    tallies: Mapping[Key, Tally], newest: datetime | None, since: timedelta, *, is_unheard: bool
) -> str:
    """
    Return why there are no lines, and what to do.

    tallies: of the period, before any filter; newest: of what is older, where there are none.
    """
    period = f"in the last {spoken(since)}"
    if is_unheard and (tallies or newest):
        return (
            f"No custom signal that matches was sent to nobody {period}. "
            "Of Django's own signals only class_prepared is counted; --since reaches further back."
        )
    heard = sum(bool(receiver) for _, _, receiver in tallies)
    if heard:
        return (
            f"No receiver matches: {counted(heard, 'line is', 'lines are')} left out by "
            "--signal, --sender, --receiver or --slow. Globs match the whole name or its "
            "last part; signalstats without them prints all."
        )
    if tallies:
        return (
            f"No receiver was called {period}; signalstats --unheard lists what was sent to "
            "nobody, --list who is connected."
        )
    if newest is not None:
        return (
            f"Nothing was recorded {period}. The newest record is of "
            f"{timezone.localtime(newest):%Y-%m-%d %H:%M}; reach further back with --since."
        )
    return f"Nothing was recorded yet. {_what_to_do()}"


def _what_to_do() -> str:
    if why_off := wiring.why_off():
        return why_off
    interval_s = get_conf().effective_flush_interval_s
    return (
        "Use the project: open a page or run a command. Each process stores what it recorded "
        f"every {interval_s:g} s and as it ends; then ask again. "
        "(SAMPLE_RATE does not matter here: statistics count every call.)"
    )


def about_error(using: str, error: Error, model: type[Model] = Rollup) -> str:
    """Return what to do about an error of the database; model: what was asked for."""
    given = " ".join(str(error).split())
    try:
        tables = connections[using].introspection.table_names()
    except Error:
        return (
            f"The database {using!r} cannot be read: {given}. See that it is running and that "
            f"DATABASES[{using!r}] is right; --database takes: {', '.join(sorted(connections))}."
        )
    option = "" if using == "default" else f" --database {using}"
    if model._meta.db_table not in tables:
        return (
            f"signalscope's tables are not in the database {using!r}. "
            f"Run: manage.py migrate signalscope{option}"
        )
    return (
        f"signalscope's tables in the database {using!r} cannot be read: {given}. "
        f"If a migration is missing, run: manage.py migrate signalscope{option}"
    )


def about_losses(lost: Losses, when: str) -> str:
    """Return what was lost, not kept or not told apart; "" where there is nothing to say."""
    sentences = []
    if lost.call_count or lost.trace_count or lost.dispatch_count:
        sentences.append(
            f"Lost {when}: {counted(lost.call_count, 'call', 'calls')}, missing in the "
            f"statistics; {counted(lost.trace_count, 'trace', 'traces')} with "
            f"{counted(lost.dispatch_count, 'dispatch', 'dispatches')}, missing among the "
            "stored traces only."
        )
    if lost.unkept_count:
        sentences.append(
            f"Not stored {when}: {counted(lost.unkept_count, 'trace', 'traces')} beyond "
            "KEEP_PER_MINUTE that failed, took long or matched KEEP."
        )
    if lost.grouped_count:
        sentences.append(
            f"Counted under shared names {when}: {counted(lost.grouped_count, 'call', 'calls')} "
            "beyond MAX_KEYS."
        )
    if lost.entry_count or lost.slow_query_count:
        entries = counted(lost.entry_count, "entry", "entries")
        queries = counted(lost.slow_query_count, "slow query", "slow queries")
        sentences.append(f"Lost {when}: {entries} of the activity log, {queries}.")
    return " ".join(sentences)


def spoken(length: timedelta) -> str:
    """Return a period as one reads it: "24 hours", "7 days"."""
    seconds = int(length.total_seconds())
    for name, size in (("day", 86_400), ("hour", 3_600), ("minute", 60)):
        if seconds % size == 0 and seconds > size:
            return f"{seconds // size} {name}s"
    return counted(seconds, "second", "seconds")
