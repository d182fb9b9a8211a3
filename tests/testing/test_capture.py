"""capture() gives what a block sends, as a tree, in the order in which it was sent."""

import asyncio
import functools
import gc
import inspect
import threading
import weakref

from asgiref.sync import async_to_sync, markcoroutinefunction, sync_to_async
from django.contrib.sessions.models import Session
from django.core.signals import request_finished, request_started
from django.db import transaction
from django.db.models.signals import post_init, post_save, pre_save
from django.test import SimpleTestCase, TestCase

import signalscope
from signalscope.exceptions import NotRecording
from signalscope.recorder.gate import OPEN_CAPTURES
from signalscope.testing import capture
from tests.shop.models import Order, Tag
from tests.shop.signals import mail_queued, never_heard, order_paid
from tests.trees import connected, recorded


def send_receipt(sender, **kwargs):
    mail_queued.send(sender=sender, to="ada")


def index(sender, **kwargs):
    pass


def fail(sender, **kwargs):
    raise ValueError("no address")


async def notify(sender, **kwargs):
    await mail_queued.asend(sender=sender, to="bob")


class TreeTests(SimpleTestCase):
    def test_nested(self):
        """A signal sent by a receiver hangs below that receiver's call."""
        with connected(order_paid, index, send_receipt, index), capture() as seen:
            order_paid.send(sender=Order, amount=5)
        self.assertEqual(
            seen.tree(),
            "order_paid Order\n  index ok\n  send_receipt ok\n    mail_queued Order unheard\n",
        )
        self.assertEqual([dispatch.name for dispatch in seen], ["order_paid", "mail_queued"])
        self.assertEqual(len(seen), 2)
        self.assertEqual(seen[0].kwargs, {"amount": 5})
        self.assertEqual(seen[0].children, [seen[1]])
        self.assertEqual([call.outcome for call in seen.calls], ["ok", "ok"])

    def test_errors(self):
        """A call that failed says what it raised, and those behind it were not called."""
        with connected(order_paid, fail, index), capture() as seen:
            with self.assertRaisesMessage(ValueError, "no address"):
                order_paid.send(sender=Order)
            order_paid.send_robust(sender=Order)
        self.assertEqual(
            seen.tree(),
            "order_paid Order\n"
            "  fail error ValueError\n"
            "  index not called\n"
            "order_paid Order send_robust\n"
            "  fail error ValueError\n"
            "  index ok\n",
        )
        self.assertEqual(seen.calls[0].error_message, "no address")

    def test_async(self):
        """Async receivers and those of asend() have what they send below them."""

        async def work():
            await order_paid.asend(sender=Order)

        with connected(order_paid, notify, send_receipt), capture() as seen:
            order_paid.send(sender=Order)
            async_to_sync(work)()
        both = (
            "  send_receipt ok\n"
            "    mail_queued Order unheard\n"
            "  notify ok\n"
            "    mail_queued Order asend unheard\n"
        )
        self.assertEqual(seen.tree(), f"order_paid Order\n{both}order_paid Order asend\n{both}")

    def test_async_outcomes(self):
        """Async receivers that fail, wait, are cancelled, or return what is no coroutine."""
        may_end = asyncio.Event()
        texts = []

        async def fails(sender, **kwargs):
            raise ValueError("no address")

        async def waits(sender, **kwargs):
            await may_end.wait()

        class Returns:
            def __call__(self, sender, **kwargs):
                return asyncio.ensure_future(asyncio.sleep(0))

        markcoroutinefunction(returns := Returns())

        async def work():
            running = asyncio.create_task(order_paid.asend_robust(sender=Order))
            while seen.tree().count("\n") < 4 or "error" not in seen.tree():
                await asyncio.sleep(0)
            texts.append(seen.tree())
            running.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await running

        with connected(order_paid, fails, waits, returns), capture() as seen:
            asyncio.run(work())
        lines = (
            "order_paid Order asend_robust\n  fails error ValueError\n  waits {}\n  Returns ok\n"
        )
        self.assertEqual(texts, [lines.format("running")])
        self.assertEqual(seen.tree(), lines.format("cancelled asyncio.exceptions.CancelledError"))

    def test_labels(self):
        """Labels are short, of partials and instances as senders, too."""
        receiver = functools.partial(index, extra=1)
        with connected(order_paid, receiver), capture() as seen:
            order_paid.send(sender=Order(pk=7))
        self.assertEqual(seen.tree(), "order_paid Order\n  partial(index) ok\n")
        self.assertEqual(repr(seen[0]), "<order_paid from shop.Order: 1 calls>")
        self.assertEqual(seen[:1], [seen[0]])

    def test_muted(self):
        """Muted receivers stand in their places, with who mutes them."""
        with connected(order_paid, index, send_receipt), capture() as seen:
            with signalscope.mute(receiver=index):
                order_paid.send(sender=Order)
        self.assertEqual(
            seen.tree(),
            "order_paid Order\n  index muted\n  send_receipt ok\n    mail_queued Order unheard\n",
        )
        self.assertIn("mute at tests.testing.test_capture:", seen.calls[0].reason)

    def test_suppressed(self):
        """What is not recorded is captured all the same."""
        with connected(order_paid, index), capture() as seen, signalscope.suppress():
            order_paid.send(sender=Order)
        self.assertEqual(seen.tree(), "order_paid Order\n  index ok\n")


