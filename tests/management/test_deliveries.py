"""``manage.py signalscope`` deliver and deliveries, and what status says of them."""

import csv
import io
import json
import logging
import time
from datetime import timedelta
from uuid import uuid4

from django.core.management import CommandError, call_command
from django.db import connection
from django.test import TestCase, TransactionTestCase
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from signalscope.contrib.celery import tasks
from signalscope.delivery.batch_runs import batched_receivers
from signalscope.management.tables import text_width
from signalscope.models import Delivery, Trace
from tests.delivery import receivers
from tests.management.test_status import flat
from tests.stats.rows import HOSTILE

RECEIVER = "tests.delivery.receivers.note"


def delivery(**fields):
    """Store a delivery that is due, unless fields say otherwise."""
    state = fields.get("state", "pending")
    is_open = state in ("pending", "running")
    values = {
        "key": uuid4(),
        "receiver": RECEIVER,
        "signal": "tests.shop.signals.order_paid",
        "sender": "shop.Order",
        "payload": {
            "version": 1,
            "signal": "tests.shop.signals.order_paid",
            "sender": {"model": "shop.Order"},
            "named": {"number": 1},
        },
        "state": state,
        "max_attempts": 2,
        "created_at": timezone.now(),
        "due_at": timezone.now(),
        "finished_at": None if is_open else timezone.now(),
        "lease_until_s": time.time() - 1 if is_open else None,
        **fields,
    }
    key = str(values["key"])
    values.setdefault(
        "context", {"key": key, "receiver": values["receiver"], "actor": {}, "retries": 0}
    )
    return Delivery.objects.create(**values)


def run(*args, **options):
    """Run a subcommand; return what it printed."""
    out = io.StringIO()
    call_command("signalscope", *args, stdout=out, no_color=True, **options)
    return out.getvalue()


class DeliverTests(TestCase):
    """deliver --once"""

    def setUp(self):
        receivers.seen.clear()
        self.addCleanup(receivers.seen.clear)
        self.seen = receivers.seen

    def test_runs_what_is_due(self):
        """What is due is run, and told in one line."""
        for _ in range(3):
            delivery()
        delivery(lease_until_s=time.time() + 100)
        delivery(state="cancelled")
        self.assertEqual(run("deliver", "--once"), "Delivered: done 3.\n")
        self.assertEqual([named["number"] for *_, named in self.seen], [1, 1, 1])
        self.assertEqual(run("deliver", "--once"), "Delivered: nothing.\n")

    def test_failures_and_doubles(self):
        """What fails, and what was begun before, is told, too."""
        delivery(state="running", attempts=1)
        delivery(receiver="tests.delivery.receivers.gone")
        with self.assertLogs("signalscope.delivery", logging.WARNING):
            self.assertEqual(
                run("deliver", "--once"),
                "Delivered: done 1, begun before by a worker that did not end in time 1, "
                "failed 1.\n",
            )

    def test_queue(self):
        """It can be for one queue."""
        delivery(queue="mail")
        delivery(queue="search")
        self.assertEqual(run("deliver", "--once", "--queue", "mail"), "Delivered: done 1.\n")
        self.assertEqual(Delivery.objects.get(state="pending").queue, "search")

    def test_recorded(self):
        """A receiver has a trace of its own, though the command has none."""
        receiver = "tests.delivery.receivers.tell"
        delivery(
            receiver=receiver,
            context={
                "key": str(uuid4()),
                "receiver": receiver,
                "actor": {"label": "cron", "correlation_id": "abc"},
            },
        )
        run("deliver", "--once")
        ((_, actor, correlation_id),) = self.seen
        self.assertEqual((actor.label, correlation_id), ("cron", "abc"))

    def test_interval(self):
        """It waits for some time, and not for ever: anything else is refused."""
        for text in ("0", "-1", "1e10", "3600.1", "nan", "inf", "soon"):
            with (
                self.subTest(text),
                self.assertRaisesMessage(
                    CommandError, f"{text!r} is not allowed; give seconds, above 0 and at most 3600"
                ),
            ):
                run("deliver", "--once", f"--interval={text}")
        for text in ("0.01", "3600"):
            self.assertIn("nothing", run("deliver", "--once", f"--interval={text}"))

    def test_idle_costs_one_query(self):
        """With nothing to do it asks once, and once for each receiver of batches."""
        with CaptureQueriesContext(connection) as seen:
            run("deliver", "--once")
        statements = [q["sql"] for q in seen.captured_queries if "SAVEPOINT" not in q["sql"]]
        self.assertEqual(len(statements), 1 + len(batched_receivers()), statements)


