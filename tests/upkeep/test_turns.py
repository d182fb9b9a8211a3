"""Upkeep as the writer does it: a little at a time, by one process, never in the way."""

import sqlite3
import threading
import time
from contextlib import closing, contextmanager
from unittest import mock, skipUnless

from django.db import OperationalError, connection, connections
from django.db.models.signals import post_init
from django.test import TransactionTestCase, override_settings

from signalscope import wiring
from signalscope.core import faults
from signalscope.core.retention import DAY_S, Retention
from signalscope.models import ActivityLog, Lease, Rollup
from signalscope.sinks.database import DatabaseSink
from signalscope.upkeep import turns
from signalscope.upkeep.lease import LENGTH_S, Held
from signalscope.upkeep.turns import LEASE, Upkeep
from tests.stats.rows import rollup
from tests.trees import connected
from tests.upkeep.history import KEYS, History, states
from tests.upkeep.test_prune import activity


@contextmanager
def default():
    """Use the test's own connection."""
    yield "default"


def upkeep(connect=default, *, holder="host:1", budget_s=600.0, **retention):
    """Return an Upkeep that looks at once."""
    made = Upkeep(
        connect, holder=lambda: holder, retention=Retention(**retention), budget_s=budget_s
    )
    made._next_look_s = made._next_prune_s = 0.0
    return made


class TurnTests(TransactionTestCase):
    """One turn after another."""

    def fill(self, count=3):
        for number in range(count):
            rollup(1000, age_s=600 + 60 * number)
            rollup(1000, age_s=600 + 60 * number)

    def test_all_is_done_and_the_lease_given_back(self):
        """With time enough, a turn does all there is to do."""
        self.fill()
        upkeep().turn()
        self.assertFalse(Rollup.objects.filter(state=Rollup.State.DELTA).exists())
        self.assertEqual(Lease.objects.get().until_s, 0)

    def test_a_turn_ends_with_its_budget(self):
        """Without time a turn does one step, and the next turn goes on."""
        self.fill(3)
        made = upkeep(budget_s=0.0)
        for left in (4, 2, 0):
            made.turn()
            self.assertEqual(Rollup.objects.filter(state=Rollup.State.DELTA).count(), left)
            self.assertGreater(Lease.objects.get().until_s, time.time())

    def test_idle_turns_run_no_query(self):
        """Where there was nothing to do, the next turns ask nothing for a while."""
        made = upkeep()
        made.turn()
        with self.assertNumQueries(0):
            for _ in range(50):
                made.turn()
            made.end()

    def test_new_process_waits(self):
        """A process that has just begun asks nothing."""
        with self.assertNumQueries(0):
            Upkeep(default, holder=str, retention=Retention(), budget_s=1.0).turn()

    def test_one_process_at_a_time(self):
        """While one process has the lease, another does nothing; then it does the rest."""
        self.fill(3)
        first, second = upkeep(budget_s=0.0), upkeep(holder="host:2")
        first.turn()
        second.turn()
        self.assertEqual(Rollup.objects.filter(state=Rollup.State.DELTA).count(), 4)
        first.end()
        second._next_look_s = 0.0
        second.turn()
        self.assertEqual(Rollup.objects.filter(state=Rollup.State.DELTA).count(), 0)

    def test_prunes(self):
        """What is merged and old goes, too; at first, and then once an hour."""
        history = History()
        history.now_s = time.time()
        history.store(5 * DAY_S, KEYS[0], [1000])
        made = upkeep(minutes_s=2 * DAY_S, hours_s=60 * DAY_S)
        made.turn()
        self.assertEqual(states(), {"hour merged": 1, "day whole": 1})
        with mock.patch.object(turns, "prune") as pruned:
            made._next_look_s = 0.0
            made.turn()
        pruned.assert_not_called()

    def test_prunes_the_activity_log(self):
        """Where its age is given, and only then."""
        activity(40)
        upkeep(traces_s=DAY_S).turn()
        self.assertEqual(ActivityLog.objects.count(), 1)
        upkeep(activity_s=30 * DAY_S).turn()
        self.assertFalse(ActivityLog.objects.exists())

    def test_errors_of_the_database_are_no_news(self):
        """Whatever the database says, nothing is raised, and the next turns leave it alone."""
        self.fill()
        made = upkeep()
        with mock.patch.object(turns, "compact", side_effect=OperationalError("is locked")):
            made.turn()
        with self.assertNumQueries(0):
            made.turn()

    def test_faults_are_reported(self):
        """A fault of our own is reported, not raised."""
        self.fill()
        with mock.patch.object(turns, "compact", side_effect=ZeroDivisionError):
            upkeep().turn()
        self.assertEqual([type(error) for error in faults.caught], [ZeroDivisionError])
        faults.caught.clear()

    def test_a_fork_forgets(self):
        """A child begins without the parent's lease and steps."""
        self.fill()
        made = upkeep(budget_s=0.0)
        made.turn()
        made.forget()
        with self.assertNumQueries(0):
            made.turn()
            made.end()


