"""The writer beside the project's transactions: under SQLite these may fail of it."""

import threading
from unittest import skipUnless

from django.db import connection, transaction

import signalscope
from signalscope import wiring
from tests.shop.models import Order
from tests.sinks.test_database import StoreTestCase


@skipUnless(connection.vendor == "sqlite", "elsewhere both may write")
class CourtesyTests(StoreTestCase):
    """A transaction that has read could not write any more, once the writer has begun to."""

    def setUp(self):
        super().setUp()
        # What it read is there.
        Order.objects.create()
        self.assertTrue(signalscope.flush(30))

    def flush_beside(self):
        """Let another thread ask for a turn, and return when the writer waits with it."""
        has_begun = threading.Event()
        sink = self.writer.sink
        ask = sink.would_break
        answers = []

        def would_break(besides):
            answers.append(ask(besides))
            if len(answers) == 2:
                has_begun.set()
            return answers[-1]

        sink.would_break = would_break
        self.addCleanup(delattr, sink, "would_break")
        self.stored = []
        thread = threading.Thread(target=lambda: self.stored.append(signalscope.flush(30)))
        thread.start()
        self.assertTrue(has_begun.wait(30))
        return thread

    def test_it_waits_for_a_transaction(self):
        """One that reads and then writes ends as if nobody else were there."""
        signalscope.log("tested")
        with transaction.atomic():
            order = Order.objects.get()
            thread = self.flush_beside()
            order.save()
        thread.join()
        self.assertEqual(self.stored, [True])

    def test_it_does_not_wait_for_who_waits_for_it(self):
        """flush() in a transaction is answered, without the time that a turn may wait."""
        signalscope.log("tested")
        with transaction.atomic():
            self.assertTrue(signalscope.flush(30))
        self.assertFalse(self.writer._askers)

    def test_new_connections_are_known(self):
        """Of each thread, as long as they are there."""
        sink = wiring.scope().writer.sink
        found = []

        def read():
            with transaction.atomic():
                Order.objects.count()
                found.append(sink.would_break(set()))
            connection.close()

        thread = threading.Thread(target=read)
        thread.start()
        thread.join()
        self.assertEqual(found, [True])
        self.assertFalse(sink.would_break(set()))
