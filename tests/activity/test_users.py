"""Passwords, and what a user may do at all."""

from contextlib import contextmanager
from io import StringIO
from unittest import mock

from django.contrib.auth import authenticate
from django.contrib.auth.hashers import make_password
from django.contrib.auth.models import User
from django.core import serializers
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models.signals import post_save, pre_save
from django.test import modify_settings, override_settings

import signalscope
from signalscope import signals, wiring
from tests.activity.base import ActivityTestCase
from tests.sinks.test_database import store

SHA1 = "django.contrib.auth.hashers.PBKDF2SHA1PasswordHasher"
MD5 = "django.contrib.auth.hashers.MD5PasswordHasher"


class UserTestCase(ActivityTestCase):
    """Hears password_changed; self.told has what it was sent."""

    def setUp(self):
        super().setUp()
        self.told = []
        signals.password_changed.connect(self.hear)
        self.addCleanup(signals.password_changed.disconnect, self.hear)
        self.ann = User.objects.create_user("ann", password="sesame")

    def hear(self, sender, user, using, **kwargs):
        self.told.append((sender, user.username, using))

    @contextmanager
    def changed(self, count):
        """Expect so many changes of a password in the block, sent and logged."""
        before = len(self.told)
        yield
        self.assertEqual(self.told[before:], [(User, "ann", "default")] * count)
        logged = [entry for entry in self.entries() if entry.action == "password_changed"]
        self.assertEqual(len(logged), len(self.told))


