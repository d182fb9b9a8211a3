"""Receivers that get many dispatches at once."""

import asyncio
import threading

from django.db import transaction
from django.db.models.signals import post_delete, post_save, pre_save
from django.test import TestCase, override_settings

import signalscope
from signalscope import (
    BatchedSignalProcessor,
    batched,
    not_raw,
    on_commit,
    only_when_field_changed,
)
from signalscope.delivery.batches import Dispatched
from signalscope.delivery.processor import flush_all
from tests.delivery.batches import BatchTestCase, send
from tests.delivery.receivers import by_setting
from tests.shop.models import Order
from tests.shop.signals import order_paid
from tests.trees import connected, recorded


@batched(durable=True)
def in_time(dispatches):
    """Stand for any."""


class GatheringTests(BatchTestCase):
    """When a batch runs, and what is in it."""

    def test_size(self):
        """As soon as so many have come, a thread runs them, oldest first."""
        with connected(order_paid, batched(size=3)(self.receiver())):
            send(1, 2)
            self.assertEqual(self.batches, [])
            send(3)
            self.wait()
            send(4)
        self.assertEqual(self.batches, [[1, 2, 3]])
        self.assertEqual(flush_all(), 1)
        self.assertEqual(self.batches, [[1, 2, 3], [4]])

    def test_interval(self):
        """A smaller one runs when its first dispatch is old enough."""
        with connected(order_paid, batched(interval=0.05)(self.receiver())):
            send(1)
            self.wait()
        self.assertEqual(self.batches, [[1]])

    def test_debug(self):
        """With DEBUG, connect() looks at what receivers take; a list is all that this one does."""

        class Service:
            @batched
            def receive(self, dispatches):
                """Stand for any."""

        service = Service()
        conditional = not_raw(batched(self.receiver()))
        with override_settings(DEBUG=True):
            for receiver in (batched(self.receiver()), service.receive, conditional, in_time):
                with connected(order_paid, receiver):
                    self.assertEqual(len(order_paid.send(sender=None, number=1)), 1)

    def test_put_off_already(self):
        """What is put off already cannot take a list; a key is a function."""

        def receive(dispatches):
            """Stand for any."""

        for put_off in (on_commit(receive), batched(receive), in_time, by_setting):
            with self.assertRaisesMessage(TypeError, "is put off already"):
                batched(size=7)(put_off)
        with self.assertRaisesMessage(ValueError, "key is 'number'; give a function"):
            batched(key="number", coalesce=True)(receive)

    def test_dispatched(self):
        """Each dispatch has its signal, sender and other arguments; the response is None."""
        got = []

        def receive(dispatches):
            got.extend(dispatches)

        receiver = batched(receive)
        with connected(order_paid, receiver):
            self.assertEqual(order_paid.send(sender=Order, a=[1]), [(receiver, None)])
        flush_all()
        self.assertEqual(got, [Dispatched(order_paid, Order, {"a": [1]})])

    def test_each_method(self):
        """Sync and async receivers get what any method sends."""

        async def areceive(dispatches):
            await asyncio.sleep(0)
            self.hear(dispatches)

        for receiver in (self.receiver(), areceive):
            with connected(order_paid, batched(receiver)):
                order_paid.send(sender=None, number=1)
                order_paid.send_robust(sender=None, number=2)
                asyncio.run(order_paid.asend(sender=None, number=3))
                asyncio.run(order_paid.asend_robust(sender=None, number=4))
                flush_all()
        self.assertEqual(self.batches, [[1, 2, 3, 4]] * 2)

    def test_transactions(self):
        """What is rolled back is in no batch; the rest counts from the commit on."""
        with connected(post_save, batched(size=2)(self.receiver()), sender=Order):
            with transaction.atomic():
                Order.objects.create(number="1")
                with self.assertRaises(KeyError), transaction.atomic():
                    Order.objects.create(number="2")
                    raise KeyError
                self.assertEqual(flush_all(), 0)
            with self.assertRaises(KeyError), transaction.atomic():
                Order.objects.create(number="3")
                raise KeyError
            Order.objects.create(number="4")
            self.wait()
        self.assertEqual(self.batches, [["1", "4"]])

    def test_arguments_of_the_dispatch(self):
        """Instances are copies, as they were; a deleted one keeps its key."""
        order, keys = Order.objects.create(number="1"), []

        def receive(dispatches):
            keys.extend(one.named["instance"].pk for one in dispatches)

        key = order.pk
        with connected(post_delete, batched(receive), sender=Order):
            order.delete()
        flush_all()
        self.assertEqual(keys, [key])

    def test_conditions(self):
        """They are asked at the dispatch, and what has changed is among the arguments."""
        order, got = Order.objects.create(number="1"), []

        def receive(dispatches):
            got.extend(one.named.get("changed") for one in dispatches)

        receiver = batched(only_when_field_changed("number")(receive))
        with connected(post_save, receiver, sender=Order), recorded() as found:
            order.save()
            order.number = "2"
            order.save()
        flush_all()
        self.assertEqual(len(got), 1)
        self.assertEqual(found.text.count("skipped"), 1)

    def test_uninstalled(self):
        """Where nothing is recorded it works all the same."""
        signalscope.uninstall()
        self.addCleanup(signalscope.install)
        with connected(order_paid, batched(self.receiver())):
            send(1)
        flush_all()
        self.assertEqual(self.batches, [[1]])

    def test_other_options(self):
        """One function with other options has batches of its own; the same again is the same."""
        function = self.receiver()
        one, two = batched(size=1)(function), batched(size=2)(function)
        self.assertIs(batched(size=2)(function), two)
        with connected(order_paid, one, two):
            send(7)
            self.wait()
            self.assertEqual(self.batches, [[7]])
            self.assertEqual(flush_all(), 1)

    def test_refused(self):
        """Options that make no sense, and what is no receiver, are refused."""
        for options in (
            {"size": 0},
            {"size": True},
            {"size": 1.5},
            {"interval": 0},
            {"interval": float("nan")},
            {"interval": float("inf")},
            {"interval": "1"},
        ):
            with self.subTest(options), self.assertRaisesMessage(ValueError, "it must be"):
                batched(**options)
        with self.assertRaisesMessage(TypeError, "batched takes a receiver"):
            batched(5)


