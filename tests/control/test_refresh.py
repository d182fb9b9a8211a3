"""How a process learns of rules: by its writer's thread, and at once where they are saved."""

import logging
import threading
import time
from contextlib import contextmanager
from datetime import timedelta
from unittest import mock

from django.db import Error, OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.db.models.utils import create_namedtuple_class
from django.dispatch import Signal
from django.test import TestCase, TransactionTestCase
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

import signalscope
from signalscope import wiring
from signalscope.control.refresh import MAX_PAUSE_S, Refresh
from signalscope.control.rules import Rule, Rules
from signalscope.core import faults
from signalscope.models import ActivityLog, ControlRule
from signalscope.models.rule import read_rules
from tests.shop.models import Order
from tests.shop.signals import order_paid
from tests.sinks.test_database import StoreTestCase
from tests.trees import connected


def sync_crm(sender, **kwargs):
    """Answer."""
    return "synced"


def stored(**given):
    """Store a rule."""
    return ControlRule.objects.create(
        **{"receiver": "sync_crm", "reason": "the CRM is down", "set_by": "alice", **given}
    )


def answers():
    """Send, and return the answers."""
    with connected(order_paid, sync_crm):
        return [answer for _, answer in order_paid.send(sender=Order)]


def until(condition, seconds=10):
    """Wait until something is so; return whether it is."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


class ReadTests(TestCase):
    """What is read."""

    def test_those_that_have_not_ended(self):
        """One small query reads them, with what they say of themselves; ended ones are left out."""
        now = timezone.now()
        good = stored(receiver="", signal="order_*", sender="O", dispatch_uid="u", is_forced=True)
        timed = stored(until=now + timedelta(hours=1))
        stored(until=now - timedelta(seconds=1))
        stored(action="defer")
        with self.assertNumQueries(1):
            first, second = read_rules("default")
        text = f"rule {good.pk} by alice: the CRM is down"
        self.assertEqual(
            first, Rule("order_*", "O", "", "u", is_forced=True, end_s=float("inf"), text=text)
        )
        self.assertEqual(second.receiver, "sync_crm")
        self.assertAlmostEqual(second.end_s, timed.until.timestamp(), places=3)


class TurnTests(TestCase):
    """One look after another, by a clock of the test's."""

    def setUp(self):
        self.clock = self.enterContext(mock.patch("signalscope.control.refresh.time.monotonic"))
        self.clock.return_value = 1000.0
        self.rules = Rules(lambda: None)
        self.is_active = True
        self.refresh = Refresh(
            self.rules,
            read=self.read,
            alias="default",
            connect=self.connect,
            was_active=lambda: self.is_active,
            interval_s=5.0,
        )
        self.reads = 0
        self.error = None

    @contextmanager
    def connect(self):
        yield "default"

    def read(self, using):
        self.reads += 1
        if self.error is not None:
            raise self.error
        return [Rule(receiver=f"read {self.reads}")]

    def turn(self, after_s):
        """Take a turn so many seconds after the last one; return how often it was read."""
        self.clock.return_value += after_s
        self.refresh.turn()
        return self.reads

    def known(self):
        return [rule.receiver for rule in self.rules._known[0]]

    def test_at_once_and_then_by_the_interval(self):
        """The first look reads; the next ones do so when the interval is over."""
        counts = [self.turn(after_s) for after_s in (0, 1, 3.9, 0.1, 4.9, 0.1)]
        self.assertEqual(counts, [1, 1, 1, 2, 2, 3])
        self.assertEqual(self.known(), ["read 3"])

    def test_idle(self):
        """Where nothing happened, nothing is read."""
        self.turn(0)
        self.is_active = False
        self.assertEqual([self.turn(5) for _ in range(50)], [1] * 50)
        self.assertIs(self.refresh.is_asleep, True)
        self.is_active = True
        self.assertEqual(self.turn(5), 2)
        self.assertIs(self.refresh.is_asleep, False)

    def test_database_down(self):
        """The last known rules stay; it is tried again, with growing pauses, told once."""
        self.turn(0)
        self.error = OperationalError("connection refused")
        with self.assertLogs("signalscope", logging.INFO) as logged:
            attempts = [self.turn(1) for _ in range(300)]
        self.assertEqual(self.known(), ["read 1"])
        self.assertEqual(len(logged.output), 1)
        # After 5, then 10, 20, 40, and then every 60 seconds.
        first = [attempts.index(count) for count in sorted(set(attempts)) if count > 1]
        self.assertEqual(first[:6], [4, 14, 34, 74, 134, 194])
        self.error = None
        self.turn(MAX_PAUSE_S)
        self.assertEqual(self.known(), [f"read {self.reads}"])
        self.assertEqual(self.turn(5), self.reads)

    def test_fault_of_our_own(self):
        """What is no error of the database is reported as a fault, and raised to nobody."""
        self.error = KeyError("on purpose")
        self.turn(0)
        self.refresh.now()
        self.assertEqual([type(error) for error in faults.caught], [KeyError, KeyError])
        faults.caught.clear()

    def test_two_threads_at_once(self):
        """While a thread reads at once, the writer's does not wait for it."""
        reading, go_on = threading.Event(), threading.Event()
        read = self.refresh._read

        def wait_and_read(using):
            reading.set()
            go_on.wait(10)
            return read(using)

        self.refresh._read = wait_and_read
        thread = threading.Thread(target=self.refresh.now)
        thread.start()
        self.assertIs(reading.wait(10), True)
        self.refresh.turn()
        self.assertEqual(self.reads, 0)
        go_on.set()
        thread.join()
        self.assertEqual(self.known(), ["read 1"])


