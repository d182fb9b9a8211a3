"""Alerts, in the log and at a webhook on loopback that fails and works again."""

import json
import time
from contextlib import closing
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

from django.contrib.auth import get_user_model
from django.db import transaction
from django.test import TestCase, TransactionTestCase

from alerts.models import Alert, Message, Webhook
from alerts.raising import raise_alert

TIMEOUT_S = 30


class Pager(BaseHTTPRequestHandler):
    """Notes what is posted to it, and answers with a status."""

    status = 204
    got = []

    def do_POST(self):
        """Take an alert."""
        self.got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
        self.send_response(self.status)
        self.end_headers()

    def log_message(self, *args):
        """Say nothing."""


class WebhookTests(TransactionTestCase):
    """What becomes of an alert."""

    def setUp(self):
        Pager.got, Pager.status = [], 204
        server = self.enterContext(closing(HTTPServer(("127.0.0.1", 0), Pager)))
        server.close = server.server_close
        thread = Thread(target=server.serve_forever)
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(server.shutdown)
        Webhook.objects.create(url=f"http://127.0.0.1:{server.server_port}/")

    def test_posted(self):
        """It is logged and posted, and the time of that noted."""
        with self.assertLogs("alerts.receivers", "CRITICAL") as logs:
            alert = raise_alert("critical", "The kettle boils over")
        self.assertIn("The kettle boils over", logs.output[0])
        self.assertEqual(Pager.got, [{"level": "critical", "text": "The kettle boils over"}])
        alert.refresh_from_db()
        self.assertIsNotNone(alert.posted_at)

    def test_rolled_back(self):
        """Of what is rolled back nobody is told."""
        with self.assertRaises(ZeroDivisionError), transaction.atomic():
            raise_alert("info", "never")
            raise ZeroDivisionError
        self.assertEqual(Pager.got, [])

    def guard(self, **limits):
        """Return a block with such a guard, which begins anew where its limits are others."""
        limits = {"max_error_rate": 0.5, **limits}
        return self.settings(SIGNALSCOPE={"GUARD": {"alerts.receivers.post_to_webhook": limits}})

    def test_guard(self):
        """A webhook that fails is left alone, with a note of that; the log has all alerts."""
        Pager.status = 503
        with (
            self.guard(min_calls=3, for_s=300),
            self.assertLogs("alerts.receivers", "WARNING") as logs,
            self.assertLogs("django.dispatch", "ERROR") as failures,
            self.assertLogs("signalscope.guard", "WARNING") as changes,
        ):
            for number in range(6):
                raise_alert("warning", f"alert {number}")
        counts = [len(one) for one in (logs.output, Pager.got, failures.output, changes.output)]
        self.assertEqual(counts, [6, 3, 3, 1])
        self.assertIn("3 of 3 calls failed in 60 s", changes.output[0])
        note = Alert.objects.get(level="critical")
        self.assertEqual(note.text, "The guard of the webhook is open: 3 of 3 calls failed in 60 s")

    def test_guard_closes(self):
        """Once the webhook works again, the alert that tries it closes the guard."""
        Pager.status = 503
        with (
            self.guard(min_calls=1, for_s=0.05),
            self.assertLogs("alerts.receivers", "WARNING"),
            self.assertLogs("django.dispatch", "ERROR"),
            self.assertLogs("signalscope.guard", "INFO"),
        ):
            raise_alert("warning", "unheard")
            Pager.got, Pager.status = [], 204
            deadline = time.monotonic() + TIMEOUT_S
            while not Pager.got:
                self.assertLess(time.monotonic(), deadline)
                raise_alert("warning", "heard")
        notes = Alert.objects.exclude(level="warning").order_by("pk").values_list("text", flat=True)
        states = [text.split(":")[0].removeprefix("The guard of the webhook is ") for text in notes]
        self.assertEqual(states, ["open", "half open", "closed"])
        self.assertIsNotNone(Alert.objects.filter(text="heard").first().posted_at)


class PageTests(TestCase):
    """The page, and the inbox behind the example's own webhook."""

    def test_keeper_only(self):
        """Customers do not see it."""
        self.assertEqual(self.client.get("/alerts/").status_code, 302)
        self.assertEqual(self.client.post("/alerts/raise/").status_code, 302)

    def test_webhook(self):
        """An address is taken with http and https only, in place of the one before."""
        self.client.force_login(get_user_model().objects.create_superuser("keeper"))
        for url in ("http://127.0.0.1:9/a", "ftp://127.0.0.1/", "https://127.0.0.1:9/b"):
            self.client.post("/alerts/webhook/", {"url": url})
        self.assertEqual([str(one) for one in Webhook.objects.all()], ["https://127.0.0.1:9/b"])

    def test_inbox(self):
        """It takes what is posted from this machine, until it is broken."""
        body = {"level": "info", "text": "tea"}
        statuses = [
            self.client.post("/alerts/inbox/", sent, "application/json", **more).status_code
            for sent, more in ((body, {}), ({}, {}), (body, {"REMOTE_ADDR": "192.0.2.1"}))
        ]
        self.assertEqual(statuses, [204, 400, 403])
        self.client.force_login(get_user_model().objects.create_superuser("keeper"))
        self.client.post("/alerts/inbox/break/")
        answer = self.client.post("/alerts/inbox/", body, "application/json")
        self.assertEqual((answer.status_code, Message.objects.count()), (503, 1))
