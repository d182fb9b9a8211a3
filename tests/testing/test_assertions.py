"""What the assertions of a capture say when they fail, as their user reads it."""

from contextlib import contextmanager

from django.db import transaction
from django.db.models.signals import post_init, post_save, pre_save
from django.test import SimpleTestCase, TestCase, override_settings

import signalscope
from signalscope.testing import (
    assert_budget,
    assert_not_sent,
    assert_order,
    assert_received_by,
    assert_sent,
    capture,
)
from tests.shop.models import Order, Tag
from tests.shop.signals import mail_queued, never_heard, order_paid
from tests.trees import connected


def send_receipt(sender, **kwargs):
    mail_queued.send(sender=sender, to="ada")


def index(sender, **kwargs):
    pass


@signalscope.only_when_created
def welcome(sender, **kwargs):
    pass


def fail(sender, **kwargs):
    raise ValueError("no address")


class Shouted(str):
    """A text that is not one exactly."""

    def __str__(self):
        raise RuntimeError("not to be asked")


class Odd:
    """A value whose repr() is such a text."""

    def __repr__(self):
        return Shouted("odd")


class Hostile:
    """A value that cannot be shown nor compared."""

    def __repr__(self):
        raise RuntimeError("not to be shown")

    def __eq__(self, other):
        raise RuntimeError("not to be compared")

    __hash__ = None


class Saying(SimpleTestCase):
    @contextmanager
    def says(self, *lines):
        """Assert that the block's assertion fails with just this message."""
        with self.assertRaises(AssertionError) as raised:
            yield
        self.assertEqual(str(raised.exception), "\n".join(lines))


class SentTests(Saying):
    def test_nothing(self):
        """Where nothing was sent, that is said."""
        with capture() as seen:
            pass
        with self.says("order_paid was not sent. Nothing was sent."):
            seen.assert_sent(order_paid)

    def test_nearest_first(self):
        """What was sent instead is listed: the same signal before others."""
        with capture() as seen:
            never_heard.send(sender=Order)
            never_heard.send(sender=Order)
            order_paid.send(sender=Tag, amount=5, note="x")
            order_paid.send(sender=Order, amount=6, note="y")
            order_paid.send(sender=Order, note="x")
            order_paid.send(sender=Order, amount=6, note="x")
        with self.says(
            "order_paid from shop.Order with amount=5, note='x' was not sent. "
            "Sent instead, the nearest first:",
            "  order_paid from shop.Order, without amount",
            "  order_paid from shop.Order, but amount=6",
            "  order_paid from shop.Order, but amount=6, note='y'",
            "  order_paid from shop.Tag",
            "  never_heard from shop.Order (2 times)",
        ):
            seen.assert_sent(order_paid, sender=Order, amount=5, note="x")
        seen.assert_sent(order_paid, sender="shop.Order", amount=6, times=2)
        seen.assert_sent("order_*", sender="*.Tag")

    def test_times(self):
        """Another number of times is said, with each of them."""
        with capture() as seen:
            order_paid.send(sender=Order, amount=5)
            order_paid.send(sender=None)
        with self.says(
            "order_paid was sent 2 times, not once:",
            "  order_paid from shop.Order with amount=5",
            "  order_paid",
        ):
            seen.assert_sent(order_paid, times=1)
        with self.says(
            "mail_queued was sent 0 times, not 2 times. Sent instead, the nearest first:",
            "  order_paid from shop.Order",
            "  order_paid",
        ):
            seen.assert_sent(mail_queued, times=2)
        seen.assert_sent(mail_queued, times=0)

    def test_not_sent(self):
        """What was sent in spite of it is listed."""
        with capture() as seen:
            order_paid.send(sender=Order, amount=5)
        with self.says(
            "order_paid from shop.Order was sent once, and should not be:",
            "  order_paid from shop.Order with amount=5",
        ):
            seen.assert_not_sent(order_paid, sender=Order)
        seen.assert_not_sent(order_paid, sender=Order, amount=6)

    def test_bounded(self):
        """The message is bounded, in lines and in the length of each."""
        with capture() as seen:
            for number in range(1000):
                order_paid.send(sender=Order, number=number, text="long" * 1000)
        with self.assertRaises(AssertionError) as raised:
            seen.assert_sent(order_paid, number=-1, text="x" * 10_000, other=1)
        lines = str(raised.exception).splitlines()
        self.assertEqual(len(lines), 12)
        self.assertEqual(lines[-1], "  and 990 more")
        self.assertLess(max(map(len, lines)), 400)
        self.assertIn("number=0", lines[1])

    def test_hostile(self):
        """A value that cannot be shown nor compared breaks nothing."""
        hostile = Hostile()
        with capture() as seen:
            order_paid.send(sender=Order, value=hostile)
        seen.assert_sent(order_paid, value=hostile)
        shown = "<tests.testing.test_assertions.Hostile, whose repr() raises RuntimeError>"
        with self.assertRaisesMessage(AssertionError, "order_paid with value=odd was not sent"):
            seen.assert_sent(order_paid, value=Odd())
        with self.says(
            "order_paid with value=5 was not sent. Sent instead, the nearest first:",
            f"  order_paid from shop.Order, but value={shown}",
        ):
            seen.assert_sent(order_paid, value=5)

    def test_blind(self):
        """A capture that does not see the signal says so, rather than that it was not sent."""
        with capture(order_paid) as one, capture() as all_of_them:
            Tag(name="new")
        with self.assertRaisesMessage(
            ValueError,
            "this is a capture of tests.shop.signals.order_paid, which does not see mail_queued: "
            "add it there",
        ):
            one.assert_not_sent(mail_queued)
        with self.assertRaisesMessage(
            ValueError,
            "post_init is sent for each instance, and seen only where it is named: "
            "write capture(post_init)",
        ):
            all_of_them.assert_sent(post_init)
        with self.assertRaisesMessage(
            ValueError, "this is a capture of what shop.Order sends, not shop.Tag: add it there"
        ):
            capture(sender=Order).assert_not_sent(order_paid, sender=Tag)
        with self.assertRaisesMessage(ValueError, "no signal is called that"):
            all_of_them.assert_not_sent("order_payed")


