"""Real servers: what was recorded before a clean end is stored, each request and each dispatch."""

import os
import signal
import socket
import tempfile
import threading
import time
import urllib.request
from pathlib import Path

from tests.process.site import ProcessTestCase

UVICORN = ("uvicorn", "tests.process.asgi:application", "--port={port}")
GUNICORN = ("gunicorn", "tests.process.wsgi", "--bind=127.0.0.1:{port}")


class ServerTestCase(ProcessTestCase):
    """Starts a server, makes requests, ends it."""

    def setUp(self):
        super().setUp()
        self.request_count = 0

    def serve(self, *command):
        """Start a server, and wait until it answers."""
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.launch(*[part.format(port=self.port) for part in command])
        self.wait_until_it_answers()

    def launch(self, *command):
        """Start a server."""
        # A file, since a pipe that nobody reads would stop a server that says much.
        self.log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.addCleanup(self.log.close)
        self.server = self.start("-m", *command, log=self.log)
        self.addCleanup(self.kill, self.server)

    def wait_until_it_answers(self):
        """Wait until the server takes connections."""
        for _ in range(900):
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=10):
                    return
            except OSError:
                self.assertIsNone(self.server.poll(), self.said())
                time.sleep(0.05)
        self.fail(self.said())

    def said(self):
        """Return what the server said so far."""
        self.log.seek(0)
        return self.log.read()

    def get(self, path, times=1):
        """Make requests; return what the last one answered."""
        for _ in range(times):
            with urllib.request.urlopen(
                f"http://127.0.0.1:{self.port}{path}", timeout=30
            ) as response:
                answer = response.read().decode()
            self.request_count += 1
        return answer

    def get_in_parallel(self, path, threads=4, times=5):
        """Make requests from several threads."""
        workers = [threading.Thread(target=self.get, args=(path, times)) for _ in range(threads)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def end(self, number=signal.SIGTERM, status=0, to_group=False):
        """End the server cleanly."""
        # A response may arrive before the server has finished with its request.
        time.sleep(0.3)
        if to_group:
            os.killpg(self.server.pid, number)
        else:
            os.kill(self.server.pid, number)
        self.assertEqual(self.server.wait(timeout=30), status, self.said())
        self.wait_for_group()
        for telltale in ("signalscope failed", "Traceback", "cannot store", "Exception ignored"):
            self.assertNotIn(telltale, self.said())

    def wait_for_group(self):
        """Wait until no process that the server started is left."""
        for _ in range(600):
            try:
                os.killpg(self.server.pid, 0)
            except ProcessLookupError:
                return
            time.sleep(0.02)
        self.fail(f"processes are left behind: {self.said()}")

    def kill(self, server):
        """Leave nothing behind, where a test failed."""
        try:
            os.killpg(server.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        server.wait()
        self.server.stdin.close()

    def assert_all_stored(self, name):
        """Each request is a trace, each dispatch is counted, each entry is there."""
        self.assert_stored(self.request_count)
        self.assertEqual(self.entries(), self.request_count)
        self.assertEqual(self.traces("request"), [(name, "ok")] * self.request_count)


class GunicornTests(ServerTestCase):
    """Workers that gunicorn forks."""

    def test_sync_workers(self):
        """Two workers with one thread each."""
        self.serve(*GUNICORN, "--workers=2")
        self.get_in_parallel("/send/")
        self.end()
        self.assert_all_stored("GET /send/")

    def test_threads_and_preload(self):
        """Two workers with threads, forked after loading the app."""
        self.serve(*GUNICORN, "--workers=2", "--threads=4", "--preload")
        self.get_in_parallel("/send/")
        self.end()
        self.assert_all_stored("GET /send/")

    def test_max_requests(self):
        """Workers that are replaced on the way."""
        self.serve(*GUNICORN, "--workers=2", "--max-requests=7")
        self.get("/send/", 30)
        self.end()
        self.assert_all_stored("GET /send/")

    def test_reload(self):
        """A graceful reload ends all workers, and starts others."""
        self.serve(*GUNICORN, "--workers=2", "--threads=2")
        before = {self.get("/pid/") for _ in range(10)}
        self.get_in_parallel("/send/")
        os.kill(self.server.pid, signal.SIGHUP)
        for _ in range(900):
            if self.get("/pid/") not in before:
                break
            time.sleep(0.02)
        self.get_in_parallel("/send/")
        self.end()
        self.assert_stored(40)
        self.assertEqual(len(self.traces("request")), self.request_count)

    def test_uvicorn_workers(self):
        """Workers of gunicorn that run uvicorn, with and without --preload."""
        for options in ([], ["--preload"]):
            with self.subTest(options=options):
                self.request_count = 0
                self.serve(
                    "gunicorn", "tests.process.asgi", "--bind=127.0.0.1:{port}", "--workers=2",
                    "--worker-class=uvicorn_worker.UvicornWorker", *options,
                )  # fmt: skip
                self.get_in_parallel("/asend/")
                self.end()
                self.assert_all_stored("GET /asend/")
                self.query("DELETE FROM signalscope_trace")
                self.query("DELETE FROM signalscope_rollup")
                self.query("DELETE FROM signalscope_activitylog")


class UvicornTests(ServerTestCase):
    """uvicorn ends itself by the signal that it got, without Python's own exit."""

    def test_async_view(self):
        """One process; its status is still the signal."""
        self.serve(*UVICORN)
        self.get_in_parallel("/asend/")
        self.end(status=-signal.SIGTERM)
        self.assert_all_stored("GET /asend/")

    def test_sync_view(self):
        """A sync view runs in a thread, and its dispatches belong to its request."""
        self.serve(*UVICORN)
        self.get_in_parallel("/send/")
        self.end(status=-signal.SIGTERM)
        self.assert_all_stored("GET /send/")

    def test_interrupted(self):
        """Control-C ends it as well."""
        self.serve(*UVICORN)
        self.get("/asend/", 5)
        self.end(signal.SIGINT)
        self.assert_all_stored("GET /asend/")

    def test_workers(self):
        """Several workers load the app where SIGTERM is uvicorn's already."""
        self.serve(*UVICORN, "--workers=2")
        self.get_in_parallel("/asend/")
        self.end()
        self.assert_all_stored("GET /asend/")

    def test_its_handler_is_left_alone(self):
        """While it runs, SIGTERM is its own."""
        self.serve(*UVICORN)
        self.assertIn("Server.handle_exit", self.get("/handler/"))
        self.end(status=-signal.SIGTERM)


class RunserverTests(ServerTestCase):
    """The development server."""

    def setUp(self):
        super().setUp()
        self.environment["SITE_DEBUG"] = "1"

    def test_reload(self):
        """It ends the process and starts another one when a file changes."""
        watched = Path(self.folder) / "watched.py"
        watched.touch()
        self.environment["SITE_WATCHED"] = str(watched)
        self.serve("django", "runserver", "127.0.0.1:{port}")
        before = int(self.get("/pid/"))
        self.get("/send/", 10)
        self.change_until_it_ends(watched, before)
        self.wait_until_it_answers()
        self.assertNotEqual(int(self.get("/pid/")), before)
        self.get("/send/", 10)
        self.end(signal.SIGINT, to_group=True)
        self.assert_stored(20)
        self.assertEqual(len(self.traces("request")), 22)

    def change_until_it_ends(self, watched, pid):
        """Change a file until the process that watches it ends.

        Its first look at the file may come after a change, which then is none to it. No change
        comes after its end: its successor would end of that one.
        """
        changed_at = time.time()
        for step in range(3000):
            try:
                os.kill(pid, 0)
            except ProcessLookupError:
                return
            if step % 50 == 0:
                changed_at += 10
                os.utime(watched, (changed_at, changed_at))
            time.sleep(0.02)
        self.fail(f"the change was not seen: {self.said()}")

    def test_sigterm_without_its_reloader(self):
        """SIGTERM is not Django's there, and ends the process at once."""
        self.serve("django", "runserver", "--noreload", "127.0.0.1:{port}")
        self.get("/send/", 10)
        self.end(status=-signal.SIGTERM)
        self.assert_all_stored("GET /send/")
