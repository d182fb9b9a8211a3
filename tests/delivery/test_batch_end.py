"""Batches that wait as a process ends or forks."""

import os
import subprocess
import sys
import textwrap
from unittest import skipUnless

from django.test import SimpleTestCase

PROGRAM = """
    import os, signal, sys, time
    import django
    from django.conf import settings
    settings.configure(
        INSTALLED_APPS=["signalscope"], SECRET_KEY="x", USE_TZ=True,
        SIGNALSCOPE={settings!r},
        DATABASES={{"default": {{"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}}}},
    )
    django.setup()
    from django.dispatch import Signal
    from signalscope import batched
    sent = Signal()

    @batched
    def receive(dispatches):
        os.write(1, f"{{name}} {{len(dispatches)}};".encode())

    name = "parent"
    sent.connect(receive)
    sent.send(sender=None)
    {end}
"""


@skipUnless(hasattr(os, "fork"), "needs processes of this sort")
class EndTests(SimpleTestCase):
    """What waits as a process ends."""

    def run_program(self, end, settings=None):
        """Run a program, and return its status and output."""
        code = textwrap.dedent(PROGRAM).format(
            end=textwrap.dedent(end), settings=settings if settings is not None else {}
        )
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            capture_output=True,
            text=True,
            timeout=60,
            env={k: v for k, v in os.environ.items() if k != "PYTEST_VERSION"},
            check=False,
        )
        self.assertNotIn("Traceback", done.stderr)
        return done.returncode, done.stdout

    def test_exit(self):
        """It is run, also where nothing is recorded."""
        self.assertEqual(self.run_program("pass"), (0, "parent 1;"))
        self.assertEqual(self.run_program("pass", {"ENABLED": False}), (0, "parent 1;"))
        self.assertEqual(self.run_program("sys.exit(3)"), (3, "parent 1;"))

    def test_sigterm(self):
        """It is run where SIGTERM ends the process by its default action."""
        end = "os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)"
        self.assertEqual(self.run_program(end), (-15, "parent 1;"))

    def test_sent_at_the_end(self):
        """What is sent as the process ends is run, too."""
        end = "import atexit; atexit.register(sent.send, sender=None)"
        status, output = self.run_program(end)
        self.assertEqual((status, output.count("parent")), (0, output.count(";")))
        self.assertEqual(sum(int(part.split()[1]) for part in output.split(";")[:-1]), 2)

    def test_fork(self):
        """A child has what it sends itself, and a thread of its own; the rest is the parent's."""
        end = """
if not (child := os.fork()):
    name = "child"
    sent.send(sender=None); sent.send(sender=None)
    sys.exit()
os.waitpid(child, 0)
"""
        self.assertEqual(self.run_program(end), (0, "child 2;parent 1;"))
