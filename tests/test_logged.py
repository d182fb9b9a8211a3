"""Signals that remember their last dispatches."""

import asyncio
import gc
import os
import subprocess
import sys
import threading
import weakref
from datetime import UTC, datetime

from asgiref.sync import async_to_sync
from django.dispatch import Signal
from django.test import SimpleTestCase

from signalscope import AsyncSignalMixin, LoggedSignal, mute
from tests.shop.models import Order
from tests.trees import connected, recorded

METHODS = ("send", "asend", "send_robust", "asend_robust")


def hear(sender, **kwargs):
    """Hear."""
    return "heard"


async def ahear(sender, **kwargs):
    """Hear, awaited."""
    return "heard"


def fail(sender, **kwargs):
    """Fail."""
    raise ValueError("on purpose")


def send(signal, method, sender=None, **named):
    """Send by one of the four methods."""
    found = getattr(signal, method)
    return (async_to_sync(found) if method.startswith("a") else found)(sender, **named)


class LoggedSignalTests(SimpleTestCase):
    """What is remembered."""

    def test_all_methods(self):
        """Each method answers as ever, and leaves an entry."""
        for method in METHODS:
            signal, plain, before = LoggedSignal(), Signal(), datetime.now(UTC)
            with connected(signal, hear, ahear), connected(plain, hear, ahear):
                responses = send(signal, method, Order, number=1, colour="red")
                self.assertEqual(responses, send(plain, method, Order, number=1, colour="red"))
            (entry,) = signal.get_recent_events()
            self.assertEqual(
                (entry.sender, entry.arguments, entry.values, entry.method),
                ("shop.Order", ("number", "colour"), None, method),
            )
            self.assertEqual((entry.receiver_count, entry.error_count), (2, 0))
            self.assertTrue(before <= entry.sent_at <= datetime.now(UTC))
            self.assertGreater(entry.duration_ms, 0)

    def test_errors(self):
        """An error comes out or is an answer, as ever, and is counted."""
        for method in METHODS:
            signal = LoggedSignal()
            with connected(signal, fail, hear):
                if method.endswith("robust"):
                    with self.assertLogs("django.dispatch", "ERROR"):
                        send(signal, method)
                else:
                    with self.assertRaisesMessage(ValueError, "on purpose"):
                        send(signal, method)
            (entry,) = signal.get_recent_events()
            self.assertEqual((entry.receiver_count, entry.error_count), (2, 1), method)

    def test_cancelled(self):
        """A dispatch that is cancelled is there, without an error."""
        signal, is_waiting = LoggedSignal(), asyncio.Event()

        async def wait(sender, **kwargs):
            is_waiting.set()
            await asyncio.Event().wait()

        async def cancel():
            task = asyncio.ensure_future(signal.asend(None))
            await is_waiting.wait()
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task

        with connected(signal, wait):
            asyncio.run(cancel())
        (entry,) = signal.get_recent_events()
        self.assertEqual((entry.receiver_count, entry.error_count), (1, 0))

    def test_nobody(self):
        """What nobody hears is remembered, too: that is what one looks for."""
        signal = LoggedSignal()
        signal.send(sender=Order)
        (entry,) = signal.get_recent_events()
        self.assertEqual((entry.sender, entry.receiver_count), ("shop.Order", 0))

    def test_order_and_limit(self):
        """The newest come first, as many as are asked for."""
        signal = LoggedSignal()
        for number in range(15):
            signal.send(sender=None, **{f"n{number}": 1})

        def numbers(*limit):
            return [int(one.arguments[0][1:]) for one in signal.get_recent_events(*limit)]

        self.assertEqual(numbers(), list(range(14, 4, -1)))
        self.assertEqual(numbers(2), [14, 13])
        self.assertEqual(numbers(0), [])
        self.assertEqual(numbers(None), list(range(14, -1, -1)))
        for wrong in (-1, 1.5, "3", True):
            with self.assertRaisesRegex(ValueError, "limit is"):
                signal.get_recent_events(wrong)
        signal.clear_recent_events()
        self.assertEqual(numbers(), [])

    def test_size(self):
        """Only the last ones are kept, as many as the class or the constructor says."""

        class Short(LoggedSignal):
            log_size = 2

        for signal, size in ((Short(), 2), (LoggedSignal(log_size=3), 3), (Short(log_size=1), 1)):
            for _ in range(5):
                signal.send(sender=None)
            self.assertEqual(len(signal.get_recent_events(None)), size)
        for wrong in (0, -1, 1.0, True):
            with self.assertRaisesRegex(ValueError, "log_size is"):
                LoggedSignal(log_size=wrong)

    def test_values(self):
        """Values are kept where that is asked for: as JSON, secrets masked, no objects."""

        class Telling(LoggedSignal):
            log_values = True

        order = Order(number="7")
        order.pk = 3
        for signal in (Telling(), LoggedSignal(log_values=True)):
            signal.send(sender=Order, order=order, count=2, password="x", tags=["a"])
            (entry,) = signal.get_recent_events()
            self.assertEqual(
                entry.values,
                {
                    "order": "Order object (3) (3)",
                    "count": 2,
                    "password": "********",
                    "tags": ["a"],
                },
            )
        silent = Telling(log_values=False)
        silent.send(sender=None, count=2)
        self.assertIsNone(silent.get_recent_events()[0].values)

    def test_no_references(self):
        """Neither the sender nor what was sent is kept alive."""

        class Thing:
            pass

        signal, sender, thing = LoggedSignal(log_values=True), Thing(), Thing()
        signal.send(sender=sender, thing=thing)
        gone = [weakref.ref(sender), weakref.ref(thing)]
        del sender, thing
        gc.collect()
        self.assertEqual([reference() for reference in gone], [None, None])
        self.assertTrue(signal.get_recent_events()[0].sender.endswith("Thing"))

    def test_threads(self):
        """Dispatches of several threads are all there."""
        signal = LoggedSignal(log_size=1000)

        def work():
            for _ in range(100):
                signal.send(sender=None)
                signal.get_recent_events()

        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(20)
        self.assertEqual(len(signal.get_recent_events(None)), 400)

    def test_with_the_rest(self):
        """It is recorded and muted as any signal, takes Signal's argument and other bases."""

        class Shipped(AsyncSignalMixin, LoggedSignal):
            """Both."""

        signal = Shipped(use_caching=True)
        with connected(signal, hear):
            with recorded() as seen:
                signal.send(sender=Order)
            self.assertIn("hear ok", seen.text)
            with mute(receiver=hear):
                self.assertEqual(signal.send(sender=Order), [])
        self.assertEqual([one.receiver_count for one in signal.get_recent_events()], [0, 1])

    def test_without_apps(self):
        """A signal can be made and sent before there are settings."""
        code = (
            "from signalscope import LoggedSignal\n"
            "signal = LoggedSignal(log_values=True)\n"
            "signal.send(sender=None, number=1)\n"
            "assert signal.get_recent_events()[0].values == {'number': 1}\n"
        )
        environment = {**os.environ}
        environment.pop("DJANGO_SETTINGS_MODULE", None)
        subprocess.run([sys.executable, "-c", code], check=True, env=environment)
