"""receiver_slow: what it is sent for, to whom, and what it costs where nobody listens."""

import asyncio
import gc
import logging
import time
import weakref

from asgiref.sync import async_to_sync
from django.db.models.signals import post_save
from django.dispatch import receiver
from django.test import SimpleTestCase, TestCase, override_settings

import signalscope
from signalscope.signals import receiver_slow, slow_query
from tests.control.guards import other
from tests.shop.models import Order
from tests.shop.signals import mail_queued, order_paid
from tests.trees import connected, label, recorded

# In ms. Every call takes longer than the one, and none as long as the other.
TINY, HUGE = 0.000001, 1e9


def slow(limit_ms):
    """Set SLOW_MS."""
    return override_settings(SIGNALSCOPE={"SLOW_MS": limit_ms})


def linger(sender, **kwargs):
    """Take 30 ms."""
    time.sleep(0.03)


async def alinger(sender, **kwargs):
    """Take 30 ms, asynchronously."""
    await asyncio.sleep(0.03)


def fail(sender, **kwargs):
    """Fail."""
    raise ValueError("no")


def pass_on(sender, **kwargs):
    """Send another signal."""
    mail_queued.send(sender=sender)


class Told:
    """Hears receiver_slow."""

    def __init__(self):
        self.calls = []

    def hear(self, sender, **named):
        """Note what it is told."""
        del named["signal"]
        # Settings that change are told by signals, too.
        if not named["signal_name"].endswith(".setting_changed"):
            self.calls.append({"sender": sender, **named})

    @property
    def receivers(self):
        """The last parts of the receivers' names."""
        return [call["receiver"].rpartition(".")[2] for call in self.calls]


class SlowTestCase(SimpleTestCase):
    """Listens."""

    def setUp(self):
        self.told = Told()
        receiver_slow.connect(self.told.hear)
        self.addCleanup(receiver_slow.disconnect, self.told.hear)


class SlowTests(SlowTestCase):
    """Which calls are told of, and what."""

    def test_arguments(self):
        """Sender, signal, receiver, duration and outcome."""
        with slow(TINY), connected(order_paid, other):
            order_paid.send(sender=Order)
        (call,) = self.told.calls
        self.assertGreater(call.pop("duration_ns"), 0)
        self.assertEqual(
            call,
            {
                "sender": Order,
                "signal_name": "tests.shop.signals.order_paid",
                "receiver": label(other),
                "outcome": "ok",
            },
        )

    def test_all_methods(self):
        """Only those that took so long, sync and async ones."""
        for method in ("send", "send_robust", "asend", "asend_robust"):
            send = getattr(order_paid, method)
            send = async_to_sync(send) if method.startswith("a") else send
            with self.subTest(method), slow(20), connected(order_paid, other, alinger, linger):
                self.told.calls.clear()
                send(sender=Order)
                self.assertEqual(sorted(self.told.receivers), ["alinger", "linger"])
                for call in self.told.calls:
                    self.assertTrue(20e6 <= call["duration_ns"] < 20e9)

    def test_senders_that_are_no_classes(self):
        """They are not given: nothing may hold them, or refer to them."""
        order = Order(pk=1)
        with slow(TINY), connected(order_paid, other):
            for sender in (None, order, "shop", 7):
                order_paid.send(sender=sender)
        self.assertEqual([call["sender"] for call in self.told.calls], [None] * 4)
        self.assertEqual(weakref.getweakrefcount(order), 0)

    def test_errors(self):
        """A call that failed is told with its outcome; the host gets the error."""
        with slow(TINY), connected(order_paid, fail), self.assertRaises(ValueError):
            order_paid.send(sender=Order)
        self.assertEqual([call["outcome"] for call in self.told.calls], ["error"])

    def test_between_calls(self):
        """The time in which Django logs an error is no receiver's."""

        class Slow(logging.Handler):
            def emit(self, record):
                time.sleep(0.03)

        logger, handler = logging.getLogger("django.dispatch"), Slow()
        logger.addHandler(handler)
        try:
            with slow(20), connected(order_paid, fail, other):
                order_paid.send_robust(sender=Order)
        finally:
            logger.removeHandler(handler)
        self.assertEqual(self.told.calls, [])

    def test_nested(self):
        """Each dispatch tells of its own calls, the inner one first, and once."""
        with slow(20), connected(order_paid, pass_on), connected(mail_queued, other, linger):
            order_paid.send(sender=Order)
        self.assertEqual(self.told.receivers, ["linger", "pass_on"])

    def test_folded(self):
        """Also where so much was sent below a call that it was folded."""

        def pass_on_often(sender, **kwargs):
            for _ in range(2_500):
                mail_queued.send(sender=sender)

        with slow(TINY), connected(order_paid, other, pass_on_often, other):
            with connected(mail_queued, linger := lambda sender, **kwargs: None):
                order_paid.send(sender=Order)
        self.assertEqual(self.told.receivers, ["<lambda>"] * 2_500 + ["other", "pass_on_often"])
        del linger

    def test_cancelled(self):
        """A call that was cancelled is not told of."""

        async def run():
            task = asyncio.create_task(order_paid.asend(Order))
            await asyncio.sleep(0.01)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        with slow(TINY), connected(order_paid, alinger):
            asyncio.run(run())
        self.assertEqual(self.told.calls, [])

    def test_excluded(self):
        """What EXCLUDE leaves out is not told of."""
        given = {"SLOW_MS": TINY, "EXCLUDE": ["linger"]}
        with override_settings(SIGNALSCOPE=given), connected(order_paid, linger, other):
            order_paid.send(sender=Order)
        self.assertEqual(self.told.receivers, ["other"])

    def test_suppressed(self):
        """To tell is not to record: what suppress() leaves out is told of."""
        with slow(TINY), connected(order_paid, other), signalscope.suppress():
            order_paid.send(sender=Order)
        self.assertEqual(self.told.receivers, ["other"])


