"""The call that a guard lets through after a while."""

import asyncio

import signalscope
from signalscope import wiring
from signalscope.control.breaker import CLOSED, HALF_OPEN, OPEN
from tests.control.guards import (
    Crm,
    QuietTestCase,
    guarded,
    send,
    told,
)
from tests.shop.models import Order
from tests.shop.signals import order_paid
from tests.trees import connected, label


class TrialTests(QuietTestCase):
    """The call that is let through after for_s."""

    def test_it_ends_well(self):
        """The guard closes, and begins to count from nothing."""
        with guarded(self.crm.sync, for_s=10) as clock, connected(order_paid, self.crm.sync):
            self.send_failing()
            clock.now += 9
            send(order_paid)
            self.assertEqual(self.crm.count, 4)
            self.crm.is_well = True
            clock.now += 1
            send(order_paid)
            self.assertEqual((self.crm.count, self.state()), (5, CLOSED))
            self.send_failing(times=3)
            self.assertEqual((self.crm.count, self.state()), (8, CLOSED))

    def test_it_fails(self):
        """The guard opens again, for as long."""
        with guarded(self.crm.sync) as clock, connected(order_paid, self.crm.sync):
            with told() as changes:
                self.send_failing()
                clock.now += 300
                send(order_paid, 3)
                self.assertEqual((self.crm.count, self.state()), (5, OPEN))
                clock.now += 299
                send(order_paid)
                self.assertEqual(self.crm.count, 5)
                clock.now += 1
                send(order_paid)
                self.assertEqual(self.crm.count, 6)
        name = label(Crm.sync)
        again = [
            (name, HALF_OPEN, "a call is let through after 300 s"),
            (name, OPEN, "the call that was let through failed"),
        ]
        self.assertEqual(changes, [(name, OPEN, "4 of 4 calls failed in 60 s"), *again, *again])

    def test_it_is_slow(self):
        """That is as bad, where max_p95_ms says so."""
        limits = {"max_error_rate": None, "max_p95_ms": 0.000001}
        with guarded(self.crm.sync, **limits) as clock, connected(order_paid, self.crm.sync):
            send(order_paid, 4)
            clock.now += 300
            with told() as changes:
                send(order_paid, 2)
        self.assertEqual(self.crm.count, 5)
        self.assertRegex(changes[1][2], r"^the call that was let through took \d+ ms$")

    def test_within_itself(self):
        """A receiver that sends its own signal during the trial is not called once more."""
        crm = self.crm

        def sync(sender, **kwargs):
            if crm.is_well:
                send(order_paid)
            crm.sync(sender)

        with guarded(sync) as clock, connected(order_paid, sync):
            self.send_failing()
            clock.now += 300
            crm.is_well = True
            send(order_paid)
            self.assertEqual((crm.count, self.state(sync)), (5, CLOSED))

    def test_it_is_not_reached(self):
        """Where another receiver's error ends the dispatch first, the next one is let through."""
        first = Crm()

        def before(sender, **kwargs):
            first.sync(sender)

        with guarded(self.crm.sync) as clock, connected(order_paid, before, self.crm.sync):
            self.send_failing()
            clock.now += 300
            first.is_well = False
            send(order_paid, method="send")
            self.assertEqual((self.crm.count, self.state()), (4, HALF_OPEN))
            first.is_well = self.crm.is_well = True
            send(order_paid, method="send")
            self.assertEqual((self.crm.count, self.state()), (5, CLOSED))

    def test_it_is_cancelled(self):
        """Then the next one is let through."""
        crm = self.crm
        entered = asyncio.Event()

        async def wait(sender, **kwargs):
            await crm.async_(sender)
            if crm.is_well:
                entered.set()
                await asyncio.sleep(60)

        async def cancel():
            task = asyncio.create_task(order_paid.asend(Order))
            await entered.wait()
            await order_paid.asend(Order)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

        with guarded(wait) as clock, connected(order_paid, wait):
            self.send_failing()
            clock.now += 300
            crm.is_well = True
            asyncio.run(cancel())
            self.assertEqual((crm.count, self.state(wait)), (5, HALF_OPEN))
            crm.is_well = False
            send(order_paid, 2)
            self.assertEqual((crm.count, self.state(wait)), (6, OPEN))

    def test_it_never_ends(self):
        """After for_s it is given up, and another one is let through; what it brings is late."""
        crm = self.crm
        hanging = []

        async def hang(sender, **kwargs):
            await crm.async_(sender)
            if crm.is_well:
                hanging.append(asyncio.get_running_loop().create_future())
                await hanging[-1]

        async def wait():
            tasks = []
            for _ in range(2):
                tasks.append(asyncio.create_task(order_paid.asend(Order)))
                while len(hanging) < len(tasks):
                    await asyncio.sleep(0)
                await order_paid.asend(Order)
                clock.now += 300
            hanging[0].set_result(None)
            await tasks[0]
            states.append(self.state(hang))
            hanging[1].set_result(None)
            await tasks[1]
            states.append(self.state(hang))

        states = []
        with guarded(hang) as clock, connected(order_paid, hang):
            with told() as changes:
                self.send_failing()
                clock.now += 300
                crm.is_well = True
                asyncio.run(wait())
        self.assertEqual((crm.count, states), (6, [HALF_OPEN, CLOSED]))
        # That another one is let through is no change.
        self.assertEqual([state for _, state, _ in changes], [OPEN, HALF_OPEN, CLOSED])

    def test_trial_is_not_used_up(self):
        """A call that a mute keeps out anyway is no trial."""
        self.crm.is_well = False
        with guarded(self.crm.sync) as clock, connected(order_paid, self.crm.sync):
            send(order_paid, 4)
            clock.now += 300
            with signalscope.mute(receiver=self.crm.sync):
                send(order_paid)
            self.assertEqual(self.state(self.crm.sync), OPEN)
            self.crm.is_well = True
            send(order_paid)
            self.assertEqual(self.state(self.crm.sync), CLOSED)

    def test_calls_that_were_under_way(self):
        """What began before the guard opened does not close it."""
        crm = self.crm
        held = []

        async def hold(sender, **kwargs):
            if not held:
                held.append(asyncio.get_running_loop().create_future())
                await held[0]
            else:
                await crm.async_(sender)

        async def run():
            early = asyncio.create_task(order_paid.asend(Order))
            while not held:
                await asyncio.sleep(0)
            for _ in range(4):
                await order_paid.asend_robust(Order)
            self.assertEqual(self.state(hold), OPEN)
            clock.now += 300
            crm.is_well = False
            wiring.scope().guards._breakers[label(hold)].judge()
            self.assertEqual(self.state(hold), HALF_OPEN)
            held[0].set_result(None)
            await early
            self.assertEqual(self.state(hold), HALF_OPEN)

        crm.is_well = False
        with guarded(hold) as clock, connected(order_paid, hold):
            asyncio.run(run())
