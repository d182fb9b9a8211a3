"""``manage.py signalscope`` compact, prune and clear."""

import io
import time
from datetime import UTC, datetime, timedelta
from unittest import mock

from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.test import TestCase, TransactionTestCase, override_settings

from signalscope.management import options, progress
from signalscope.models import ActivityLog, Lease, Rollup, Trace
from tests.stats import rows
from tests.stats.rows import rollup
from tests.upkeep.history import states
from tests.upkeep.test_prune import activity, at, counts, tree


def run(*args, **options):
    """Run a subcommand; return what it printed."""
    out = io.StringIO()
    call_command("signalscope", *args, stdout=out, **options)
    return out.getvalue()


def old_traces(count):
    """Store traces of nine days ago."""
    at(datetime.now(UTC) - timedelta(days=9))
    for _ in range(count):
        tree()


class Terminal(io.StringIO):
    def isatty(self):
        return True


class KeysTestCase(TestCase):
    def setUp(self):
        self.addCleanup(setattr, rows.key, "last", rows.key.last)


class CompactTests(TestCase):
    """compact"""

    def test_adds_up_and_says_so(self):
        """All that is due is added up; then there is nothing more to do."""
        for age_s in (600, 600, 660):
            rollup(1000, age_s=age_s)
        self.assertIn("Added up: deltas 3", run("compact"))
        self.assertFalse(Rollup.objects.filter(state=Rollup.State.DELTA).exists())
        self.assertEqual(Lease.objects.get().until_s, 0)

    def test_nothing_to_do(self):
        """Without rows it says so."""
        self.assertEqual(run("compact"), "Added up: nothing.\n")


class PruneTests(KeysTestCase):
    """prune"""

    def test_follows_the_settings(self):
        """What is older than the settings say goes, in chunks."""
        old_traces(5)
        tree(is_pinned=True)
        rows.key.last += 10
        at(datetime.now(UTC) - timedelta(days=6))
        tree()
        text = run("prune", "--chunk", "2", "--sleep", "0")
        self.assertEqual(text, "Deleted: traces 5, calls 10, dispatches 10.\n")
        self.assertEqual(counts(), (2, 4, 4))
        with override_settings(SIGNALSCOPE={"RETAIN_TRACES_DAYS": None}):
            self.assertEqual(run("prune"), "Deleted: nothing.\n")

    def test_dry_run(self):
        """It says what would go, and nothing goes."""
        old_traces(3)
        tree(is_pinned=True)
        text = run("prune", "--dry-run")
        self.assertEqual(text, "Would delete: traces 3, calls 6, dispatches 6.\n")
        self.assertEqual(counts(), (4, 8, 8))

    def test_before(self):
        """An age or a date goes before the settings."""
        old_traces(1)
        self.assertIn("nothing", run("prune", "--before", "10d"))
        day = datetime.now(UTC) - timedelta(days=8)
        self.assertIn("traces 1", run("prune", "--before", f"{day:%Y-%m-%d}"))

    def test_the_activity_log(self):
        """It goes by its own setting; with --before only where that is asked for."""
        activity(40)
        tree()
        self.assertEqual(run("prune", "--before", "1d"), "Deleted: nothing.\n")
        text = run("prune", "--before", "30d", "--activity", "--dry-run")
        self.assertEqual(text, "Would delete: activity entries 1.\n")
        with override_settings(SIGNALSCOPE={"ACTIVITY_RETENTION_DAYS": 39}):
            self.assertEqual(run("prune", "--sleep", "0"), "Deleted: activity entries 1.\n")
        activity(40)
        text = run("prune", "--before", "30d", "--activity", "--sleep", "0")
        self.assertEqual(text, "Deleted: activity entries 1.\n")

    def test_activity_without_a_moment(self):
        """What would be passed over in silence is refused, with what to do instead."""
        with self.assertRaisesRegex(CommandError, "--before.*ACTIVITY_RETENTION_DAYS"):
            run("prune", "--activity")

    def test_adds_up_first(self):
        """Roll-ups that no longer period counted yet are counted, then deleted."""
        rollup(1000, age_s=5 * 86_400)
        self.assertEqual(run("prune", "--sleep", "0"), "Deleted: minute roll-ups 1.\n")
        self.assertEqual(states(), {"hour merged": 1, "day whole": 1})

    def test_bad_options(self):
        """The message says what was given and what is allowed."""
        for args, given, allowed in (
            (["--before", "soon"], "'soon'", "30d"),
            (["--before", "2026-13-01"], "'2026-13-01'", "2026-01-31"),
            (["--before", "0d"], "'0d'", "30m, 24h, 7d or 2w"),
            (["--before", "2926-01-01"], "'2926-01-01'", "in the past"),
            (["--chunk", "0"], "'0'", "above 0"),
            (["--sleep", "-1"], "-1", ""),
            (["--sleep", "long"], "'long'", "0 or more"),
            (["--database", "nowhere"], "nowhere", "default"),
        ):
            with self.subTest(args), self.assertRaises(CommandError) as caught:
                run("prune", *args)
            self.assertIn(given, str(caught.exception))
            self.assertIn(allowed, str(caught.exception))


