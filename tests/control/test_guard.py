"""What opens a guard, and whom it keeps out then."""

import asyncio

from asgiref.sync import async_to_sync

import signalscope
from signalscope import wiring
from signalscope.control.breaker import CLOSED, HALF_OPEN, OPEN
from signalscope.recorder.gate import note_outcome
from tests.control.guards import (
    LIMITS,
    Crm,
    QuietTestCase,
    guarded,
    guards,
    other,
    send,
    told,
)
from tests.shop.models import Order
from tests.shop.signals import mail_queued, order_paid
from tests.trees import connected, label, recorded

METHODS = ("send", "send_robust", "asend", "asend_robust")


def dispatch(method, signal=order_paid):
    """Send a signal by one of the four methods."""
    send_it = getattr(signal, method)
    return async_to_sync(send_it)(Order) if method.startswith("a") else send_it(Order)


class OpenTests(QuietTestCase):
    """What opens a guard, and what it keeps out."""

    def test_all_methods(self):
        """Sync and async receivers, by all four methods, are kept out, and others are not."""
        for method in METHODS:
            for receiver in (self.crm.sync, self.crm.async_):
                with self.subTest(method, receiver=receiver.__name__), guarded(receiver):
                    self.crm.count, self.crm.is_well = 0, False
                    with connected(order_paid, receiver, other):
                        for _ in range(7):
                            try:
                                dispatch(method)
                            except ValueError:
                                pass
                        self.assertEqual(self.crm.count, 4)
                        responses = dispatch(method)
                    self.assertEqual(responses, [(other, None)])

    def test_the_error_that_opens(self):
        """It goes to the host as Django would have it: raised, or among the responses."""
        for method in METHODS:
            for receiver in (self.crm.sync, self.crm.async_):
                with self.subTest(method, receiver=receiver.__name__):
                    with guarded(receiver, min_calls=1), connected(order_paid, receiver):
                        self.crm.is_well = False
                        if method.endswith("robust"):
                            ((called, error),) = dispatch(method)
                            self.assertEqual((called, str(error)), (receiver, "no answer"))
                            self.assertIs(type(error), ValueError)
                        else:
                            with self.assertRaisesMessage(ValueError, "no answer"):
                                dispatch(method)
                        self.assertEqual(self.state(receiver), OPEN)

    def test_it_is_recorded_as_muted(self):
        """With why, in its place, and the receivers of the signal are as they were."""
        with guarded(self.crm.sync), connected(order_paid, other, self.crm.sync):
            before = list(order_paid.receivers)
            send(order_paid)
            self.send_failing(times=3)
            with recorded() as seen:
                send(order_paid)
            self.assertEqual(order_paid.receivers, before)
            self.assertIs(order_paid.has_listeners(), True)
        self.assertEqual(seen.text, "order_paid\n  other ok\n  sync muted\n")
        (found,) = seen.dispatches()
        self.assertEqual(found.calls[1].error_message, "guard: 3 of 4 calls failed in 60 s")

    def test_more_than_the_rate(self):
        """As many as the rate says may fail."""
        with guarded(self.crm.sync), connected(order_paid, self.crm.sync):
            send(order_paid, 4)
            self.send_failing(times=4)
            self.assertEqual(self.state(), CLOSED)
            send(order_paid)
            self.assertEqual(self.state(), OPEN)

    def test_too_few_calls(self):
        """Below min_calls nothing is said, however bad they are."""
        with guarded(self.crm.sync), connected(order_paid, self.crm.sync):
            self.send_failing(times=3)
            self.assertEqual(self.state(), CLOSED)

    def test_old_calls(self):
        """What is longer ago than window_s does not count, and is forgotten bit by bit."""
        with guarded(self.crm.sync) as clock, connected(order_paid, self.crm.sync):
            self.send_failing(times=3)
            clock.now += 60
            send(order_paid, 3)
            self.assertEqual(self.state(), CLOSED)
            clock.now += 30
            send(order_paid)
            self.assertEqual(self.state(), OPEN)

    def test_one_receiver_of_several_signals(self):
        """Its calls are counted together, and it is kept out of all of them."""
        with guarded(self.crm.sync), connected(order_paid, self.crm.sync):
            with connected(mail_queued, self.crm.sync):
                self.send_failing(order_paid, 2)
                self.send_failing(mail_queued, 2)
                send(order_paid, 2)
                send(mail_queued, 2)
        self.assertEqual(self.crm.count, 4)

    def test_slow_calls(self):
        """More than 5 % above max_p95_ms open it; an error alone does not, without a rate."""
        limits = {"max_error_rate": None, "max_p95_ms": 0.000001}
        with guarded(self.crm.sync, **limits), connected(order_paid, self.crm.sync):
            with told() as changes:
                send(order_paid, 6)
        self.assertEqual(self.crm.count, 4)
        self.assertEqual(
            changes, [(label(Crm.sync), OPEN, "4 of 4 calls took over 1e-06 ms in 60 s")]
        )
        with guarded(self.crm.sync, max_error_rate=None, max_p95_ms=1e6):
            with connected(order_paid, self.crm.sync):
                self.send_failing(times=10)
        self.assertEqual(self.crm.count, 14)

    def test_warn(self):
        """It is told, and nobody is kept out; a call after for_s may close it."""
        with guarded(self.crm.sync, action="warn") as clock, told() as changes:
            with connected(order_paid, self.crm.sync):
                self.send_failing(times=10)
                self.crm.is_well = True
                send(order_paid, 5)
                self.assertEqual(self.state(), OPEN)
                clock.now += 300
                send(order_paid)
        self.assertEqual(self.crm.count, 16)
        self.assertEqual([state for _, state, _ in changes], [OPEN, HALF_OPEN, CLOSED])

    def test_what_a_receiver_sends(self):
        """The errors and the time of dispatches below a call are not the call's."""

        def pass_on(sender, **kwargs):
            send(mail_queued)

        with guards({label(pass_on): {**LIMITS, "min_calls": 1}}):
            with connected(order_paid, pass_on), connected(mail_queued, self.crm.sync):
                self.send_failing(times=5)
                self.assertEqual(self.state(pass_on), CLOSED)
        self.assertEqual(self.crm.count, 5)

    def test_receivers_of_a_partial_dispatch(self):
        """A receiver that was not reached, since one before it failed, was not called."""
        with guarded(other, min_calls=1), connected(order_paid, self.crm.sync, other):
            self.send_failing(times=5, method="send")
            breaker = wiring.scope().guards._breakers[label(other)]
        self.assertEqual(breaker._window.call_count, 0)

    def test_cancelled_calls(self):
        """Cancelling is no error of the receiver."""

        async def wait(sender, **kwargs):
            await asyncio.sleep(60)

        async def cancel():
            task = asyncio.create_task(order_paid.asend(Order))
            await asyncio.sleep(0.01)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task

        with guarded(wait, min_calls=1), connected(order_paid, wait):
            asyncio.run(cancel())
            breaker = wiring.scope().guards._breakers[label(wait)]
            self.assertEqual((breaker.state, breaker._window.call_count), (CLOSED, 0))

    def test_skipped_calls(self):
        """A call that its condition kept out is neither good nor bad."""

        def skip(sender, signal, **kwargs):
            note_outcome(signal, sender, "skipped", "not today")

        order = Order(pk=1)

        with guarded(skip, min_calls=1, max_error_rate=None, max_p95_ms=0.000001):
            with connected(order_paid, skip):
                send(order_paid, 3)
                order_paid.send(sender=order)
            breaker = wiring.scope().guards._breakers[label(skip)]
            self.assertEqual((breaker.state, breaker._window.call_count), (CLOSED, 0))

    def test_senders_that_are_no_classes(self):
        """Whoever sends: it is the receiver that is guarded."""
        with guarded(self.crm.sync), connected(order_paid, self.crm.sync):
            self.crm.is_well = False
            for sender in (None, Order, Order(pk=1), "shop", 7, Crm()):
                order_paid.send_robust(sender=sender)
        self.assertEqual(self.crm.count, 4)

    def test_suppressed(self):
        """A dispatch that is not recorded is guarded all the same."""
        with guarded(self.crm.sync), connected(order_paid, self.crm.sync):
            with signalscope.suppress():
                self.send_failing(times=7)
        self.assertEqual(self.crm.count, 4)

    def test_uninstalled(self):
        """Off means off: everybody is called."""
        with guarded(self.crm.sync), connected(order_paid, self.crm.sync):
            self.send_failing(times=5)
            signalscope.uninstall()
            try:
                send(order_paid, 3)
            finally:
                signalscope.install()
        self.assertEqual(self.crm.count, 7)
