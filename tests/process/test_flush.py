"""flush() wherever it may be called: it never waits for ever, and says whether all is stored."""

import asyncio
import contextvars
import gc
import threading
from unittest import mock

from django.db import connection, connections, transaction
from django.db.backends.signals import connection_created

import signalscope
from signalscope import wiring
from signalscope.models import ReceiverCall, Rollup, Trace
from tests.process.site import ENGINE, ProcessTestCase
from tests.shop.models import Order
from tests.shop.signals import mail_queued, order_paid
from tests.sinks.test_database import StoreTestCase
from tests.trees import connected


class ReceiverTests(StoreTestCase):
    """Receivers that flush."""

    def setUp(self):
        super().setUp()
        self.answers = []

    def flush(self, sender, **kwargs):
        """Flush, and note the answer."""
        self.answers.append(signalscope.flush(30))

    def counted(self):
        """Return how many calls the roll-ups count."""
        return sum(Rollup.objects.exclude(receiver="").values_list("call_count", flat=True))

    def test_in_a_trace(self):
        """What has ended in the trace so far is stored, the rest as it ends."""
        with connected(mail_queued, len), connected(order_paid, self.flush):
            with signalscope.trace("import"):
                order_paid.send(sender=Order)
                order_paid.send(sender=Order)
        self.assertEqual(self.answers, [True, True])
        self.assertIs(signalscope.flush(30), True)
        self.assertEqual(self.counted(), 2)
        self.assertEqual(ReceiverCall.objects.get().dispatch.repeat_count, 2)

    def test_in_an_async_receiver(self):
        """The event loop waits, the writer does not need it."""

        async def flush(sender, **kwargs):
            self.answers.append(signalscope.flush(30))

        with connected(order_paid, flush):
            asyncio.run(order_paid.asend(sender=Order))
        self.assertEqual(self.answers, [True])
        self.assertIs(signalscope.flush(30), True)
        self.assertEqual(self.counted(), 1)

    def test_in_the_thread_of_the_writer(self):
        """The writer announces its connection to receivers, too; it cannot wait for itself."""
        threads = set()

        def flush(sender, **kwargs):
            if kwargs["connection"] is not connection:
                threads.add(threading.current_thread().name)
                self.answers.append(signalscope.flush())

        order_paid.send(sender=Order)
        with connected(order_paid, self.flush), connected(connection_created, flush):
            order_paid.send(sender=Order)
        self.assertEqual(threads, {"signalscope-writer"})
        # Once for what it stores, and once more where it reads the rules before.
        self.assertEqual(set(self.answers[:-1]), {False})
        self.assertIs(self.answers[-1], True)

    def test_in_threads_at_once(self):
        """All of them are answered."""
        with connected(order_paid, self.flush):
            threads = [
                threading.Thread(target=order_paid.send, kwargs={"sender": Order})
                for _ in range(20)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        self.assertEqual(self.answers, [True] * 20)

    def test_in_a_transaction(self):
        """On SQLite the project's own write keeps the writer waiting, but not for ever."""
        options = {**connections.settings["default"].get("OPTIONS", {})}
        if ENGINE == "sqlite":
            options["timeout"] = 0.2
        settings = {**connections.settings["default"], "OPTIONS": options}
        with (
            mock.patch.dict(connections.settings, default=settings),
            connected(order_paid, self.flush),
            # That the database is locked is said once.
            self.assertLogs("signalscope") if ENGINE == "sqlite" else mock.MagicMock(),
        ):
            with transaction.atomic():
                Order.objects.create(number="1")
                order_paid.send(sender=Order)
                self.answers.append(signalscope.flush())
            self.answers.append(signalscope.flush())
        # Within the receiver nothing had ended yet, so that there was nothing to store.
        self.assertEqual(self.answers, [True, ENGINE != "sqlite", True])
        self.assertEqual(self.counted(), 1)


class GarbageTests(StoreTestCase):
    """The garbage collector runs anywhere."""

    def test_trace_that_is_collected_within_a_lock(self):
        """An open trace may be deleted while the thread holds a lock of signalscope's."""
        recorder = wiring.scope().recorder
        contextvars.copy_context().run(recorder.open_trace, "request", "GET /gone/")

        def collect():
            with recorder.rollups._lock, recorder.buffer._lock:
                gc.collect()

        thread = threading.Thread(target=collect, daemon=True)
        thread.start()
        thread.join(10)
        self.assertFalse(thread.is_alive())
        self.assertIs(signalscope.flush(30), True)
        self.assertEqual(Trace.objects.get().status, "unfinished")


class ExitTests(ProcessTestCase):
    """Exit handlers of the project that flush."""

    def test_around_ours(self):
        """Handlers run in the reverse order of their registration: one before ours, one after."""
        said = self.run_script(
            "import atexit, django",
            "def end(name):",
            "    import signalscope",
            "    from tests.process.receivers import ping",
            "    ping.send(sender=None)",
            "    print(name, signalscope.flush(), flush=True)",
            "atexit.register(end, 'after')",
            "django.setup()",
            "atexit.register(end, 'before')",
        )
        self.assertEqual(said.split("\n"), ["before True", "after True", ""])
        self.assert_stored(2)

    def test_without_flush(self):
        """What a handler sends before ours is stored without being asked for."""
        self.run_script(
            "import atexit, django",
            "django.setup()",
            "from tests.process.receivers import ping",
            "atexit.register(ping.send, sender=None)",
        )
        self.assert_stored(1)
