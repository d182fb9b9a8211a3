"""What a process says of itself, stored by the real writer."""

from unittest import mock

from django.db import DatabaseError

import signalscope
from signalscope import wiring
from signalscope.models import Loss, Process, Rollup, Trace
from signalscope.recorder import vitals
from signalscope.recorder.traces import Traced
from tests.shop.models import Order
from tests.shop.signals import order_paid
from tests.sinks.test_database import StoreTestCase
from tests.trees import connected


def hear(sender, **kwargs):
    """Hear a signal."""


class ReportTestCase(StoreTestCase):
    """Begins with a writer that has not reported yet."""

    def setUp(self):
        super().setUp()
        # The settings that were just changed may have started it already.
        self.writer.stop()
        self.writer.forget()
        self.writer._has_warned = False
        Process.objects.all().delete()
        wiring.scope().recorder.traced = Traced()

    def record(self, times=1):
        """Record a trace with some dispatches."""
        with connected(order_paid, hear), signalscope.trace("work"):
            for _ in range(times):
                order_paid.send(sender=Order)

    def flush(self):
        """Store what was recorded, and wait for the report as well."""
        is_clean = signalscope.flush(30)
        with self.writer._turn_lock:
            return is_clean


class ReportTests(ReportTestCase):
    """The row of a process."""

    def test_counts(self):
        """The row has what happened, and what it cost."""
        self.record(times=7)
        self.assertIs(self.flush(), True)
        row = Process.objects.get()
        self.assertEqual(row.name, vitals.process_name())
        self.assertEqual((row.trace_count, row.dispatch_count, row.stored_count), (1, 7, 1))
        self.assertEqual((row.flush_count, row.failure_count, row.waiting_count), (1, 0, 0))
        self.assertEqual((row.is_ended, row.is_failing, row.error), (False, False, ""))
        self.assertEqual(row.max_flush_ns, row.flush_ns)
        self.assertEqual(row.version, signalscope.__version__)
        for figure in ("flush_ns", "dispatch_ns", "scope_ns", "writer_ns", "traced_ns"):
            self.assertGreater(getattr(row, figure), 0, figure)
        self.assertGreaterEqual(row.scope_ns, 7 * row.dispatch_ns)

    def test_traces_that_are_not_stored_count(self):
        """Every trace counts, whether it is in the sample or not."""
        with self.settings(
            SIGNALSCOPE={"STORE_IN_TESTS": True, "SAMPLE_RATE": 0, "FLUSH_INTERVAL_S": 600}
        ):
            self.record(times=3)
            self.flush()
        row = Process.objects.get()
        self.assertEqual((row.trace_count, row.dispatch_count, row.stored_count), (1, 3, 0))

    def test_measuring_is_not_recorded(self):
        """Neither the dispatches that are sent to measure nor their traces are stored."""
        self.record()
        self.flush()
        self.flush()
        self.assertGreater(Process.objects.get().dispatch_ns, 0)
        self.assertFalse(
            Rollup.objects.filter(receiver__contains="hear")
            .exclude(receiver=f"{__name__}.hear")
            .exists()
        )
        self.assertEqual(Trace.objects.get().name, "work")

    def test_nothing_recorded(self):
        """A process that stored nothing has no row."""
        self.flush()
        self.writer.stop()
        self.assertFalse(Process.objects.exists())

    def test_end(self):
        """A clean end is told, by the same row."""
        self.record()
        self.flush()
        self.assertIs(Process.objects.get().is_ended, False)
        self.writer.stop()
        self.assertIs(Process.objects.get().is_ended, True)

    def test_end_without_any_report_before(self):
        """A process that ends after its only flush has a row that says both."""
        self.record()
        self.writer.stop()
        row = Process.objects.get()
        self.assertEqual((row.is_ended, row.flush_count), (True, 1))

    def test_row_that_was_deleted(self):
        """Who is deleted while alive comes back with the next report."""
        self.record()
        self.flush()
        Process.objects.all().delete()
        self.record()
        self.writer.stop()
        self.assertEqual(Process.objects.get().flush_count, 2)

    def test_child_begins_anew(self):
        """After a fork the counts are the child's, and so is the row."""
        self.record()
        self.flush()
        self.writer.stop()
        self.writer.forget()
        self.record()
        self.flush()
        self.assertEqual(
            list(Process.objects.order_by("id").values_list("is_ended", "flush_count")),
            [(True, 1), (False, 1)],
        )


class TroubleTests(ReportTestCase):
    """With the database in trouble."""

    def test_failed_flush(self):
        """What cannot be stored is told with type and first line, until it works again."""
        self.record()
        failing = mock.patch.object(
            self.writer.sink, "write", side_effect=DatabaseError("disk full\nDETAIL: secret")
        )
        with failing, self.assertLogs("signalscope", "WARNING"):
            self.assertIs(self.flush(), False)
        row = Process.objects.get()
        self.assertEqual((row.is_failing, row.failure_count, row.flush_count), (True, 1, 0))
        self.assertEqual(row.error, "django.db.utils.DatabaseError: disk full")
        self.assertIsNotNone(row.error_at)
        self.assertGreater(row.waiting_count, 0)
        self.writer.stop()
        row.refresh_from_db()
        self.assertEqual((row.is_failing, row.failure_count, row.flush_count), (False, 1, 1))
        self.assertIn("disk full", row.error)
        self.assertFalse(Loss.objects.exists())

    def test_report_that_fails(self):
        """A report that cannot be stored costs nothing but itself."""
        self.record()
        failing = mock.patch.object(self.writer.sink, "report", side_effect=DatabaseError("no"))
        with failing, self.assertLogs("signalscope", "WARNING"):
            self.assertIs(self.flush(), True)
        self.assertEqual(Trace.objects.count(), 1)
        self.assertFalse(Process.objects.exists())
        self.record()
        self.writer.stop()
        self.assertEqual(Process.objects.get().flush_count, 2)
        self.assertFalse(Loss.objects.exists())

    def test_losses_add_up(self):
        """What was lost counts since the beginning, whatever was told in between."""
        recorder = self.writer._recorder
        for _ in range(2):
            recorder.lost_traces += 3
            recorder.rollups.lost_calls += 4
            self.flush()
        self.writer.stop()
        row = Process.objects.get()
        self.assertEqual((row.lost_traces, row.lost_calls), (6, 8))

    def test_long_texts(self):
        """Long and strange texts are cut to what the database takes."""
        self.record()
        error = DatabaseError("\0\ud800ü" + "x" * 1000)
        with (
            mock.patch.object(self.writer.sink, "write", side_effect=error),
            self.assertLogs("signalscope", "WARNING"),
        ):
            self.flush()
        self.assertIn(len(Process.objects.get().error), (254, 255))
