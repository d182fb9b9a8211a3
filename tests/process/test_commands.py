"""Management commands and their children: what was recorded before a clean end is stored."""

import os
import signal

from tests.process.site import ProcessTestCase


class EndTests(ProcessTestCase):
    """Each way in which a command ends."""

    def test_return(self):
        """All is stored as the process ends, whatever the flush interval."""
        self.run_django("ping", "return")
        self.assert_stored(10)
        self.assertEqual(self.entries(), 1)
        self.assertEqual(self.traces("command"), [("ping", "ok")])

    def test_exception(self):
        """Also when it ends by an exception, which the trace says."""
        process = self.start("-m", "django", "ping", "raise")
        self.finish(process, status=1)
        self.assert_stored(10)
        self.assertEqual(self.entries(), 1)
        self.assertEqual(self.traces("command"), [("ping", "error")])

    def test_sys_exit(self):
        """Also by SystemExit, with its status."""
        self.run_django("ping", "exit", status=3)
        self.assert_stored(10)
        self.assertEqual(self.traces("command"), [("ping", "error")])

    def test_test_run(self):
        """Once a process has run tests, nothing is stored, nor of what comes after them."""
        script = (
            "import django; django.setup()\n"
            "from django.test.utils import setup_test_environment, teardown_test_environment\n"
            "from tests.process.receivers import ping\n"
            "setup_test_environment()\n"
            "ping.send(sender=None)\n"
            "teardown_test_environment()\n"
            "ping.send(sender=None)\n"
        )
        self.finish(self.start("-c", script))
        self.assert_stored(0)

    def end_by(self, number, *, times=1):
        process = self.start("-m", "django", "ping", "wait")
        self.assertEqual(process.stdout.readline(), "ready\n")
        for _ in range(times):
            os.kill(process.pid, number)
        self.finish(process, status=-number)

    def test_keyboard_interrupt(self):
        """Control-C raises KeyboardInterrupt, and Python ends by SIGINT after its own exit."""
        self.end_by(signal.SIGINT)
        self.assert_stored(10)
        self.assertEqual(self.traces("command"), [("ping", "error")])

    def test_sigterm(self):
        """SIGTERM ends the process with the status that it always had."""
        self.end_by(signal.SIGTERM)
        self.assert_stored(10)
        self.assertEqual(self.entries(), 1)
        self.assertEqual(self.traces("command"), [("ping", "unfinished")])

    def test_sigterm_twice(self):
        """As by timeout(1), which sends it to the process and to its group."""
        self.end_by(signal.SIGTERM, times=3)
        self.assert_stored(10)

    def test_kill_loses_at_most_an_interval(self):
        """What was stored before kill -9 is there."""
        self.run_script(
            "import django; django.setup()",
            "import signalscope, os, time",
            "from tests.process.receivers import ping",
            "for _ in range(100): ping.send(sender=None)",
            "signalscope.log('pinged')",
            "assert signalscope.flush(30)",
            "for _ in range(7): ping.send(sender=None)",
            "os.kill(os.getpid(), 9)",
            status=-signal.SIGKILL,
        )
        self.assert_stored(100)
        self.assertEqual(self.entries(), 1)

    def test_recorded_while_apps_are_loading(self):
        """What was recorded before the writer could begin is stored as well."""
        self.run_script(
            "import atexit, django",
            "from django.apps import AppConfig",
            "from tests.process import receivers",
            "from signalscope.apps import SignalscopeConfig",
            "ready = SignalscopeConfig.ready",
            "def ready_and_send(self):",
            "    ready(self)",
            "    receivers.ping.send(sender=None)",
            "SignalscopeConfig.ready = ready_and_send",
            "django.setup()",
        )
        self.assert_stored(1)


class ChildTests(ProcessTestCase):
    """Children of a command: each counts its own dispatches, none twice."""

    def test_fork(self):
        """A forked child may return, exit, or flush and end at once."""
        self.run_django("ping", "fork")
        self.assert_stored(40)
        self.assertEqual(self.entries(), 4)
        self.assertEqual(self.traces("command"), [("ping", "ok")])

    def test_multiprocessing(self):
        """A child of multiprocessing ends without atexit, and loses nothing all the same."""
        for number, method in enumerate(("fork", "forkserver", "spawn"), start=1):
            with self.subTest(method=method):
                self.run_django("ping", "process", f"--method={method}")
                self.assert_stored(20 * number)
                self.assertEqual(self.entries(), 2 * number)

    def test_multiprocessing_without_django_in_the_parent(self):
        """Only the child sets Django up, and what that forks ends within multiprocessing, too."""
        self.run_script(
            "import multiprocessing, os, sys",
            "from tests.process.management.commands.ping import send_in_new_process, send_some",
            "def run():",
            "    send_in_new_process()",
            "    child = os.fork()",
            "    if child == 0:",
            "        send_some()",
            "        sys.exit()",
            "    os.waitpid(child, 0)",
            "process = multiprocessing.get_context('fork').Process(target=run)",
            "process.start()",
            "process.join()",
        )
        self.assert_stored(20)

    def test_pool(self):
        """The children of a pool are terminated by SIGTERM as it ends."""
        for number, method in enumerate(("fork", "forkserver", "spawn"), start=1):
            with self.subTest(method=method):
                self.run_django("ping", "pool", f"--method={method}")
                self.assert_stored(50 * number)
                self.assertEqual(self.entries(), 5 * number)

    def test_terminate(self):
        """A child that is terminated has the status that it always had."""
        self.run_django("ping", "terminate")
        self.assert_stored(20)
