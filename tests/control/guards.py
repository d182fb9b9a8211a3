"""What tests of guards share: a clock that is turned by hand, and receivers that do as told."""

import logging
from contextlib import contextmanager

from django.test import SimpleTestCase, override_settings

from signalscope import wiring
from signalscope.signals import guard_changed
from tests.shop.signals import order_paid
from tests.trees import connected, label

# Four calls are enough to tell, and half of them may fail.
LIMITS = {"max_error_rate": 0.5, "min_calls": 4, "window_s": 60, "for_s": 300}


class Clock:
    """Returns the s that it was set to."""

    def __init__(self):
        self.now = 1_000_000.0

    def __call__(self):
        return self.now


class Crm:
    """A receiver of a shop that is well or not; counts its calls."""

    def __init__(self):
        self.is_well = True
        self.count = 0

    def sync(self, sender, **kwargs):
        """Be called."""
        self.count += 1
        if not self.is_well:
            raise ValueError("no answer")

    async def async_(self, sender, **kwargs):
        """Be called asynchronously."""
        self.sync(sender)


def other(sender, **kwargs):
    """Be called beside it."""


@contextmanager
def guarded(receiver, **limits):
    """Guard a receiver, by its name; gives the clock."""
    with guards(**{label(receiver): {**LIMITS, **limits}}) as clock:
        yield clock


@contextmanager
def guards(setting=None, /, **named):
    """Set GUARD for a block, with a clock that stands still."""
    found = wiring.scope().guards
    before, found.clock = found.clock, Clock()
    try:
        with override_settings(SIGNALSCOPE={"GUARD": named if setting is None else setting}):
            yield found.clock
    finally:
        found.clock = before


@contextmanager
def told():
    """Collect what guard_changed tells: (receiver, state, reason)."""
    changes = []

    def hear(sender, receiver, state, reason, **kwargs):
        changes.append((receiver, state, reason))

    with connected(guard_changed, hear):
        yield changes


def send(signal, times=1, method="send_robust"):
    """Send a signal so often; its receivers' errors stay here."""
    for _ in range(times):
        try:
            getattr(signal, method)(sender=None)
        except ValueError:
            pass


class QuietTestCase(SimpleTestCase):
    """Silences what Django and the guard log, and has a receiver."""

    def setUp(self):
        self.crm = Crm()
        for name in ("django.dispatch", "signalscope.guard"):
            logger = logging.getLogger(name)
            self.addCleanup(setattr, logger, "disabled", logger.disabled)
            logger.disabled = True

    def send_failing(self, signal=order_paid, times=4, **kwargs):
        """Let it fail, until it is kept out."""
        self.crm.is_well = False
        send(signal, times, **kwargs)

    def state(self, receiver=None):
        """Return the state of its guard."""
        found = wiring.scope().guards._breakers[label(receiver or self.crm.sync)]
        return found.state
