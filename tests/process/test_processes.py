"""Real processes and servers: what was recorded before a clean end is stored."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

PROJECT = Path(__file__).parents[2]
COUNT = """
import django, json; django.setup()
from signalscope.models import Rollup, Trace, Loss
calls = sum(Rollup.objects.filter(receiver="tests.process.receivers.hear_ping")
            .values_list("call_count", flat=True))
print(json.dumps([calls, sorted(Trace.objects.values_list("trigger", "name", "status")
      .exclude(name="migrate")), Loss.objects.count()]))
"""


class ProcessTestCase(unittest.TestCase):
    """Runs commands and servers of a site of their own."""

    def setUp(self):
        self.folder = tempfile.mkdtemp()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.environment = {
            **{k: v for k, v in os.environ.items() if not k.startswith(("PYTEST", "DJANGO"))},
            "DJANGO_SETTINGS_MODULE": "tests.process.site_settings",
            "SITE_DB": str(Path(self.folder) / "site.sqlite3"),
            "PYTHONPATH": str(PROJECT),
        }
        self.run_django("migrate", "--verbosity=0")

    def run_django(self, *arguments, status=0):
        """Run a management command, and return what it printed."""
        finished = subprocess.run(
            [sys.executable, "-Wdefault", "-m", "django", *arguments],
            env=self.environment,
            cwd=PROJECT,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        self.assertEqual(finished.returncode, status, finished.stderr)
        for telltale in ("signalscope failed", "Exception ignored", "ResourceWarning"):
            self.assertNotIn(telltale, finished.stderr)
        return finished.stdout

    def stored(self):
        """Return the calls counted, the traces stored, and the number of losses."""
        finished = subprocess.run(
            [sys.executable, "-c", COUNT],
            env=self.environment,
            cwd=PROJECT,
            capture_output=True,
            text=True,
            check=True,
        )
        return json.loads(finished.stdout)


class CommandTests(ProcessTestCase):
    """Management commands."""

    def test_command_that_returns(self):
        """All is stored as the process ends, whatever the flush interval."""
        self.run_django("ping", "return")
        self.assertEqual(self.stored(), [10, [["command", "ping", "ok"]], 0])

    def test_command_that_raises(self):
        """Also when it ends by an exception, which the trace says."""
        self.run_django("ping", "raise", status=1)
        self.assertEqual(self.stored(), [10, [["command", "ping", "error"]], 0])

    def test_command_that_forks(self):
        """A forked child counts its own dispatches, none twice."""
        self.run_django("ping", "fork")
        calls, traces, losses = self.stored()
        self.assertEqual((calls, losses), (20, 0))
        self.assertEqual(
            [trace for trace in traces if trace[0] == "command"], [["command", "ping", "ok"]]
        )

    def test_command_with_multiprocessing(self):
        """A child of multiprocessing ends without atexit, and loses nothing all the same."""
        self.run_django("ping", "multiprocessing")
        self.assertEqual(self.stored()[0], 20)

    def test_kill_loses_at_most_an_interval(self):
        """What was stored before kill -9 is there."""
        script = (
            "import django; django.setup()\n"
            "import signalscope, os, time\n"
            "from tests.process.receivers import ping\n"
            "for _ in range(100): ping.send(sender=None)\n"
            "assert signalscope.flush(30)\n"
            "for _ in range(7): ping.send(sender=None)\n"
            "os.kill(os.getpid(), 9)\n"
        )
        finished = subprocess.run(
            [sys.executable, "-c", script], env=self.environment, cwd=PROJECT, check=False
        )
        self.assertEqual(finished.returncode, -signal.SIGKILL)
        self.assertEqual(self.stored()[0], 100)


class ServerTests(ProcessTestCase):
    """Real servers."""

    requests = 30

    def serve(self, *command, path, stop=signal.SIGTERM):
        """Start a server, make the requests, stop it cleanly."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        process = subprocess.Popen(
            [sys.executable, "-m", *[part.format(port=port) for part in command]],
            env=self.environment,
            cwd=PROJECT,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            url = f"http://127.0.0.1:{port}{path}"
            for attempt in range(300):
                try:
                    urllib.request.urlopen(url, timeout=10).read()
                    break
                except OSError:
                    if attempt == 299 or process.poll() is not None:
                        raise
                    time.sleep(0.1)
            for _ in range(self.requests - 1):
                urllib.request.urlopen(url, timeout=10).read()
            # The response arrives before the server has finished with the request.
            time.sleep(1)
        finally:
            os.killpg(process.pid, stop)
            output, _ = process.communicate(timeout=30)
        self.assertNotIn("signalscope failed", output)
        self.assertNotIn("Traceback", output)

    def assert_all_stored(self, name):
        """Each request is a trace, each dispatch is counted."""
        calls, traces, losses = self.stored()
        self.assertEqual((calls, losses), (self.requests, 0))
        self.assertEqual(
            [trace for trace in traces if trace[0] == "request"],
            [["request", name, "ok"]] * self.requests,
        )

    def test_gunicorn_threads_prefork_preload(self):
        """Two workers with threads, forked after loading the app, lose nothing."""
        self.serve(
            "gunicorn", "tests.process.wsgi", "--bind=127.0.0.1:{port}", "--workers=2",
            "--threads=4", "--preload", path="/send/",
        )  # fmt: skip
        self.assert_all_stored("GET /send/")

    def test_gunicorn_max_requests(self):
        """Workers that are replaced on the way lose nothing."""
        self.serve(
            "gunicorn", "tests.process.wsgi", "--bind=127.0.0.1:{port}", "--workers=1",
            "--max-requests=10", path="/send/",
        )  # fmt: skip
        self.assert_all_stored("GET /send/")

    def test_uvicorn(self):
        """Async views under ASGI; uvicorn ends itself by the signal, without Python's exit."""
        self.environment["SITE_FLUSH"] = "0.2"
        arguments = ("uvicorn", "tests.process.asgi:application", "--port={port}", "--lifespan=off")
        self.serve(*arguments, path="/asend/")
        self.assert_all_stored("GET /asend/")

    def test_uvicorn_sync_view(self):
        """A sync view under ASGI runs in a thread, and its dispatches belong to its request."""
        self.environment["SITE_FLUSH"] = "0.2"
        arguments = ("uvicorn", "tests.process.asgi:application", "--port={port}", "--lifespan=off")
        self.serve(*arguments, path="/send/")
        self.assert_all_stored("GET /send/")

    def test_runserver_with_its_reloader(self):
        """The development server stores while it runs, and keeps what it stored."""
        self.environment |= {"SITE_FLUSH": "0.2", "SITE_DEBUG": "1"}
        self.serve("django", "runserver", "127.0.0.1:{port}", path="/send/", stop=signal.SIGINT)
        self.assert_all_stored("GET /send/")
