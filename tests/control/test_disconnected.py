"""disconnected() takes a receiver out of its signal for a block, and puts it back in its place."""

import asyncio
import functools
import gc
import itertools
import threading
import unittest

from django.db import connection
from django.db.models.signals import pre_delete
from django.dispatch import Signal
from django.test import TestCase
from django.test.utils import CaptureQueriesContext

import signalscope
from signalscope.core.django_dispatch import entries
from tests.control.muting import ALL, METHODS, Bell, MuteTestCase, first, fourth, second, third
from tests.shop.models import Item, Order
from tests.trees import connected, recorded


def fifth(sender, **kwargs):
    """Answer."""
    return "fifth"


class PlaceTests(MuteTestCase):
    """Where receivers are before, in and after the block."""

    def names(self):
        """Return the connected receivers in their order."""
        return " ".join(entry.receiver.__name__ for entry in entries(self.signal))

    def test_each_receiver_in_all_four_methods(self):
        """It is not called in the block, and afterwards stands where it stood."""
        before = list(entries(self.signal))
        for method, receiver in itertools.product(METHODS, (first, second, third, fourth)):
            with self.subTest(method=method, receiver=receiver.__name__):
                with signalscope.disconnected(self.signal, receiver):
                    self.assertHeard(ALL.replace(receiver.__name__, "").replace("  ", " ").strip())
                self.assertHeard(ALL, method)
                self.assertEqual(list(entries(self.signal)), before)

    def test_not_called_at_all(self):
        """Nothing of it is recorded, since it is not there."""
        with recorded() as seen:
            with signalscope.disconnected(self.signal, first):
                self.signal.send(None)
            self.signal.send(None)
        self.assertIn("first ok", seen.text)
        self.assertNotIn("muted", seen.text)
        self.assertEqual(len(seen.dispatches()), 2)

    def test_connected_meanwhile(self):
        """What others connect in the block stays behind it."""
        with signalscope.disconnected(self.signal, fourth):
            self.signal.connect(fifth)
            self.assertEqual(self.names(), "first second third fifth")
        self.assertEqual(self.names(), "first second third fourth fifth")

    def test_others_disconnected_meanwhile(self):
        """It finds its place also where its neighbours are gone."""
        with signalscope.disconnected(self.signal, second):
            self.signal.disconnect(first)
            self.signal.disconnect(third)
        self.assertEqual(self.names(), "second fourth")

    def test_all_orders_of_overlapping_blocks(self):
        """In whatever order blocks begin and end, all receivers end up in their places."""
        receivers = (first, second, third, fourth)
        for begun in itertools.permutations(receivers, 3):
            for ended in itertools.permutations(begun):
                blocks = {r: signalscope.disconnected(self.signal, r) for r in begun}
                for receiver in begun:
                    blocks[receiver].__enter__()
                    # With a plan of what is left.
                    self.signal.send(None)
                for receiver in ended:
                    blocks[receiver].__exit__(None, None, None)
                    self.assertHeard(self.names())
                self.assertHeard(ALL)

    def test_plans_of_what_was_connected_before(self):
        """A list that is as long, and ends as before, is not taken for the one before."""
        one = signalscope.disconnected(self.signal, first)
        two = signalscope.disconnected(self.signal, second)
        one.__enter__()
        self.assertHeard("second third fourth")
        two.__enter__()
        one.__exit__(None, None, None)
        with recorded() as seen:
            self.assertHeard("first third fourth")
        self.assertIn("first ok", seen.text)
        self.assertNotIn("second", seen.text)
        two.__exit__(None, None, None)
        self.assertHeard(ALL)

    def test_connected_again_meanwhile(self):
        """Who connects it again in the block gets it, once, where a new one stands."""
        with signalscope.disconnected(self.signal, first):
            self.signal.connect(first)
            self.assertEqual(self.names(), "second third fourth first")
            with signalscope.disconnected(self.signal, first):
                self.assertEqual(self.names(), "second third fourth")
            self.assertEqual(self.names(), "second third fourth first")
        self.assertEqual(self.names(), "second third fourth first")

    def test_collected_meanwhile(self):
        """A receiver that is gone is not put back; the block does not keep it alive."""
        bell = Bell()
        self.signal.connect(bell.ring)
        block = signalscope.disconnected(self.signal, bell.ring)
        with block:
            del bell
            gc.collect()
        self.assertEqual(len(self.signal.receivers), 4)
        self.assertHeard(ALL)
        with self.assertRaisesRegex(ValueError, "connected are: .*first"), block:
            pass

    def test_sender_collected_meanwhile(self):
        """From Django 6.0 on a connection goes with its sender, in the block as well."""

        class Sender:
            pass

        self.signal.connect(first, sender=Sender)
        keeps = list(entries(self.signal))[-1].sender is None
        with signalscope.disconnected(self.signal, first, sender=Sender):
            del Sender
            gc.collect()
        self.assertEqual(len(self.signal.receivers), 5 if keeps else 4)

    def test_weak_and_strong(self):
        """A connection is as weak as it was."""

        def connect(weak):
            self.signal.connect(lambda sender, **kwargs: "new", weak=weak, dispatch_uid="uid")
            with signalscope.disconnected(self.signal, dispatch_uid="uid"):
                pass
            gc.collect()
            return " ".join(self.heard())

        self.assertEqual(connect(weak=False), "first second new third fourth")
        self.signal.disconnect(dispatch_uid="uid")
        kept = lambda sender, **kwargs: "kept"  # noqa: E731
        self.signal.connect(kept, dispatch_uid="uid")
        with signalscope.disconnected(self.signal, dispatch_uid="uid"):
            pass
        self.assertHeard("first second kept third fourth")
        del kept
        gc.collect()
        self.assertHeard(ALL)

    def test_kinds_of_receivers(self):
        """Methods, wrappers and callable objects are found as Signal.disconnect() finds them."""

        @functools.wraps(fifth)
        def wrapper(sender, **kwargs):
            return fifth(sender, **kwargs)

        bell = Bell()
        self.signal = Signal()
        with connected(self.signal, bell.ring, bell, wrapper):
            for receiver, expected in (
                (bell.ring, "bell fifth"),
                (bell, "ring fifth"),
                (wrapper, "ring bell"),
            ):
                with signalscope.disconnected(self.signal, receiver):
                    self.assertHeard(expected)
                self.assertHeard("ring bell fifth")
            with self.assertRaises(ValueError), signalscope.disconnected(self.signal, fifth):
                pass