class CoalesceTests(BatchTestCase):
    """Of those with one key the last is kept."""

    def test_instances(self):
        """An object that is saved often is in a batch once, as it was last, in its first place."""
        first, second = (Order.objects.create(number=number) for number in ("1", "2"))
        with connected(post_save, batched(coalesce=True)(self.receiver()), sender=Order):
            with transaction.atomic():
                for number in ("1a", "1b"):
                    first.number = number
                    first.save()
                    second.save()
        self.assertEqual(flush_all(), 2)
        self.assertEqual(self.batches, [["1b", "2"]])

    def test_not_put_off_for_ever(self):
        """One that comes again and again has its turn after the interval all the same."""
        stop = threading.Event()
        receiver = batched(coalesce=True, interval=0.1, key=lambda one: 1)(self.receiver())
        with connected(order_paid, receiver):

            def keep_sending():
                number = 0
                while not stop.wait(0.01):
                    send(number := number + 1)

            thread = threading.Thread(target=keep_sending)
            thread.start()
            try:
                self.wait()
            finally:
                stop.set()
                thread.join()

    def test_without_key(self):
        """Instances that have no key yet are not taken for one."""
        with connected(pre_save, batched(coalesce=True)(self.receiver()), sender=Order):
            Order.objects.create(number="1")
            Order.objects.create(number="2")
        flush_all()
        self.assertEqual(self.batches, [["1", "2"]])

    def test_error_of_the_key(self):
        """It is the receiver's, at the dispatch; the transaction goes on as with any receiver."""
        for key, error in ((None, TypeError), (lambda one: 1 / 0, ZeroDivisionError),
                           (lambda one: [], TypeError)):  # fmt: skip
            with connected(order_paid, batched(coalesce=True, key=key)(self.receiver())):
                with self.assertRaises(error):
                    send(1)
                with self.assertLogs("django.dispatch", "ERROR"), transaction.atomic():
                    ((_, response),) = order_paid.send_robust(sender=None, number=1)
                self.assertIsInstance(response, error)
        self.assertEqual(flush_all(), 0)


class RecordTests(BatchTestCase):
    """What is recorded."""

    def test_tree(self):
        """The calls are deferred; a run is one dispatch to the receiver, where it runs."""
        with connected(order_paid, batched(self.receiver())), recorded() as found:
            send(1, 2)
            flush_all()
        self.assertEqual(
            found.text, "order_paid x2\n  receive deferred\norder_paid\n  receive ok\n"
        )
        self.assertEqual([one.method for one in found.dispatches()], ["send", "batched"])

    def test_methods(self):
        """A run of a method has the same name as its call."""

        class Service:
            @batched
            def receive(self, dispatches):
                """Stand for any."""

        service = Service()
        with connected(order_paid, service.receive), recorded() as found:
            send(1)
            flush_all()
        names = {call.receiver for one in found.dispatches() for call in one.calls}
        self.assertEqual(len(names), 1)

    def test_by_hand(self):
        """What was added by hand is no dispatch."""
        own = BatchedSignalProcessor()
        own.connect("orders", self.hear)
        with recorded() as found:
            own.add_signal("orders", None, number=1)
            own.flush()
        self.assertEqual(found.text, "")


class CaptureTests(TestCase):
    """Django's own tool for tests."""

    def test_capture(self):
        """captureOnCommitCallbacks() lets dispatches of a TestCase count."""
        batches = []

        def receive(dispatches):
            batches.append(len(dispatches))

        with connected(post_save, batched(receive), sender=Order):
            with self.captureOnCommitCallbacks(execute=True):
                Order.objects.create(number="1")
                Order.objects.create(number="2")
            flush_all()
        self.assertEqual(batches, [2])