class PasswordTests(UserTestCase):
    """password_changed, the signal and the entry."""

    def test_set_password(self):
        """A new password is told of when it is saved, once, and no column has it."""
        self.ann.set_password("open-wide")
        self.assertEqual(self.told, [])
        with self.changed(1):
            self.ann.save()
        with self.changed(0):
            self.ann.save()
        self.assertEqual(self.lines(), ["nobody password_changed auth.User ann"])
        (entry,) = self.entries()
        self.assertEqual((entry.changes, entry.details), ({}, {}))

    def test_loaded(self):
        """The same for a user that comes from the database."""
        user = User.objects.get()
        user.set_password("open-wide")
        with self.changed(1):
            user.save()

    def test_deferred(self):
        """And for one whose password was not loaded."""
        user = User.objects.defer("password").get()
        user.set_password("open-wide")
        with self.changed(1), self.assertNumQueries(1):
            user.save()

    def test_unusable(self):
        """A password may be taken away."""
        user = User.objects.get()
        user.set_unusable_password()
        with self.changed(1):
            user.save()

    def test_assigned_hash(self):
        """A hash that is assigned is a new password."""
        user = User.objects.get()
        user.password = make_password("open-wide")
        with self.changed(1):
            user.save(update_fields=["password"])

    def test_assigned_hash_after_set_password(self):
        """Also on an instance that set_password() was called on before."""
        self.ann.set_password("a")
        self.ann.save()
        self.ann.password = make_password("b")
        with self.changed(1):
            self.ann.save(update_fields=["password"])

    def test_left_out(self):
        """A password that is not saved is no change, until it is saved."""
        user = User.objects.get()
        user.set_password("open-wide")
        with self.changed(0):
            user.save(update_fields=["first_name"])
        with self.changed(1):
            user.save()

    def test_created(self):
        """A new user has no changed password."""
        with self.changed(0):
            User.objects.create_user("bob", password="x")
            call_command(
                "createsuperuser",
                username="eve",
                email="e@x.org",
                interactive=False,
                stdout=StringIO(),
            )

    def test_other_field(self):
        """Nor has one who is renamed."""
        with self.changed(0):
            User.objects.get().save()
            user = User.objects.get()
            user.first_name = "Ann"
            user.save()

    def test_rehashed_at_login(self):
        """The better hash that a login stores is no other password."""
        with override_settings(PASSWORD_HASHERS=[SHA1, MD5]):
            with self.changed(0):
                self.assertIsNotNone(authenticate(username="ann", password="sesame"))
        self.assertIn("pbkdf2_sha1", User.objects.get().password)

    def test_rehashed_by_more_iterations(self):
        """Nor is the same hasher's hash with more iterations."""
        with override_settings(PASSWORD_HASHERS=[SHA1]):
            self.ann.set_password("sesame")
            self.ann.save()
            with self.changed(0), mock.patch(f"{SHA1}.iterations", 2_000_000 // 1000):
                user = User.objects.get()
                self.assertTrue(user.check_password("sesame"))
                self.assertNotEqual(user.password, self.ann.password)

    def test_set_after_rehash(self):
        """A password that is set after such a login is another one."""
        with override_settings(PASSWORD_HASHERS=[SHA1, MD5]):
            user = authenticate(username="ann", password="sesame")
            user.set_password("open-wide")
            with self.changed(1):
                user.save()

    def test_fixture(self):
        """What a fixture brings is no change."""
        self.ann.password = make_password("open-wide")
        text = serializers.serialize("json", [self.ann])
        with self.changed(0):
            for item in serializers.deserialize("json", text):
                item.save()

    def test_rolled_back(self):
        """A change that was rolled back was sent and is not logged."""
        user = User.objects.get()
        user.set_password("open-wide")
        with transaction.atomic():
            user.save()
            transaction.set_rollback(True)
        self.assertEqual(len(self.told), 1)
        self.assertEqual(self.lines(), [])

    def test_savepoint_rolled_back(self):
        """The same for a part of a transaction; the rest of it is logged at the commit."""
        user = User.objects.get()
        with transaction.atomic():
            try:
                with transaction.atomic():
                    user.set_password("a")
                    user.save()
                    raise ValueError
            except ValueError:
                pass
            user.set_password("b")
            user.save()
            self.assertEqual(wiring.scope().recorder.entries.take(), [])
        self.assertEqual(self.lines(), ["nobody password_changed auth.User ann"])

    def test_raising_receiver(self):
        """A receiver that fails does not keep the user from being saved."""

        def fail(**kwargs):
            raise ValueError("no mail")

        signals.password_changed.connect(fail)
        try:
            self.ann.set_password("x")
            with self.assertLogs("django.dispatch"):
                self.ann.save()
        finally:
            signals.password_changed.disconnect(fail)
        self.assertTrue(User.objects.get().check_password("x"))

    @modify_settings(MIDDLEWARE={"append": "signalscope.middleware.SignalContextMiddleware"})
    def test_admin_page(self):
        """The admin's page for a password says who changed whose."""
        root = User.objects.create_superuser("root", password="x")
        self.client.force_login(root)
        with self.changed(1):
            response = self.client.post(
                f"/admin/auth/user/{self.ann.pk}/password/",
                {
                    "password1": "quite-Long-77",
                    "password2": "quite-Long-77",
                    "usable_password": "true",
                },
            )
            self.assertEqual(response.status_code, 302, response.content)
        self.assertEqual(self.lines()[-1], "root password_changed auth.User ann")

    def test_excluded_from_the_log(self):
        """ACTIVITY_EXCLUDE is about the log: the signal is sent all the same."""
        with store(ACTIVITY_EXCLUDE=["*"]):
            self.ann.set_password("open-wide")
            self.ann.save()
        self.assertEqual(len(self.told), 1)
        self.assertEqual(self.lines(), [])

    def test_uninstalled(self):
        """While signalscope is off nothing is sent."""
        signalscope.uninstall()
        try:
            self.ann.set_password("open-wide")
            self.ann.save()
        finally:
            signalscope.install()
        self.assertEqual((self.told, self.lines()), ([], []))

    def test_without_storing(self):
        """In a test run the signal is sent, and nothing waits for a commit."""
        with override_settings(SIGNALSCOPE={}):
            with transaction.atomic():
                self.ann.set_password("open-wide")
                self.ann.save()
                self.assertEqual(connection.run_on_commit, [])
        self.assertEqual(len(self.told), 1)


class FlagTests(UserTestCase):
    """What a user may do at all."""

    def test_changed(self):
        """Old and new value of each flag that changed are logged."""
        user = User.objects.get()
        user.is_staff = user.is_superuser = True
        user.first_name = "Ann"
        user.save()
        flags = '{"is_staff": [false, true], "is_superuser": [false, true]}'
        self.assertEqual(self.lines(), [f"nobody permissions_changed auth.User ann {flags}"])

    def test_unchanged(self):
        """A user that is saved as it was is not logged."""
        User.objects.get().save()
        self.ann.save()
        self.assertEqual(self.lines(), [])

    def test_unknown(self):
        """What was not loaded has an old value that nobody knows; it is not asked for."""
        user = User.objects.only("username").get()
        user.is_active = False
        with self.assertNumQueries(1):
            user.save()
        self.assertEqual(
            self.lines(),
            ['nobody permissions_changed auth.User ann {"is_active": [null, false]}'],
        )

    def test_queries_as_before(self):
        """Neither flags nor passwords cost the project a query."""
        user = User.objects.get()
        user.is_staff = True
        user.set_password("x")
        with self.assertNumQueries(1):
            user.save()

    def test_class_as_before(self):
        """No signal has a receiver for it, and off means off."""
        names = ["from_db", "refresh_from_db", "save_base", "_save_table"]
        self.assertFalse(post_save.has_listeners(User))
        self.assertFalse(pre_save.has_listeners(User))
        self.assertLess(set(names), set(User.__dict__))
        signalscope.uninstall()
        try:
            self.assertEqual([name for name in names if name in User.__dict__], [])
        finally:
            signalscope.install()