class WhatIsSeenTests(SimpleTestCase):
    def test_unheard(self):
        """What nobody hears is seen: Django's signals, too, those of instances by name."""
        with capture() as seen, capture(post_init) as initialised:
            Tag(name="new")
            never_heard.send(sender=None)
            post_save.send(sender=Tag)
        self.assertEqual(seen.tree(), "never_heard unheard\npost_save Tag unheard\n")
        self.assertEqual(initialised.tree(), "post_init Tag unheard\n")

    def test_named_signals(self):
        """A capture of some signals sees no others, but what they send below these."""
        with connected(order_paid, send_receipt), capture(mail_queued) as seen:
            order_paid.send(sender=Order)
            never_heard.send(sender=Order)
        self.assertEqual(seen.tree(), "mail_queued Order unheard\n")

    def test_through_others(self):
        """What is not captured does not part what is."""

        def relay(sender, **kwargs):
            never_heard.send(sender=sender)

        def end(sender, **kwargs):
            mail_queued.send(sender=sender)

        with (
            connected(order_paid, relay),
            connected(never_heard, end),
            capture(order_paid, mail_queued) as seen,
        ):
            order_paid.send(sender=Order)
        self.assertEqual(
            seen.tree(), "order_paid Order\n  relay ok\n    mail_queued Order unheard\n"
        )

    def test_sender(self):
        """A capture of a sender sees what that sends."""
        with capture(sender=Order) as seen, capture(order_paid, sender="shop.Tag") as tags:
            order_paid.send(sender=Order)
            order_paid.send(sender=Tag)
        self.assertEqual([dispatch.sender for dispatch in seen], [Order])
        self.assertEqual([dispatch.sender for dispatch in tags], [Tag])


class ContextTests(SimpleTestCase):
    def test_threads(self):
        """What another thread sends is not seen."""
        senders = []

        def hear(sender, **kwargs):
            senders.append(sender)

        def work():
            for signal, sender in ((order_paid, Tag), (post_save, Session), (never_heard, Tag)):
                signal.send(sender=sender)

        thread = threading.Thread(target=work)
        with connected(order_paid, hear), connected(post_save, hear), capture() as seen:
            thread.start()
            thread.join()
            order_paid.send(sender=Order)
        self.assertEqual(seen.tree(), "order_paid Order\n  hear ok\n")
        self.assertEqual(senders, [Tag, Session, Order])

    def test_tasks(self):
        """What tasks and threads that inherit the context send is seen."""

        async def task():
            await order_paid.asend(sender=Order)

        async def work():
            await asyncio.gather(task(), task())
            await sync_to_async(order_paid.send)(sender=Tag)

        with connected(order_paid, index), capture() as seen:
            async_to_sync(work)()
        self.assertEqual(
            seen.tree(),
            "order_paid Order asend\n  index ok\n" * 2 + "order_paid Tag\n  index ok\n",
        )

    async def test_sibling_tasks(self):
        """What one task sends is not seen by a capture of another."""

        async def task(sender):
            with capture() as seen:
                await asyncio.sleep(0)
                await order_paid.asend(sender=sender)
                await asyncio.sleep(0)
            return seen.tree()

        with connected(order_paid, index):
            trees = await asyncio.gather(task(Order), task(Tag))
        self.assertEqual(
            trees, [f"order_paid {name} asend\n  index ok\n" for name in ("Order", "Tag")]
        )

    async def test_after_the_block(self):
        """A task that outlives the block is seen no more."""
        may_send = asyncio.Event()

        async def task():
            await may_send.wait()
            await order_paid.asend(sender=Order)

        with connected(order_paid, index):
            with capture() as outer:
                with capture() as seen:
                    running = asyncio.create_task(task())
                may_send.set()
                await running
        self.assertEqual((len(outer), len(seen)), (1, 0))

    def test_nested(self):
        """Captures nest; one that is closed sees no more."""
        with capture() as outer:
            with capture() as inner:
                order_paid.send(sender=Order)
            order_paid.send(sender=Tag)
        self.assertEqual((len(outer), len(inner)), (2, 1))


