"""Batches of all processes: stored with the work, run together, each dispatch in one of them."""

import logging
import threading
import time
from contextlib import ExitStack, contextmanager
from io import StringIO
from itertools import chain

from django.core.management import call_command
from django.db import DatabaseError, connection, connections, transaction
from django.db.models import signals
from django.dispatch import Signal
from django.test import TransactionTestCase, override_settings
from django.test.utils import CaptureQueriesContext

from signalscope import batched, register, signal_condition, unregister
from signalscope.models import Delivery
from signalscope.outbox.acts import retry
from signalscope.outbox.claims import claim_due
from signalscope.outbox.work import Worker
from tests.delivery.test_deferred import traces_of_runs
from tests.shop.models import Order
from tests.trees import recorded

sent = Signal()
batches = []


class Bad(Exception):
    """Raised for a dispatch that cannot be handled."""


class Handling:
    """What else happens as a batch is handled."""

    @staticmethod
    def then():
        """Do nothing, unless a test says otherwise."""


def keep(dispatches):
    """Keep the numbers of a batch; fail where a bad one is among them."""
    numbers = [one.named["number"] for one in dispatches]
    Handling.then()
    if "bad" in numbers:
        raise Bad(f"one of {len(numbers)}")
    batches.append(numbers)


@batched(size=3, interval=60, durable=True)
def hear(dispatches):
    """Keep what is heard."""
    keep(dispatches)


@batched(size=3, interval=60, durable=True)
async def ahear(dispatches):
    """Do so as a coroutine."""
    keep(dispatches)


@batched(size=3, interval=60, durable=True)
@signal_condition(lambda number, **kwargs: number != 0)
def hear_some(dispatches):
    """Keep what is heard but zeros."""
    keep(dispatches)


@batched(size=4, durable=True, coalesce=True, key=lambda one: one.named["group"])
def hear_last(dispatches):
    """Keep the last of each group."""
    keep(dispatches)


@batched(size=2, durable=True, coalesce=True)
def reindex(dispatches):
    """Keep orders and their numbers."""
    batches.append([(one.sender, one.named["instance"].number) for one in dispatches])


class BatchTestCase(TransactionTestCase):
    """In transactions that are really committed."""

    def setUp(self):
        register(sent, name="tests.delivery.batched")
        self.addCleanup(unregister, sent)
        self.addCleanup(setattr, Handling, "then", Handling.then)
        batches.clear()
        self.worker = Worker(600, jitter=lambda least, most: most)

    def connect(self, receiver, signal=sent, **named):
        signal.connect(receiver, **named)
        self.addCleanup(signal.disconnect, receiver, **named)

    def send(self, *numbers, **named):
        for number in numbers:
            sent.send(sender=None, number=number, **named)

    def run_due(self):
        """Run what is due or enough; return the outcomes."""
        return [str(outcome) for _, outcome in self.worker.run_due("default")]

    def run_late(self, seconds=61):
        """Do that later."""
        with later(seconds):
            return self.run_due()

    def states(self):
        return list(Delivery.objects.order_by("pk").values_list("state", flat=True))


@contextmanager
def later(seconds):
    """Let the clock of claims be later, in a block."""
    before = time.time
    time.time = lambda: before() + seconds
    try:
        yield
    finally:
        time.time = before


