"""What an entry says of who did it, to what, and in which trace."""

from datetime import UTC, datetime, timedelta

from django.contrib.auth.models import User
from django.test import TestCase, override_settings
from django.test.utils import isolate_apps

import signalscope
from signalscope.activity.entries import make_entry
from signalscope.context import Actor
from signalscope.recorder.strands import running_trace
from tests.shop.models import Order


class EntryTests(TestCase):
    """make_entry()."""

    def test_nobody_and_nothing(self):
        """Outside of any context and trace an entry has its action and moment."""
        entry = make_entry("looked")
        self.assertEqual(entry.action, "looked")
        self.assertLess(abs(entry.at - datetime.now(UTC)), timedelta(minutes=1))
        self.assertEqual((entry.actor_key, entry.object_type, entry.trace_key), ("", "", None))
        self.assertEqual((entry.changes, entry.details), ({}, {}))

    @isolate_apps("tests.shop")
    def test_object(self):
        """An object is its model, key and text; a proxy's model is the one it stands for."""

        class Customer(User):
            class Meta:
                proxy = True
                app_label = "shop"

        entry = make_entry("looked", Customer(pk=3, username="ann"))
        self.assertEqual(
            (entry.object_type, entry.object_key, entry.object_label), ("auth.User", "3", "ann")
        )

    def test_object_in_parts(self):
        """What is no object may be given by its parts."""
        entry = make_entry("looked", object_type="x", object_key="y", object_label="z")
        self.assertEqual((entry.object_type, entry.object_key, entry.object_label), ("x", "y", "z"))

    def test_actor(self):
        """The actor given is who did it, and the reason stands among the details."""
        actor = Actor("3", "ann", "10.0.0.1", "curl", "abc", "nightly import")
        given = {"rows": 5}
        entry = make_entry("looked", actor=actor, details=given)
        self.assertEqual((entry.actor_key, entry.actor_label), ("3", "ann"))
        self.assertEqual((entry.ip_address, entry.user_agent), ("10.0.0.1", "curl"))
        self.assertEqual(entry.correlation_id, "abc")
        self.assertEqual(entry.details, {"rows": 5, "reason": "nightly import"})
        self.assertEqual(given, {"rows": 5})

    def test_trace(self):
        """An entry refers to the trace that it was made in, which is kept for it."""
        with signalscope.trace("nightly"):
            trace = running_trace()
            entry = make_entry("looked", Order(pk=1))
            self.assertEqual(entry.trace_key, trace.key)
            self.assertIsNotNone(entry.trace_key)
            self.assertEqual(trace.reason, "activity")

    def test_trace_not_kept(self):
        """With KEEP_ACTIVITY off the trace is not kept for its entries."""
        with override_settings(SIGNALSCOPE={"KEEP_ACTIVITY": False, "SAMPLE_RATE": 0}):
            with signalscope.trace("nightly"):
                trace = running_trace()
                self.assertEqual(make_entry("looked").trace_key, trace.key)
                self.assertEqual(trace.reason, "")
