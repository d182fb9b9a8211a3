"""Guards where many threads, tasks and processes come at once."""

import asyncio
import gc
import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from unittest import skipUnless

from signalscope import wiring
from signalscope.control.breaker import CLOSED, HALF_OPEN, OPEN, Breaker, Limits
from signalscope.recorder.plans import MAX_VARIANTS, PLANS
from tests.control.guards import Clock, Crm, QuietTestCase, guarded, send, told
from tests.recorder.test_keeping import in_child
from tests.shop.models import Order
from tests.shop.signals import order_paid
from tests.trees import connected, label

THREADS = 8


def in_threads(function, count=THREADS):
    """Call a function in so many threads at once; return what they return."""
    barrier = threading.Barrier(count)

    def run():
        barrier.wait(30)
        return function()

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(count) as pool:
            return [future.result(30) for future in [pool.submit(run) for _ in range(count)]]
    finally:
        sys.setswitchinterval(before)


class ThreadTests(QuietTestCase):
    """Threads that send at once."""

    def test_one_trial(self):
        """Of all threads one gets through, again and again; nobody else waits for it."""
        with guarded(self.crm.sync) as clock, connected(order_paid, self.crm.sync):
            self.send_failing()
            for tries in range(1, 21):
                clock.now += 300
                in_threads(lambda: send(order_paid, 5))
                self.assertEqual((self.crm.count, self.state()), (4 + tries, OPEN))

    def test_one_trial_of_those_that_come_together(self):
        """All have seen that it is time, and still one gets through."""
        asked = threading.Semaphore(0)
        clock = Clock()

        def read_clock():
            asked.release()
            return clock()

        breaker = Breaker(Limits(max_error_rate=0, min_calls=1), read_clock, lambda *_: None)
        breaker.note(0, 0, "error")
        clock.now += 300
        with ThreadPoolExecutor(THREADS) as pool:
            while asked.acquire(blocking=False):
                pass
            with breaker._lock:
                verdicts = [pool.submit(breaker.judge) for _ in range(THREADS)]
                for _ in range(THREADS):
                    self.assertTrue(asked.acquire(timeout=30))
            self.assertEqual([verdict.result(30) for verdict in verdicts].count(""), 1)

    def test_a_trial_that_takes_its_time(self):
        """Meanwhile the others go on without the receiver."""
        entered, may_end = threading.Event(), threading.Event()
        crm = self.crm

        def wait(sender, **kwargs):
            crm.sync(sender)
            entered.set()
            self.assertTrue(may_end.wait(30))

        with guarded(wait) as clock, connected(order_paid, wait):
            self.send_failing()
            crm.is_well = True
            clock.now += 300
            trial = threading.Thread(target=send, args=(order_paid,))
            trial.start()
            self.assertTrue(entered.wait(30))
            send(order_paid, 5)
            self.assertEqual((crm.count, self.state(wait)), (5, HALF_OPEN))
            may_end.set()
            trial.join(30)
            self.assertEqual(self.state(wait), CLOSED)

    def test_no_call_is_miscounted(self):
        """What threads count at once adds up."""
        breaker = Breaker(Limits(max_error_rate=0.99), Clock(), lambda *_: None)
        in_threads(lambda: [breaker.note(0, 0, "ok") for _ in range(2_000)])
        self.assertEqual(breaker._window.call_count, THREADS * 2_000)

    def test_each_change_is_told_once(self):
        """Whatever thread tells of it."""
        with guarded(self.crm.sync) as clock, connected(order_paid, self.crm.sync):
            with told() as changes:
                self.crm.is_well = False
                in_threads(lambda: send(order_paid, 10))
                for _ in range(10):
                    clock.now += 300
                    in_threads(lambda: send(order_paid, 3))
                send(order_paid)
        states = sorted(state for _, state, _ in changes)
        self.assertEqual(states, [HALF_OPEN] * 10 + [OPEN] * 11)

    def test_one_guard_for_all_threads(self):
        """Plans that threads make at once have the same one."""
        for _ in range(20):
            with guarded(self.crm.sync, min_calls=THREADS), connected(order_paid, self.crm.sync):
                self.crm.is_well = False
                in_threads(lambda: send(order_paid))
                self.assertEqual(self.state(), OPEN)

    def test_finalizers(self):
        """The garbage collector may let a thread come again while it holds the lock."""
        verdicts = []

        class Cycle:
            def __init__(self):
                self.cycle = self

            def __del__(self):
                breaker.note(0, 0, "error")
                verdicts.append(breaker.judge())

        def collect(*change):
            Cycle()
            gc.collect()

        breaker = Breaker(Limits(max_error_rate=0.5, min_calls=1), Clock(), collect)
        thread = threading.Thread(target=breaker.note, args=(0, 0, "error"), daemon=True)
        thread.start()
        thread.join(30)
        self.assertEqual(verdicts, ["guard: 1 of 1 calls failed in 60 s"])


class TaskTests(QuietTestCase):
    """Tasks of one event loop."""

    def test_one_trial(self):
        """Of a hundred tasks one gets through."""
        crm = self.crm

        async def yield_first(sender, **kwargs):
            await asyncio.sleep(0)
            await crm.async_(sender)

        async def run():
            sends = [order_paid.asend_robust(Order) for _ in range(100)]
            return await asyncio.gather(*sends)

        with guarded(yield_first) as clock, connected(order_paid, yield_first):
            self.send_failing()
            clock.now += 300
            responses = asyncio.run(run())
            self.assertEqual((crm.count, self.state(yield_first)), (5, OPEN))
        self.assertEqual(sorted(map(len, responses)), [0] * 99 + [1])


@skipUnless(hasattr(os, "fork"), "processes are forked")
class ForkTests(QuietTestCase):
    """Forked children."""

    def test_a_child_begins_anew(self):
        """It keeps nobody out, though its parent does, also where a lock was held."""
        with guarded(self.crm.sync), connected(order_paid, self.crm.sync):
            self.send_failing()
            breaker = wiring.scope().guards._breakers[label(Crm.sync)]

            def call():
                send(order_paid)
                return str(self.crm.count).encode()

            with breaker._lock:
                self.assertEqual(in_child(call), b"5")
            send(order_paid)
            self.assertEqual((self.crm.count, self.state()), (4, OPEN))


class MemoryTests(QuietTestCase):
    """What a long life leaves behind."""

    def test_100_000_dispatches(self):
        """Through many changes of a guard nothing piles up."""
        with guarded(self.crm.sync) as clock, connected(order_paid, self.crm.sync):
            guards = wiring.scope().guards
            self.crm.is_well = False
            for count in range(100_000):
                clock.now += 0.1
                self.crm.is_well = count % 7 < 3
                order_paid.send_robust(sender=Order)
            breaker = guards._breakers[label(Crm.sync)]
            self.assertLessEqual(len(breaker._window._parts), 10)
            self.assertEqual((len(guards._breakers), len(guards._changes)), (1, 0))
            plan = PLANS[id(order_paid) ^ id(Order)]
            self.assertTrue(0 < len(plan.variants) <= MAX_VARIANTS)
