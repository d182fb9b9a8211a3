"""Who runs a stored delivery, when, and what becomes of it."""

import logging
import tempfile
import time
from asyncio import CancelledError
from contextlib import contextmanager
from datetime import timedelta
from unittest import mock
from uuid import uuid4

from django.db import connections
from django.dispatch import Signal
from django.test import TestCase, override_settings
from django.utils import timezone

from signalscope import deferred, register, unregister
from signalscope.delivery.payload import pack
from signalscope.models import Delivery
from signalscope.outbox import claims
from signalscope.outbox.acts import cancel, retry
from signalscope.outbox.promises import _order_key
from signalscope.outbox.work import Worker
from tests.bulk.models import Express, Parcel
from tests.shop.models import Order
from tests.shop.signals import order_paid

told = Signal()
heard = []
State = Delivery.State


@deferred(durable=True)
def hear(number, idempotency_key, **kwargs):
    """Keep what is heard; fail where a function says so."""
    heard.append((number, idempotency_key))
    Hearing.then(number)


@deferred(durable=True, retries=1)
def hear_twice(number, **kwargs):
    """Fail each time."""
    heard.append(number)
    raise ValueError("never")


@deferred(durable=True, delay=100)
def hear_later(number, **kwargs):
    """Keep what is heard."""
    heard.append(number)


@deferred(durable=True, order_by="instance")
def hear_in_order(number, instance, **kwargs):
    """Keep what is heard of an order."""
    heard.append((instance.number, number))
    Hearing.then(number)


class Hearing:
    """What happens as a receiver runs."""

    @staticmethod
    def then(number):
        """Do nothing, unless a test says otherwise."""


class WorkerTestCase(TestCase):
    """Has a signal that nobody hears yet; rows are due at once."""

    def setUp(self):
        register(told, name="tests.delivery.told")
        self.addCleanup(unregister, told)
        self.addCleanup(setattr, Hearing, "then", Hearing.then)
        self.enterContext(override_settings(SIGNALSCOPE={"DELIVERY": {"hand_over_s": 0}}))
        heard.clear()
        self.worker = Worker(60, jitter=lambda least, most: most)

    def connect(self, receiver):
        told.connect(receiver)
        self.addCleanup(told.disconnect, receiver)

    def send(self, *numbers, **named):
        for number in numbers:
            told.send(sender=None, number=number, **named)

    def run_due(self):
        """Run what is due; return the outcomes."""
        return [str(outcome) for _, outcome in self.worker.run_due("default")]

    def states(self):
        return list(Delivery.objects.order_by("pk").values_list("state", flat=True))

    @contextmanager
    def later(self, seconds):
        """Let the clock of claims be later, in a block."""
        before = time.time
        time.time = lambda: before() + seconds
        try:
            yield
        finally:
            time.time = before