class DatabaseTests(TestCase):
    def test_save(self):
        """What a save sends, with the statements of its receivers, which no setting asks for."""

        def rename(sender, instance, **kwargs):
            list(Tag.objects.all())
            Tag.objects.filter(pk=instance.pk).update(name="renamed")

        with connected(post_save, rename, sender=Tag), capture() as seen:
            Tag.objects.create(name="new")
        self.assertEqual(
            seen.tree(),
            "pre_save Tag unheard\npost_save Tag\n  rename ok\n",
        )
        self.assertEqual(seen.calls[0].query_count, 2)
        seen.assert_sent(pre_save, sender=Tag)

    def test_on_commit(self):
        """What runs after the commit hangs below the call that put it off, and is no dispatch."""

        @signalscope.on_commit
        def later(sender, **kwargs):
            mail_queued.send(sender=sender)

        with connected(order_paid, later), capture() as seen:
            with self.captureOnCommitCallbacks(execute=True), transaction.atomic():
                order_paid.send(sender=Order)
        self.assertEqual(
            seen.tree(),
            "order_paid Order\n"
            "  later deferred\n"
            "    order_paid Order on_commit\n"
            "      later ok\n"
            "        mail_queued Order unheard\n",
        )
        self.assertEqual([dispatch.name for dispatch in seen], ["order_paid", "mail_queued"])
        seen.assert_sent(order_paid, times=1)
        seen.assert_received_by(later, times=1)
        seen.assert_order(order_paid, later, mail_queued)

    def test_on_commit_alone(self):
        """What was put off before the block stands in it as what it is: a later run."""

        @signalscope.on_commit
        def later(sender, **kwargs):
            pass

        with connected(order_paid, later):
            with self.captureOnCommitCallbacks() as callbacks:
                order_paid.send(sender=Order)
            with capture() as seen:
                for callback in callbacks:
                    callback()
        self.assertEqual(seen.tree(), "order_paid Order on_commit\n  later ok\n")
        self.assertEqual(len(seen), 0)
        seen.assert_received_by(later)

    def test_async_queries(self):
        """Statements of async receivers are theirs."""

        async def count(sender, **kwargs):
            [tag async for tag in Tag.objects.all()]

        with connected(order_paid, count), capture() as seen:
            async_to_sync(order_paid.asend)(sender=Order)
        self.assertEqual([call.query_count for call in seen.calls], [1])


class UnwatchedTests(SimpleTestCase):
    def test_hidden(self):
        """What signalscope does not watch is not shown; assertions know of it all the same."""

        def relay(sender, **kwargs):
            mail_queued.send(sender=Order)

        with connected(post_save, relay, sender=Session), capture() as seen:
            post_save.send(sender=Session)
        self.assertEqual(seen.tree(), "mail_queued Order unheard\n")
        self.assertEqual([dispatch.name for dispatch in seen], ["mail_queued"])
        seen.assert_sent(post_save, sender=Session)
        seen.assert_received_by(relay, times=1)

    def test_named(self):
        """What is named is shown in any case, sync and async."""

        def relay(sender, **kwargs):
            mail_queued.send(sender=Order)

        async def arelay(sender, **kwargs):
            await mail_queued.asend(sender=Order)

        with (
            connected(post_save, relay, arelay, sender=Session),
            capture(post_save, mail_queued) as seen,
        ):
            post_save.send(sender=Session)
            async_to_sync(post_save.asend)(sender=Session)
        calls = (
            "  relay ok\n"
            "    mail_queued Order unheard\n"
            "  arelay ok\n"
            "    mail_queued Order asend unheard\n"
        )
        self.assertEqual(seen.tree(), f"post_save Session\n{calls}post_save Session asend\n{calls}")

    def test_still_not_recorded(self):
        """What is captured only is not recorded; what hangs below it is, where it was before."""

        def relay(sender, **kwargs):
            order_paid.send(sender=Order)

        def trees():
            with recorded() as seen:
                post_save.send(sender=Session)
            return seen.text

        with connected(post_save, relay, sender=Session), connected(order_paid, index):
            without = trees()
            with capture(post_save):
                self.assertEqual(trees(), without)
        self.assertEqual(without, "order_paid\n  index ok\n")

    def test_requests(self):
        """The dispatches that begin and end a request's trace are seen, and it is ended."""
        with capture(request_started, request_finished) as seen:
            self.client.get("/missing/")
        self.assertEqual(
            [dispatch.name for dispatch in seen], ["request_started", "request_finished"]
        )


