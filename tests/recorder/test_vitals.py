"""When a process reports, and how it calls itself."""

from unittest import mock

from django.db import DatabaseError
from django.dispatch import Signal
from django.test import SimpleTestCase, override_settings

import signalscope
from signalscope import wiring
from signalscope.instrument.cost import measure
from signalscope.models import Loss
from signalscope.recorder.batch import Batch
from signalscope.recorder.strands import CURRENT, LOOSE
from signalscope.recorder.vitals import HEARTBEAT_S, REPORT_EVERY_S, Cost, Vitals, command
from tests.recorder.test_keeping import hear
from tests.shop.models import Order
from tests.shop.signals import mail_queued, order_paid
from tests.sinks.test_database import StoreTestCase, connected


class DueTests(SimpleTestCase):
    """How often a report is due."""

    def setUp(self):
        self.clock = self.enterContext(mock.patch("signalscope.recorder.vitals.time.monotonic"))
        self.clock.return_value = 1000.0
        self.vitals = Vitals()

    def report(self):
        self.vitals.report(wiring.scope().recorder, interval_s=1, waiting_count=0, is_ended=False)

    def is_due(self, after_s, *, is_ended=False):
        self.clock.return_value = 1000.0 + after_s
        return self.vitals.is_due(is_ended=is_ended)

    def test_nothing_happened(self):
        """Who has neither stored nor failed has nothing to report, not even its end."""
        self.assertIs(self.is_due(10_000), False)
        self.assertIs(self.is_due(10_000, is_ended=True), False)

    def test_busy(self):
        """The first news is reported at once, more of it ten seconds later, the end always."""
        self.vitals.stored(Batch(), 1000)
        self.assertIs(self.is_due(0), True)
        self.report()
        self.vitals.failed(DatabaseError("no"))
        self.assertIs(self.is_due(REPORT_EVERY_S - 1), False)
        self.assertIs(self.is_due(REPORT_EVERY_S - 1, is_ended=True), True)
        self.assertIs(self.is_due(REPORT_EVERY_S), True)

    def test_idle(self):
        """Without news it says once a minute that it is alive."""
        self.vitals.stored(Batch(), 1000)
        self.report()
        self.assertIs(self.is_due(HEARTBEAT_S - 1), False)
        self.assertIs(self.is_due(HEARTBEAT_S), True)


class TracedTests(StoreTestCase):
    """How many dispatches there were in traces, of which the cost is told."""

    def dispatched(self):
        """Return how many are counted of one that sends 1,100 others."""

        def long_call(sender, **kwargs):
            for _ in range(1100):
                mail_queued.send(sender=Order)

        recorder = wiring.scope().recorder
        before = recorder.traced.trace_count, recorder.traced.dispatch_count
        with connected(order_paid, long_call), connected(mail_queued, hear):
            with signalscope.trace("long"):
                order_paid.send(sender=Order)
        self.assertIs(signalscope.flush(30), True)
        after = recorder.traced.trace_count, recorder.traced.dispatch_count
        return after[0] - before[0], after[1] - before[1]

    def test_folded(self):
        """Those that were folded count, too."""
        self.assertEqual(self.dispatched(), (1, 1101))

    def test_lost(self):
        """And those of a trace that found no room."""
        wiring.scope().buffer.max_bytes = 1
        self.assertEqual(self.dispatched(), (1, 1101))
        loss = Loss.objects.get()
        self.assertEqual((loss.trace_count, loss.dispatch_count), (1, 1101))


class CommandTests(SimpleTestCase):
    """What is kept of a command line."""

    def test_names(self):
        """The program, and a management command's name; never another word."""
        for arguments, name in (
            (
                ["/srv/manage.py", "createsuperuser", "--email", "a@b.c"],
                "manage.py createsuperuser",
            ),
            (["/usr/bin/django-admin", "--traceback", "check"], "django-admin check"),
            (["/x/django/__main__.py", "runserver", "8000"], "django runserver"),
            (["/usr/bin/gunicorn", "shop.wsgi", "--bind", "secret"], "gunicorn"),
            (["/x/celery/__main__.py", "-A", "shop", "worker"], "celery"),
            (["import.py", "customers-of-anna.csv"], "import.py"),
            (["-c", "anything"], "python"),
            ([""], "python"),
            ([], "python"),
        ):
            with self.subTest(arguments):
                self.assertEqual(command(arguments), name)


class CostTests(SimpleTestCase):
    """Measuring what recording costs."""

    def test_measured(self):
        """Something is measured, and nothing is left of it."""
        scope = wiring.scope()
        before = scope.recorder.traced.trace_count
        found = measure(scope.patch, scope.recorder)
        self.assertGreater(found.dispatch_ns, 0)
        self.assertGreater(found.trace_ns, 0)
        self.assertEqual(scope.recorder.traced.trace_count, before)
        self.assertEqual(LOOSE, [])
        self.assertIsNone(CURRENT.get())

    def test_goes_the_way_of_all_dispatches(self):
        """What is measured is a dispatch that is recorded."""
        seen = []
        scope = wiring.scope()
        with (
            mock.patch(
                "signalscope.recorder.rollups.Rollups.add",
                side_effect=lambda items: seen.append(len(items)) or (0, 0),
            ),
            override_settings(SIGNALSCOPE={"SAMPLE_RATE": 0}),
        ):
            measure(scope.patch, scope.recorder)
        self.assertIn(100, seen)

    def test_not_installed(self):
        """Without the instrument there is no cost."""
        scope = wiring.scope()
        with mock.patch.object(scope.patch, "sends", return_value=None):
            self.assertEqual(measure(scope.patch, scope.recorder), Cost())

    def test_others_on_top_are_not_measured(self):
        """What another package puts around send() is its cost."""
        scope = wiring.scope()
        with mock.patch.object(Signal, "send", side_effect=AssertionError):
            self.assertGreater(measure(scope.patch, scope.recorder).dispatch_ns, 0)