class ClaimTests(WorkerTestCase):
    """One worker at a time has a delivery."""

    def setUp(self):
        super().setUp()
        self.connect(hear)

    def claim(self, lease_s=60):
        return claims.claim_due("default", lease_s=lease_s)

    def test_oldest_first(self):
        """What has been due longest comes first, and is run once."""
        self.send(1, 2, 3)
        self.assertEqual(self.run_due(), ["done"] * 3)
        self.assertEqual([number for number, _ in heard], [1, 2, 3])
        self.assertEqual(self.run_due(), [])

    def test_key(self):
        """The receiver is given the key of the row."""
        self.send(1)
        self.run_due()
        self.assertEqual(heard, [(1, str(Delivery.objects.get().key))])

    def test_claimed_once(self):
        """What is claimed is not claimed again before the lease is over."""
        self.send(1)
        claim = self.claim()
        self.assertEqual((claim.attempts, claim.is_lapsed), (1, False))
        self.assertIsNone(self.claim())
        self.assertIsNone(claims.claim_key(claim.key, "default", lease_s=60))
        with self.later(59):
            self.assertIsNone(self.claim())

    def test_lapse(self):
        """Once the lease is over another worker takes it, and that is counted."""
        self.send(1)
        first = self.claim()
        with self.later(61):
            second = self.claim()
        self.assertEqual((second.attempts, second.is_lapsed), (2, True))
        self.assertEqual(Delivery.objects.get().lapse_count, 1)
        self.assertFalse(claims.finish(first, State.DONE))
        self.assertFalse(claims.postpone(first, 0, "late"))
        self.assertEqual(self.states(), ["running"])
        self.assertTrue(claims.finish(second, State.DONE))

    def test_overtaken(self):
        """A worker that ends after its lease says so where another one has it by then."""
        self.send(1)

        def overtake(number):
            with self.later(61):
                self.assertTrue(self.claim().is_lapsed)

        Hearing.then = overtake
        self.assertEqual(self.run_due(), ["overtaken"])
        self.assertEqual(self.states(), ["running"])

    def test_late_but_alone(self):
        """One that ends after its lease is done all the same, where nobody has taken it."""
        self.send(1)
        claim = self.claim(lease_s=-1)
        self.assertTrue(claims.finish(claim, State.DONE))
        self.assertEqual(self.states(), ["done"])

    def test_worker_that_dies_each_time(self):
        """A receiver that kills its worker is given up in the end, not run for ever."""
        with self.settings(SIGNALSCOPE={"DELIVERY": {"hand_over_s": 0, "max_attempts": 3}}):
            self.send(1)
        for attempts in (1, 2, 3):
            self.assertEqual(self.claim(lease_s=-1).attempts, attempts)
        self.send(2)
        with self.assertLogs("signalscope.delivery", logging.WARNING):
            self.assertEqual(self.claim().key, str(Delivery.objects.latest("pk").key))
        row = Delivery.objects.earliest("pk")
        self.assertEqual((row.state, row.lapse_count, row.last_error), ("failed", 3, claims.DIED))

    def test_left_to_the_backend(self):
        """A worker leaves a new one to the backend for a while, which may begin at once."""
        with self.settings(SIGNALSCOPE={"DELIVERY": {"hand_over_s": 30}}):
            self.send(1, 2)
        first, _ = Delivery.objects.order_by("pk")
        self.assertEqual(self.run_due(), [])
        self.worker.run_key(str(first.key), "default")
        self.assertEqual(self.states(), ["done", "pending"])
        # The message came twice.
        self.worker.run_key(str(first.key), "default")
        self.assertEqual(len(heard), 1)
        with self.later(31):
            self.assertEqual(self.run_due(), ["done"])

    def test_unknown_key(self):
        """A message without a row does nothing."""
        self.worker.run_key(str(uuid4()), "default")
        self.assertEqual(heard, [])

    def test_queue(self):
        """A worker can be for one queue."""
        self.send(1, 2)
        Delivery.objects.filter(pk=Delivery.objects.latest("pk").pk).update(queue="mail")
        found = [outcome for _, outcome in self.worker.run_due("default", queue="mail")]
        self.assertEqual((len(found), self.states()), (1, ["pending", "done"]))

    def test_delay(self):
        """A delayed one waits before anybody takes it."""
        told.disconnect(hear)
        self.connect(hear_later)
        self.send(1)
        self.assertEqual(self.run_due(), [])
        row = Delivery.objects.get()
        self.assertEqual(row.due_at - row.created_at, timedelta(seconds=100))
        with self.later(101):
            self.assertEqual(self.run_due(), ["done"])


