"""Real servers with the middleware: their traces tell where each request came from."""

import json
import signal
import urllib.request

from tests.process.test_servers import GUNICORN, UVICORN, ServerTestCase

SENT = "6.6.6.6, 203.0.113.7"


class ContextTests(ServerTestCase):
    """A client on this machine, which stands for the proxy."""

    def setUp(self):
        super().setUp()
        self.environment["SITE_MIDDLEWARE"] = json.dumps(
            ["signalscope.middleware.SignalContextMiddleware"]
        )

    def ask(self, path, *server, status=0):
        """Let a server answer requests through a proxy and without; return what was stored."""
        self.serve(*server)
        for headers in ({}, {"X-Forwarded-For": SENT}):
            url = f"http://127.0.0.1:{self.port}{path}"
            request = urllib.request.Request(url, headers={"User-Agent": "browser", **headers})
            with urllib.request.urlopen(request, timeout=30) as response:
                response.read()
        self.end(status=status)
        return self.query("SELECT ip_address, user_agent FROM signalscope_trace ORDER BY id")

    def test_gunicorn(self):
        """Threads of gunicorn; what a trusted proxy adds counts, what the client sent does not."""
        self.settings(TRUSTED_PROXIES=["127.0.0.1"])
        rows = self.ask("/send/", *GUNICORN, "--threads=2")
        self.assertEqual(rows, [("127.0.0.1", "browser"), ("203.0.113.7", "browser")])

    def test_gunicorn_trusts_nobody(self):
        """Without the setting no header counts."""
        rows = self.ask("/send/", *GUNICORN)
        self.assertEqual(rows, [("127.0.0.1", "browser")] * 2)

    def test_uvicorn(self):
        """The event loop of uvicorn, which leaves the headers to Django."""
        self.settings(TRUSTED_PROXIES=1)
        rows = self.ask("/asend/", *UVICORN, "--no-proxy-headers", status=-signal.SIGTERM)
        self.assertEqual(rows, [("127.0.0.1", "browser"), ("203.0.113.7", "browser")])

    def test_uvicorn_reads_the_header_itself(self):
        """By default it takes the proxy's word before Django sees the request."""
        rows = self.ask("/asend/", *UVICORN, status=-signal.SIGTERM)
        self.assertEqual(rows, [("127.0.0.1", "browser"), ("203.0.113.7", "browser")])