class StoppedTests(KeysTestCase):
    """Work that ends before its end."""

    def stop_after(self, count, error):
        """Let a pause raise after so many steps."""
        pauses = []

        def sleep(_):
            pauses.append(1)
            if len(pauses) == count:
                raise error

        return mock.patch.object(progress.time, "sleep", sleep)

    def test_ctrl_c(self):
        """It says what is done and how to go on; the rest is done the next time."""
        old_traces(5)
        with self.stop_after(2, KeyboardInterrupt), self.assertRaises(CommandError) as caught:
            run("prune", "--chunk", "2")
        text = " ".join(str(caught.exception).split())
        self.assertEqual(caught.exception.returncode, 130)
        self.assertIn("Stopped. Deleted until then: traces 2, calls 4, dispatches 4.", text)
        self.assertIn("Run the same command again", text)
        self.assertEqual(Lease.objects.get().until_s, 0)
        run("prune", "--sleep", "0")
        self.assertEqual(counts(), (0, 0, 0))

    def test_error_of_the_database(self):
        """An error says what to do about it, and what is done."""
        old_traces(5)
        with (
            self.stop_after(2, OperationalError("gone")),
            self.assertRaises(CommandError) as caught,
        ):
            run("prune", "--chunk", "2")
        text = " ".join(str(caught.exception).split())
        self.assertIn("gone", text)
        self.assertIn("Deleted until then: traces 2, calls 4, dispatches 4.", text)

    def test_progress(self):
        """A terminal has one line that is written over; elsewhere there are lines."""
        old_traces(5)
        shown = {}
        for out in (Terminal(), io.StringIO()):
            Trace.objects.all().delete()
            old_traces(5)
            with (
                mock.patch.object(progress, "_TERMINAL_S", 0),
                mock.patch.object(progress, "_ELSEWHERE_S", 0),
            ):
                call_command("signalscope", "prune", "--chunk", "2", "--sleep", "0", stdout=out)
            shown[type(out)] = out.getvalue()
        self.assertIn("\rDeleted so far: traces 3", shown[Terminal])
        self.assertIn("\nDeleted so far: traces 3", shown[io.StringIO])
        self.assertNotIn("\r", shown[io.StringIO])
        for text in shown.values():
            self.assertTrue(text.endswith("\nDeleted: traces 5, calls 10, dispatches 10.\n"), text)


class ClearTests(TransactionTestCase):
    """clear"""

    def test_asks_for_yes(self):
        """Without --yes it says what it would delete, and deletes nothing."""
        rollup(1000)
        rollup(1000)
        with self.assertRaises(CommandError) as caught:
            run("clear")
        text = " ".join(str(caught.exception).split())
        self.assertIn("roll-ups 2", text)
        self.assertIn("'default'", text)
        self.assertIn("--yes", text)
        self.assertEqual(Rollup.objects.count(), 2)

    def test_empties_all(self):
        """With --yes all tables are empty, and can be written to."""
        rollup(1000)
        tree(is_pinned=True)
        Lease.objects.create(name="x", holder="y", until_s=time.time())
        activity(1)
        self.assertIn("Emptied 8 tables", run("clear", "--yes"))
        self.assertEqual(counts(), (0, 0, 0))
        self.assertFalse(Rollup.objects.exists() or Lease.objects.exists())
        self.assertEqual(ActivityLog.objects.count(), 1)
        rollup(1000)
        self.assertEqual(Rollup.objects.count(), 1)

    def test_the_activity_log_too(self):
        """It is emptied where that is asked for; else it is said that it stays."""
        activity(1)
        for given, count in (((), 0), (("--activity",), 1)):
            with self.assertRaises(CommandError) as caught:
                run("clear", *given)
            text = str(caught.exception)
            self.assertEqual("activity log 1" in text, bool(count))
            self.assertEqual("The activity log stays, without --activity." in text, not count)
        self.assertIn("The activity log stays", run("clear", "--yes"))
        self.assertIn(
            "Emptied 9 tables in the database 'default'.\n", run("clear", "--yes", "--activity")
        )
        self.assertFalse(ActivityLog.objects.exists())


class MomentTests(TestCase):
    """Ages and dates."""

    def test_dates_are_in_the_projects_zone(self):
        """A date without a zone begins where the project is, also where clocks changed."""
        for zone, text, expected in (
            ("Europe/Berlin", "2026-03-29", "2026-03-28 23:00"),
            ("Europe/Berlin", "2026-03-30", "2026-03-29 22:00"),
            ("Asia/Kolkata", "2026-03-29T12:00", "2026-03-29 06:30"),
            ("UTC", "2026-03-29T12:00+02:00", "2026-03-29 10:00"),
        ):
            for use_tz in (True, False):
                with self.settings(TIME_ZONE=zone, USE_TZ=use_tz):
                    found = options.moment(text).astimezone(UTC)
                    self.assertEqual(f"{found:%Y-%m-%d %H:%M}", expected)