class OutcomeTests(WorkerTestCase):
    """What becomes of a delivery whose receiver fails."""

    def raise_in_receiver(self, error):
        def then(number):
            raise error

        Hearing.then = then

    def test_retry(self):
        """It is tried again after a growing pause."""
        self.connect(hear)
        self.send(1)
        Hearing.then = lambda number: 1 / 0
        pauses = []
        with self.assertLogs("signalscope.delivery", logging.WARNING):
            for _ in range(3):
                with self.later(sum(pauses)):
                    self.assertEqual(self.run_due(), ["retry"])
                    self.assertEqual(self.run_due(), [])
                    pauses.append(Delivery.objects.get().lease_until_s - time.time())
        self.assertEqual([round(pause) for pause in pauses], [2, 4, 8])
        row = Delivery.objects.get()
        self.assertEqual(row.last_error, "ZeroDivisionError: division by zero")
        self.assertGreater(row.due_at, timezone.now())
        Hearing.then = lambda number: None
        with self.later(100):
            self.assertEqual(self.run_due(), ["done"])
        row = Delivery.objects.get()
        self.assertEqual((row.attempts, row.lapse_count, row.state), (4, 0, "done"))
        self.assertEqual(len({key for _, key in heard}), 1)

    def test_failed(self):
        """After its last attempt it stays as failed."""
        self.connect(hear_twice)
        self.send(1)
        with self.assertLogs("signalscope.delivery", logging.WARNING) as logs:
            self.assertEqual(self.run_due(), ["retry"])
            with self.later(100):
                self.assertEqual(self.run_due(), ["failed"])
            with self.later(10**9):
                self.assertEqual(self.run_due(), [])
        self.assertIn("has failed for good", logs.output[-1])
        row = Delivery.objects.get()
        self.assertEqual((row.state, row.attempts, row.max_attempts), ("failed", 2, 2))
        self.assertEqual(row.last_error, "ValueError: never")
        self.assertIsNotNone(row.finished_at)
        self.assertIsNone(row.lease_until_s)

    def test_unreadable(self):
        """What cannot be read is kept as failed at once, and the others are run."""
        self.connect(hear)
        self.send(1, 2, 3)
        first, second, _ = Delivery.objects.order_by("pk")
        renamed = {**first.context, "receiver": "tests.delivery.test_claims.renamed"}
        Delivery.objects.filter(pk=first.pk).update(context=renamed)
        Delivery.objects.filter(pk=second.pk).update(payload={"version": 99})
        with self.assertLogs("signalscope.delivery", logging.WARNING):
            self.assertEqual(self.run_due(), ["failed", "failed", "done"])
        errors = Delivery.objects.order_by("pk").values_list("last_error", flat=True)
        self.assertIn("renamed", errors[0])
        self.assertIn("99", errors[1])

    def test_process_ends(self):
        """One whose process is told to end is left for the next one, at once and whole."""
        self.connect(hear)
        self.send(1)
        self.raise_in_receiver(KeyboardInterrupt())
        for _ in range(12):
            with self.assertRaises(KeyboardInterrupt):
                self.run_due()
        self.assertEqual(self.states(), ["pending"])
        Hearing.then = lambda number: None
        self.assertEqual(self.run_due(), ["done"])
        row = Delivery.objects.get()
        self.assertEqual((row.attempts, row.lapse_count), (1, 0))

    def test_receiver_that_exits(self):
        """Whatever a receiver raises it has failed by, and its worker goes on."""
        self.connect(hear)
        self.send(1)
        Delivery.objects.update(max_attempts=2)
        with self.assertLogs("signalscope.delivery", logging.WARNING):
            self.raise_in_receiver(SystemExit(1))
            self.assertEqual(self.run_due(), ["retry"])
            self.raise_in_receiver(CancelledError())
            with self.later(100):
                self.assertEqual(self.run_due(), ["failed"])
        self.assertIn("CancelledError", Delivery.objects.get().last_error)

    def test_acts(self):
        """What has failed can be run again or cancelled; what is done or running cannot."""
        self.connect(hear)
        self.send(1, 2, 3, 4, 5)
        rows = list(Delivery.objects.order_by("pk"))
        for row, state in zip(
            rows, ("failed", "cancelled", "done", "pending", "running"), strict=True
        ):
            Delivery.objects.filter(pk=row.pk).update(
                state=state, attempts=7, lease_until_s=time.time() + 1000
            )
        self.assertEqual(cancel(Delivery.objects.all()), 2)
        self.assertEqual(self.states(), ["cancelled", "cancelled", "done", "cancelled", "running"])
        self.assertEqual(self.run_due(), [])
        self.worker.run_key(str(rows[3].key), "default")
        self.assertEqual(heard, [])
        self.assertEqual(retry(Delivery.objects.all()), 3)
        self.assertEqual(self.states(), ["pending", "pending", "done", "pending", "running"])
        self.assertEqual(self.run_due(), ["done"] * 3)
        self.assertEqual(set(Delivery.objects.values_list("attempts", flat=True)), {1, 7})


class ConnectionTests(WorkerTestCase):
    """The connections that receivers leave behind."""

    def setUp(self):
        super().setUp()
        file = self.enterContext(tempfile.NamedTemporaryFile(suffix=".sqlite3"))
        second = {**connections.settings["default"], "NAME": file.name, "OPTIONS": {}}
        second["ENGINE"] = "django.db.backends.sqlite3"
        self.enterContext(mock.patch.dict(connections.settings, second=second))
        # Django lets a test use no others.
        self.enterContext(mock.patch.object(type(self), "databases", {"default", "second"}))
        self.second = connections["second"]
        self.addCleanup(connections.__delitem__, "second")
        self.addCleanup(self.second.close)
        self.connect(hear)
        self.send(1, 2)
        self.found = []

        def then(number):
            self.found.append(self.second.connection is not None)
            with self.second.cursor() as cursor:
                cursor.execute("SELECT 1")

        Hearing.then = then

    def test_closed(self):
        """Those to other databases are closed as between requests: they may idle for long."""
        self.assertEqual(self.run_due(), ["done"] * 2)
        self.assertEqual((self.found, self.second.connection), ([False, False], None))

    def test_kept(self):
        """They stay for as long as CONN_MAX_AGE says, and so does a transaction."""
        self.second.settings_dict["CONN_MAX_AGE"] = None
        self.assertEqual(self.run_due(), ["done"] * 2)
        self.assertEqual(self.found, [False, True])
        self.second.in_atomic_block, self.second.close_at = True, 0
        self.addCleanup(setattr, self.second, "in_atomic_block", False)
        self.send(3)
        self.run_due()
        self.assertIsNotNone(self.second.connection)

    def test_handed_over(self):
        """One that its backend runs may be run by a request, whose connections are its own."""
        self.worker.run_key(str(Delivery.objects.earliest("pk").key), "default")
        self.assertIsNotNone(self.second.connection)


