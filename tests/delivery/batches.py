"""What the tests of batches share."""

import threading

from django.test import TransactionTestCase

from signalscope.delivery.processor import flush_all
from tests.shop.signals import order_paid

TIMEOUT_S = 20


class BatchTestCase(TransactionTestCase):
    """Notes the batches of a receiver, and leaves nothing waiting."""

    def setUp(self):
        self.batches = []
        self.ran = threading.Semaphore(0)
        self.addCleanup(flush_all)

    def hear(self, dispatches):
        """Note the dispatches, by number of what they are about."""
        self.batches.append([number_of(one) for one in dispatches])
        self.ran.release()

    def receiver(self):
        """Return a receiver."""

        def receive(dispatches):
            self.hear(dispatches)

        return receive

    def wait(self):
        """Wait for a batch that a thread runs."""
        self.assertTrue(self.ran.acquire(timeout=TIMEOUT_S))


def number_of(dispatched):
    """Return what tells a dispatch from others."""
    named = dispatched.named
    return named["number"] if "number" in named else named["instance"].number


def send(*numbers):
    """Send a signal for each number."""
    for number in numbers:
        order_paid.send(sender=None, number=number)
