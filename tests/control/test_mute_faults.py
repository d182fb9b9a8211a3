"""Known faults of mutes that empty, save and restore Signal.receivers: none of them is here."""

import asyncio
import gc
import threading
from concurrent.futures import ThreadPoolExecutor

from django.db.models.signals import post_delete, post_save, pre_delete
from django.dispatch import Signal
from django.test import SimpleTestCase, TestCase

import signalscope
from signalscope.registry.receivers import all_receivers
from tests.control.muting import ALL, METHODS, Bell, MuteTestCase, first, second, send, third
from tests.shop.models import Item, Order
from tests.trees import connected

REST = "second third fourth"


class KnownFaultTests(MuteTestCase):
    """What was reported of others, each as a test."""

    def test_async_function_is_muted(self):
        """A decorated coroutine function is muted while it runs, not while it is called."""

        @signalscope.mute(signal=self.signal)
        async def work():
            await asyncio.sleep(0)
            return await self.signal.asend(None)

        self.assertEqual(asyncio.run(work()), [])
        self.assertHeard(ALL)

    def test_other_threads_hear(self):
        """A mute does not leak to other threads."""
        with signalscope.mute.all(), ThreadPoolExecutor(1) as pool:
            self.assertEqual(len(pool.submit(self.signal.send, None).result()), 4)

    def test_other_tasks_hear(self):
        """A mute does not leak to other asyncio tasks."""

        async def muted(entered, leave):
            with signalscope.mute.all():
                entered.set()
                await leave.wait()

        async def work():
            entered, leave = asyncio.Event(), asyncio.Event()
            task = asyncio.create_task(muted(entered, leave))
            await entered.wait()
            heard = len(await self.signal.asend(None))
            leave.set()
            await task
            return heard

        self.assertEqual(asyncio.run(work()), 4)

    def test_same_instance_nested(self):
        """An instance that is nested in itself loses no receivers."""
        quiet = signalscope.mute.all()
        with quiet, quiet:
            self.assertHeard("")
        self.assertHeard(ALL)

    def test_disconnect_inside(self):
        """disconnect() in the block says True, and the receiver does not come back."""
        with signalscope.mute.all():
            self.assertIs(self.signal.disconnect(first), True)
            self.assertIs(self.signal.disconnect(first), False)
            self.assertHeard("")
        self.assertHeard(REST)

    def test_connect_inside(self):
        """A receiver that is connected in the block is muted as any other, and stays, in order."""
        self.signal.disconnect(first)
        with signalscope.mute(receiver=[first, third]):
            self.signal.connect(first)
            self.assertHeard("second fourth")
        self.assertHeard("second first third fourth")
        self.assertIs(self.signal.disconnect(first), True)
        with signalscope.mute(signal=self.signal):
            self.signal.connect(first)
            self.assertHeard("")
        self.assertHeard("second first third fourth")

    def test_connected_twice_inside(self):
        """Who is connected already is not connected once more because of a mute."""
        with signalscope.mute.all():
            self.signal.connect(first)
        self.assertHeard(ALL)

    def test_collected_inside(self):
        """A mute keeps no receiver alive, be it given or not; what is dead stays dead."""
        for is_given in (False, True):
            bell = Bell()
            self.signal.connect(bell)
            self.signal.connect(bell.ring)
            given = {"receiver": [bell, bell.ring]} if is_given else {"signal": self.signal}
            with signalscope.mute(**given):
                self.assertHeard(ALL if is_given else "")
                del bell, given
                gc.collect()
                self.assertEqual(len(self.signal.receivers), 6)
                self.assertHeard(ALL if is_given else "")
                self.assertEqual(len(self.signal.receivers), 4)
            self.assertHeard(ALL)

    def test_exception(self):
        """An error ends the block as its end does."""
        with self.assertRaises(KeyError), signalscope.mute.all():
            raise KeyError
        self.assertHeard(ALL)

    def test_order_is_kept(self):
        """Receivers are called in the order in which they were connected, before and after."""
        for _ in range(3):
            with signalscope.mute(receiver=second):
                self.assertHeard("first third fourth")
            self.assertHeard(ALL)

    def test_cache_is_kept(self):
        """The receivers that Django caches for a sender are neither cleared nor wrong after."""
        cached = Signal(use_caching=True)
        with connected(cached, first, second):
            cached.send(Order)
            entries, list_of_order = cached.receivers[:], cached.sender_receivers_cache[Order]
            with signalscope.mute(signal=cached):
                self.assertEqual(cached.send(Order), [])
                self.assertEqual(cached.send(Item), [])
                self.assertIs(cached.has_listeners(Item), True)
            self.assertIs(cached.sender_receivers_cache[Order], list_of_order)
            self.assertEqual(cached.receivers, entries)
            for sender in (Order, Item):
                self.assertEqual([answer for _, answer in cached.send(sender)], ["first", "second"])

    def test_one_receiver_of_many(self):
        """One receiver can be muted, not only a whole signal."""
        for method in METHODS:
            with signalscope.mute(signal=self.signal, receiver=first):
                self.assertHeard(REST, method)

    def test_two_threads_at_once(self):
        """Blocks that overlap in two threads do not put back what the other one took."""
        steps = threading.Barrier(2, timeout=10)

        def work():
            with signalscope.mute.all():
                steps.wait()
                steps.wait()

        thread = threading.Thread(target=work)
        thread.start()
        steps.wait()
        with signalscope.mute.all():
            steps.wait()
            thread.join()
            self.assertHeard("")
        self.assertHeard(ALL)

    def test_many_at_once(self):
        """Threads that mute and unmute at once, and connect and disconnect, lose nothing."""
        signal, heard = Signal(), []

        def work(receiver):
            for _ in range(200):
                with signalscope.mute(receiver=receiver):
                    heard.append(any(found is receiver for found, _ in signal.send(None)))
                heard.append(not any(found is receiver for found, _ in signal.send(None)))

        def churn():
            for _ in range(200):
                bell = Bell()
                signal.connect(bell.ring)
                signal.send(None)
                signal.disconnect(bell.ring)

        with connected(signal, first, second), ThreadPoolExecutor(3) as pool:
            for done in [pool.submit(work, first), pool.submit(work, second), pool.submit(churn)]:
                done.result()
            self.assertEqual(len(signal.receivers), 2)
        self.assertEqual((len(heard), any(heard)), (800, False))