class ListenerTests(SlowTestCase):
    """What listeners do."""

    def test_own_signals(self):
        """Receivers of signalscope's signals are not told of, however slow."""
        with slow(TINY), connected(slow_query, other), connected(order_paid, other):
            slow_query.send(sender=None)
            order_paid.send(sender=Order)
        self.assertEqual(len(self.told.calls), 1)

    def test_a_listener_that_sends(self):
        """What it sends is recorded, and not told of, or that would never end."""

        def send_again(sender, **kwargs):
            order_paid.send(sender=Order)

        with slow(TINY), connected(order_paid, other), connected(receiver_slow, send_again):
            with recorded() as seen:
                order_paid.send(sender=Order)
        self.assertEqual(self.told.receivers, ["other"])
        self.assertEqual(seen.text, "order_paid x2\n  other ok\n")

    def test_a_listener_that_fails(self):
        """Django logs it; the host and the other listeners know nothing of it."""
        with slow(TINY), connected(receiver_slow, fail), connected(order_paid, other):
            with self.assertLogs("django.dispatch", "ERROR"):
                self.assertEqual(order_paid.send(sender=Order), [(other, None)])
                order_paid.send(sender=Order)
        self.assertEqual(len(self.told.calls), 2)

    def test_by_sender(self):
        """A listener may hear of one sender only."""
        told = Told()
        with slow(TINY), connected(order_paid, other):
            with connected(receiver_slow, told.hear, sender=Order):
                order_paid.send(sender=Order)
                order_paid.send(sender=None)
        self.assertEqual([call["sender"] for call in told.calls], [Order])


class ConnectTests(SimpleTestCase):
    """Connecting and disconnecting listeners."""

    def plan(self):
        """Return the plan of a dispatch."""
        with recorded() as seen:
            order_paid.send(sender=Order)
        return seen.tap[0][0]

    def test_it_takes_effect_at_once(self):
        """Plans are watched as long as somebody listens, and no longer."""
        told = Told()
        with slow(TINY), connected(order_paid, other):
            self.assertEqual((self.plan().watches, self.plan().is_plain), ((), True))
            self.assertIs(self.plan(), self.plan())
            receiver_slow.connect(told.hear, dispatch_uid="one")
            self.assertEqual(len(self.plan().watches), 1)
            self.assertIs(receiver_slow.disconnect(dispatch_uid="another"), False)
            self.assertEqual(len(self.plan().watches), 1)
            self.assertIs(receiver_slow.disconnect(dispatch_uid="one"), True)
            self.assertEqual((self.plan().watches, self.plan().is_plain), ((), True))
        self.assertEqual(len(told.calls), 2)

    def test_without_a_limit(self):
        """With SLOW_MS None nothing is watched, whoever listens."""
        told = Told()
        with connected(receiver_slow, told.hear), connected(order_paid, other):
            with slow(None):
                self.assertEqual(self.plan().watches, ())
            with slow(HUGE):
                self.assertEqual(len(self.plan().watches), 1)
            with slow(TINY):
                self.plan()
        self.assertEqual(len(told.calls), 1)

    def test_a_listener_that_is_collected(self):
        """It does no harm."""
        receiver_slow.connect(Told().hear)
        gc.collect()
        with slow(TINY), connected(order_paid, other):
            self.assertEqual(order_paid.send(sender=Order), [(other, None)])
        receiver_slow.connect(fail)
        receiver_slow.disconnect(fail)
        self.assertEqual(receiver_slow.receivers, [])

    def test_the_receiver_decorator(self):
        """It connects to it, alone and with others."""
        heard = []

        @receiver([receiver_slow, mail_queued], sender=Order)
        def hear(sender, **kwargs):
            heard.append(sender)

        try:
            with slow(TINY), connected(order_paid, other):
                order_paid.send(sender=Order)
        finally:
            for signal in (receiver_slow, mail_queued):
                signal.disconnect(hear, sender=Order)
        self.assertEqual(heard, [Order])


class ModelTests(TestCase):
    """Signals that signalscope itself has a part in."""

    def test_hooked_signals(self):
        """Models' signals are told of like others."""
        told = Told()
        with slow(TINY), connected(receiver_slow, told.hear), connected(post_save, other):
            Order.objects.create(number="1")
        names = {call["signal_name"] for call in told.calls}
        self.assertIn("django.db.models.signals.post_save", names)