class OrderTests(WorkerTestCase):
    """Deliveries of one object run one after another."""

    def setUp(self):
        super().setUp()
        self.connect(hear_in_order)
        self.first = Order.objects.create(number="A")
        self.second = Order.objects.create(number="B")

    def keys(self):
        return [str(key) for key in Delivery.objects.order_by("pk").values_list("key", flat=True)]

    def test_one_after_another(self):
        """While one is running no other one of its object is, but those of other objects are."""
        self.send(1, 2, instance=self.first)
        self.send(3, instance=self.second)
        one = claims.claim_due("default", lease_s=60)
        other = claims.claim_due("default", lease_s=60)
        self.assertEqual([one.key, other.key], [self.keys()[0], self.keys()[2]])
        self.assertIsNone(claims.claim_due("default", lease_s=60))
        self.assertIsNone(claims.claim_key(self.keys()[1], "default", lease_s=60))
        claims.finish(one, State.DONE)
        self.assertEqual(claims.claim_due("default", lease_s=60).key, self.keys()[1])

    def test_the_next_follows_at_once(self):
        """Who has run one goes on with the next, though that was left to a backend."""
        with self.settings(SIGNALSCOPE={"DELIVERY": {"hand_over_s": 1000}}):
            self.send(1, 2, 3, instance=self.first)
        for key in reversed(self.keys()):
            self.worker.run_key(key, "default")
        self.assertEqual(heard, [("A", 1), ("A", 2), ("A", 3)])

    def test_blocked_by_a_retry(self):
        """One that is to be tried again holds up those behind it, until it is done or failed."""
        self.send(1, 2, instance=self.first)
        Delivery.objects.filter(key=self.keys()[0]).update(max_attempts=2)

        def then(number):
            if number == 1:
                raise ValueError("not yet")

        Hearing.then = then
        with self.assertLogs("signalscope.delivery", logging.WARNING):
            self.assertEqual(self.run_due(), ["retry"])
            self.assertEqual(self.run_due(), [])
            with self.later(100):
                self.assertEqual(self.run_due(), ["failed", "done"])
        self.assertEqual(self.states(), ["failed", "done"])

    def test_other_queue(self):
        """A worker for one queue leaves the next one to that of another, which waits for it."""
        self.send(1, 2, 3, instance=self.first)
        Delivery.objects.filter(key=self.keys()[1]).update(queue="mail")
        Delivery.objects.exclude(key=self.keys()[1]).update(queue="slow")
        for queue, numbers in (("slow", [1]), ("slow", []), ("mail", [2]), ("slow", [3])):
            heard.clear()
            list(self.worker.run_due("default", queue=queue))
            self.assertEqual([number for _, number in heard], numbers)

    def test_retried_by_hand(self):
        """One that is tried again by hand waits for the one that is running."""
        self.send(1, 2, instance=self.first)
        cancel(Delivery.objects.filter(key=self.keys()[0]))
        running = claims.claim_due("default", lease_s=60)
        retry(Delivery.objects.filter(key=self.keys()[0]))
        self.assertIsNone(claims.claim_due("default", lease_s=60))
        claims.finish(running, State.DONE)
        self.assertEqual(claims.claim_due("default", lease_s=60).key, self.keys()[0])

    def test_other_instances_of_a_row(self):
        """Whatever its fields are, a row of a database is one object."""
        self.send(1, instance=self.first)
        self.first.number = "C"
        self.send(2, instance=self.first)
        self.assertEqual(Delivery.objects.values("order_key").distinct().count(), 1)

    def test_what_is_one(self):
        """A proxy's row is its model's; new ones, and equal values of other arguments, are not."""
        parcel = Parcel.objects.create(code="a")
        express = Express.objects.get(pk=parcel.pk)
        keys = [
            _order_key(pack(order_paid, None, named)["named"], name)
            for name, named in (
                ("instance", {"instance": parcel}),
                ("instance", {"instance": express}),
                ("instance", {"instance": Parcel()}),
                ("user_id", {"user_id": 5}),
                ("order_id", {"order_id": 5}),
            )
        ]
        self.assertEqual(keys[0], keys[1])
        self.assertEqual(keys[2], "")
        self.assertEqual(len({*keys}), 4)

    def test_missing_argument(self):
        """An argument that the dispatch has not is an error there."""
        with self.assertRaisesMessage(TypeError, "order_by is 'instance'"):
            self.send(1)
        self.assertEqual(self.states(), [])