class SavedHereTests(TransactionTestCase):
    """Rules that are saved, changed and deleted in this process hold at once."""

    def setUp(self):
        self.addCleanup(wiring.scope().rules.replace, [])

    def test_at_once(self):
        """So it is in a test run, too, where no thread reads."""
        rule = stored()
        self.assertEqual(answers(), [])
        rule.receiver = "other"
        rule.save()
        self.assertEqual(answers(), ["synced"])
        rule.receiver = "sync_crm"
        rule.save()
        self.assertEqual(answers(), [])
        rule.delete()
        self.assertEqual(answers(), ["synced"])

    def test_ended(self):
        """A rule that is given a moment in the past is over."""
        rule = stored()
        rule.until = timezone.now()
        rule.save()
        self.assertIs(rule.has_ended, True)
        self.assertEqual(answers(), ["synced"])

    def test_committed(self):
        """Not before the transaction ends, and not at all where it is rolled back."""
        with transaction.atomic():
            stored()
            self.assertEqual(answers(), ["synced"])
        self.assertEqual(answers(), [])
        with self.assertRaises(KeyError), transaction.atomic():
            ControlRule.objects.get().delete()
            raise KeyError
        self.assertEqual(answers(), [])

    def test_by_other_means(self):
        """What update() does is not seen in a test run, until somebody asks for it."""
        ControlRule.objects.bulk_create([ControlRule(receiver="sync_crm", reason="x", set_by="y")])
        self.assertEqual(answers(), ["synced"])
        wiring.refresh_rules()
        self.assertEqual(answers(), [])

    def test_database_fails(self):
        """The last known rules stay, and whoever saved is not disturbed."""
        stored()
        with mock.patch.object(CursorWrapper, "execute", side_effect=OperationalError("gone")):
            wiring.refresh_rules()
            self.assertEqual(answers(), [])

    def test_table_is_missing(self):
        """Without the table, nothing is raised, and no transaction is broken."""
        with connection.schema_editor() as editor:
            editor.delete_model(ControlRule)
        try:
            wiring.refresh_rules()
            with self.assertRaises(Error):
                ControlRule.objects.count()
        finally:
            with connection.schema_editor() as editor:
                editor.create_model(ControlRule)


