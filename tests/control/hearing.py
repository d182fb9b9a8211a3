"""What tests of conditions share: predicates, and receivers that note what they hear."""

import asyncio
import gc

from asgiref.sync import async_to_sync
from django.dispatch import Signal
from django.test import SimpleTestCase

from tests.trees import recorded
from tests.warehouse.models import Product

SEND_METHODS = ("send", "send_robust", "asend", "asend_robust")


def send(signal, method="send", sender=Product, **named):
    """Send a signal by one of the four methods; return the responses alone."""
    sent = getattr(signal, method)
    sent = async_to_sync(sent) if method.startswith("a") else sent
    return [response for _, response in sent(sender=sender, **named)]


def is_large(size=0, **kwargs):
    """Let large ones through."""
    return size > 10


async def is_large_async(size=0, **kwargs):
    """Let large ones through, at leisure."""
    await asyncio.sleep(0)
    return size > 10


class ConditionTestCase(SimpleTestCase):
    """What tests share: a signal of their own, and receivers that leave nothing behind."""

    def setUp(self):
        # A condition goes with its receiver, at the next garbage collection.
        self.addCleanup(gc.collect)
        self.signal = Signal()
        self.heard = []

    def hear(self):
        """Return a new receiver, sync."""

        def heard(sender, **kwargs):
            self.heard.append(sender)
            return "heard"

        return heard

    def ahear(self):
        """Return a new receiver, async."""

        async def heard(sender, **kwargs):
            await asyncio.sleep(0)
            self.heard.append(sender)
            return "heard"

        return heard

    def skipped(self, signal, **named):
        """Return the outcome and the text of each call of a dispatch."""
        with recorded() as seen:
            send(signal, **named)
        (dispatch,) = seen.dispatches()
        return [(call.outcome, call.error_message) for call in dispatch.calls]