class SizeAndIntervalTests(BatchTestCase):
    """When a batch is one."""

    def setUp(self):
        super().setUp()
        self.connect(hear)

    def test_size(self):
        """As many as make a batch are run at once, oldest first; the others wait."""
        self.send(*range(7))
        self.assertEqual(self.run_due(), ["done"] * 6)
        self.assertEqual(batches, [[0, 1, 2], [3, 4, 5]])
        self.assertEqual(self.states(), ["done"] * 6 + ["pending"])

    def test_interval(self):
        """Fewer are a batch once the first of them is old enough; then newer ones join it."""
        self.send(1)
        self.assertEqual(self.run_late(59), [])
        Delivery.objects.update(lease_until_s=time.time())
        self.send(2)
        self.assertEqual(self.run_due(), ["done"] * 2)
        self.assertEqual(batches, [[1, 2]])

    @override_settings(DEBUG=True)
    def test_connect_debug(self):
        """With DEBUG, Django lets one be connected that takes the list alone."""
        self.connect(ahear)
        self.send(1)
        self.assertEqual(self.states(), ["pending"] * 2)

    def test_due_at(self):
        """A row says when it is to be run at the latest."""
        self.send(1)
        row = Delivery.objects.get()
        self.assertAlmostEqual((row.due_at - row.created_at).total_seconds(), 60)
        self.assertAlmostEqual(row.lease_until_s, row.due_at.timestamp(), delta=1)

    def test_more_than_a_batch_is_due(self):
        """No batch is larger than its size, however many are due."""
        self.send(*range(8))
        self.assertEqual(self.run_late(), ["done"] * 8)
        self.assertEqual([len(batch) for batch in batches], [3, 3, 2])

    def test_receivers_apart(self):
        """A batch is of one receiver."""
        self.connect(ahear)
        self.send(1, 2)
        self.assertEqual(self.run_due(), [])
        self.assertEqual(self.run_late(), ["done"] * 4)
        self.assertEqual(batches, [[1, 2], [1, 2]])

    def test_rollback(self):
        """What is rolled back is in no batch."""
        with transaction.atomic():
            self.send(1, 2)
            try:
                with transaction.atomic():
                    self.send(3)
                    raise Bad
            except Bad:
                pass
        try:
            with transaction.atomic():
                self.send(4)
                raise Bad
        except Bad:
            pass
        self.assertEqual(self.run_late(), ["done"] * 2)
        self.assertEqual(batches, [[1, 2]])

    def test_one_insert(self):
        """The sender pays one statement for all of a transaction, and nothing after it."""
        with (
            CaptureQueriesContext(
                connection,
            ) as seen,
            transaction.atomic(),
        ):
            self.send(*range(5))
        told = [query["sql"] for query in seen if "signalscope_delivery" in query["sql"]]
        self.assertEqual([sql.split()[0] for sql in told], ["INSERT"])

    def test_what_no_batch_costs(self):
        """Where too few wait, that is asked once, and reads no payloads."""
        self.send(1, 2)
        with CaptureQueriesContext(connection) as seen:
            self.assertEqual(self.run_due(), [])
        told = [query["sql"] for query in seen if f"'{__name__}.hear'" in query["sql"]]
        self.assertEqual(len(told), 1)
        self.assertNotIn("payload", told[0])

    def test_command(self):
        """``signalscope deliver`` runs batches, and counts their dispatches."""
        self.send(1, 2, 3)
        out = StringIO()
        call_command("signalscope", "deliver", "--once", stdout=out)
        self.assertIn("done 3", out.getvalue())
        self.assertEqual(batches, [[1, 2, 3]])

    def test_queue(self):
        """A worker for one queue leaves batches of others alone."""
        with override_settings(SIGNALSCOPE={"DELIVERY": {"queue": "mail"}}):
            self.send(1, 2, 3)
        self.assertEqual(list(self.worker.run_due("default", "other")), [])
        self.assertEqual(len(list(self.worker.run_due("default", "mail"))), 3)

    def test_switched_off(self):
        """Nothing of it needs a recorder."""
        with override_settings(SIGNALSCOPE={"ENABLED": False}):
            self.send(1, 2, 3)
            self.run_due()
        self.assertEqual(batches, [[1, 2, 3]])

    def test_recorded(self):
        """The dispatch shows a deferred call."""
        with recorded() as found:
            self.send(1)
        self.assertEqual(found.text, "batched\n  hear deferred\n")

    def test_run_is_recorded(self):
        """A run is recorded as a dispatch to the receiver alone, in a trace of its own."""
        self.send(1, 2, 3)
        found = traces_of_runs(self, self.run_due)
        name = f"{__name__}.hear"
        self.assertEqual(found, [("task", name, "ok", [("batched", "hear", "ok")])])


