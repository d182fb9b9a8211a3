"""The threads that run deferred calls in the sender's process."""

import asyncio
import os
import threading
import unittest
from unittest import mock

from django.db import connections, transaction
from django.test import SimpleTestCase, TransactionTestCase

from signalscope import SignalContext
from signalscope.context import running_actor
from signalscope.delivery.backends.thread import Pool
from signalscope.delivery.jobs import make_job
from signalscope.delivery.options import Options
from signalscope.exceptions import QueueFull
from tests.delivery.receivers import acts, in_thread
from tests.shop.models import Order
from tests.shop.signals import order_paid
from tests.trees import connected

# In s; nothing takes that long unless it is broken.
PATIENCE = 20


class Act:
    """What a receiver does: it lets others wait, waits for others, and may fail."""

    def __init__(self, *errors, waits=False):
        self.errors = list(errors)
        self.begun, self.may_end, self.ended = (threading.Event() for _ in range(3))
        if not waits:
            self.may_end.set()
        self.calls = []

    def __call__(self, **kwargs):
        self.calls.append((threading.current_thread(), running_actor(may_query=False), kwargs))
        self.begun.set()
        self.may_end.wait(PATIENCE)
        if self.errors:
            raise self.errors.pop(0)
        self.ended.set()


class PoolTestCase(SimpleTestCase):
    """Has a pool of its own."""

    def setUp(self):
        acts.clear()
        self.acts = []
        self.addCleanup(self.let_all_end)

    def let_all_end(self):
        """Keep no thread waiting."""
        for act in self.acts:
            act.may_end.set()

    def act(self, *errors, waits=False):
        """Return what a receiver is to do, and its job's options."""
        act = Act(*errors, waits=waits)
        self.acts.append(act)
        acts[f"act {len(acts)}"] = act
        return act

    def job(self, act, delay=0.0, retries=0, **named):
        """Return a job that does it."""
        (note,) = (name for name, one in acts.items() if one is act)
        options = Options(delay=delay, retries=retries)
        return make_job(
            "tests.delivery.receivers.in_thread", options, order_paid, None, {"note": note, **named}
        )


class PoolTests(PoolTestCase):
    """Jobs are run by few threads, when they are due."""

    def test_run(self):
        """A job runs in another thread, for its sender."""
        act = self.act()
        with SignalContext.use(user="cron"):
            Pool().put(self.job(act, number=7))
        self.assertTrue(act.ended.wait(PATIENCE))
        ((runner, actor, named),) = act.calls
        self.assertIsNot(runner, threading.current_thread())
        self.assertTrue(runner.daemon)
        self.assertEqual((actor.label, named["number"]), ("cron", 7))

    def test_threads(self):
        """There are as many threads as are needed, and no more than allowed."""
        pool = Pool(max_threads=2)
        first, second, third = (self.act(waits=True) for _ in range(3))
        pool.put(self.job(first))
        self.assertTrue(first.begun.wait(PATIENCE))
        pool.put(self.job(second))
        self.assertTrue(second.begun.wait(PATIENCE))
        pool.put(self.job(third))
        self.assertEqual(pool._thread_count, 2)
        self.assertFalse(third.begun.wait(0.05))
        first.may_end.set()
        self.assertTrue(third.begun.wait(PATIENCE))
        runners = {act.calls[0][0] for act in (first, second, third)}
        self.assertEqual(len(runners), 2)

    def test_idle_thread(self):
        """A thread that has nothing to do takes the next job."""
        pool = Pool()
        runners = set()
        for _ in range(5):
            act = self.act()
            pool.put(self.job(act))
            self.assertTrue(act.ended.wait(PATIENCE))
            with pool._changed:
                pool._changed.wait_for(lambda: pool._idle_count == 1, PATIENCE)
            runners.add(act.calls[0][0])
        self.assertEqual(len(runners), 1)

    def test_delay(self):
        """One that is due first runs first, however it came."""
        pool = Pool(max_threads=1)
        late, early = self.act(), self.act()
        pool.put(self.job(late, delay=0.1))
        pool.put(self.job(early))
        self.assertTrue(early.ended.wait(PATIENCE))
        self.assertFalse(late.begun.is_set())
        self.assertTrue(late.ended.wait(PATIENCE))

    def test_full(self):
        """Where too many wait, one more is refused with what to do."""
        pool = Pool(max_waiting=2)
        for _ in range(2):
            pool.put(self.job(self.act(), delay=100))
        with self.assertRaisesMessage(QueueFull, "DELIVERY = {'backend': 'celery'}"):
            pool.put(self.job(self.act()))

    def test_failure(self):
        """A failure is logged, and the thread goes on."""
        pool = Pool(max_threads=1)
        broken, next_one = self.act(ValueError("on purpose")), self.act()
        with self.assertLogs("signalscope.delivery", "ERROR") as logs:
            pool.put(self.job(broken))
            pool.put(self.job(next_one))
            self.assertTrue(next_one.ended.wait(PATIENCE))
        self.assertIn("in_thread has failed.", logs.output[0])
        self.assertIn("on purpose", logs.output[0])

    def test_retry(self):
        """It is tried again after a pause, and no more often than it may be."""
        pool = Pool()
        act = self.act(ValueError("first"), ValueError("second"))
        with (
            mock.patch("signalscope.delivery.jobs.BACKOFF_S", 0.01),
            self.assertLogs("signalscope.delivery", "WARNING") as logs,
        ):
            pool.put(self.job(act, retries=2))
            self.assertTrue(act.ended.wait(PATIENCE))
        self.assertEqual(len(act.calls), 3)
        self.assertIn("is tried again in", logs.output[0])

    def test_burst(self):
        """As many as there may be are run at once, however fast they come."""
        pool, burst = Pool(max_threads=4), [self.act(waits=True) for _ in range(4)]
        idle = self.act()
        pool.put(self.job(idle))
        self.assertTrue(idle.ended.wait(PATIENCE))
        with pool._changed:
            for act in burst:
                pool.put(self.job(act))
        for act in burst:
            self.assertTrue(act.begun.wait(PATIENCE))

    def test_thread_goes_on(self):
        """Whatever a receiver raises, that it has failed is logged, and the thread goes on."""
        pool, after = Pool(max_threads=1), self.act()
        with self.assertLogs("signalscope.delivery", "ERROR") as logs:
            for error in (SystemExit(1), asyncio.CancelledError()):
                pool.put(self.job(self.act(error)))
            pool.put(self.job(after))
            self.assertTrue(after.ended.wait(PATIENCE))
        self.assertEqual(len(logs.output), 2)

    def test_unreadable(self):
        """A job that cannot be read is logged once, and not tried again."""
        pool, after = Pool(max_threads=1), self.act()
        job = self.job(after, retries=3)
        bad = type(job)(**{**job.to_dict(), "receiver": "tests.delivery.receivers.gone"})
        with self.assertLogs("signalscope.delivery", "ERROR") as logs:
            pool.put(bad)
            pool.put(job)
            self.assertTrue(after.ended.wait(PATIENCE))
        self.assertEqual(len(logs.output), 1)


