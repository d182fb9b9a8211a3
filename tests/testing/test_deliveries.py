"""What a test puts off runs in the test."""

import gc
import threading

from django.db import transaction
from django.db.transaction import TransactionManagementError
from django.test import SimpleTestCase, TestCase, TransactionTestCase

from signalscope import batched, register, unregister
from signalscope.delivery.backends.thread import pool
from signalscope.delivery.batching import processor
from signalscope.models import Delivery
from signalscope.testing.deliveries import Delivered, hold_deliveries, run_deliveries
from tests.shop.models import Order
from tests.shop.signals import order_paid
from tests.testing import deferring
from tests.testing.deferring import failing, heard, shipped
from tests.trees import connected

NAME = "tests.testing.deferring"
ALL = ("after", "in_thread", "in_celery", "in_tasks", "inline", "in_batches", "durable")


class HeardTests:
    """Begins with nothing heard, and connects receivers by their names."""

    def setUp(self):
        super().setUp()
        heard.clear()
        failing.clear()
        register(shipped, name=f"{NAME}.shipped")
        self.addCleanup(unregister, shipped)

    def connect(self, *names):
        """Connect receivers until the test ends."""
        receivers = [getattr(deferring, name) for name in names]
        self.enterContext(connected(order_paid, *receivers))

    def send(self, *numbers):
        """Send for each number."""
        for number in numbers:
            order_paid.send(sender=Order, number=number)

    def ran(self, deliveries):
        """Return what ran, as last part of the name, means and count."""
        return [(one.receiver.rpartition(".")[2], one.by, one.dispatch_count) for one in deliveries]


class SameTests(HeardTests):
    """What holds in a transaction that never ends, and where each commits."""

    def test_all_ways(self):
        """Whatever would run it, it runs at the end of the block, once, and is told."""
        self.connect(*ALL)
        with run_deliveries() as ran:
            with transaction.atomic():
                self.send(1)
            before = {name for name, _ in heard}
        self.assertLessEqual(before, {"after", "inline"})
        self.assertEqual(sorted(heard), sorted((name, 1) for name in ALL))
        # Those that a commit ran at once are not put off.
        told = {name for name, *_ in self.ran(ran)}
        self.assertEqual(told | before, set(ALL))
        self.assertFalse(told & before)

    def test_means(self):
        """It is told by what means it was put off."""
        self.connect("in_thread", "in_celery", "in_tasks", "in_batches", "durable", "durable_batch")
        with run_deliveries() as ran:
            self.send(1, 2)
        self.assertCountEqual(
            self.ran(ran),
            [
                *[("in_thread", "deferred", 1)] * 2,
                *[("in_celery", "deferred", 1)] * 2,
                *[("in_tasks", "deferred", 1)] * 2,
                ("in_batches", "batched", 2),
                *[("durable", "durable", 1)] * 2,
                *[("durable_batch", "durable", 1)] * 2,
            ],
        )
        self.assertEqual(
            set(Delivery.objects.values_list("state", flat=True)), {Delivery.State.DONE}
        )

    def test_rollback(self):
        """What is rolled back was not put off."""
        self.connect(*ALL, "durable_batch")
        with run_deliveries() as ran:
            with self.assertRaises(KeyError), transaction.atomic():
                self.send(1)
                raise KeyError
        self.assertEqual((ran, heard), ([], []))

    def test_error(self):
        """The error of one is raised, after all others have run."""
        self.connect("in_thread", "in_tasks", "in_batches")
        failing.add("in_thread")
        with self.assertRaisesMessage(ValueError, "in_thread 1"), run_deliveries() as ran:
            self.send(1)
        self.assertEqual(len(heard), 3)
        self.assertEqual(
            {one.receiver: str(one.error) for one in ran if one.error},
            {f"{NAME}.in_thread": "in_thread 1"},
        )

    def test_errors(self):
        """Errors of several are raised together."""
        self.connect("in_thread", "in_tasks", "durable", "in_batches")
        failing.update(("in_thread", "durable", "in_batches"))
        with self.assertLogs("signalscope.delivery", "WARNING"):
            with self.assertRaises(ExceptionGroup) as caught, run_deliveries():
                self.send(1)
        self.assertEqual(
            sorted(str(error) for error in caught.exception.exceptions),
            ["durable 1", "in_batches 1", "in_thread 1"],
        )

    def test_errors_returned(self):
        """Errors are in what is returned where they are not to be raised."""
        self.connect("in_thread")
        failing.add("in_thread")
        with hold_deliveries() as deliveries:
            self.send(1)
            (one,) = deliveries.run(raise_errors=False)
        self.assertIsInstance(one.error, ValueError)

    def test_retry(self):
        """What failed and has retries left waits for the next run."""
        self.connect("in_celery", "durable")
        failing.update(("in_celery", "durable"))
        with self.assertLogs("signalscope.delivery", "WARNING"), hold_deliveries() as deliveries:
            self.send(1)
            self.assertEqual(len(deliveries.run(raise_errors=False)), 2)
            self.assertEqual(len(heard), 2)
            failing.clear()
            self.assertEqual(len(deliveries.run()), 2)
            self.assertEqual(deliveries.run(), [])
        self.assertEqual(len(deliveries), 4)

    def test_put_off_again(self):
        """What a run puts off runs, too."""

        def pay(sender, number, **kwargs):
            with transaction.atomic():
                if number < 3:
                    order_paid.send(sender=sender, number=number + 1)

        self.connect("in_thread", "in_batches")
        shipped_again = connected(shipped, pay)
        with shipped_again, run_deliveries() as ran:
            shipped.send_async(sender=Order, number=1)
        self.assertEqual(sorted(heard), [("in_batches", 2), ("in_thread", 2)])
        self.assertEqual(ran[0], Delivered(f"{NAME}.shipped", "send_async"))

    def test_for_ever(self):
        """What is put off again and again ends in an error that names it."""
        self.connect("for_ever")
        with self.assertRaisesRegex(RuntimeError, "has no end.*for_ever"), run_deliveries():
            self.send(1)

    def test_coalesced(self):
        """Of dispatches with one key the last one runs."""
        self.connect("last_of_kind")
        with run_deliveries() as ran:
            self.send(1, 2, 3)
        self.assertEqual(sorted(heard), [("last_of_kind", 2), ("last_of_kind", 3)])
        self.assertEqual([one.dispatch_count for one in ran], [2])

    def test_batches_of_size(self):
        """Batches have their size, and the rest is one, too."""
        self.connect("in_batches")
        with run_deliveries() as ran:
            self.send(1, 2, 3, 4, 5)
        self.assertEqual([one.dispatch_count for one in ran], [2, 2, 1])
        self.assertEqual([number for _, number in heard], [1, 2, 3, 4, 5])

    def test_held(self):
        """Until it is run, nothing is, and no thread has it; afterwards it is forgotten."""
        self.connect("in_thread", "in_celery", "in_tasks", "in_batches", "durable")
        threads = threading.active_count()
        with hold_deliveries():
            self.send(1, 2, 3)
        self.assertEqual((heard, pool._waiting), ([], []))
        self.assertEqual(processor.flush(), 0)
        self.assertEqual(threading.active_count(), threads)

    def test_block_raises(self):
        """Where the block raises, that is the error, and nothing runs."""
        self.connect("in_thread")
        with self.assertRaises(KeyError), run_deliveries():
            self.send(1)
            raise KeyError
        self.assertEqual(heard, [])

    def test_atomic(self):
        """In a block that is still open nothing is due: to run it there is an error."""
        with hold_deliveries() as deliveries, transaction.atomic():
            with self.assertRaisesRegex(TransactionManagementError, "open on 'default'"):
                deliveries.run()

    def test_around(self):
        """A transaction around the block is nobody's mistake."""
        self.connect("in_thread", "after")
        with transaction.atomic(), run_deliveries():
            self.send(1)
        self.assertEqual(sorted(heard), [("after", 1), ("in_thread", 1)])

    def test_others_callbacks(self):
        """What the project itself gives to on_commit() stays there."""
        called = []
        with transaction.atomic():
            with run_deliveries() as ran:
                transaction.on_commit(lambda: called.append(1))
            self.assertEqual((called, ran), ([], []))

    def test_instances(self):
        """Receivers get instances as they would in a worker."""
        got = []

        @batched(size=10)
        def hear(dispatches):
            got.extend(one.named["instance"].number for one in dispatches)

        order = Order.objects.create(number="7")
        with connected(order_paid, hear), run_deliveries():
            order_paid.send(sender=Order, instance=order)
        self.assertEqual(got, ["7"])