class BeatTests(TestCase):
    """The task for Celery beat"""

    def test_runs_what_is_due(self):
        """It does what the command does, and tells how many attempts that took."""
        self.addCleanup(receivers.seen.clear)
        for _ in range(2):
            delivery()
        self.assertEqual(tasks.deliver(), 2)
        self.assertEqual(tasks.deliver(queue="mail"), 0)
        self.assertEqual(set(Delivery.objects.values_list("state", flat=True)), {"done"})


class ListTests(TestCase):
    """deliveries"""

    def test_table(self):
        """The newest come first, each with its receiver and its last error."""
        first = delivery(state="failed", attempts=2, last_error="ValueError: no")
        second = delivery(lapse_count=1)
        out = run("deliveries")
        self.assertLess(out.index(str(second.key)), out.index(str(first.key)))
        for part in (RECEIVER, "ValueError: no", "failed", "2/2", "pending", "0/2"):
            self.assertIn(part, out)

    def test_state_and_limit(self):
        """Only some are listed where that is asked for."""
        for state in ("failed", "done", "done"):
            delivery(state=state)
        rows = json.loads(run("deliveries", "--state", "done", "--format", "json"))
        self.assertEqual([row["state"] for row in rows], ["done", "done"])
        self.assertEqual(len(json.loads(run("deliveries", "--limit=2", "--format=json"))), 2)

    def test_formats(self):
        """The others have all that the table has, and more."""
        row = delivery(state="failed", last_error="=cmd()")
        (found,) = json.loads(run("deliveries", "--format", "json"))
        self.assertEqual(found["key"], str(row.key))
        self.assertEqual(found["last_error"], "=cmd()")
        self.assertNotIn("payload", found)
        (found,) = csv.DictReader(io.StringIO(run("deliveries", "--format", "csv")))
        self.assertEqual(found["last_error"], "'=cmd()")
        self.assertIn(str(row.key), run("deliveries", "--format", "md"))

    def test_fits_80_columns(self):
        """Each line fits, whatever is in the rows."""
        for text in HOSTILE:
            delivery(receiver=text, last_error=text * 9, state="cancelled", attempts=10**6)
        out = run("deliveries")
        self.assertLessEqual(max(text_width(line) for line in out.split("\n")), 80, out)
        self.assertNotIn("\x1b", out)

    def test_empty(self):
        """It says so where there is nothing."""
        self.assertEqual(run("deliveries"), "No delivery is stored.\n")
        self.assertEqual(run("deliveries", "--state", "failed"), "No delivery is failed.\n")
        self.assertEqual(run("deliveries", "--format", "json"), "[]\n")

    def test_queries(self):
        """One query, however many rows there are."""
        for count in (1, 50):
            for _ in range(count):
                delivery()
            with self.assertNumQueries(1):
                run("deliveries")


