"""Entries by hand."""

from django.contrib.auth.models import User
from django.db import transaction
from django.test.client import RequestFactory
from django.utils.functional import SimpleLazyObject

import signalscope
from signalscope.models import ActivityLog, Trace
from tests.activity.base import ActivityTestCase
from tests.shop.models import Order


class LogTests(ActivityTestCase):
    """signalscope.log()."""

    def test_action_target_details(self):
        """The entry has what was given, as a person would write it, and no secret."""
        with signalscope.trace("export"):
            signalscope.log("exported report", target=Order(pk=3), rows=5, api_token="abcdef")
        (entry,) = self.entries()
        self.assertEqual(self.lines(), ["nobody exported report shop.Order Order object (3)"])
        self.assertEqual(entry.details, {"rows": 5, "api_token": "********"})
        self.assertEqual(entry.trace_key, Trace.objects.get().pk)

    def test_action_alone(self):
        """An action needs no target, and details may have any name."""
        signalscope.log("closed the day", action="twice", reason="late")
        (entry,) = self.entries()
        self.assertEqual((entry.object_type, entry.object_key), ("", ""))
        self.assertEqual(entry.details, {"action": "twice", "reason": "late"})

    def test_builtin_action(self):
        """A project that logs in by other means says so in the same words."""
        signalscope.log("logged_in", target=User(pk=1, username="ann"), by="token")
        self.assertEqual(self.lines(), ["nobody logged_in auth.User ann"])

    def test_context(self):
        """Who is behind the running code did it, and the reason is among the details."""
        ann = User(pk=1, username="ann")
        with signalscope.SignalContext.use(user=ann, reason="nightly"):
            signalscope.log("exported")
        (entry,) = self.entries()
        self.assertEqual((entry.actor_key, entry.actor_label), ("1", "ann"))
        self.assertEqual(entry.details, {"reason": "nightly"})

    def test_no_query(self):
        """Neither the actor nor a detail is looked up in the project's connection."""
        request = RequestFactory().get("/")
        request.user = SimpleLazyObject(User.objects.get)
        signalscope.SignalContext.set_request(request)
        try:
            with self.assertNumQueries(0):
                signalscope.log("exported", who=request.user)
        finally:
            signalscope.SignalContext.clear()
        self.assertEqual(len(self.entries()), 1)

    def test_rolled_back(self):
        """What was done is logged, also where the transaction came to nothing."""
        with transaction.atomic():
            signalscope.log("exported")
            transaction.set_rollback(True)
        self.assertEqual(self.lines(), ["nobody exported"])

    def test_misuse(self):
        """An action that is none, and a target that is none, are errors that say what to do."""
        for action in ("", "  ", "x" * 101, None, b"x"):
            with self.subTest(action), self.assertRaisesRegex(ValueError, "at most 100 characters"):
                signalscope.log(action)
        for target in (Order, "shop.Order", 3):
            with self.subTest(target), self.assertRaisesRegex(TypeError, "model instance"):
                signalscope.log("exported", target=target)
        self.assertEqual(self.lines(), [])

    def test_uninstalled(self):
        """While signalscope is off nothing is logged, and misuse is still an error."""
        signalscope.uninstall()
        try:
            signalscope.log("exported")
            with self.assertRaises(ValueError):
                signalscope.log("")
        finally:
            signalscope.install()
        self.assertEqual(ActivityLog.objects.count(), 0)
        self.assertEqual(self.lines(), [])

    def test_hostile_details(self):
        """Details may be anything."""

        class Rude:
            def __str__(self):
                raise RuntimeError("no")

        signalscope.log("did\x00 it \ud800", x=Rude(), y="\x00\ud800", z=float("nan"), n=10**40)
        (entry,) = self.entries()
        self.assertEqual(entry.details["z"], "nan")
        self.assertEqual(entry.details["n"], str(10**40))
        self.assertIn("Rude>", entry.details["x"])