class TestCaseTests(SameTests, TestCase):
    """In TestCase, whose transaction is never committed."""

    @classmethod
    def setUpTestData(cls):
        """Put something off for all tests, which is not the tests' own."""
        with connected(order_paid, deferring.after):
            order_paid.send(sender=Order, number=0)

    def test_in_order(self):
        """What waits for the commit runs in its order; the robust one's error is logged."""
        self.connect("after", "after_robust", "inline")
        failing.add("after_robust")
        with self.assertLogs("signalscope.delivery", "ERROR"), run_deliveries() as ran:
            self.send(1)
        self.assertEqual(
            self.ran(ran),
            [
                ("after", "on_commit", 1),
                ("after_robust", "on_commit", 1),
                ("inline", "deferred", 1),
            ],
        )
        self.assertIsInstance(ran[1].error, ValueError)

    def test_once(self):
        """What has run does not run at a capture of Django's around it."""
        self.connect("after")
        with self.captureOnCommitCallbacks(execute=True), run_deliveries():
            self.send(1)
        self.assertEqual(heard, [("after", 1)])


class TransactionTestCaseTests(SameTests, TransactionTestCase):
    """In TransactionTestCase, whose transactions are committed."""

    def test_at_once(self):
        """What nothing puts off runs at once, as without the block."""
        self.connect("after", "inline")
        with run_deliveries() as ran:
            self.send(1)
            self.assertEqual(len(heard), 2)
        self.assertEqual(ran, [])


class UseTests(SimpleTestCase):
    """Ways to use it wrong."""

    def test_not_entered(self):
        """To call it, as one calls the fixture of that name, warns that nothing was run."""
        with self.assertWarnsRegex(RuntimeWarning, "has run nothing"):
            run_deliveries()
            gc.collect()


class WithoutDatabaseTests(HeardTests, SimpleTestCase):
    """In SimpleTestCase, where no query may be made."""

    def test_runs(self):
        """What needs no database is run."""
        self.connect("in_thread", "in_batches", "inline")
        with run_deliveries() as ran:
            self.send(1)
        self.assertEqual(
            self.ran(ran), [("in_thread", "deferred", 1), ("in_batches", "batched", 1)]
        )
