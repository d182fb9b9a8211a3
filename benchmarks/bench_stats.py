"""
How long signalstats takes, whatever has passed.

    python -m benchmarks.bench_stats sqlite|postgres

Roll-up rows are made as they would be after so many dispatches, evenly over the time and over all
receivers: the writer's sink stores a row per process, minute and receiver, and compaction adds
them up. It is always half past an hour, so that minutes count as much as they do on average.
"""

import sys
import time
from datetime import UTC, datetime
from io import StringIO
from random import Random
from unittest import mock

from benchmarks.databases import BULK, make_database
from benchmarks.setup import configure

if __name__ == "__main__":
    ENGINE = sys.argv[1]
    configure(
        databases={alias: make_database(ENGINE, alias, BULK) for alias in ("default", *"abcd")},
        SAMPLE_RATE=0.0,
    )

from django.core.management import call_command
from django.db import connections

from benchmarks.side_by_side import QUICK, compare, finish, head, row
from benchmarks.stored import analyze
from signalscope.recorder.batch import Batch
from signalscope.recorder.rollups import Tally
from signalscope.sinks.database import DatabaseSink
from signalscope.upkeep.compact import compact

HOURS = 1 if QUICK else 24
# How many dispatches there were in these hours, by alias of a database.
SIZES = (2_000, 20_000) if QUICK else (10_000, 100_000, 1_000_000, 10_000_000)
COUNTS = dict(zip("abcd", SIZES, strict=False))
MINUTE_S, HOUR_S = 60, 3600
NOW_S = int(time.time()) // HOUR_S * HOUR_S - HOUR_S // 2
NOW = datetime.fromtimestamp(NOW_S, UTC)
PROCESSES = 2
# Its place among the columns that the command reads.
CALL_COUNT = 3
# In ns: half of them between two thirds and three halves of 60 µs, the median.
_random = Random(0)
DURATIONS = [int(_random.lognormvariate(11, 0.6)) for _ in range(100_000)]


def key(minute_s, number):
    """Return the key of a tally of the n-th receiver."""
    name = f"shop.receivers.receiver_{number}"
    return (minute_s, f"shop.signals.signal_{number % 10}", "shop.Order", name)


def tally(count):
    """Return the tally of so many calls, as the recorder makes it."""
    first = _random.randrange(len(DURATIONS))
    found = Tally()
    found.pending = [DURATIONS[(first + n) % len(DURATIONS)] for n in range(count)]
    found.settle()
    return found


def store_day(alias, total, key_count):
    """Store what so many dispatches of the last hours leave, added up as it is by now."""
    # Of each process.
    rollups = [{} for _ in range(PROCESSES)]
    sent = 0
    minute_count = HOURS * 60
    for minute in range(minute_count):
        minute_s = NOW_S - (minute_count - minute) * MINUTE_S
        until = total * (minute + 1) // minute_count
        # Each receiver in its turn, and in each process.
        for number in range(key_count):
            calls = len(range((number - sent) % key_count, until - sent, key_count))
            for process in range(PROCESSES):
                share = (calls + (minute + process) % PROCESSES) // PROCESSES
                if share:
                    rollups[process][key(minute_s, number)] = tally(share)
        sent = until
    store(alias, rollups)


def store_month(alias, key_count, days):
    """Store a busy minute of each hour, and every minute of the last two hours."""
    minutes = [NOW_S - hour * HOUR_S for hour in range(2, days * 24)]
    minutes += [NOW_S - minute * MINUTE_S for minute in range(1, 120)]
    rollups = {key(start_s, n): tally(50) for start_s in minutes for n in range(key_count)}
    store(alias, [rollups])


def store(alias, rollups):
    """Store what each process counted, add up what is over, and let the database learn of it."""
    sink = DatabaseSink(alias)
    for of_process in rollups:
        sink.write(Batch(rollups=of_process))
    sink.close()
    for _step in compact(using=alias, now_s=NOW_S):
        pass
    analyze(alias)


class FixedClock(datetime):
    """A datetime whose now() is NOW."""

    @classmethod
    def now(cls, tz=None):
        """Return NOW."""
        return NOW.astimezone(tz)


def signalstats(alias, since):
    """Run the command as if it were NOW."""
    with mock.patch("signalscope.management.commands.signalstats.datetime", FixedClock):
        call_command("signalstats", since=since, database=alias, stdout=StringIO())


def bare_select(alias, since):
    """Return a function that runs the command's statement on the roll-ups, and what it finds."""
    found = []

    def note(execute, sql, params, many, context):
        if "signalscope_rollup" in sql:
            found.append((sql, params))
        return execute(sql, params, many, context)

    with connections[alias].execute_wrapper(note):
        signalstats(alias, since)
    assert len(found) == 1, found

    def select():
        with connections[alias].cursor() as cursor:
            cursor.execute(*found[0])
            return cursor.fetchall()

    return select, select()


def day(engine):
    """
    Print what the command takes as more dispatches were sent; return whether the bar holds.

    The bar is for so few receivers that each was called in each minute after 10 thousand, too:
    with more, there are more rows after 10 million since then there are no gaps.
    """
    held = []
    since = f"{HOURS}h"
    for key_count, bar in ((6, 1.5), (30, None)):
        for alias, total in COUNTS.items():
            with connections[alias].cursor() as cursor:
                cursor.execute("DELETE FROM signalscope_rollup")
            store_day(alias, total, key_count)
        least, *others = COUNTS
        head(f"signalstats --since {HOURS}h, {engine}; ms", f"{COUNTS[least]:,}", "after more")
        for alias in others:
            works = {name: lambda name=name: signalstats(name, since) for name in (least, alias)}
            times = [ns / 1e6 for ns in compare(works, rounds=30)]
            rows = []
            for name in (least, alias):
                found = bare_select(name, since)[1]
                # Each call is found, and once.
                assert sum(figures[CALL_COUNT] for figures in found) == COUNTS[name]
                rows.append(len(found))
            title = f"{key_count} receivers, {COUNTS[alias]:,} dispatches"
            held.append(row(title, *times, bar))
            print(f"    rows read: {rows[0]:,} and {rows[1]:,}")
    return all(held)


def month(engine):
    """Print what it takes over weeks, beside a bare SELECT; return whether the bar holds."""
    key_count, days, periods = (10, 2, ("1d",)) if QUICK else (300, 31, ("7d", "30d"))
    store_month("default", key_count, days)
    head(f"signalstats, {engine}, {key_count} receivers; ms", "SELECT", "command")
    held = []
    for since in periods:
        select, found = bare_select("default", since)
        works = {"select": select, "command": lambda since=since: signalstats("default", since)}
        times = [ns / 1e6 for ns in compare(works, rounds=20)]
        held.append(row(f"--since {since}: {len(found):,} rows", *times, 50))
    return all(held)


def main(engine):
    """Print both tables; return whether all bars hold."""
    return all([day(engine), month(engine)])


if __name__ == "__main__":
    finish(main(ENGINE))