class TestClassFaultTests(SimpleTestCase):
    """What tests asked for: a decorator that covers a class, and what is in setUpClass()."""

    def test_decorated_class_is_still_a_class(self):
        """A decorated test class can be subclassed, found and run."""
        decorated = signalscope.mute.all()(type("Tests", (SimpleTestCase,), {}))
        self.assertTrue(issubclass(decorated, SimpleTestCase))
        self.assertTrue(issubclass(type("More", (decorated,), {}), decorated))


class ListenersTests(TestCase):
    """What Django reads of a signal beside sending it."""

    def test_has_listeners_and_fast_deletes(self):
        """Both are as without the mute, which leaves the work of a delete as it was."""
        order = Order.objects.create(number="1")
        Item.objects.create(order=order, name="a")
        with connected(pre_delete, first, sender=Item), connected(post_delete, first, sender=Item):
            with signalscope.mute.all():
                self.assertIs(pre_delete.has_listeners(Item), True)
                with self.assertNumQueries(4):
                    order.delete()

    def test_receivers_of_all_signals(self):
        """A block leaves the receivers of each signal as it found them."""
        before = all_receivers()
        with signalscope.mute.all(), signalscope.only(signal=post_save):
            Order.objects.create(number="1").delete()
            self.assertEqual(all_receivers(), before)
        self.assertEqual(all_receivers(), before)
        self.assertEqual(send(post_save, sender=Order), [])