class ReceivedTests(Saying):
    def test_not_called(self):
        """A receiver that was not called: those that were are listed."""
        with connected(order_paid, index), capture() as seen:
            order_paid.send(sender=Order)
        here = __name__
        with self.says(
            f"{here}.send_receipt did not run. These ran:",
            f"  {here}.index",
        ):
            seen.assert_received_by(send_receipt)
        seen.assert_received_by(index, signal=order_paid, sender=Order, times=1)
        with self.says(f"{here}.send_receipt ran 0 times, not once."):
            seen.assert_received_by(send_receipt, times=1)
        with capture() as unheard:
            order_paid.send(sender=Order)
        with self.says("index did not run. No receiver ran."):
            unheard.assert_received_by("index")
        with self.says(
            f"{here}.index did not run for order_paid from shop.Tag. What became of it:",
            "  ok: order_paid from shop.Order",
        ):
            seen.assert_received_by(index, signal=order_paid, sender=Tag)

    def test_outcomes(self):
        """What became of a receiver that did not run is said."""
        with (
            connected(order_paid, welcome, fail, index),
            capture() as seen,
        ):
            order_paid.send_robust(sender=Order, created=False)
            with signalscope.mute.all():
                order_paid.send(sender=Order, created=True)
            with self.assertRaises(ValueError):
                order_paid.send(sender=Order, created=True)
        here = __name__
        with self.says(
            f"{here}.index ran once, not 2 times:",
            "  ok: order_paid from shop.Order",
            f"  muted ({seen.calls[3].reason}): order_paid from shop.Order",
            "  not called: order_paid from shop.Order",
        ):
            seen.assert_received_by(index, times=2)
        with self.says(
            f"{here}.welcome did not run for * with created=False. What became of it:",
            "  skipped (only_when_created): order_paid from shop.Order",
            f"  muted ({seen.calls[3].reason}): order_paid from shop.Order, but created=True",
            "  ok: order_paid from shop.Order, but created=True",
        ):
            seen.assert_received_by(welcome, created=False)
        seen.assert_received_by(fail, times=2)


class OrderTests(Saying):
    def test_order(self):
        """Signals and receivers come one after the other, with others in between."""
        with connected(order_paid, index, send_receipt), capture() as seen:
            order_paid.send(sender=Order)
        seen.assert_order(order_paid, index, send_receipt, mail_queued)
        seen.assert_order("order_paid", "send_receipt")
        here = __name__
        with self.says(
            f"{here}.index did not come after {here}.send_receipt. The order was:",
            "  order_paid from shop.Order",
            f"    {here}.index",
            f"    {here}.send_receipt",
            "  mail_queued from shop.Order",
        ):
            seen.assert_order(send_receipt, index)
        with self.assertRaisesMessage(
            AssertionError, "tests.shop.signals.never_heard did not come at all. The order was:"
        ):
            seen.assert_order(order_paid, never_heard)