class WriterConnectionTests(TransactionTestCase):
    """Over the writer's own connection, in a thread of its own."""

    def turn(self, **options):
        """Take a turn as the writer does; return how many connections are left."""
        sink = DatabaseSink("default")
        left = []

        def run():
            upkeep(sink.connected, **options).turn()
            left.extend(connections.all(initialized_only=True))
            sink.close()

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()
        return len(left)

    def test_no_connection_is_left(self):
        """The work is done, and the thread has no connection of Django's."""
        rollup(1000, age_s=600)
        self.assertEqual(self.turn(), 0)
        self.assertNotIn("minute delta", states())

    @skipUnless(connection.vendor == "sqlite", "only SQLite has one writer at a time")
    def test_locked_by_the_project(self):
        """While the project holds SQLite's lock, upkeep gives up, and works later."""
        rollup(1000, age_s=600)
        with closing(sqlite3.connect(connection.settings_dict["NAME"])) as other:
            other.execute("BEGIN IMMEDIATE")
            self.turn()
            other.rollback()
        self.assertEqual(states(), {"minute delta": 1})
        self.turn()
        self.assertNotIn("minute delta", states())


class JoinedTests(TransactionTestCase):
    """The writer of this process has it."""

    def test_the_writer_has_it_unless_the_setting_says_no(self):
        """UPKEEP switches it; the retention follows the settings."""
        scope = wiring.scope()
        with override_settings(SIGNALSCOPE={"UPKEEP": False}):
            self.assertIsNone(scope.writer.upkeep)
        with override_settings(SIGNALSCOPE={"RETAIN_TRACES_DAYS": 1, "FLUSH_INTERVAL_S": 20}):
            self.assertEqual(scope.writer.upkeep.retention.traces_s, DAY_S)
            self.assertEqual(scope.writer.upkeep.budget_s, 1.0)

    def test_the_writer_calls_it_after_a_turn_and_at_its_end(self):
        """A turn of the thread is followed by one of upkeep, the last one by its end."""
        scope = wiring.scope()
        seen = []
        has_turned = threading.Event()
        with override_settings(SIGNALSCOPE={"STORE_IN_TESTS": True, "FLUSH_INTERVAL_S": 600}):
            writer = scope.writer
            with mock.patch.object(writer, "upkeep") as joined:
                joined.turn.side_effect = lambda: (seen.append("turn"), has_turned.set())
                joined.end.side_effect = lambda: seen.append("end")
                writer.flush(30)
                self.assertTrue(has_turned.wait(30))
                writer.stop()
        # The change of settings may have started it again.
        writer.stop()
        writer.forget()
        self.assertEqual(seen, ["turn", "end"])


class LeaseTests(TransactionTestCase):
    """One holder at a time."""

    def test_taken_renewed_and_given_back(self):
        """The second one gets it when the first one gives it back."""
        first, second = Held(LEASE, "host:1"), Held(LEASE, "host:2")
        self.assertTrue(first.take("default"))
        self.assertFalse(second.take("default"))
        with self.assertNumQueries(0):
            self.assertTrue(first.take("default"))
        first._renew_at = 1e-9
        self.assertTrue(first.take("default"))
        first.give_back("default")
        self.assertTrue(second.take("default"))

    def test_ends_by_itself(self):
        """What a killed process held is free once its time is over."""
        Held(LEASE, "host:1").take("default")
        for until_s, is_free in ((time.time() + 5, False), (time.time() - 1, True)):
            Lease.objects.update(until_s=until_s, holder="host:1")
            self.assertIs(Held(LEASE, "host:2").take("default"), is_free)

    def test_clock_that_went_back(self):
        """An end that is too far away does not keep everybody waiting."""
        Lease.objects.create(name=LEASE, holder="host:1", until_s=time.time() + 10 * LENGTH_S)
        self.assertTrue(Held(LEASE, "host:2").take("default"))

    def test_silent(self):
        """The project's receivers hear nothing of it."""
        heard = []

        def hear(sender, **kwargs):
            heard.append(sender)

        with connected(post_init, hear):
            Held(LEASE, "host:1").take("default")
            self.assertFalse(Held(LEASE, "host:2").take("default"))
        self.assertEqual(heard, [])

    def test_two_at_the_same_moment(self):
        """Who comes second to the empty table does not have it."""
        first, second = Held(LEASE, "host:1"), Held(LEASE, "host:2")
        begin = second._begin

        def begin_late(*args):
            first.take("default")
            return begin(*args)

        with mock.patch.object(second, "_begin", begin_late):
            self.assertFalse(second.take("default"))
        self.assertFalse(second.is_held)
        self.assertTrue(first.is_held)

    def test_by_force(self):
        """Who takes it by force has it; the other one notices when renewing."""
        first, second = Held(LEASE, "host:1"), Held(LEASE, "host:2")
        first.take("default")
        self.assertTrue(second.take("default", by_force=True))
        first._renew_at = 1e-9
        self.assertFalse(first.take("default"))
        self.assertFalse(first.is_held)
