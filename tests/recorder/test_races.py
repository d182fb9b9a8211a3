"""What happens at once, in two threads or in one: each dispatch counts once, nothing hangs."""

import contextvars
import threading
from contextlib import contextmanager
from unittest import mock

from django.db.models import Sum

import signalscope
from signalscope import wiring
from signalscope.models import Rollup, Trace
from signalscope.recorder import strands
from signalscope.recorder.recorder import SPILL_LENGTH
from signalscope.recorder.writer import Writer
from tests.recorder.test_keeping import fail, hear
from tests.shop.models import Order
from tests.shop.signals import order_paid
from tests.sinks.test_database import StoreTestCase, connected


def counted():
    """Return how many calls the stored roll-ups count."""
    assert signalscope.flush(30)
    return Rollup.objects.aggregate(calls=Sum("call_count"))["calls"]


def traces():
    """Return the stored traces."""
    rows = Trace.objects.order_by("name")
    return list(rows.values_list("name", "kept_because", "dispatch_count", "error_count"))


class TwoThreadsTests(StoreTestCase):
    """A trace ends while another thread takes what it holds."""

    settings_of_scope = {"SAMPLE_RATE": 0.0, "FLUSH_INTERVAL_S": 3600}

    def setUp(self):
        super().setUp()
        self.recorder = wiring.scope().recorder

    def end_while_taken(self, take, part, name):
        """
        End the inner of two open traces while another thread takes all open ones.

        That thread waits in a method of a part, at the outer one; it goes on when the end of the
        inner one was there, too, or cannot get there.
        """
        method = getattr(part, name)
        is_there, may_go_on = threading.Event(), threading.Event()

        def slowly(*args):
            if threading.current_thread() is taker:
                is_there.set()
                may_go_on.wait(0.5)
                return method(*args)
            found = method(*args)
            may_go_on.set()
            taker.join(0.5)
            return found

        taker = threading.Thread(target=take)
        with (
            connected(order_paid, hear),
            mock.patch.object(part, name, slowly),
            signalscope.trace("outer"),
        ):
            order_paid.send(sender=Order)
            with signalscope.trace("inner"):
                order_paid.send(sender=Order)
                taker.start()
                self.assertTrue(is_there.wait(30))
            taker.join(30)
        self.assertFalse(taker.is_alive())

    def test_the_writer_takes_it(self):
        """Roll-ups count what it holds once."""
        self.end_while_taken(self.recorder.hand_over_all, self.recorder.rollups, "add")
        self.assertEqual(counted(), 2)

    def test_the_writer_takes_one_of_the_share(self):
        """Rows have it once, too."""
        self.recorder.keeping.rate = 1.0
        self.end_while_taken(self.recorder.hand_over_all, self.recorder.buffer, "put")
        self.assertEqual(counted(), 2)
        self.assertEqual(traces(), [("inner", "sample", 1, 0), ("outer", "sample", 1, 0)])

    def test_the_end_of_the_process_takes_it(self):
        """The end of the process does not take what ends at that moment."""
        self.end_while_taken(self.recorder.abandon_open_traces, self.recorder.rollups, "add")
        self.assertEqual(counted(), 2)

    def test_a_reason_is_found_meanwhile(self):
        """The end waits for what the other thread is about to find."""
        add, has_taken = self.recorder.rollups.add, threading.Event()

        def add_slowly(items):
            if threading.current_thread() is taker:
                has_taken.set()
                end.wait(0.5)
            return add(items)

        end = threading.Event()
        taker = threading.Thread(target=self.recorder.hand_over_all)
        with connected(order_paid, fail):
            with mock.patch.object(self.recorder.rollups, "add", add_slowly):
                with signalscope.trace("failing"):
                    order_paid.send_robust(sender=Order)
                    taker.start()
                    self.assertTrue(has_taken.wait(30))
                end.set()
                taker.join(30)
        self.assertEqual(counted(), 1)
        self.assertEqual(traces(), [("failing", "error", 1, 1)])


