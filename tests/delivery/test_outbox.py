"""Deliveries are stored with the work that made them: both are there, or neither is."""

import random
from contextlib import contextmanager
from unittest import mock

from django.db import DatabaseError, connection, transaction
from django.db.models import signals
from django.dispatch import Signal
from django.test import TestCase, TransactionTestCase, override_settings
from django.test.utils import CaptureQueriesContext

from signalscope import deferred, register, unregister
from signalscope.delivery.jobs import make_job
from signalscope.delivery.options import Options
from signalscope.models import Delivery
from signalscope.outbox import writing
from signalscope.outbox.promises import Promises
from signalscope.outbox.work import Worker
from tests.shop.models import Order

sent = Signal()
heard = []


@deferred(durable=True, backend="inline")
def hear(number, **kwargs):
    """Keep what is heard."""
    heard.append(number)


class Undo(Exception):
    """Rolls a transaction back."""


@contextmanager
def connected():
    """Let the receiver hear the signal in a block."""
    register(sent, name="tests.delivery.sent")
    sent.connect(hear)
    heard.clear()
    try:
        yield
    finally:
        sent.disconnect(hear)
        unregister(sent)


def send(*numbers):
    """Send once for each number."""
    for number in numbers:
        sent.send(sender=None, number=number)


def undone(*numbers):
    """Send for each number in a part of a transaction that is rolled back."""
    try:
        with transaction.atomic():
            send(*numbers)
            raise Undo
    except Undo:
        pass


@contextmanager
def refused_inserts():
    """Let the database refuse deliveries in a block."""

    def refuse(execute, sql, *args):
        if sql.startswith("INSERT") and "signalscope_delivery" in sql:
            raise DatabaseError("no deliveries today")
        return execute(sql, *args)

    with connection.execute_wrapper(refuse):
        yield


class OutboxTestCase(TransactionTestCase):
    """In transactions that are really committed."""

    def setUp(self):
        self.enterContext(connected())

    def stored(self):
        """Return the numbers of all deliveries, in their order."""
        rows = Delivery.objects.order_by("pk").values_list("payload", flat=True)
        return [payload["named"]["number"] for payload in rows]


