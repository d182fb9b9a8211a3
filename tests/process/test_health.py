"""Real processes: each says of itself what it did, and that it has ended."""

import json
import os
import signal
import time

from tests.process.site import ProcessTestCase
from tests.process.test_servers import GUNICORN, ServerTestCase

ROWS = "SELECT name, command, is_ended, flush_count, trace_count FROM signalscope_process"


class ServerHealthTests(ServerTestCase):
    """gunicorn with two workers."""

    def rows(self):
        """Return the row of each worker."""
        return [row for row in self.query(ROWS) if row[1] == "gunicorn"]

    def test_two_workers(self):
        """Each worker has a row, the master that loads nothing has none; the end is told."""
        self.settings(FLUSH_INTERVAL_S=0.2)
        self.serve(*GUNICORN, "--workers=2")
        for _ in range(100):
            self.get_in_parallel("/send/", threads=8, times=5)
            time.sleep(0.3)
            if len(self.rows()) == 2:
                break
        self.assertEqual([bool(row[2]) for row in self.rows()], [False, False])
        answer = json.loads(self.run_django("signalscope", "status", "--format", "json"))
        states = [row["state"] for row in answer["processes"] if row["command"] == "gunicorn"]
        self.assertEqual(states, ["alive", "alive"])
        self.end()
        self.assertEqual([bool(row[2]) for row in self.rows()], [True, True])
        self.assertEqual(len({row[0] for row in self.rows()}), 2)
        self.assertEqual(sum(row[4] for row in self.rows()), self.request_count)
        self.assertNotIn(str(self.server.pid), [row[0].rpartition(":")[2] for row in self.rows()])


class CommandHealthTests(ProcessTestCase):
    """Commands and scripts."""

    def rows(self):
        """Return command, end and flushes of each process."""
        return [(row[1], bool(row[2]), row[3]) for row in self.query(f"{ROWS} ORDER BY id")]

    def test_command(self):
        """A command has one row, which says that it has ended."""
        self.run_django("ping", "return")
        self.assertEqual(self.rows(), [("django ping", True, 1)])

    def test_fork(self):
        """A forked child has a row of its own."""
        self.run_script(
            "import django; django.setup()",
            "import os, signalscope",
            "from tests.process.receivers import ping",
            "with signalscope.trace('parent'): ping.send(sender=None)",
            "child = os.fork()",
            "with signalscope.trace('either'): ping.send(sender=None)",
            "if child: os.waitpid(child, 0)",
        )
        self.assertEqual(self.rows(), [("python", True, 1)] * 2)
        rows = self.query(f"{ROWS} ORDER BY trace_count")
        self.assertEqual([row[4] for row in rows], [1, 2])
        self.assertEqual(len({row[0] for row in rows}), 2)

    def test_killed(self):
        """A process that is killed has not said that it ends."""
        process = self.start(
            "-c",
            "import django; django.setup()\n"
            "import os, signalscope, time\n"
            "from tests.process.receivers import ping\n"
            "ping.send(sender=None)\n"
            "assert signalscope.flush(30)\n"
            "from signalscope import wiring\n"
            "with wiring.scope().writer._turn_lock:\n"
            "    os.kill(os.getpid(), 9)\n",
        )
        process.communicate(timeout=60)
        self.assertEqual(process.returncode, -signal.SIGKILL)
        self.assertEqual(self.rows(), [("python", False, 1)])

    def test_disabled(self):
        """Switched off by the environment, a process stores nothing."""
        self.environment["SIGNALSCOPE_DISABLED"] = "1"
        self.run_django("ping", "return")
        self.assert_stored(0)
        self.assertEqual(self.rows(), [])
        out = self.run_django("signalscope", "status")
        self.assertIn("SIGNALSCOPE_DISABLED=1 is in the environment", out)

    def test_not_migrated(self):
        """Without tables the command says what to do, and ends with status 1."""
        os.truncate(self.database, 0)
        process = self.start("-m", "django", "signalscope", "status")
        out, _ = process.communicate(timeout=60)
        self.assertEqual(process.returncode, 1)
        self.assertIn("manage.py migrate signalscope", " ".join(out.split()))
