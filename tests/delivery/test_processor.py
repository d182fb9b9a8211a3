"""How batches are run: errors, threads, and how long things live."""

import asyncio
import gc
import threading
import weakref

from django.dispatch import Signal

from signalscope import BatchedSignalProcessor, batched
from signalscope.delivery import processor as processor_module
from signalscope.delivery.batching import processor
from signalscope.delivery.processor import flush_all
from signalscope.exceptions import QueueFull
from tests.delivery.batches import TIMEOUT_S, BatchTestCase, number_of, send
from tests.shop.models import Order
from tests.shop.signals import order_paid
from tests.trees import connected


class FailureTests(BatchTestCase):
    """Batches that fail."""

    def test_split(self):
        """The bad ones are found and set aside with their errors; each other one is handled."""
        own, handled = BatchedSignalProcessor(batch_size=100), []

        def receive(dispatches):
            numbers = [number_of(one) for one in dispatches]
            if {3, 9} & {*numbers}:
                raise ValueError(numbers)
            handled.extend(numbers)

        own.connect("orders", receive)
        for number in range(10):
            own.add_signal("orders", None, number=number)
        with self.assertLogs("signalscope.delivery", "ERROR") as logs:
            self.assertEqual(own.flush_batch("orders"), 10)
        self.assertEqual(handled, [0, 1, 2, 4, 5, 6, 7, 8])
        self.assertEqual(
            [(name, number_of(one), error.args) for name, one, error in own.failed],
            [("orders", 3, ([3],)), ("orders", 9, ([9],))],
        )
        self.assertEqual((own.failed_count, len(logs.output)), (2, 2))
        self.assertIn("orders did not handle it", logs.output[0])

    def test_thread_goes_on(self):
        """Whatever the function raises, the next batch runs."""
        for error in (ValueError, SystemExit, asyncio.CancelledError):
            errors = [error]

            def receive(dispatches, errors=errors):
                if errors:
                    raise errors.pop()
                self.hear(dispatches)

            with self.assertLogs("signalscope.delivery", "ERROR"):
                with connected(order_paid, batched(size=1)(receive)):
                    send(1)
                    send(2)
                    self.wait()
        self.assertEqual(self.batches, [[2]] * 3)

    def test_full(self):
        """One too many is set aside at once; nobody who sends is held up."""
        own = BatchedSignalProcessor()
        own.connect("orders", self.hear)
        before = processor_module.MAX_WAITING
        processor_module.MAX_WAITING = 2
        self.addCleanup(setattr, processor_module, "MAX_WAITING", before)
        with self.assertLogs("signalscope.delivery", "ERROR"):
            for number in range(3):
                own.add_signal("orders", None, number=number)
        self.assertEqual(own.flush(), 2)
        ((_, dispatched, error),) = own.failed
        self.assertEqual((dispatched.named, type(error)), ({"number": 2}, QueueFull))


