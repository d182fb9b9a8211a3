"""Tests of "signalscope status"."""

import io
import json
import os
from datetime import timedelta
from unittest import mock

from django.core.management import call_command
from django.db import DatabaseError
from django.dispatch import Signal
from django.test import SimpleTestCase, TestCase, override_settings
from django.utils import timezone

import signalscope
from signalscope import wiring
from signalscope.conf import get_conf
from signalscope.management.tables import text_width
from signalscope.models import ControlRule, Loss
from tests.stats.rows import HOSTILE, process, trace


def run(*args, status=0):
    """Return what the command prints, after checking its exit status."""
    out = io.StringIO()
    found = 0
    try:
        call_command("signalscope", "status", *args, stdout=out, no_color=True)
    except SystemExit as error:
        found = error.code
    assert found == status, (found, out.getvalue())
    return out.getvalue()


def flat(*args, status=0):
    """Return the same without its line breaks."""
    return " ".join(run(*args, status=status).split())


class TableTests(TestCase):
    """What a person reads."""

    def test_order(self):
        """On or off, settings, processes, losses, errors, tables, cost: in this order."""
        process(scope_ns=5, writer_ns=3, traced_ns=1000)
        trace()
        out = flat()
        parts = [
            "is on.", "Database default", "Processes in the last 24 hours: 1 alive",
            "web-1:4711 alive", "gunicorn: 1 of 100 traces stored",
            "Lost in the last 24 hours: nothing.",
            "Last error: none", "signalscope_trace 1", "Cost: 0.8 % of the time",
        ]  # fmt: skip
        places = [out.index(part) for part in parts]
        self.assertEqual(places, sorted(places))

    def test_nothing_yet(self):
        """Without any rows the command says so, and all is well."""
        out = flat()
        self.assertIn("Processes in the last 24 hours: none", out)
        self.assertIn("Cost: not measured yet", out)

    def test_ages_that_hold(self):
        """Short periods are not kept longer than long ones, whatever the settings say."""
        with self.settings(SIGNALSCOPE={"RETAIN_HOURS_DAYS": 1, "RETAIN_DAYS_DAYS": None}):
            kept = "Kept traces 7 d, minutes 1 d, hours 1 d, days for ever, activity for ever"
            self.assertIn(kept, flat())
        with self.settings(SIGNALSCOPE={"ACTIVITY_RETENTION_DAYS": 365}):
            self.assertIn("activity 365 d", flat())

    def test_fits_80_columns(self):
        """Each line fits, whatever is in the rows."""
        for text in HOSTILE:
            process(
                name=text, command=text, patched_by=text, buffer_bytes=10**12,
                flush_count=10**9, failure_count=10**9, flush_ns=10**13, max_flush_ns=10**13,
                error=text, error_at=timezone.now(),
            )  # fmt: skip
        out = run()
        self.assertLessEqual(max(text_width(line) for line in out.split("\n")), 80, out)
        self.assertNotIn("\x1b", out)

    def test_losses_and_errors(self):
        """All losses are told, with the newest error and whose it is."""
        Loss.objects.create(
            at=timezone.now(), process="p", trace_count=1, dispatch_count=2, call_count=3,
            unkept_count=4, grouped_count=5, entry_count=1, slow_query_count=7,
        )  # fmt: skip
        process(name="web-2:1", error="OperationalError: disk full", error_at=timezone.now())
        out = flat()
        for text in (
            "Lost in the last 24 hours: 3 calls, missing in the statistics; 1 trace with 2",
            "4 traces beyond KEEP_PER_MINUTE",
            "5 calls beyond MAX_KEYS",
            "1 entry of the activity log, 7 slow queries",
            "web-2:1: OperationalError: disk full",
        ):
            self.assertIn(text, out)

    def test_others_in_other_processes(self):
        """Who patched Signal in another process only is told with the processes."""
        process(patched_by="Signal.connect: agent.hook, Signal._live_receivers: agent.wrap")
        out = flat()
        self.assertIn("there, too: Signal.connect: agent.hook", out)
        self.assertIn("there, too: Signal._live_receivers: agent.wrap", out)

    def test_many_processes(self):
        """Twenty are listed; ended ones are only counted."""
        for _ in range(23):
            process()
        process(name="over", is_ended=True)
        out = run()
        self.assertEqual(out.count("web-1:4711"), 20)
        self.assertIn("and 3 more", out)
        self.assertNotIn("over", out)