class WriterTests(StoreTestCase):
    """The thread of a process that stores what it records."""

    settings_of_scope = {"RULES_REFRESH_S": 0.1}

    def setUp(self):
        super().setUp()
        self.scope = wiring.scope()
        self.addCleanup(self.scope.rules.replace, [])
        # As a new process would.
        self.scope.refresh.forget()
        self.scope.recorder._is_active = True

    def insert(self, **given):
        """Store a rule as another process does: nothing in this one hears of it."""
        given = {"receiver": "sync_crm", "reason": "down", "set_by": "alice", **given}
        ControlRule.objects.bulk_create([ControlRule(**given)])

    def test_first_dispatch(self):
        """A process knows the rules moments after its first dispatch, and ends them in time."""
        self.insert(until=timezone.now() + timedelta(seconds=2))
        answers()
        self.assertIs(until(lambda: answers() == []), True)
        # It ends though nobody reads any more.
        self.scope.refresh.interval_s = self.scope.refresh.due_s = 10_000
        self.assertIs(until(lambda: answers() == ["synced"]), True)
        self.assertGreaterEqual(timezone.now(), ControlRule.objects.get().until)

    def test_later(self):
        """What changes while the process works holds after the interval."""
        answers()
        self.assertIs(until(lambda: self.scope.refresh.due_s), True)
        self.insert()
        self.assertIs(until(lambda: answers() == []), True)
        ControlRule.objects.all().delete()
        self.assertIs(until(lambda: answers() == ["synced"]), True)

    def test_idle_process_is_woken_by_a_trace(self):
        """After idle time the beginning of a trace lets the rules be read, not the interval."""
        answers()
        self.assertIs(until(lambda: self.scope.refresh.is_asleep), True)
        self.scope.refresh.interval_s = 10_000
        self.assertIs(until(lambda: self.scope.refresh.due_s - time.monotonic() > 5_000), True)
        self.insert()
        with signalscope.trace("woken"):
            self.assertIs(until(lambda: answers() == []), True)

    def test_idle_process_asks_nothing(self):
        """While nothing happens it reads nothing; loose dispatches are seen at the next look."""
        answers()
        self.assertIs(until(lambda: self.scope.refresh.is_asleep), True)
        with mock.patch.object(self.scope.refresh, "_read", side_effect=read_rules) as read:
            time.sleep(0.5)
            read.assert_not_called()
            self.insert()
            answers()
            self.assertIs(until(lambda: answers() == []), True)
            read.assert_called()

    def test_no_query_on_the_sending_thread(self):
        """Ten thousand dispatches while the thread reads run no query here."""
        self.insert()
        answers()
        with connected(order_paid, sync_crm), CaptureQueriesContext(connection) as seen:
            for _ in range(10_000):
                order_paid.send(sender=Order)
        self.assertEqual(seen.captured_queries, [])
        self.assertIs(until(lambda: answers() == []), True)

    def test_settings(self):
        """The interval follows the setting."""
        self.assertEqual(self.scope.refresh.interval_s, 0.1)
        with self.settings(SIGNALSCOPE={"STORE_IN_TESTS": True}):
            self.assertEqual(self.scope.refresh.interval_s, 5.0)

    def test_flush_and_stop(self):
        """A turn that is asked for, and the last one, are taken as before."""
        answers()
        for _ in range(5):
            self.assertIs(signalscope.flush(10), True)
        self.assertIs(self.writer.stop(), True)


class ActivityTests(StoreTestCase):
    """Each change is in the activity log."""

    def entries(self):
        signalscope.flush(30)
        return [
            (entry.action, entry.object_key, entry.details)
            for entry in ActivityLog.objects.filter(action__startswith="rule_").order_by("pk")
        ]

    def test_set_changed_ended(self):
        """Who set which rule until when and why; and what became of it."""
        self.addCleanup(wiring.scope().rules.replace, [])
        rule = stored()
        rule.reason = "still down"
        rule.save()
        rule.until = timezone.now()
        rule.save()
        rule.delete()
        gone = stored()
        key = str(gone.pk)
        gone.delete()
        details = {"set_by": "alice", "is_forced": False, "until": "for good"}
        ended = rule.until.isoformat(timespec="seconds")
        first, second, third, _, fifth = self.entries()
        self.assertEqual(first[0], "rule_set")
        self.assertEqual(first[2], {**details, "reason": "the CRM is down"})
        self.assertEqual(second[0], "rule_changed")
        self.assertEqual(third[0], "rule_ended")
        self.assertEqual(third[2], {**details, "reason": "still down", "until": ended})
        self.assertEqual(fifth[:2], ("rule_ended", key))
        self.assertIn("rule_set", _action_choices())

    def test_rolled_back(self):
        """What is rolled back was not done."""
        with self.assertRaises(KeyError), transaction.atomic():
            stored()
            raise KeyError
        self.assertEqual(self.entries(), [])

    def test_not_wanted(self):
        """ACTIVITY_EXCLUDE leaves them out."""
        self.addCleanup(wiring.scope().rules.replace, [])
        with self.settings(SIGNALSCOPE={"STORE_IN_TESTS": True, "ACTIVITY_EXCLUDE": ["rule_*"]}):
            stored()
        self.assertEqual(self.entries(), [])


def _action_choices():
    return dict(ActivityLog.Action.choices)


class TransparencyTests(TestCase):
    """What it leaves alone."""

    def test_no_text_is_run(self):
        """After eval() in any thread, Python would not end by SIGINT where Control-C ended it."""
        stored()
        create_namedtuple_class.cache_clear()
        with mock.patch("builtins.eval", side_effect=AssertionError("eval() was called")):
            self.assertEqual(len(read_rules("default")), 1)

    def test_without_signalscope(self):
        """A rule that is saved while nothing is instrumented is neither read nor logged."""
        self.addCleanup(signalscope.install)
        signalscope.uninstall()
        with CaptureQueriesContext(connection) as queries, self.captureOnCommitCallbacks() as calls:
            ControlRule.objects.create(receiver="x", reason="x")
        self.assertEqual((len(queries), calls), (1, []))

    def test_signal_without_a_name(self):
        """A signal that no module has is matched by its type's name."""
        signal = Signal()
        self.addCleanup(wiring.scope().rules.replace, [])
        wiring.scope().rules.replace([Rule(signal="*.Signal", text="x")])
        with connected(signal, sync_crm):
            self.assertEqual(signal.send(sender=None), [])
