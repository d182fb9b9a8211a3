"""Dropping partitions, made by the very statements of the documentation, on PostgreSQL."""

import re
from collections import Counter
from datetime import UTC, datetime, timedelta
from inspect import cleandoc
from pathlib import Path
from unittest import mock, skipUnless

from django.db import OperationalError, connection
from django.test import TestCase

from signalscope.models import Dispatch, ReceiverCall, Trace
from signalscope.upkeep import partitions
from signalscope.upkeep.prune import CutOffs, prune
from tests.stats import rows
from tests.upkeep.test_prune import at, counts, tree

PAGE = Path(__file__).resolve().parent.parent.parent / "docs" / "howto" / "partitions.rst"
BLOCK = re.compile(r"^\.\. code-block:: postgresql\n\n((?:(?:   .*)?\n)+)", re.MULTILINE)


def statements():
    """Return the SQL of the page, in its order."""
    return [cleandoc("\n" + found) for found in BLOCK.findall(PAGE.read_text(encoding="utf-8"))]


def indexes():
    """Return the names of the three tables' indexes, and what they are of."""
    with connection.cursor() as cursor:
        return {
            model: {
                name: (found["columns"], found["primary_key"])
                for name, found in connection.introspection.get_constraints(
                    cursor, model._meta.db_table
                ).items()
                if found["index"] or found["primary_key"]
            }
            for model in (Trace, Dispatch, ReceiverCall)
        }


@skipUnless(connection.vendor == "postgresql", "only PostgreSQL has these partitions")
class PartitionTests(TestCase):
    """What is done in a test is undone: PostgreSQL's transactions hold tables, too."""

    def setUp(self):
        self.addCleanup(setattr, rows.key, "last", rows.key.last)
        self.today = datetime.now(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
        at(self.today)
        tree()
        self.indexes_before = indexes()
        with connection.cursor() as cursor:
            for statement in statements():
                cursor.execute(statement)

    def fill(self, *days, **values):
        """Store a trace in the morning of each of the days to come."""
        for day in days:
            at(self.today + timedelta(days=day, hours=6))
            tree(**values)

    def partitions(self):
        return {
            model.__name__: len(partitions._partitions(model, "default"))
            for model in (Trace, Dispatch, ReceiverCall)
        }

    def prune(self, days):
        """Prune as if so many days had passed since midnight."""
        moment = self.today + timedelta(days=days)
        steps = prune(CutOffs.at(moment.timestamp()), using="default")
        return +sum(steps, Counter())

    def test_tables_are_as_before(self):
        """Rows are still there, and indexes have their names, for migrations to come."""
        self.assertEqual(counts(), (1, 2, 2))
        self.assertEqual(indexes(), self.indexes_before)
        self.assertEqual(len(statements()), 3)
        # 14 days, and what was there before.
        self.assertEqual(set(self.partitions().values()), {15})

    def test_created_again(self):
        """Days that exist stay."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT signalscope_add_partitions(16)")
        self.assertEqual(set(self.partitions().values()), {17})

    def test_whole_days_are_dropped(self):
        """Days that are over go at once; of the day of the cut-off, rows."""
        self.fill(1, 2, 3, 5)
        deleted = self.prune(3.5)
        self.assertEqual(deleted["partitions"], 3 * 3)
        self.assertEqual((deleted["traces"], deleted["dispatches"], deleted["calls"]), (1, 2, 2))
        self.assertEqual(set(self.partitions().values()), {12})
        self.assertEqual(counts(), (1, 2, 2))

    def test_a_day_with_a_pinned_trace_stays(self):
        """Of such a day the other rows are deleted, and the trace is whole."""
        self.fill(1)
        self.fill(2, is_pinned=True)
        at(self.today + timedelta(days=2, hours=7))
        tree()
        deleted = self.prune(4)
        self.assertEqual(deleted["partitions"], 3 * 3)
        self.assertEqual((deleted["traces"], deleted["dispatches"], deleted["calls"]), (1, 2, 2))
        self.assertEqual(counts(), (1, 2, 2))

    def test_a_partition_in_use(self):
        """Where a partition cannot be had, its rows are deleted."""
        with mock.patch.object(partitions, "_drop", side_effect=OperationalError("lock timeout")):
            self.prune(4)
        self.assertEqual(counts(), (0, 0, 0))

    def test_rows_without_a_day(self):
        """What no day takes goes to the rest, and is pruned from there."""
        self.fill(40)
        self.assertEqual(Trace.objects.count(), 2)
        self.prune(50)
        self.assertEqual(counts(), (0, 0, 0))


@skipUnless(connection.vendor == "postgresql", "only PostgreSQL has partitions")
class NoPartitionTests(TestCase):
    def test_nothing_is_dropped(self):
        """Tables that are not divided are left alone."""
        self.assertEqual(list(partitions.drop(2**62, using="default")), [])
