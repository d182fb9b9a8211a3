"""``manage.py signalscope`` mute, unmute and rules."""

import csv
import io
import json
import os
import pwd
from contextlib import contextmanager
from datetime import timedelta
from unittest import mock

from django.core.management import CommandError, call_command
from django.db import OperationalError
from django.db.backends.utils import CursorWrapper
from django.test import TestCase, TransactionTestCase, override_settings
from django.utils import timezone

import signalscope
from signalscope import wiring
from signalscope.models import ActivityLog, ControlRule
from tests.shop.models import Order
from tests.shop.signals import order_paid
from tests.sinks.test_database import StoreTestCase
from tests.stats.rows import HOSTILE, rollup
from tests.trees import connected


def sync_crm(sender, **kwargs):
    """Answer."""
    return "synced"


CRM = f"{__name__}.sync_crm"
WHY = ("--reason", "the CRM is down")


def run(*args):
    """Run a subcommand; return what it printed on both streams, wrapped lines joined."""
    out, err = io.StringIO(), io.StringIO()
    call_command("signalscope", *args, stdout=out, stderr=err)
    return " ".join((out.getvalue() + err.getvalue()).split())


def stored(**given):
    """Store a rule."""
    return ControlRule.objects.create(
        **{"receiver": "sync_crm", "reason": "down", "set_by": "alice", **given}
    )


@contextmanager
def failing_database():
    """Let no query be answered."""
    with mock.patch.object(CursorWrapper, "execute", side_effect=OperationalError("gone")):
        yield


class RulesTestCase(TestCase):
    def setUp(self):
        self.addCleanup(wiring.scope().rules.replace, [])


