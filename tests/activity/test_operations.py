"""What is done to the project itself."""

import os
import pwd
from io import StringIO

from django.apps import apps
from django.core.management import CommandError, call_command
from django.core.management.base import BaseCommand
from django.db.migrations import Migration
from django.db.models.signals import post_migrate
from django.test import override_settings

import signalscope
from signalscope.models import ActivityLog, Trace
from tests.activity.base import ActivityTestCase
from tests.sinks.test_database import store


class CommandTests(ActivityTestCase):
    """Management commands."""

    def test_ok(self):
        """A command is named, with how it ended, how long it took and who ran it."""
        call_command("check", stdout=StringIO(), stderr=StringIO())
        (entry,) = self.entries()
        self.assertEqual((entry.action, entry.object_label), ("command_run", "check"))
        self.assertEqual(entry.details["status"], "ok")
        self.assertEqual(entry.details["os_user"], pwd.getpwuid(os.getuid()).pw_name)
        self.assertGreater(entry.details["duration_ms"], 0)
        self.assertEqual(Trace.objects.get(name="check").pk, entry.trace_key)

    def test_error(self):
        """A command that fails says so, and keeps its arguments to itself."""
        with self.assertRaises(CommandError):
            call_command("loaddata", "no-such-fixture-secret", verbosity=0)
        (entry,) = self.entries()
        self.assertEqual((entry.object_label, entry.details["status"]), ("loaddata", "error"))
        (row,) = ActivityLog.objects.values()
        self.assertNotIn("no-such-fixture", str(row))

    def test_nested(self):
        """A command that another one calls is logged, too, and ends first."""

        class Command(BaseCommand):
            __module__ = "tests.outer"

            def handle(self, **options):
                call_command("check", stdout=StringIO(), stderr=StringIO())

        call_command(Command(), skip_checks=True)
        self.assertEqual(self.lines(), ["nobody command_run check", "nobody command_run outer"])

    def test_own_and_serving(self):
        """signalscope's own commands, and those that only serve, are not logged."""
        modules = {
            "django.core.management.commands.runserver": [],
            "django.core.management.commands.testserver": [],
            "signalscope.management.commands.signalscope": [],
            "django.core.management.commands.shell": ["nobody command_run shell"],
            "django.core.management.commands.dbshell": ["nobody command_run dbshell"],
        }
        for module, expected in modules.items():
            with self.subTest(module):
                kind = type("Command", (BaseCommand,), {"handle": lambda self, **o: None})
                kind.__module__ = module
                call_command(kind(), skip_checks=True)
                self.assertEqual(self.lines(), expected)
                ActivityLog.objects.all().delete()

    def test_excluded(self):
        """Commands can be left out."""
        with store(ACTIVITY_EXCLUDE=["command_run"]):
            call_command("check", stdout=StringIO(), stderr=StringIO())
        self.assertEqual(self.lines(), [])


class MigratedTests(ActivityTestCase):
    """Migrations."""

    def test_one_entry_each(self):
        """Each migration is logged once, though each app with models is sent the whole plan."""
        plan = [
            (Migration("0002_x", "shop"), False),
            (Migration("0001_initial", "app_without_models"), True),
        ]
        for config in apps.get_app_configs():
            if config.models_module is not None:
                post_migrate.send(sender=config, app_config=config, plan=plan, using="default")
        first, second = self.entries()
        self.assertEqual((first.action, first.object_label), ("migrated", "shop.0002_x"))
        self.assertEqual(first.details, {"using": "default", "backwards": False})
        self.assertEqual(second.object_label, "app_without_models.0001_initial")
        self.assertEqual(second.details, {"using": "default", "backwards": True})

    def test_nothing_to_migrate(self):
        """A migrate that has nothing to do, and a flush, apply none."""
        with store(ACTIVITY_EXCLUDE=["command_run"]):
            call_command("migrate", verbosity=0)
            call_command("flush", interactive=False, verbosity=0)
        self.assertEqual(self.lines(), [])

    def test_migrate(self):
        """What manage.py migrate undoes and does again is logged."""
        call_command("migrate", "sessions", "zero", verbosity=0)
        call_command("migrate", "sessions", verbosity=0)
        self.assertEqual(
            self.lines(),
            [
                "nobody migrated sessions.0001_initial",
                "nobody command_run migrate",
                "nobody migrated sessions.0001_initial",
                "nobody command_run migrate",
            ],
        )
        self.assertEqual(
            [entry.details["backwards"] for entry in self.entries()[::2]], [True, False]
        )


class SettingTests(ActivityTestCase):
    """Settings that tests change."""

    def test_enter_and_leave(self):
        """The name and the direction are logged, and no value; signalscope's own are left out."""
        with override_settings(SHOP_SECRET="abcdef"):
            with store(SAMPLE_RATE=0.5):
                pass
        entered, left = self.entries()
        self.assertEqual((entered.action, entered.object_label), ("setting_changed", "SHOP_SECRET"))
        self.assertEqual((entered.details, left.details), ({"enter": True}, {"enter": False}))
        self.assertNotIn("abcdef", str(list(ActivityLog.objects.values())))


class UninstalledTests(ActivityTestCase):
    """While signalscope is off."""

    def test_nothing(self):
        """Nothing is logged."""
        signalscope.uninstall()
        try:
            call_command("check", stdout=StringIO(), stderr=StringIO())
            with override_settings(SHOP_NAME="x"):
                pass
        finally:
            signalscope.install()
        self.assertEqual(self.lines(), [])
