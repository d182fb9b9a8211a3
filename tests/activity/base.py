"""Reads the activity log as text, so that a wrong entry is one readable line."""

import json

import signalscope
from signalscope import wiring
from signalscope.models import ActivityLog
from tests.sinks.test_database import StoreTestCase


class ActivityTestCase(StoreTestCase):
    """Stores what a test does, by the real writer; rows stand in the database."""

    def setUp(self):
        super().setUp()
        wiring.scope().recorder.entries.forget()

    def entries(self):
        """Return the stored entries, oldest first."""
        assert signalscope.flush(30)
        return list(ActivityLog.objects.order_by("id"))

    def lines(self):
        """Return one line per entry: who, what, to what, and what changed."""
        return [
            " ".join(
                part
                for part in (
                    entry.actor_label or "nobody",
                    entry.action,
                    entry.object_type,
                    entry.object_label or entry.object_key,
                    json.dumps(entry.changes, ensure_ascii=False, sort_keys=True)
                    if entry.changes
                    else "",
                )
                if part
            )
            for entry in self.entries()
        ]