class MuteTests(RulesTestCase):
    """mute"""

    def test_sets_a_rule(self):
        """It says whom it matches, with their calls, until when, and how to end it."""
        rollup(*[1000] * 7, receiver=CRM, errors=3)
        with connected(order_paid, sync_crm):
            text = run("mute", "--receiver", "sync_crm", *WHY)
        rule = ControlRule.objects.get()
        self.assertRegex(text, r"sync_crm +7 +3 tests\.shop\.signals\.order_paid \(any sender\)")
        self.assertIn(f"Set rule {rule.pk}, until {timezone.localtime(rule.until):%Y-%m-%d}", text)
        self.assertIn("within 5 s", text)
        self.assertIn(f"manage.py signalscope unmute {rule.pk}", text)
        self.assertEqual((rule.receiver, rule.reason), ("sync_crm", "the CRM is down"))
        self.assertEqual(rule.set_by, pwd.getpwuid(os.getuid()).pw_name)
        hour = timezone.now() + timedelta(hours=1)
        self.assertLess(abs(rule.until - hour), timedelta(seconds=30))

    def test_all_options(self):
        """Each of them ends up in the rule."""
        run(
            *("mute", "--signal", "order_*", "--sender", "shop.Order", "--receiver", "*crm"),
            *("--dispatch-uid", "uid", "--for-good", "--force", "--by", "bob", *WHY),
        )
        rule = ControlRule.objects.get()
        self.assertEqual(
            (rule.signal, rule.sender, rule.receiver, rule.dispatch_uid, rule.until),
            ("order_*", "shop.Order", "*crm", "uid", None),
        )
        self.assertEqual((rule.is_forced, rule.set_by, rule.action), (True, "bob", "mute"))

    def test_how_long(self):
        """A length or a moment; of both and of what is over nothing is made."""
        run("mute", "--receiver", "x", "--for", "15m", *WHY)
        self.assertLess(ControlRule.objects.get().until, timezone.now() + timedelta(minutes=16))
        day = timezone.localdate() + timedelta(days=2)
        text = run("mute", "--receiver", "y", "--until", f"{day}T12:00", *WHY)
        self.assertIn(f"until {day} 12:00:00", text)
        for args, words in (
            (["--until", "2020-01-01"], "is over"),
            (["--until", "soon"], "is no date"),
            (["--for", "0h"], "no period"),
            (["--for", "1h", "--for-good"], "not allowed with"),
        ):
            with self.subTest(args=args), self.assertRaisesRegex(CommandError, words):
                run("mute", "--receiver", "z", *args, *WHY)
        self.assertEqual(ControlRule.objects.count(), 2)

    @override_settings(USE_TZ=False)
    def test_without_time_zones(self):
        """The moment is stored as the project has it."""
        run("mute", "--receiver", "x", *WHY)
        rule = ControlRule.objects.get()
        self.assertIs(rule.has_ended, False)
        self.assertIn("rule", run("rules"))

    def test_what_and_why_must_be_said(self):
        """Without a glob or a reason there is no rule, and the message says what to give."""
        for args, words in (
            (WHY, "--receiver '\\*'"),
            (["--receiver", "x"], "give --reason"),
            (["--receiver", " ", *WHY], "not allowed"),
            (["--receiver", "x", "--reason", ""], "not allowed"),
            (["--receiver", "x" * 256, *WHY], "255"),
            (["--receiver", "x\0", *WHY], "not allowed"),
            (["--receiver", "\udc80", *WHY], "no text"),
        ):
            with self.subTest(args=args), self.assertRaisesRegex(CommandError, words):
                run("mute", *args)
        self.assertFalse(ControlRule.objects.exists())

    def test_djangos_own(self):
        """Where nobody else matches it takes --force; where others do, they are spared."""

        def update_last_login(sender, **kwargs):
            """Stand for Django's."""

        update_last_login.__module__ = "django.contrib.auth.models"
        with connected(order_paid, update_last_login):
            with self.assertRaisesRegex(CommandError, "--force"):
                run("mute", "--receiver", "update_last_login", *WHY)
            self.assertFalse(ControlRule.objects.exists())
            with connected(order_paid, sync_crm):
                text = run("mute", "--signal", "order_paid", *WHY)
            self.assertIn("not muted without --force", text)
            run("mute", "--receiver", "update_last_login", "--force", *WHY)

    def test_nothing_matches(self):
        """The rule is set, since it may be meant for another process, and that is said."""
        text = run("mute", "--receiver", "worker.receivers.sync", *WHY)
        self.assertIn("No receiver that is connected in this process", text)
        self.assertIn("Set rule", text)
        rollup(1000, receiver="worker.receivers.sync")
        text = run("mute", "--receiver", "worker.receivers.sync", *WHY)
        self.assertIn("not connected here", text)

    def test_dry_run(self):
        """It says whom a rule would match, needs no reason, and sets nothing."""
        with connected(order_paid, sync_crm):
            text = run("mute", "--receiver", "sync_crm", "--dry-run")
        self.assertIn("sync_crm", text)
        self.assertNotIn("Set rule", text)
        self.assertFalse(ControlRule.objects.exists())

    def test_switched_off(self):
        """Where signalscope is off in this process, that is said."""
        with mock.patch("signalscope.wiring.why_off", return_value="It is off."):
            self.assertIn("It is off.", run("mute", "--receiver", "x", *WHY))

    def test_hostile_labels(self):
        """Labels cannot move the cursor, and globs are stored as they are."""
        for text in HOSTILE:
            rollup(1000, receiver=text, signal=text, sender=text)
            said = run("mute", "--receiver", text, "--reason", text)
            self.assertNotIn("\x1b", said)
            self.assertNotIn("\u202e", said)
        self.assertEqual(ControlRule.objects.last().receiver, HOSTILE[0])
        for name in ("table", "json", "csv", "md"):
            self.assertNotIn("\x1b", run("rules", "--format", name))
        self.assertNotIn("\x1b", run("unmute", "--all"))

    def test_database_fails(self):
        """The message says which database, and what to do."""
        for args in (("mute", "--receiver", "x", *WHY), ("rules",), ("unmute", "--all")):
            with self.subTest(args=args), failing_database():
                with self.assertRaisesRegex(CommandError, "'default'"):
                    run(*args)