class BudgetTests(Saying, TestCase):
    def check(self):
        def count(sender, **kwargs):
            list(Tag.objects.all())
            list(Tag.objects.all())

        with connected(post_save, count, sender=Tag), capture() as seen:
            Tag.objects.bulk_create([Tag(name="a")])
            tag = Tag.objects.create(name="b")
            tag.save()
        seen.assert_budget(count, max_calls=2, max_queries=2)
        name = f"{__name__}.BudgetTests.check.<locals>.count"
        with self.assertRaisesMessage(
            AssertionError,
            f"{name} ran 2 times, and may run once:\n  post_save from shop.Tag with instance=",
        ):
            seen.assert_budget(count, max_calls=1)
        with self.assertRaisesMessage(
            AssertionError,
            f"a call of {name} ran 2 queries, and may run 1 query:\n"
            "  2 for post_save from shop.Tag with instance=",
        ):
            seen.assert_budget(count, max_queries=1)

    def test_budget(self):
        """Calls and statements are counted, whatever the settings record."""
        for captures_sql in (False, True):
            with (
                self.subTest(captures_sql=captures_sql),
                override_settings(SIGNALSCOPE={"CAPTURE_SQL": captures_sql}),
            ):
                self.check()

    def test_nothing_is_left_watching(self):
        """Behind the block no connection is watched on its account."""
        with override_settings(SIGNALSCOPE={"CAPTURE_SQL": False}):
            wrappers = transaction.get_connection().execute_wrappers
            before = list(wrappers)
            with capture():
                order_paid.send(sender=None)
                self.assertEqual(len(wrappers), len(before) + 1)
            self.assertEqual(wrappers, before)


class BlockTests(Saying):
    def test_function(self):
        """Each assertion stands as a block, which gives the capture."""
        with assert_sent(order_paid, sender=Order, times=1) as seen:
            order_paid.send(sender=Order)
        self.assertEqual(len(seen), 1)
        with self.says(
            "order_paid was not sent. Sent instead, the nearest first:", "  mail_queued"
        ):
            with assert_sent(order_paid):
                mail_queued.send(sender=None)
        with self.says("pre_save was sent once, and should not be:", "  pre_save from shop.Tag"):
            with assert_not_sent(pre_save):
                pre_save.send(sender=Tag)
        with self.assertRaisesMessage(AssertionError, "index did not run. Nothing was sent."):
            with assert_received_by(index):
                pass
        with self.assertRaisesMessage(AssertionError, "ran once, and may run 0 times"):
            with connected(order_paid, index), assert_budget(index, max_calls=0):
                order_paid.send(sender=None)
        with self.assertRaisesMessage(AssertionError, "did not come after"):
            with assert_order(order_paid, mail_queued):
                mail_queued.send(sender=None)
                order_paid.send(sender=None)

    def test_own_error_first(self):
        """What the block itself raises is not hidden."""
        with self.assertRaisesMessage(ZeroDivisionError, "division"):
            with assert_sent(order_paid):
                _ = 1 / 0

    def test_decorator(self):
        """It decorates functions, sync and async: each call is a block."""

        @assert_sent(order_paid, times=1)
        def send():
            order_paid.send(sender=None)

        @assert_received_by("index", signal=order_paid)
        @assert_order(order_paid, "index")
        @assert_budget(index, max_calls=1)
        def hear():
            send()

        with connected(order_paid, index):
            hear()
            hear()
        with self.says("index did not come at all. The order was:", "  order_paid"):
            hear()

    async def test_async(self):
        """It stands as an async block, and decorates coroutine functions."""

        @assert_not_sent(order_paid)
        async def send():
            await order_paid.asend(sender=None)

        async with assert_sent(order_paid):
            await order_paid.asend(sender=None)
        with self.assertRaisesMessage(AssertionError, "order_paid was sent once"):
            await send()

    def test_without_a_block(self):
        """One that stands alone, and checks nothing, warns as a coroutine does."""
        with self.assertWarnsMessage(
            RuntimeWarning,
            "assert_sent() has checked nothing: write 'with assert_sent(...):' around what sends, "
            "or call assert_sent() of a capture",
        ):
            assert_sent(order_paid)

    def test_wrong_arguments(self):
        """Misuse is said at once."""
        with self.assertRaisesMessage(TypeError, "give a Signal, its dotted name or a glob"):
            assert_sent(index)
        with capture() as seen:
            pass
        with self.assertRaisesMessage(ValueError, "times is -1; give a whole number, 0 or more"):
            seen.assert_sent(order_paid, times=-1)
        with self.assertRaisesMessage(TypeError, "takes max_calls, max_queries or both"):
            seen.assert_budget(index)
        with self.assertRaisesMessage(TypeError, "receiver is 5; give a function"):
            seen.assert_received_by(5)
        with self.assertRaisesMessage(TypeError, "assert_order() was given 5; it takes Signals"):
            seen.assert_order(order_paid, 5)
        with self.says("first did not come at all. Nothing was sent."):
            seen.assert_order("first", "second")
        with self.assertRaisesMessage(TypeError, "at least two"):
            seen.assert_order(order_paid)
