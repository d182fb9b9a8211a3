"""Slow queries: logged at once, listed by request."""

from datetime import timedelta

from django.contrib.auth import get_user_model
from django.db import connection
from django.test import TestCase, override_settings
from django.utils import timezone
from signalscope.models import SlowQuery, Trace

from slowlog.requests import slowest_requests


class SlowLogTests(TestCase):
    """What is slow, and where."""

    @override_settings(SIGNALSCOPE={"SLOW_QUERY_MS": 0.0001})
    def test_log(self):
        """A slow query is logged with its text and without its parameters."""
        with self.assertLogs("slowlog.receivers", "WARNING") as logs, connection.cursor() as cursor:
            cursor.execute("SELECT %s", ["a secret"])
        self.assertIn("ms on default: SELECT", logs.output[-1])
        self.assertNotIn("a secret", "".join(logs.output))

    def query(self, trace, milliseconds):
        """Store a slow query."""
        return SlowQuery.objects.create(
            at=timezone.now(),
            duration_ns=milliseconds * 1_000_000,
            using="default",
            sql="SELECT 1",
            trace_key=trace and trace.pk,
        )

    def test_requests(self):
        """Those of one request stand together; the worst request comes first."""
        counts = dict.fromkeys(
            ("dispatch_count", "call_count", "error_count", "query_count", "left_out_count"), 0
        )
        fast, slow = (
            Trace.objects.create(
                id=key, trigger="request", name=name, status="ok", duration_ns=1, **counts,
                started_at=timezone.now() - timedelta(seconds=1),
            )
            for key, name in ((1, "GET /fast/"), (2, "GET /slow/"))
        )  # fmt: skip
        for trace, milliseconds in ((fast, 300), (slow, 200), (slow, 200), (None, 100)):
            self.query(trace, milliseconds)
        with self.assertNumQueries(2):
            found = slowest_requests(limit=2)
        self.assertEqual(
            [(one.trace.name, len(one.queries), one.total_ms) for one in found],
            [("GET /slow/", 2, 400.0), ("GET /fast/", 1, 300.0)],
        )

    def test_page(self):
        """The page is the shop keeper's alone."""
        self.assertEqual(self.client.get("/slow-queries/").status_code, 302)
        self.client.force_login(get_user_model().objects.create_superuser("keeper"))
        self.query(None, 100)
        self.assertContains(self.client.get("/slow-queries/"), "100 ms in 1 slow query")
        self.client.post("/slow-queries/clear/")
        self.assertContains(self.client.get("/slow-queries/"), "None yet")