class FailureTests(BatchTestCase):
    """A bad one keeps no other one from being done."""

    def setUp(self):
        super().setUp()
        self.connect(hear)
        logger = logging.getLogger("signalscope.delivery")
        self.addCleanup(setattr, logger, "disabled", logger.disabled)
        logger.disabled = True

    def row(self):
        return Delivery.objects.get(payload__named__number="bad")

    def test_split(self):
        """The bad one is found, gets the error, and is tried again later; the others are done."""
        self.send(1, "bad", 3)
        self.assertEqual(sorted(self.run_due()), ["done", "done", "retry"])
        self.assertEqual(batches, [[1], [3]])
        row = self.row()
        self.assertEqual((row.state, row.attempts), ("pending", 1))
        self.assertIn("Bad: one of 1", row.last_error)
        self.assertEqual(self.states(), ["done", "pending", "done"])

    def test_trace(self):
        """The trace of a batch with a bad one has failed, and shows each call."""
        self.send(1, "bad")
        (found,) = traces_of_runs(self, self.run_late)
        self.assertEqual(found[2], "error")

    def test_pause(self):
        """It joins no batch before its pause is over."""
        self.send(1, "bad", 3)
        self.run_due()
        self.send(4, 5)
        self.assertEqual(self.run_due(), [])
        self.send(6)
        self.assertEqual(self.run_due(), ["done"] * 3)
        self.assertEqual(self.row().attempts, 1)

    def test_failed_for_good(self):
        """It fails for good after its last attempt."""
        with override_settings(SIGNALSCOPE={"DELIVERY": {"max_attempts": 2}}):
            self.send("bad")
        self.assertEqual(self.run_late(61), ["retry"])
        self.assertEqual(self.run_late(200), ["failed"])
        self.assertEqual(self.run_late(9000), [])
        self.assertEqual((self.row().state, self.row().attempts), ("failed", 2))

    def test_retried_by_hand(self):
        """What somebody lets be tried again joins a batch."""
        self.send(1, "bad", 3)
        self.run_due()
        Delivery.objects.filter(state="pending").update(state="failed", lease_until_s=None)
        row = self.row()
        row.payload["named"]["number"] = 2
        row.save()
        retry(Delivery.objects.filter(pk=row.pk))
        self.assertEqual(self.run_due(), ["done"])
        self.assertEqual(batches, [[1], [3], [2]])

    def test_unreadable(self):
        """What cannot be read has failed at once; the others are done."""
        self.send(1, 2, 3)
        row = Delivery.objects.earliest("pk")
        row.payload["signal"] = "tests.nowhere"
        row.save()
        self.assertEqual(sorted(self.run_due()), ["done", "done", "failed"])
        self.assertEqual(batches, [[2, 3]])

    def test_receiver_is_gone(self):
        """What is for a receiver that is not there is kept as failed."""
        self.send(1, 2)
        Delivery.objects.update(
            receiver="tests.gone", context={"key": "", "receiver": "tests.gone"}
        )
        self.assertEqual(self.run_late(), ["failed"] * 2)
        self.assertEqual(batches, [])

    def test_lapse(self):
        """One whose worker died is run alone: it may be what it died of."""
        self.send(1, 2, 3)
        rows = Delivery.objects.all()
        rows.update(state="running", attempts=1, lease_until_s=time.time(), claimed_by="gone")
        self.send(4)
        self.assertEqual(self.run_due(), ["done"] * 3)
        self.assertEqual(batches, [[1], [2], [3]])
        self.assertEqual(sum(Delivery.objects.values_list("lapse_count", flat=True)), 3)

    def test_process_ends(self):
        """Where the process is about to end, all of the batch are left for others, at once."""

        def end():
            Handling.then = before
            raise KeyboardInterrupt

        self.send(1, 2, 3)
        before, Handling.then = Handling.then, end
        with self.assertRaises(KeyboardInterrupt):
            self.run_due()
        self.assertEqual(self.states(), ["pending"] * 3)
        self.assertEqual(self.run_due(), ["done"] * 3)
        self.assertEqual(set(Delivery.objects.values_list("attempts", flat=True)), {1})

    def test_long_search(self):
        """To find the bad ones may take longer than a lease: nobody takes the others meanwhile."""
        taken = []

        def then():
            clock.enter_context(later(400))
            taken.append(claim_due("default", lease_s=600))

        self.send(1, "bad", 3)
        Handling.then = then
        with ExitStack() as clock:
            self.assertEqual(sorted(self.run_due()), ["done", "done", "retry"])
        self.assertEqual((batches, taken), ([[1], [3]], [None] * 5))

    def test_taken_during_the_search(self):
        """What another worker has taken since the first call is not run by this one as well."""

        def take():
            Handling.then = before
            Delivery.objects.filter(pk=first).update(claimed_by="other")

        self.send(1, "bad", 3)
        first = Delivery.objects.earliest("pk").pk
        before, Handling.then = Handling.then, take
        self.assertEqual(sorted(self.run_due()), ["done", "overtaken", "retry"])
        self.assertEqual((batches, self.states()), ([[3]], ["running", "pending", "done"]))

    def test_database_is_away_during_the_search(self):
        """Where the leases cannot be renewed the worker stops, and says why."""

        def refuse(execute, sql, *args):
            if batches:
                raise DatabaseError("away")
            return execute(sql, *args)

        self.worker.lease_s = 0
        self.send(1, "bad", 3)
        with connection.execute_wrapper(refuse), self.assertRaisesMessage(DatabaseError, "away"):
            self.run_due()
        self.assertEqual((batches, self.states()), ([[1]], ["running"] * 3))

    def test_overtaken(self):
        """Those that another worker has claimed meanwhile are not marked by this one."""

        def overtake():
            Delivery.objects.filter(pk=first).update(claimed_by="other")

        self.send(1, 2, 3)
        first = Delivery.objects.earliest("pk").pk
        Handling.then = overtake
        self.assertEqual(self.run_due(), ["overtaken", "done", "done"])
        self.assertEqual(self.states(), ["running", "done", "done"])


