"""What is recorded of receivers that are muted."""

import asyncio

from django.test import SimpleTestCase

import signalscope
from signalscope.core.names import receiver_label
from signalscope.models import Dispatch, ReceiverCall, Rollup, Trace
from tests.control.muting import METHODS, first, second, send, third
from tests.shop.models import Order
from tests.shop.signals import mail_queued, order_paid
from tests.sinks.test_database import StoreTestCase
from tests.trees import connected, recorded


def queue_mail(sender, **kwargs):
    """Send another signal."""
    mail_queued.send(sender=sender)


class RecordTests(SimpleTestCase):
    """The tree of what was recorded."""

    def test_all_four_methods(self):
        """A muted call stands in its place, with who muted it; the others as always."""
        for method in METHODS:
            with self.subTest(method=method), connected(order_paid, first, second, third):
                with recorded() as seen, signalscope.mute(receiver=[first, third]):
                    send(order_paid, method, Order)
                self.assertEqual(
                    seen.text, "order_paid\n  first muted\n  second ok\n  third muted\n"
                )

    def test_who_muted_it(self):
        """The text names the place of the mute; of several the outermost that mutes it."""
        with connected(order_paid, first, second, third), recorded() as seen:
            one = signalscope.mute(receiver=first)
            two = signalscope.only(receiver=[first, second])
            with one, two:
                order_paid.send(Order)
        (dispatch,) = seen.dispatches()
        self.assertEqual(
            [(call.outcome, call.error_message) for call in dispatch.calls],
            [("muted", one.text), ("ok", ""), ("muted", two.text)],
        )

    def test_a_dispatch_without_any_call(self):
        """Where all are muted the dispatch is still recorded, and is not unheard."""
        with connected(order_paid, first, second), recorded() as seen:
            with signalscope.mute.all():
                order_paid.send(Order)
                asyncio.run(order_paid.asend(Order))
        self.assertEqual(seen.text, "order_paid\n  first muted\n  second muted\n" * 2)

    def test_below_a_muted_receiver(self):
        """What a muted receiver would have sent is not there."""
        with connected(order_paid, queue_mail, first), connected(mail_queued, second):
            with recorded() as seen, signalscope.mute(receiver=queue_mail):
                order_paid.send(Order)
            self.assertEqual(seen.text, "order_paid\n  queue_mail muted\n  first ok\n")
            with recorded() as seen, signalscope.mute(signal=mail_queued):
                order_paid.send(Order)
        self.assertEqual(
            seen.text,
            "order_paid\n  queue_mail ok\n    mail_queued\n      second muted\n  first ok\n",
        )

    def test_repeats_fold(self):
        """Dispatches that are muted alike are one node; one that is not is another."""
        with connected(order_paid, first, second), recorded() as seen:
            with signalscope.mute(receiver=first):
                for _ in range(3):
                    order_paid.send(Order)
            order_paid.send(Order)
        self.assertEqual(
            seen.text,
            "order_paid x3\n  first muted\n  second ok\norder_paid\n  first ok\n  second ok\n",
        )


class StoredTests(StoreTestCase):
    """The rows of it."""

    def test_rows_and_rollups(self):
        """A muted call has its row, and is counted as muted, neither as a call nor an error."""
        with connected(order_paid, first, second), signalscope.trace("import"):
            muted = signalscope.mute(receiver=first)
            with muted:
                order_paid.send(sender=Order)
                order_paid.send(sender=Order)
            order_paid.send(sender=Order)
        self.assertIs(signalscope.flush(30), True)
        trace = Trace.objects.get()
        self.assertEqual((trace.status, trace.error_count), ("ok", 0))
        self.assertEqual(Dispatch.objects.filter(trace=trace).count(), 2)
        call = ReceiverCall.objects.get(outcome="muted")
        self.assertEqual((call.receiver, call.error_message), (receiver_label(first), muted.text))
        rollups = {rollup.receiver: rollup for rollup in Rollup.objects.exclude(receiver="")}
        counts = {
            name.rpartition(".")[2]: (rollup.call_count, rollup.muted_count, rollup.error_count)
            for name, rollup in rollups.items()
        }
        self.assertEqual(counts, {"first": (1, 2, 0), "second": (3, 0, 0)})
