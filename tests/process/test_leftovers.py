"""What is left of signalscope once it is uninstalled, and while it has nothing to store."""

from tests.process.site import ENGINE, ProcessTestCase

CONNECTIONS = {
    "postgres": "SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database()",
    "mariadb": "SELECT COUNT(*) FROM information_schema.processlist WHERE db = DATABASE()",
}
COUNT = (
    "import os, sys, threading, time, django",
    "from pathlib import Path",
    "django.setup()",
    "import signalscope",
    "from tests.process.receivers import ping",
    "def threads(): return len(list(Path('/proc/self/task').iterdir()))",
    "def files():",
    "    numbers = Path('/proc/self/fd').iterdir()",
    "    return sorted(os.readlink(number) for number in numbers if os.path.lexists(number))",
    "def settle(wanted):",
    "    for _ in range(500):",
    "        if (threads(), files()) == wanted: return",
    "        time.sleep(0.01)",
    "    print(threads(), files(), wanted, file=sys.stderr)",
    "    sys.exit(4)",
)


class LeftoverTests(ProcessTestCase):
    """Threads, files and connections."""

    engine = ENGINE

    def test_uninstalled(self):
        """No thread, connection or file is left, however often it is installed again."""
        self.run_script(
            *COUNT,
            # What the drivers themselves open once stays open.
            "ping.send(sender=None)",
            "assert signalscope.flush(30)",
            "signalscope.uninstall()",
            "time.sleep(0.2)",
            "before = threads(), files()",
            "assert before[0] == 1, before",
            "for _ in range(5):",
            "    signalscope.install()",
            "    ping.send(sender=None)",
            "    assert threads() > 1",
            "    signalscope.uninstall()",
            "    settle(before)",
        )
        self.assert_stored(6)

    def test_idle(self):
        """Between two turns the writer has no connection and no file open."""
        process = self.start(
            "-c",
            "\n".join(
                (
                    *COUNT,
                    "before = files()",
                    "for _ in range(5):",
                    "    ping.send(sender=None)",
                    "    assert signalscope.flush(30)",
                    "settle((threads(), before))",
                    "print('idle', flush=True)",
                    "sys.stdin.readline()",
                )
            ),
        )
        self.addCleanup(process.kill)
        self.assertEqual(process.stdout.readline(), "idle\n")
        if self.engine != "sqlite":
            # The one that asks.
            self.assertEqual(self.query(CONNECTIONS[self.engine]), [(1,)])
        self.finish(process)
        self.assert_stored(5)

    def test_forked_children(self):
        """A child that records nothing has no thread and no file of signalscope's."""
        self.run_script(
            *COUNT,
            "ping.send(sender=None)",
            "assert signalscope.flush(30)",
            "opened = [name for name in files() if name.startswith('socket:')]",
            "child = os.fork()",
            "if child == 0:",
            "    assert threads() == 1",
            "    assert not any(name in opened for name in files()), (opened, files())",
            "    os._exit(0)",
            "assert os.waitpid(child, 0)[1] == 0",
        )
