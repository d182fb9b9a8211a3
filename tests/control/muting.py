"""What the tests of mutes send, and who hears it."""

import asyncio

from django.dispatch import Signal
from django.test import SimpleTestCase

METHODS = ("send", "send_robust", "asend", "asend_robust")


def send(signal, method="send", sender=None):
    """Send by any of the four methods; return the responses."""
    sent = getattr(signal, method)(sender=sender)
    return asyncio.run(_awaited(sent)) if method.startswith("a") else sent


async def _awaited(coroutine):
    return await coroutine


def first(sender, **kwargs):
    """Answer."""
    return "first"


def second(sender, **kwargs):
    """Answer."""
    return "second"


async def third(sender, **kwargs):
    """Answer later."""
    return "third"


async def fourth(sender, **kwargs):
    """Answer later."""
    return "fourth"


class Bell:
    """Has a method that hears, and hears itself."""

    def ring(self, sender, **kwargs):
        """Answer."""
        return "ring"

    def __call__(self, sender, **kwargs):
        """Answer."""
        return "bell"


class MuteTestCase(SimpleTestCase):
    """Tests with a signal of their own, which four receivers hear."""

    def setUp(self):
        """Connect two sync and two async ones."""
        self.signal = Signal()
        for receiver in (first, second, third, fourth):
            self.signal.connect(receiver)

    def heard(self, method="send", sender=None):
        """Send, and return what answered."""
        return [answer for _, answer in send(self.signal, method, sender)]

    def assertHeard(self, expected, method="send", sender=None):
        """Assert which receivers answer, as one text."""
        self.assertEqual(" ".join(self.heard(method, sender)), expected)


ALL = "first second third fourth"