class OutlivingTests(StoreTestCase):
    """Work that goes on when its trace has ended."""

    settings_of_scope = {"SAMPLE_RATE": 0.0, "FLUSH_INTERVAL_S": 3600}

    def test_it_does_not_pile_up(self):
        """What it sends is handed over as it comes, and counted."""
        with signalscope.trace("short"):
            context = contextvars.copy_context()

        def work():
            for _ in range(3 * SPILL_LENGTH):
                order_paid.send(sender=Order)

        with connected(order_paid, hear):
            context.run(work)
            self.assertLessEqual(len(strands.LOOSE), SPILL_LENGTH + 1)
            self.assertEqual(counted(), 3 * SPILL_LENGTH)


class OneThreadTests(StoreTestCase):
    """The garbage collector, and handlers of signals, let code of the project run anywhere."""

    settings_of_scope = {"SAMPLE_RATE": 0.0, "FLUSH_INTERVAL_S": 3600}

    def setUp(self):
        super().setUp()
        self.recorder = wiring.scope().recorder

    @contextmanager
    def interrupted(self, interrupt):
        """Call this where the roll-ups have begun to count, and hold their lock."""
        add, waiting = self.recorder.rollups._add, [interrupt]

        def interrupted_add(items):
            if waiting:
                waiting.pop()()
            return add(items)

        with mock.patch.object(self.recorder.rollups, "_add", interrupted_add):
            yield
        self.assertFalse(waiting)

    def run_in_thread(self, function):
        """Run a function in a thread, and see it end."""
        thread = threading.Thread(target=function, daemon=True)
        thread.start()
        thread.join(30)
        self.assertFalse(thread.is_alive())

    def work(self):
        """Yield within a block, as a generator that nobody finishes."""
        with signalscope.trace("generator"):
            order_paid.send_robust(sender=Order)
            yield

    def test_block_ends_as_another_is_counted(self):
        """It is left to the writer."""

        def collect():
            generator = self.work()
            next(generator)
            generator.close()

        def run():
            with self.interrupted(collect), signalscope.trace("outer"):
                order_paid.send_robust(sender=Order)

        with connected(order_paid, fail):
            self.run_in_thread(run)
        self.assertEqual(counted(), 2)
        self.assertEqual(traces(), [("generator", "error", 1, 1), ("outer", "error", 1, 1)])

    def test_block_ends_as_the_writer_counts(self):
        """The writer takes it in its next turn."""
        generator = self.work()
        with connected(order_paid, fail):
            self.run_in_thread(lambda: next(generator))
            with self.interrupted(generator.close):
                self.assertIs(signalscope.flush(30), True)
        self.assertEqual(counted(), 1)
        self.assertEqual(traces(), [("generator", "error", 1, 1)])

    def test_list_grows_as_another_is_emptied(self):
        """It is emptied later, and all counts."""

        def grow():
            for _ in range(SPILL_LENGTH + 5):
                order_paid.send(sender=Order)

        def run():
            with self.interrupted(grow), signalscope.trace("long"):
                grow()

        with connected(order_paid, hear):
            self.run_in_thread(run)
        self.assertEqual(counted(), 2 * (SPILL_LENGTH + 5))

    def test_flush(self):
        """It stores nothing, rather than to wait for itself."""
        answers = []

        def run():
            with self.interrupted(lambda: answers.append(signalscope.flush(30))):
                with signalscope.trace("outer"):
                    order_paid.send(sender=Order)

        with connected(order_paid, hear):
            self.run_in_thread(run)
        self.assertEqual(answers, [False])
        self.assertEqual(counted(), 1)

    def test_writer_starts_once(self):
        """A dispatch that comes while its thread begins starts no second one."""
        writer = Writer(
            self.recorder,
            mock.Mock(),
            interval_s=3600,
            exit_timeout_s=30,
            is_discarding=lambda: False,
        )
        started, start = [], threading.Thread.start

        def start_twice(thread):
            started.append(thread)
            writer.start()
            start(thread)

        with mock.patch.object(threading.Thread, "start", start_twice):
            writer.start()
        writer.stop()
        self.assertEqual(len(started), 1)