class OutboxTests(OutboxTestCase):
    """What is written, when and how."""

    def inserts(self, seen):
        """Return the statements that wrote deliveries."""
        return [
            query["sql"]
            for query in seen.captured_queries
            if "INSERT" in query["sql"] and "signalscope_delivery" in query["sql"]
        ]

    def test_commit(self):
        """It is stored with the work, and handed over once that is committed."""
        with transaction.atomic():
            send(1)
            self.assertEqual(heard, [])
        self.assertEqual(heard, [1])
        self.assertEqual(Delivery.objects.get().state, "done")

    def test_autocommit(self):
        """Outside of transactions that is at once."""
        send(1, 2)
        self.assertEqual(heard, [1, 2])
        self.assertEqual(self.stored(), [1, 2])

    def test_rollback(self):
        """What is rolled back was never promised."""
        undone(1, 2)
        self.assertEqual(self.stored(), [])
        send(3)
        self.assertEqual(heard, [3])

    def test_one_insert(self):
        """All of one transaction are written by one statement, whatever savepoints it had."""
        for count in (1, 3, 200):
            with self.subTest(count), CaptureQueriesContext(connection) as seen:
                with transaction.atomic():
                    for number in range(count):
                        if number % 10:
                            send(number)
                        else:
                            with transaction.atomic():
                                send(number)
                    undone(-1, -2)
                self.assertEqual(len(self.inserts(seen)), 1)
        self.assertEqual(self.stored(), [0, *range(3), *range(200)])

    def test_one_insert_in_autocommit_mode(self):
        """One delivery costs the sender one statement."""
        with CaptureQueriesContext(connection) as seen:
            send(1)
        self.assertEqual(len(self.inserts(seen)), 1)
        self.assertIn("INSERT", seen.captured_queries[0]["sql"])

    def test_savepoints(self):
        """What belongs to a part that is rolled back is gone, the rest is there in its order."""
        with transaction.atomic():
            send(1)
            with transaction.atomic():
                send(2)
                undone(-1)
            outer = connection.savepoint()
            send(-2)
            inner = connection.savepoint()
            send(-3)
            connection.savepoint_commit(inner)
            connection.savepoint_rollback(outer)
            send(3)
        self.assertEqual(self.stored(), [1, 2, 3])
        self.assertEqual(heard, [1, 2, 3])

    def test_read_in_the_transaction(self):
        """Whoever reads deliveries in the transaction sees what is promised there so far."""
        with transaction.atomic():
            send(1)
            self.assertEqual(self.stored(), [1])
            send(2)
            self.assertTrue(Delivery.objects.filter(state="pending").exists())
            self.assertEqual(self.stored(), [1, 2])
        self.assertEqual(self.stored(), [1, 2])
        self.assertEqual(heard, [1, 2])

    def test_read_in_a_part_that_is_rolled_back(self):
        """What was written for a reader there is written again, where it was promised before."""
        with transaction.atomic():
            send(1)
            try:
                with transaction.atomic():
                    send(-1)
                    self.assertEqual(self.stored(), [1, -1])
                    raise Undo
            except Undo:
                pass
            self.assertEqual(self.stored(), [1])
            send(2)
        self.assertEqual(self.stored(), [1, 2])
        self.assertEqual(heard, [1, 2])

    def test_refused(self):
        """One that its backend does not take waits for a worker, and holds up nobody else."""

        def refuse(job, backend):
            if job.queue == "nosuch":
                raise LookupError("there is no such queue")
            handed_over.append((job.queue, job.name))

        handed_over, promises = [], Promises()
        with mock.patch("signalscope.outbox.promises.hand_over", refuse):
            with self.assertLogs("signalscope.delivery", "WARNING") as logs:
                for queue in ("nosuch", "nosuch", None):
                    options = Options(queue=queue)
                    job = make_job("tests.delivery.test_outbox.hear", options, sent, None, {})
                    promises.store(job, options, "default")
        self.assertEqual(handed_over, [(None, "tests.delivery.test_outbox.hear")])
        (line,) = logs.output
        self.assertIn("to tests.delivery.test_outbox.hear, which is stored", line)
        self.assertEqual(Delivery.objects.count(), 3)

    def test_many(self):
        """A transaction keeps no more of them waiting than it may; all the same none is lost."""
        self.enterContext(limit(7))
        with transaction.atomic():
            for start in range(0, 60, 20):
                send(*range(start, start + 10))
                with transaction.atomic():
                    send(*range(start + 10, start + 20))
                undone(*range(-30, -10))
        self.assertEqual(self.stored(), list(range(60)))

    def test_large(self):
        """No statement is much larger than a packet of MySQL's may be, but for one large row."""
        with CaptureQueriesContext(connection) as seen, transaction.atomic():
            send(*["a" * 400_000, "b" * 400_000, "c" * 1_400_000, "d", "e"])
        lengths = [len(sql) // 100_000 for sql in self.inserts(seen)]
        # PostgreSQL has no such limit.
        self.assertEqual(lengths, [22] if connection.vendor == "postgresql" else [8, 14, 0])
        self.assertEqual([number[0] for number in self.stored()], [*"abcde"])

    def test_many_parameters(self):
        """PostgreSQL may have a limit of parameters that its features do not tell."""
        silent = mock.Mock(vendor="postgresql")
        silent.features.max_query_params = None
        count = writing._rows_at_once(silent)
        self.assertGreater(count, 3000)
        self.assertLess(count * len(writing._FIELDS), 65_536)

    def test_database_refuses(self):
        """Where it cannot be stored, the work is undone, and the caller told."""
        with refused_inserts():
            with self.assertRaisesMessage(DatabaseError, "no deliveries today"):
                with transaction.atomic():
                    Order.objects.create(number="1")
                    send(1)
            with self.assertRaisesMessage(DatabaseError, "no deliveries today"):
                send(2)
        self.assertFalse(Order.objects.exists())
        self.assertEqual((self.stored(), heard), ([], []))

    def test_error_that_the_project_catches(self):
        """A part that the database has failed is gone, and the rest is kept."""
        with transaction.atomic():
            send(1)
            try:
                with transaction.atomic():
                    send(-1)
                    connection.cursor().execute("SELECT no_such_column")
            except DatabaseError:
                pass
            send(2)
        self.assertEqual(self.stored(), [1, 2])

    def test_without_autocommit(self):
        """A transaction that Django does not manage stores them, and a worker runs them."""
        transaction.set_autocommit(False)
        try:
            send(1)
            transaction.rollback()
            send(2)
            transaction.commit()
        finally:
            transaction.rollback()
            transaction.set_autocommit(True)
        self.assertEqual((self.stored(), heard), ([2], []))
        self.assertEqual([str(outcome) for _, outcome in Worker(60).run_due("default")], ["done"])
        self.assertEqual(heard, [2])

    def test_no_signals(self):
        """Receivers of the project hear nothing of signalscope's rows."""
        told = []

        def note(sender, **kwargs):
            if sender is Delivery:
                told.append(kwargs["signal"])

        names = ("pre_init", "post_init", "pre_save", "post_save", "pre_delete", "post_delete")
        for name in names:
            getattr(signals, name).connect(note)
        try:
            with transaction.atomic():
                send(1, 2)
        finally:
            for name in names:
                getattr(signals, name).disconnect(note)
        self.assertEqual((heard, told), ([1, 2], []))


@contextmanager
def limit(count):
    """Let a transaction keep no more than so many deliveries waiting, in a block."""
    before, writing.MAX_WAITING = writing.MAX_WAITING, count
    try:
        yield
    finally:
        writing.MAX_WAITING = before


class StormTests(OutboxTestCase):
    """A thousand transactions, half of them rolled back, with savepoints at random."""

    def act(self, chance, numbers):
        """Do some steps in a transaction; return the numbers that were not rolled back in it."""
        kept = []
        for _ in range(chance.randint(0, 4)):
            step = chance.choice(["send", "send", "block", "savepoint", "read"])
            if step == "send":
                kept.append(next(numbers))
                send(kept[-1])
            elif step == "block":
                kept += self.block(chance, numbers, chance.random() < 0.5)
            elif step == "savepoint":
                sid = connection.savepoint()
                inside = self.act(chance, numbers)
                if chance.random() < 0.5:
                    connection.savepoint_rollback(sid)
                else:
                    connection.savepoint_commit(sid)
                    kept += inside
            elif chance.random() < 0.2:
                Delivery.objects.count()
        return kept

    def block(self, chance, numbers, is_undone):
        """Do some steps in an atomic block; return the numbers that it keeps."""
        try:
            with transaction.atomic(savepoint=True):
                kept = self.act(chance, numbers)
                if is_undone:
                    raise Undo
        except Undo:
            return []
        return kept

    def test_storm(self):
        """Exactly what was committed is stored and run, each once."""
        chance = random.Random(20)
        numbers = iter(range(10**9))
        expected = []
        for number in range(1000):
            with limit(chance.choice([1, 3, 5000])):
                expected += self.block(chance, numbers, is_undone=number % 2)
        self.assertGreater(len(expected), 300)
        self.assertEqual(self.stored(), expected)
        self.assertEqual(heard, expected)
        self.assertEqual(set(Delivery.objects.values_list("state", flat=True)), {"done"})


class TestCaseTests(TestCase):
    """In a test of the project, which is a transaction that is never committed."""

    def setUp(self):
        self.enterContext(connected())

    def test_rows_are_seen(self):
        """The row is there to look at; nothing is handed over without a commit."""
        with transaction.atomic():
            send(1)
        self.assertEqual(Delivery.objects.get().state, "pending")
        self.assertEqual(heard, [])

    def test_captured_callbacks(self):
        """Django's own captureOnCommitCallbacks() hands over."""
        with self.captureOnCommitCallbacks(execute=True) as callbacks:
            send(1)
        self.assertEqual((len(callbacks), heard), (1, [1]))

    def test_worker(self):
        """A worker runs them in the test's transaction."""
        with override_settings(SIGNALSCOPE={"DELIVERY": {"hand_over_s": 0}}):
            send(1, 2)
        self.assertEqual(len(list(Worker(60).run_due("default"))), 2)
        self.assertEqual(heard, [1, 2])