class ProcessorTests(BatchTestCase):
    """Batches by hand."""

    def test_by_hand(self):
        """What is added by name goes to the function that is connected to it."""
        own = BatchedSignalProcessor(batch_size=2, flush_interval=60)
        own.connect("a", self.hear)
        own.connect("b", lambda dispatches: self.fail("nothing waits there"))
        own.add_signal("a", Order, number=1)
        self.assertEqual(own.waiting_count("a"), 1)
        self.assertEqual((own.flush_batch("a"), own.flush_batch("b")), (1, 0))
        own.add_signal("a", Order, number=2)
        own.add_signal("a", Order, number=3)
        self.wait()
        self.wait()
        self.assertEqual(self.batches, [[1], [2, 3]])

    def test_unknown(self):
        """A name that nothing is connected to is a LookupError, which names the known ones."""
        own = BatchedSignalProcessor()
        own.connect("orders", self.hear)
        for call in (own.add_signal, own.flush_batch, own.waiting_count):
            with self.assertRaisesMessage(LookupError, "Known: orders"):
                call("order", *[None][: call == own.add_signal])
        with self.assertRaisesMessage(TypeError, "connect() takes a function"):
            own.connect("orders", None)

    def test_function_that_adds(self):
        """A function may add to its own batch; flush_batch() does not wait for that."""
        own = BatchedSignalProcessor(batch_size=1)

        def receive(dispatches):
            self.hear(dispatches)
            if len(self.batches) < 5:
                own.add_signal("orders", None, number=len(self.batches))
                own.flush_batch("orders")

        own.connect("orders", receive)
        own.add_signal("orders", None, number=0)
        for _ in range(5):
            self.wait()
        self.assertEqual(sorted(self.batches), [[0], [1], [2], [3], [4]])

    def test_one_after_another(self):
        """Two batches of one function never run at once; senders do not wait for it."""
        own, running, most = BatchedSignalProcessor(batch_size=1), [], []
        may_end = threading.Event()

        def receive(dispatches):
            running.append(1)
            most.append(len(running))
            may_end.wait(TIMEOUT_S)
            running.pop()
            self.hear(dispatches)

        own.connect("orders", receive)
        flushers = [threading.Thread(target=own.flush) for _ in range(3)]
        for number in range(20):
            own.add_signal("orders", None, number=number)
        for thread in flushers:
            thread.start()
        may_end.set()
        for thread in flushers:
            thread.join()
        for _ in range(20):
            self.wait()
        self.assertEqual(set(most), {1})
        self.assertEqual(sorted(self.batches), [[number] for number in range(20)])

    def test_many_threads(self):
        """Nothing is lost or doubled where many threads add."""
        with connected(order_paid, batched(size=7)(self.receiver())):
            threads = [
                threading.Thread(target=send, args=range(start, start + 200))
                for start in range(0, 1600, 200)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        flush_all()
        # A thread may be running one.
        processor.stop(TIMEOUT_S)
        numbers = [number for batch in self.batches for number in batch]
        self.assertEqual(sorted(numbers), list(range(1600)))
        self.assertLessEqual(max(len(batch) for batch in self.batches), 7)

    def test_stop(self):
        """What does not end in time is set aside, and says so."""
        own, may_end = BatchedSignalProcessor(batch_size=1), threading.Event()
        self.addCleanup(may_end.set)
        own.connect("orders", lambda dispatches: may_end.wait(TIMEOUT_S))
        with self.assertLogs("signalscope.delivery", "ERROR"):
            own.add_signal("orders", None, number=1)
            own.add_signal("orders", None, number=2)
            own.stop(0.1)
        # The first of them is in the function's hands.
        self.assertEqual([number_of(one) for _, one, _ in own.failed], [1, 2])
        self.assertEqual({type(error) for _, _, error in own.failed}, {TimeoutError})
        self.assertEqual((own.failed_count, own.waiting_count("orders")), (2, 0))

    def test_dead_thread(self):
        """Where its thread was ended, the next dispatch has another one."""
        own = BatchedSignalProcessor(batch_size=1)
        ends = [KeyboardInterrupt]

        def receive(dispatches):
            if ends:
                raise ends.pop()
            self.hear(dispatches)

        own.connect("orders", receive)
        # Python tells of it on stderr.
        hook, threading.excepthook = threading.excepthook, lambda args: None
        try:
            own.add_signal("orders", None, number=1)
            thread = own._thread
            if thread is not None:
                thread.join(TIMEOUT_S)
        finally:
            threading.excepthook = hook
        own.add_signal("orders", None, number=2)
        self.wait()
        self.assertEqual(self.batches, [[2]])

    def test_arguments(self):
        """They are as they were when they were added, whatever their names are."""
        own, tags = BatchedSignalProcessor(), ["a"]
        got = []
        own.connect("orders", got.extend)
        own.add_signal("orders", sender=None, name="x", tags=tags)
        tags.append("b")
        own.flush()
        self.assertEqual([one.named for one in got], [{"name": "x", "tags": ["a"]}])


class LifeTests(BatchTestCase):
    """How long things live."""

    def test_receivers(self):
        """A receiver that nothing else holds is gone once its batch was run; so is a method's."""
        batches = self.batches

        class Service:
            @batched
            def receive(self, dispatches):
                batches.append((self.name, len(dispatches)))

        signal = Signal()
        one, two = Service(), Service()
        one.name, two.name = "one", "two"
        function = self.receiver()
        for receiver in (one.receive, two.receive, batched(function)):
            signal.connect(receiver)
        signal.send(sender=None, number=1)
        gone = [weakref.ref(one), weakref.ref(function)]
        del one, function, receiver
        gc.collect()
        # What was sent is still handled.
        thread = processor._thread
        self.assertEqual(flush_all(), 3)
        thread.join(TIMEOUT_S)
        self.assertCountEqual(batches, [("one", 1), ("two", 1), [1]])
        gc.collect()
        self.assertEqual([reference() for reference in gone], [None, None])
        signal.send(sender=None, number=2)
        self.assertEqual(flush_all(), 1)

    def test_threads(self):
        """There is a thread while something waits only, and a processor goes with its holder."""
        own = BatchedSignalProcessor()
        own.connect("orders", self.hear)
        own.add_signal("orders", None, number=1)
        thread = own._thread
        own.flush()
        thread.join(TIMEOUT_S)
        self.assertFalse(thread.is_alive())
        own.add_signal("orders", None, number=2)
        own.flush()
        self.assertEqual(self.batches, [[1], [2]])
        gone = weakref.ref(own)
        for thread in threading.enumerate():
            if thread.name == "signalscope-batches":
                thread.join(TIMEOUT_S)
        del own
        gc.collect()
        self.assertIsNone(gone())