class ActTests(TestCase):
    """deliveries --retry and --cancel"""

    def test_retry(self):
        """The one with a key is run at once, with all of its attempts."""
        row, other = delivery(state="failed", attempts=2), delivery(state="failed")
        self.assertIn("1 delivery is to be run at once", run("deliveries", "--retry", str(row.key)))
        row.refresh_from_db()
        other.refresh_from_db()
        self.assertEqual((row.state, row.attempts, other.state), ("pending", 0, "failed"))
        self.assertEqual(run("deliver", "--once"), "Delivered: done 1.\n")

    def test_all_failed(self):
        """All that have failed, and no others."""
        for state in ("failed", "failed", "cancelled", "done"):
            delivery(state=state)
        self.assertIn("2 deliveries are", run("deliveries", "--retry", "--all-failed"))
        self.assertEqual(Delivery.objects.filter(state="pending").count(), 2)

    def test_cancel(self):
        """What is cancelled is never run; what is done cannot be, and that is said."""
        row, done = delivery(), delivery(state="done")
        out = run("deliveries", "--cancel", str(row.key), str(done.key))
        self.assertIn("1 delivery is cancelled.", out)
        self.assertIn("1 is not: unknown here, running, or done already.", out)
        self.assertEqual(run("deliver", "--once"), "Delivered: nothing.\n")

    def test_same_key_again(self):
        """A key counts once, however often and in which form it is given."""
        key = delivery(state="failed").key
        out = run("deliveries", "--retry", str(key), str(key), key.hex.upper())
        self.assertEqual(out, "1 delivery is to be run at once.\n")

    def test_mistakes(self):
        """What cannot be meant is refused, with what can."""
        key = str(uuid4())
        for given, told in (
            (["--retry"], "--all-failed in their place"),
            (["--retry", key, "--all-failed"], "--all-failed in their place"),
            (["--retry", key, "--cancel", key], "cannot be given together"),
            (["--all-failed"], "means nothing without"),
            (["--cancel", "abc"], "not all of these are keys"),
            (["--retry", "--all-failed", "--state", "done"], "--state cannot be given with"),
            (["--cancel", key, "--limit", "100"], "--limit cannot be given with --cancel"),
            (
                ["--retry", key, "--limit", "1", "--format", "table"],
                "--limit and --format cannot be given with --retry: give the keys",
            ),
        ):
            with self.subTest(given), self.assertRaisesMessage(CommandError, told):
                run("deliveries", *given)


class StatusTests(TestCase):
    """status"""

    def test_all_is_well(self):
        """Counts, and no advice."""
        delivery()
        out = flat()
        self.assertIn("Deliveries in default: 1 pending, 0 running, 0 failed.", out)
        self.assertNotIn("deliver running?", out)

    def test_advice(self):
        """What waits for long, has failed or may have been run twice is told."""
        delivery(lease_until_s=time.time() - 600)
        delivery(state="failed")
        delivery(state="done", lapse_count=2)
        out = flat()
        self.assertIn("1 pending, 0 running, 1 failed.", out)
        self.assertIn('could have been run 600 s ago: is "manage.py signalscope deliver"', out)
        self.assertIn("deliveries --state failed", out)
        self.assertIn("Of the newest 10,000, 1 may have been run twice", out)


class PruneTests(TestCase):
    """prune"""

    def test_prune(self):
        """Old ones that are done or cancelled go; what failed or is open never does."""
        old = timezone.now() - timedelta(days=8)
        for state in Delivery.State.values:
            delivery(state=state, created_at=old, finished_at=old)
        delivery(state="done")
        self.assertIn("deliveries 2", run("prune", "--sleep=0"))
        states = sorted(Delivery.objects.values_list("state", flat=True))
        self.assertEqual(states, ["done", "failed", "pending", "running"])

    def test_kept_for_ever(self):
        """The setting says how long."""
        old = timezone.now() - timedelta(days=8)
        delivery(state="done", finished_at=old)
        with self.settings(SIGNALSCOPE={"RETAIN_DELIVERIES_DAYS": None}):
            run("prune", "--sleep=0")
        self.assertEqual(Delivery.objects.count(), 1)


class ClearTests(TransactionTestCase):
    """clear, which MariaDB commits at once"""

    def test_clear(self):
        """Deliveries are work to be done: they stay."""
        delivery()
        run("clear", "--yes")
        self.assertEqual(Delivery.objects.count(), 1)
        self.assertFalse(Trace.objects.exists())
