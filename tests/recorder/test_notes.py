"""Entries and slow queries on their way to the writer: bounded, in order, and counted."""

import json
from datetime import UTC, datetime
from unittest import mock

from django.db import OperationalError
from django.test import SimpleTestCase

import signalscope
from signalscope import wiring
from signalscope.core import faults
from signalscope.models import ActivityLog, Loss, SlowQuery
from signalscope.recorder import notes
from signalscope.recorder.batch import Batch, LossRow, Refused, join
from signalscope.recorder.notes import Entry, Notes
from signalscope.recorder.recorder import Recorder
from signalscope.recorder.rollups import Rollups
from signalscope.recorder.waiting import Waiting
from signalscope.sinks.rows import document
from tests.recorder.test_keeping import settings
from tests.sinks.test_database import StoreTestCase

NOW = datetime(2026, 3, 29, 12, 34, tzinfo=UTC)


def entry(action="tested"):
    """Return an entry."""
    return Entry(at=NOW, action=action)


def slow(sql="SELECT 1"):
    """Return a slow query."""
    return notes.SlowQuery(at=NOW, duration_ns=1, using="default", sql=sql)


class NotesTests(SimpleTestCase):
    """The queue."""

    def test_first_in_first_out(self):
        """What is taken is gone, and in order."""
        queue = Notes()
        queue.put([1, 2])
        queue.put([3])
        self.assertEqual((queue.take(), queue.take()), ([1, 2, 3], []))

    def test_what_does_not_fit_is_counted(self):
        """The oldest stay; the count is told once."""
        queue = Notes(max_length=3)
        queue.put([1, 2])
        queue.put([3, 4, 5])
        self.assertEqual(queue.take(), [1, 2, 3])
        self.assertEqual((queue.take_lost_count(), queue.take_lost_count()), (2, 0))

    def test_put_back(self):
        """What comes back is older than what came since, and has the room that is left."""
        queue = Notes(max_length=4)
        queue.put([1, 2, 3])
        taken = queue.take()
        queue.put([4, 5])
        queue.put_back(taken)
        self.assertEqual((queue.take(), queue.take_lost_count()), ([1, 2, 4, 5], 1))

    def test_nothing_fits_any_more(self):
        """A full queue takes nothing, nor back."""
        queue = Notes(max_length=2)
        queue.put([1, 2])
        queue.put([3])
        queue.put_back([0])
        self.assertEqual((queue.take(), queue.take_lost_count()), ([1, 2], 2))

    def test_forget(self):
        """In a forked child nothing is left, nor any loss of the parent's."""
        queue = Notes(max_length=1)
        queue.put([1, 2])
        queue.forget()
        self.assertEqual((queue.take(), queue.take_lost_count()), ([], 0))


class BatchTests(SimpleTestCase):
    """Batches with them in it."""

    def test_any_of_them_is_something(self):
        """A batch with a single row is not empty, and cannot be smaller."""
        self.assertFalse(Batch())
        for batch in (Batch(entries=[entry()]), Batch(slow_queries=[slow()])):
            self.assertTrue(batch)
            self.assertEqual(batch.split(), [])

    def test_split_and_joined(self):
        """However often a batch is split, its parts joined are the batch."""
        whole = Batch(
            entries=[entry(str(number)) for number in range(5)],
            slow_queries=[slow(str(number)) for number in range(3)],
        )
        smallest, left = [], [whole]
        while left:
            batch = left.pop(0)
            parts = batch.split()
            left = parts + left
            if not parts:
                smallest.append(batch)
        self.assertEqual(len(smallest), 8)
        self.assertEqual(join(smallest), whole)


class WaitingTests(SimpleTestCase):
    """What the writer has taken, and could not store."""

    def setUp(self):
        self.recorder = Recorder(
            planner=None, buffer=None, rollups=Rollups(), is_discarding=lambda: False
        )
        self.waiting = Waiting(self.recorder)

    def test_put_back(self):
        """All of it waits, and so does the count of what was lost before."""
        self.waiting.batch = Batch(
            entries=[entry()],
            slow_queries=[slow()],
            loss=LossRow("here", 0, 0, 0, 0, 0, entry_count=3, slow_query_count=4),
        )
        self.waiting.put_back()
        self.assertFalse(self.waiting.batch)
        self.assertEqual(self.recorder.entries.take(), [entry()])
        self.assertEqual(self.recorder.slow_queries.take(), [slow()])
        self.assertEqual(self.recorder.entries.take_lost_count(), 3)
        self.assertEqual(self.recorder.slow_queries.take_lost_count(), 4)

    def test_what_the_database_refuses(self):
        """One row is given up and counted; all others are stored."""
        self.waiting.batch = Batch(
            entries=[entry("good"), entry("bad"), entry("fine")],
            slow_queries=[slow("bad"), slow("good")],
        )
        stored = []

        def write(batch):
            texts = [found.action for found in batch.entries]
            texts += [found.sql for found in batch.slow_queries]
            if "bad" in texts:
                raise Refused
            stored.extend(texts)

        with self.assertLogs("signalscope", "ERROR"):
            self.waiting.store(write)
        faults.caught.clear()
        self.assertEqual(sorted(stored), ["fine", "good", "good"])
        self.assertEqual(self.recorder.entries.take_lost_count(), 1)
        self.assertEqual(self.recorder.slow_queries.take_lost_count(), 1)


class TroubleTests(StoreTestCase):
    """A database that is gone for a while."""

    def test_lost_beyond_the_bound_only(self):
        """What fits waits and is stored in order; the rest is counted in a loss."""
        recorder = wiring.scope().recorder
        with (
            settings(),
            mock.patch.object(recorder.entries, "max_length", 5),
            mock.patch.object(recorder.slow_queries, "max_length", 2),
        ):
            recorder.note_entries([entry(str(number)) for number in range(3)])
            recorder.note_slow_query(slow("first"))
            broken = mock.patch.object(
                self.writer.sink, "write", side_effect=OperationalError("gone")
            )
            with broken, self.assertLogs("signalscope", "WARNING"):
                self.assertFalse(signalscope.flush(30))
                recorder.note_entries([entry(str(number)) for number in range(3, 7)])
                recorder.note_slow_query(slow("second"))
                recorder.note_slow_query(slow("third"))
                self.assertFalse(signalscope.flush(30))
            self.assertTrue(signalscope.flush(30))
        actions = list(ActivityLog.objects.order_by("pk").values_list("action", flat=True))
        self.assertEqual(actions, ["0", "1", "2", "3", "4"])
        statements = SlowQuery.objects.order_by("pk").values_list("sql", flat=True)
        self.assertEqual(list(statements), ["first", "second"])
        loss = Loss.objects.get()
        self.assertEqual((loss.entry_count, loss.slow_query_count), (2, 1))
        self.assertEqual((loss.trace_count, loss.call_count), (0, 0))


class DocumentTests(SimpleTestCase):
    """JSON that every database takes."""

    def test_values(self):
        """What JSON has stays as it is, in lists and dicts, too."""
        value = {"name": ["old", "ü 漢"], "n": [1, 2.5], "b": [True, None], "d": {"x": []}}
        self.assertEqual(json.loads(document(value)), value)
        self.assertIn("ü 漢", document(value))

    def test_what_no_database_takes(self):
        """NUL, lone surrogates, NaN and infinity, in keys as well."""
        value = {"a\0": "b\0c", "s": "\ud800", "f": [float("nan"), float("-inf")], "t": ("x\0",)}
        self.assertEqual(
            json.loads(document(value)),
            {"a": "bc", "s": "?", "f": ["nan", "-inf"], "t": ["x"]},
        )