class UnmuteTests(RulesTestCase):
    """unmute"""

    def in_force(self):
        return set(ControlRule.objects.in_force().values_list("pk", flat=True))

    def test_by_key(self):
        """Those with the keys end now, others stay; nothing is deleted."""
        first, second, third = stored(), stored(until=timezone.now() + timedelta(1)), stored()
        text = run("unmute", str(first.pk), str(second.pk))
        self.assertIn(f"Ended rule {first.pk}: mute receiver sync_crm", text)
        self.assertIn("2 rules have ended", text)
        self.assertEqual(self.in_force(), {third.pk})
        self.assertEqual(ControlRule.objects.count(), 3)

    def test_by_receiver(self):
        """Those whose receiver matches end, others stay."""
        stored(receiver="shop.receivers.sync_crm"), stored(receiver="*_crm")
        other, every = stored(receiver="shop.receivers.mail"), stored(receiver="", signal="x")
        run("unmute", "--receiver", "*crm")
        self.assertEqual(self.in_force(), {other.pk, every.pk})
        with self.assertRaisesRegex(CommandError, "No rule in force has a receiver"):
            run("unmute", "--receiver", "*crm")

    def test_all(self):
        """All end; where there is none, nothing is wrong."""
        stored(), stored()
        self.assertIn("2 rules have ended", run("unmute", "--all"))
        self.assertEqual(self.in_force(), set())
        self.assertIn("0 rules have ended", run("unmute", "--all"))

    def test_unknown_key(self):
        """One that is not in force is named, and nothing is ended."""
        rule, ended = stored(), stored(until=timezone.now() - timedelta(hours=1))
        with self.assertRaisesRegex(CommandError, f"Not in force: {ended.pk}, 999"):
            run("unmute", str(rule.pk), "999", str(ended.pk))
        self.assertEqual(self.in_force(), {rule.pk})

    def test_exactly_one_way(self):
        """No way to say which rules, or two of them, is an error."""
        rule = stored()
        for args in ((), ("--all", "--receiver", "x"), (str(rule.pk), "--all")):
            with self.subTest(args=args), self.assertRaisesRegex(CommandError, "which rules"):
                run("unmute", *args)
        with self.assertRaisesRegex(CommandError, "whole number"):
            run("unmute", "x")
        self.assertEqual(self.in_force(), {rule.pk})


class RulesTests(RulesTestCase):
    """rules"""

    def test_in_force(self):
        """Those in force, newest first, with reason and end; with --all the others, too."""
        stored(receiver="one", until=timezone.now() - timedelta(days=1))
        stored(receiver="two", until=timezone.now() + timedelta(days=1))
        stored(receiver="three", reason="slow")
        text = run("rules")
        self.assertNotIn("receiver one", text)
        self.assertLess(text.index("receiver three"), text.index("receiver two"))
        self.assertIn("for good", text)
        self.assertIn("slow", text)
        self.assertIn("ended", run("rules", "--all"))

    def test_formats(self):
        """JSON and CSV have all fields."""
        rule = stored(reason="=cmd()|")
        (row,) = json.loads(run("rules", "--format", "json"))
        self.assertEqual((row["id"], row["reason"], row["until"]), (rule.pk, "=cmd()|", None))
        self.assertIs(row["has_ended"], False)
        out = io.StringIO()
        call_command("signalscope", "rules", "--format", "csv", stdout=out)
        (row,) = csv.DictReader(io.StringIO(out.getvalue()))
        self.assertEqual(row["reason"], "'=cmd()|")
        self.assertIn("| mute receiver sync_crm |", run("rules", "--format", "md"))

    def test_none(self):
        """Where there is none it says so; a program's output stays what it is."""
        self.assertIn("No rule is in force", run("rules"))
        self.assertIn("No rule was ever set", run("rules", "--all"))
        out = io.StringIO()
        call_command("signalscope", "rules", format="json", stdout=out, stderr=io.StringIO())
        self.assertEqual(json.loads(out.getvalue()), [])

    def test_queries(self):
        """One query prints them all; to mute takes two, and those of the save."""
        for _ in range(50):
            stored()
        with self.assertNumQueries(1):
            run("rules", "--all")
        with self.assertNumQueries(1):
            run("mute", "--receiver", "x", "--dry-run")


class EffectTests(TransactionTestCase):
    """From the command to the dispatch, in one process."""

    def test_at_once(self):
        """Who calls the command from code sees its effect with the next dispatch."""
        self.addCleanup(wiring.scope().rules.replace, [])
        with connected(order_paid, sync_crm):
            run("mute", "--receiver", "sync_crm", *WHY)
            self.assertEqual(order_paid.send(sender=Order), [])
            run("unmute", "--all")
            self.assertEqual(len(order_paid.send(sender=Order)), 1)


class LoggedTests(StoreTestCase):
    """Commands in the activity log."""

    def test_who(self):
        """The log has who set and who ended a rule, by name."""
        self.addCleanup(wiring.scope().rules.replace, [])
        run("mute", "--receiver", "x", "--by", "alice", *WHY)
        run("unmute", "--all", "--by", "bob")
        self.assertIs(signalscope.flush(30), True)
        entries = ActivityLog.objects.filter(action__startswith="rule_").order_by("pk")
        self.assertEqual(
            list(entries.values_list("action", "actor_label")),
            [("rule_set", "alice"), ("rule_ended", "bob")],
        )