class ReceiverTests(BatchTestCase):
    """What receivers may be, and get."""

    def test_async(self):
        """A coroutine function is run as others are."""
        self.connect(ahear)
        self.send(1, 2, 3)
        self.run_due()
        self.assertEqual(batches, [[1, 2, 3]])

    def test_condition(self):
        """Conditions are asked at the dispatch."""
        self.connect(hear_some)
        self.send(0, 1, 0, 2)
        self.assertEqual(Delivery.objects.count(), 2)
        self.run_late()
        self.assertEqual(batches, [[1, 2]])

    def test_argument_that_cannot_be_carried(self):
        """Is a TypeError at the dispatch, which names it."""
        self.connect(hear)
        with self.assertRaisesRegex(TypeError, "'number'"):
            self.send(object())
        self.assertEqual(Delivery.objects.count(), 0)

    def test_no_function_of_a_module(self):
        """What a worker could not find by name is refused."""

        def inner(dispatches):
            """Be nowhere."""

        for receiver in (inner, self.test_async):
            with self.assertRaisesRegex(TypeError, "top level of a module"):
                batched(durable=True)(receiver)

    def test_same_again(self):
        """The same function with the same options is one receiver."""
        again = batched(size=3, interval=60, durable=True)(hear.__wrapped__)
        self.assertIs(again, hear)


class CoalesceTests(BatchTestCase):
    """Only the last of each key is run."""

    def test_last(self):
        """The earlier ones of a key are done with the last one."""
        self.connect(hear_last)
        for number, group in enumerate("abab"):
            self.send(number, group=group)
        self.assertEqual(self.run_due(), ["done"] * 4)
        self.assertEqual(batches, [[2, 3]])
        self.assertEqual(self.states(), ["done"] * 4)

    def test_instance(self):
        """By default the key is the instance's; it is read anew."""
        self.connect(reindex, signals.post_save, sender=Order)
        order = Order.objects.create(number="1")
        order.number = "2"
        order.save()
        self.assertEqual(self.run_due(), ["done"] * 2)
        self.assertEqual(batches, [[(Order, "2")]])

    def test_no_key(self):
        """A dispatch without a key is an error at once."""
        self.connect(reindex)
        with self.assertRaisesRegex(TypeError, "without a model's instance"):
            self.send(1)
        self.assertEqual(Delivery.objects.count(), 0)

    def test_last_fails(self):
        """Where the last one fails it alone is tried again: it stands for those before it."""
        self.connect(hear_last)
        with self.assertLogs("signalscope.delivery", logging.WARNING):
            self.send(1, "bad", group="a")
            self.send(2, 3, group="b")
            self.run_due()
        self.assertEqual(batches, [[3]])
        self.assertEqual(self.states(), ["done", "pending", "done", "done"])


class ConcurrentTests(BatchTestCase):
    """Workers that run at the same time, and senders as well."""

    def in_threads(self, *works):
        """Run functions in threads with connections of their own."""
        errors = []

        def run(work):
            try:
                work()
            except Exception as error:  # noqa: BLE001
                errors.append(error)
            finally:
                connections.close_all()

        threads = [threading.Thread(target=run, args=[work]) for work in works]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(errors, [])

    def test_each_in_one_batch(self):
        """Each dispatch is in exactly one batch, and all batches are full."""
        self.connect(hear)
        self.send(*range(60))
        self.in_threads(*[self.run_due] * 4)
        self.assertEqual(sorted(chain(*batches)), list(range(60)))
        self.assertEqual({len(batch) for batch in batches}, {3})
        self.assertEqual(set(self.states()), {"done"})
        self.assertEqual(set(Delivery.objects.values_list("attempts", flat=True)), {1})

    def test_across_senders(self):
        """A batch holds what several have sent."""
        self.connect(hear)
        self.in_threads(*[lambda number=number: self.send(number) for number in range(3)])
        self.run_due()
        self.assertEqual([sorted(batch) for batch in batches], [[0, 1, 2]])

    def test_due(self):
        """So it is where they are due, though batches may be smaller then."""
        self.connect(hear)
        self.send(*range(50))
        with later(61):
            self.in_threads(*[self.run_due] * 4)
        self.assertEqual(sorted(chain(*batches)), list(range(50)))
        self.assertLessEqual(max(len(batch) for batch in batches), 3)