class StopTests(PoolTestCase):
    """The end of the process."""

    def test_stop(self):
        """What is due is run to its end; what is not is logged as lost."""
        pool = Pool(max_threads=1)
        done = [self.act() for _ in range(10)]
        for act in done:
            pool.put(self.job(act))
        pool.put(self.job(self.act(), delay=100))
        with self.assertLogs("signalscope.delivery", "ERROR") as logs:
            pool.stop(PATIENCE)
        self.assertTrue(all(act.ended.is_set() for act in done))
        self.assertEqual(len(logs.output), 1)
        self.assertIn("is lost", logs.output[0])
        with self.assertRaisesMessage(QueueFull, "about to end"):
            pool.put(self.job(self.act()))

    def test_timeout(self):
        """One that takes too long is given up, and logged as lost, as is what waits for it."""
        pool = Pool(max_threads=1)
        stuck = self.act(waits=True)
        pool.put(self.job(stuck))
        self.assertTrue(stuck.begun.wait(PATIENCE))
        pool.put(self.job(self.act()))
        with self.assertLogs("signalscope.delivery", "ERROR") as logs:
            pool.stop(0.01)
            # It is lost once, whoever else tells of the end.
            pool.stop(0.01)
        self.assertEqual(len(logs.output), 2)

    def test_empty(self):
        """Nothing to do is done at once."""
        with self.assertNoLogs("signalscope.delivery"):
            Pool().stop(PATIENCE)

    @unittest.skipUnless(hasattr(os, "fork"), "no fork here")
    def test_fork(self):
        """A forked child begins with nothing, and has threads of its own."""
        pool = Pool()
        waiting = self.act()
        pool.put(self.job(waiting, delay=100))
        act = self.act()
        job = self.job(act)
        child = os.fork()
        if child == 0:
            # What at-fork handlers do for the process's own pool.
            pool.forget()
            pool.put(job)
            is_good = act.ended.wait(PATIENCE) and len(pool._waiting) == 0
            os._exit(0 if is_good else 1)
        self.assertEqual(os.waitpid(child, 0)[1], 0)
        self.assertEqual(len(pool._waiting), 1)


class DatabaseTests(PoolTestCase, TransactionTestCase):
    """Threads have connections of their own."""

    def test_connection(self):
        """After each job its thread's connections are closed."""
        Order.objects.create(number="1")
        act, found = self.act(), []
        job = self.job(act)

        def read(**kwargs):
            found.append((Order.objects.count(), connections["default"]))
            act()

        acts["act 0"] = read
        pool = Pool()
        pool.put(job)
        self.assertTrue(act.ended.wait(PATIENCE))
        pool.stop(PATIENCE)
        ((count, used),) = found
        self.assertEqual(count, 1)
        self.assertIsNot(used, connections["default"])
        self.assertIsNone(used.connection)

    def test_sender(self):
        """A call that is put off in a transaction runs once that is committed."""
        act = self.act()
        with connected(order_paid, in_thread), transaction.atomic():
            Order.objects.create(number="1")
            order_paid.send(sender=Order, note="act 0")
            self.assertFalse(act.begun.wait(0.05))
        self.assertTrue(act.ended.wait(PATIENCE))
