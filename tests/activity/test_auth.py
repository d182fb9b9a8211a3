"""Who logged in and out, and who tried to."""

import json

from asgiref.sync import async_to_sync
from django.contrib.auth import aauthenticate, alogin, authenticate
from django.contrib.auth.models import User
from django.contrib.auth.signals import user_logged_in, user_logged_out, user_login_failed
from django.contrib.sessions.backends.signed_cookies import SessionStore
from django.db import connection
from django.http import HttpRequest
from django.test import override_settings
from django.test.utils import CaptureQueriesContext

import signalscope
from signalscope.models import ActivityLog
from tests.activity.base import ActivityTestCase
from tests.sinks.test_database import store


class LoginTests(ActivityTestCase):
    """By the admin's own pages."""

    def setUp(self):
        super().setUp()
        self.ann = User.objects.create_superuser("ann", password="sesame")

    def log_in(self, name="ann", password="sesame"):
        return self.client.post(
            "/admin/login/",
            {"username": name, "password": password},
            headers={"user-agent": "curl/8"},
            REMOTE_ADDR="203.0.113.9",
        )

    def test_logged_in(self):
        """The user did it, from the request's address; the entry names the trace."""
        self.log_in()
        (entry,) = self.entries()
        self.assertEqual(self.lines(), ["ann logged_in auth.User ann"])
        self.assertEqual((entry.actor_key, entry.object_key), (str(self.ann.pk),) * 2)
        self.assertEqual((entry.ip_address, entry.user_agent), ("203.0.113.9", "curl/8"))
        self.assertIsNotNone(entry.trace_key)

    def test_logged_out(self):
        """The user that was logged in did it; nobody logs out nobody."""
        self.log_in()
        self.client.post("/admin/logout/")
        self.client.logout()
        self.assertEqual(
            self.lines(), ["ann logged_in auth.User ann", "ann logged_out auth.User ann"]
        )

    def test_login_failed(self):
        """The name that was tried is known, and no column has the password."""
        self.log_in("mallory", "hunter2-never-stored")
        self.assertEqual(self.lines(), ["nobody login_failed auth.User mallory"])
        (row,) = ActivityLog.objects.values()
        self.assertNotIn("hunter2", json.dumps(row, default=str))
        self.assertEqual(row["ip_address"], "203.0.113.9")

    def test_login_failed_of_hostile_name(self):
        """A name may be anything, of any length."""
        names = ["=cmd|'/C calc'!A0", "x" * 1_000_000, "a\x00b", "\ud800", "<script>"]
        for name in names:
            credentials = {"username": name, "password": "***"}
            user_login_failed.send(sender=None, credentials=credentials, request=HttpRequest())
        labels = [entry.object_label for entry in self.entries()]
        self.assertEqual(len(labels), len(names))
        self.assertEqual((labels[0], labels[4]), (names[0], names[4]))
        self.assertLessEqual(len(labels[1]), 255)

    def test_login_failed_without_name(self):
        """Credentials of any kind leave nothing but the fact."""
        authenticate(token="abcdef")
        user_login_failed.send(sender=None, credentials="abcdef")
        user_login_failed.send(sender=None)
        self.assertEqual(self.lines(), ["nobody login_failed auth.User"] * 3)
        self.assertNotIn("abcdef", json.dumps(list(ActivityLog.objects.values()), default=str))

    def test_queries_as_before(self):
        """A login costs the project no query."""
        signalscope.uninstall()
        with CaptureQueriesContext(connection) as bare:
            self.log_in()
        signalscope.install()
        self.client.cookies.clear()
        with self.assertNumQueries(len(bare)):
            self.log_in()
        self.assertEqual(len(self.entries()), 1)

    def test_excluded(self):
        """An action that the project does not want is not logged; the others are."""
        with store(ACTIVITY_EXCLUDE=["login_*"]):
            self.log_in(password="wrong")
            self.log_in()
        self.assertEqual(self.lines(), ["ann logged_in auth.User ann"])

    def test_signal_excluded_from_traces(self):
        """EXCLUDE is about traces: the log is not shorter for it, neither under async."""

        async def log_in():
            request = HttpRequest()
            request.session = SessionStore()
            await alogin(request, self.ann, "django.contrib.auth.backends.ModelBackend")

        with store(EXCLUDE=["auth.*", "django.contrib.auth.*"]):
            self.log_in()
            async_to_sync(log_in)()
        self.assertEqual(self.lines(), ["ann logged_in auth.User ann"] * 2)

    def test_async_login_failed(self):
        """An async login is one."""
        async_to_sync(aauthenticate)(username="ann", password="wrong")
        self.assertEqual(self.lines(), ["nobody login_failed auth.User ann"])

    def test_sent_by_others(self):
        """Other libraries send what they like."""
        user_logged_out.send(sender=None, user="ann", request=None)
        user_logged_out.send(sender=None)
        self.assertEqual(self.lines(), [])
        user_logged_in.send(sender=None, user=self.ann, request=object())
        self.assertEqual(self.lines(), ["ann logged_in auth.User ann"])

    def test_nothing_in_a_test_run(self):
        """Without STORE_IN_TESTS nothing is even made."""
        with override_settings(SIGNALSCOPE={}):
            self.log_in()
        self.assertEqual(self.lines(), [])