class BlockTests(MuteTestCase):
    """The block itself."""

    def test_exception(self):
        """An error puts it back."""
        with self.assertRaises(KeyError), signalscope.disconnected(self.signal, first):
            raise KeyError
        self.assertHeard(ALL)

    def test_within_itself(self):
        """Blocks of one receiver, or of one instance, may be nested; the last one puts it back."""
        block = signalscope.disconnected(self.signal, first)
        with block, signalscope.disconnected(self.signal, first), block:
            self.assertHeard("second third fourth")
        self.assertHeard(ALL)
        one = signalscope.disconnected(self.signal, first)
        one.__enter__()
        with block:
            one.__exit__(None, None, None)
            self.assertHeard("second third fourth")
        self.assertHeard(ALL)

    def test_whole_process(self):
        """Other threads do not hear either; overlapping blocks of two threads end well."""
        steps = threading.Barrier(2, timeout=10)
        heard = []

        def work():
            steps.wait()
            heard.append(self.heard())
            with signalscope.disconnected(self.signal, first):
                steps.wait()
                steps.wait()
                heard.append(self.heard())

        thread = threading.Thread(target=work)
        thread.start()
        with signalscope.disconnected(self.signal, first):
            steps.wait()
            steps.wait()
        steps.wait()
        thread.join()
        self.assertEqual(heard, [["second", "third", "fourth"]] * 2)
        self.assertHeard(ALL)

    def test_decorator(self):
        """Functions, coroutine functions and classes."""
        block = signalscope.disconnected(self.signal, first)
        case = self

        @block
        def work():
            return self.heard()

        @block
        async def awork():
            return [answer for _, answer in await self.signal.asend(None)]

        @block
        class Worker:
            def work(self):
                return case.heard()

        rest = ["second", "third", "fourth"]
        self.assertEqual((work(), asyncio.run(awork()), Worker().work()), (rest, rest, rest))
        self.assertHeard(ALL)

    def test_test_class(self):
        """A test class is without the receiver from setUpClass() on."""
        seen, heard = [], self.heard

        @signalscope.disconnected(self.signal, first)
        class Tests(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                seen.append(heard())

            def test_step(self):
                seen.append(heard())

        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(Tests).run(result)
        self.assertEqual((len(seen), result.wasSuccessful()), (2, True))
        self.assertEqual(seen, [["second", "third", "fourth"]] * 2)
        self.assertHeard(ALL)

    def test_not_connected(self):
        """The message names what is connected."""
        self.signal.connect(fifth, sender=Order, dispatch_uid="five")
        for args, wanted in (
            ((fifth,), "fifth is not connected"),
            ((first, Order), "with sender=shop.Order"),
            ((None, None, "six"), "dispatch_uid='six' is not connected"),
        ):
            with self.subTest(args=args):
                with self.assertRaises(ValueError) as caught:
                    with signalscope.disconnected(self.signal, *args):
                        pass
                self.assertRegex(str(caught.exception), wanted)
                self.assertRegex(str(caught.exception), "muting.first with sender=None;")
        self.assertRegex(str(caught.exception), "sender=.*, dispatch_uid='five'")
        with self.assertRaisesRegex(ValueError, "connected are: none"):
            with signalscope.disconnected(Signal(), first):
                pass

    def test_refused(self):
        """What cannot be meant is refused where it is written."""
        with self.assertRaisesRegex(TypeError, "signal is 'post_save'"):
            signalscope.disconnected("post_save", first)
        for receiver in (None, "first"):
            with self.assertRaisesRegex(TypeError, "give the function that is connected"):
                signalscope.disconnected(self.signal, receiver)


class ListenersTests(TestCase):
    """What Django reads of a signal beside sending it."""

    def test_has_listeners_and_fast_deletes(self):
        """Both follow: a delete that nobody hears takes fewer queries."""
        counts = []
        for block in (signalscope.mute, signalscope.disconnected):
            order = Order.objects.create(number="1")
            Item.objects.create(order=order, name="a")
            with connected(pre_delete, first, sender=Item):
                if block is signalscope.mute:
                    context = block(signal=pre_delete)
                else:
                    context = block(pre_delete, first, sender="shop.Item")
                with context, CaptureQueriesContext(connection) as captured:
                    heard = pre_delete.has_listeners(Item)
                    order.delete()
                counts.append((heard, len(captured)))
        (_, muted), (_, disconnected) = counts
        self.assertEqual([heard for heard, _ in counts], [True, False])
        self.assertEqual(muted - disconnected, 1)