class TroubleTests(TestCase):
    """What ends with status 1, and what does not."""

    def test_failing_process(self):
        """A process that cannot store is trouble; one that was killed is told only."""
        process(seen_at=timezone.now() - timedelta(hours=1))
        self.assertIn("Silent: it has stopped to report", flat())
        process(is_failing=True)
        self.assertIn("1 failing, 1 silent", flat(status=1))

    def test_switched_off_on_purpose(self):
        """It says why, and that is no trouble."""
        with override_settings(SIGNALSCOPE={"ENABLED": False}):
            self.assertIn("ENABLED'] is False. Set it to True", flat())
        with mock.patch.dict(os.environ, {"SIGNALSCOPE_DISABLED": "yes"}):
            get_conf.cache_clear()
            try:
                self.assertIn("SIGNALSCOPE_DISABLED=yes is in the environment", flat())
            finally:
                os.environ.pop("SIGNALSCOPE_DISABLED")
                get_conf.cache_clear()

    def test_somebody_was_first(self):
        """Where Signal cannot be instrumented, it says who was there."""
        self.addCleanup(signalscope.install)
        signalscope.uninstall()

        def theirs(self, sender, **named):
            return []

        with mock.patch.object(Signal, "send", theirs):
            signalscope.install()
            out = flat(status=1)
        self.assertIn("not recording: Signal.send is not Django's own", out)
        self.assertIn("test_somebody_was_first.<locals>.theirs", out)

    def test_uninstalled(self):
        """After uninstall() it says how to go on."""
        self.addCleanup(signalscope.install)
        signalscope.uninstall()
        self.assertIn("Call signalscope.install()", flat(status=1))

    def test_others_on_top(self):
        """Who patched Signal after signalscope is told, and is no trouble."""
        ours = Signal._live_receivers

        def theirs(self, sender):
            return ours(self, sender)

        with mock.patch.object(Signal, "_live_receivers", theirs):
            out = flat()
        self.assertIn("is on. Other packages have changed Signal, too:", out)
        self.assertIn("Signal._live_receivers:", out)
        self.assertIn("<locals>.theirs", out)
        self.assertEqual(wiring.patched_by(), [])

    def test_put_back(self):
        """A method that somebody has put back as Django made it is told."""
        original, ours = wiring.scope().patch.sends()
        try:
            Signal.send = original
            self.assertIn("Signal.send: put back as Django made it", flat())
        finally:
            Signal.send = ours

    def test_table_is_missing(self):
        """Without its tables it says what to run, and all else that it knows."""
        with mock.patch(
            "signalscope.management.subcommands.status.health",
            side_effect=DatabaseError("no such table: signalscope_process"),
        ):
            out = flat(status=1)
            answer = json.loads(run("--format", "json", status=1))
        self.assertIn("is on.", out)
        self.assertIn("manage.py migrate signalscope", out)
        self.assertIn("manage.py migrate signalscope", answer["trouble"])
        self.assertNotIn("processes", answer)


class JSONTests(TestCase):
    """What a program reads."""

    def test_answer(self):
        """The keys are those of the documentation."""
        process(scope_ns=5, writer_ns=3, traced_ns=1000, is_failing=True)
        answer = json.loads(run("--format", "json", status=1))
        self.assertEqual(
            list(answer),
            [
                "is_healthy", "is_recording", "why_off", "version", "patched_by", "settings",
                "trouble", "processes", "losses", "tables", "cost_share", "deliveries",
                "rule_count",
            ],
        )  # fmt: skip
        self.assertIs(answer["is_healthy"], False)
        self.assertIs(answer["is_recording"], True)
        (found,) = answer["processes"]
        self.assertEqual((found["name"], found["state"]), ("web-1:4711", "failing"))
        self.assertEqual(answer["cost_share"], 0.008)
        self.assertEqual(answer["rule_count"], 0)
        self.assertEqual(answer["losses"]["call_count"], 0)
        names = [size["name"] for size in answer["tables"]["sizes"]]
        self.assertIn("signalscope_trace", names)

    def test_rules(self):
        """Rules that are in force are counted, so that nobody forgets them."""
        now = timezone.now()
        for until in (None, now + timedelta(hours=1), now - timedelta(hours=1)):
            ControlRule.objects.create(receiver="x", reason="y", set_by="z", until=until)
        self.assertEqual(json.loads(run("--format", "json"))["rule_count"], 2)
        self.assertIn("2 rules are in force", flat())


class PatchedTests(SimpleTestCase):
    """Who else has patched Signal, by their true names."""

    def test_functools_wraps(self):
        """A wrapper that calls itself Django's is named after where it was written."""
        import functools

        @functools.wraps(Signal.connect)
        def theirs(*args, **kwargs):
            """Connect."""

        with mock.patch.object(Signal, "connect", theirs):
            (found,) = wiring.patched_by()
        self.assertEqual(
            found,
            f"Signal.connect: {__name__}.PatchedTests.test_functools_wraps.<locals>.theirs",
        )

    def test_objects(self):
        """An object in the place of a method is named after its class."""
        with mock.patch.object(Signal, "send"):
            self.assertEqual(wiring.patched_by(), ["Signal.send: unittest.mock.MagicMock"])

    def test_nobody(self):
        """Otherwise there is nobody."""
        self.assertEqual(wiring.patched_by(), [])