class BlockTests(SimpleTestCase):
    def test_decorator(self):
        """A decorated function is given the capture of each call as "seen"."""

        @capture(order_paid)
        def work(first, *, seen):
            order_paid.send(sender=first)
            return seen

        @capture(order_paid)
        async def awork(*, seen):
            await order_paid.asend(sender=Order)
            return len(seen)

        self.assertEqual([seen[0].sender for seen in (work(Order), work(Tag))], [Order, Tag])
        self.assertEqual(async_to_sync(awork)(), 1)
        self.assertEqual(str(inspect.signature(work)), "(first)")
        with self.assertRaisesMessage(TypeError, "takes no argument 'seen'"):
            capture()(index)
        with self.assertRaisesMessage(TypeError, "is a generator"):
            capture()(lambda seen: (yield))

    async def test_async_block(self):
        """It stands as an async block."""
        async with capture() as seen:
            await asyncio.create_task(order_paid.asend(sender=Order))
        self.assertEqual(seen.tree(), "order_paid Order asend unheard\n")

    def test_in_the_block(self):
        """What was sent so far can be read in the block, of what is going on as well."""
        texts = []

        def read(sender, **kwargs):
            mail_queued.send(sender=sender)
            texts.append(seen.tree())

        with connected(order_paid, read, index), capture() as seen:
            self.assertEqual((len(seen), seen.tree(), bool(seen)), (0, "", True))
            order_paid.send(sender=Order)
        self.assertEqual(
            "".join(texts),
            "order_paid Order\n  read running\n    mail_queued Order unheard\n  index not called\n",
        )
        self.assertEqual(str(seen).count(" ok"), 2)

    def test_again(self):
        """One that is open cannot be opened; one that was closed begins anew."""
        one = capture(order_paid)
        with one:
            order_paid.send(sender=Order)
            with self.assertRaisesMessage(RuntimeError, "this capture is open already"):
                one.__enter__()
        with one as seen:
            pass
        self.assertEqual(repr(seen), "<capture of tests.shop.signals.order_paid: 0 dispatches>")

    def test_off(self):
        """Where signalscope is off, it says so, and what to do."""
        signalscope.uninstall()
        self.addCleanup(signalscope.install)
        with self.assertRaisesMessage(
            NotRecording,
            "capture() cannot see what is sent. signalscope is not recording: "
            "signalscope.uninstall() was called. Call signalscope.install() to record again.",
        ):
            capture().__enter__()
        self.assertEqual(OPEN_CAPTURES, set())

    def test_holds_nothing(self):
        """Arguments live as long as the capture, receivers no longer than without it."""

        class Value:
            pass

        def local(sender, **kwargs):
            pass

        receiver, value = weakref.ref(local), Value()
        held = weakref.ref(value)
        order_paid.connect(local)
        with capture() as seen:
            order_paid.send(sender=Order, value=value)
        del local, value
        self.assertIsNone(receiver())
        self.assertIs(seen[0].kwargs["value"], held())
        gc.disable()
        try:
            del seen
            self.assertIsNone(held())
        finally:
            gc.enable()

    def test_many_below_one_call(self):
        """Nothing is folded: a thousand and more dispatches of one call are all there."""

        def many(sender, **kwargs):
            for number in range(1500):
                mail_queued.send(sender=sender, number=number)

        with connected(order_paid, many, index), connected(mail_queued, index):
            with capture() as seen:
                order_paid.send(sender=Order)
        below = seen.roots[0].calls[0].children
        self.assertEqual([child.kwargs["number"] for child in below], list(range(1500)))
        self.assertEqual(seen.roots[0].calls[1].children, [])
