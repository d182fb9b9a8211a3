"""What is done about SIGTERM, and what is left alone."""

import os
import signal
import time
import unittest
from pathlib import Path

from tests.process.site import ProcessTestCase, connect

SETUP = (
    "import os, signal, sys, time, django",
    "handle = lambda number, frame: sys.exit(7)",
)


class HandlerTests(ProcessTestCase):
    """Whose handler is there."""

    def test_default_is_caught(self):
        """Where nobody handles the signal, signalscope does, until it is uninstalled."""
        said = self.run_script(
            *SETUP,
            "django.setup()",
            "import signalscope",
            "print(signal.getsignal(signal.SIGTERM).__self__.__module__)",
            "signalscope.uninstall()",
            "print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)",
        )
        self.assertEqual(said.split(), ["signalscope.sigterm", "True"])

    def test_others_are_left_alone(self):
        """A handler that was there before, or comes later, is the only one."""
        for lines in (
            ("signal.signal(signal.SIGTERM, handle)", "django.setup()"),
            ("django.setup()", "signal.signal(signal.SIGTERM, handle)"),
        ):
            with self.subTest(lines=lines):
                self.run_script(
                    *SETUP,
                    *lines,
                    "from tests.process.receivers import ping",
                    "ping.send(sender=None)",
                    "assert signal.getsignal(signal.SIGTERM) is handle",
                    "os.kill(os.getpid(), signal.SIGTERM)",
                    "time.sleep(10)",
                    status=7,
                )
        self.assert_stored(2)

    def test_ignored_stays_ignored(self):
        """A process that ignores the signal goes on doing so."""
        self.run_script(
            *SETUP,
            "signal.signal(signal.SIGTERM, signal.SIG_IGN)",
            "django.setup()",
            "os.kill(os.getpid(), signal.SIGTERM)",
            "sys.exit(5)",
            status=5,
        )

    @unittest.skipUnless(Path("/proc/self/status").exists(), "only Linux tells")
    def test_handler_in_c_is_left_alone(self):
        """Python takes the handler of a server written in C for the default."""
        self.run_script(
            *SETUP,
            "import ctypes",
            "said = ctypes.CFUNCTYPE(None, ctypes.c_int)(lambda number: os._exit(9))",
            "ctypes.CDLL(None).signal(signal.SIGTERM, said)",
            "django.setup()",
            "assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL",
            "os.kill(os.getpid(), signal.SIGTERM)",
            "time.sleep(10)",
            status=9,
        )

    @unittest.skipUnless(hasattr(os, "fork"), "needs fork")
    def test_child_that_has_just_begun(self):
        """A child dies of a signal that comes before it has run anything, as without us."""
        self.run_script(
            *SETUP,
            "django.setup()",
            "from tests.process.receivers import ping",
            "ping.send(sender=None)",
            "def end():",
            "    child = os.fork()",
            "    if child == 0:",
            "        time.sleep(30)",
            "        os._exit(3)",
            "    os.kill(child, signal.SIGTERM)",
            "    return os.waitpid(child, 0)[1]",
            "before = signal.pthread_sigmask(signal.SIG_BLOCK, [])",
            "assert {end() for _ in range(40)} == {signal.SIGTERM}",
            "assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before",
        )

    def test_setting(self):
        """CATCH_SIGTERM says that it must be left alone."""
        self.settings(CATCH_SIGTERM=False)
        self.run_script(
            *SETUP,
            "django.setup()",
            "assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL",
        )

    def test_command_that_stores_nothing(self):
        """A command without a database keeps the default, and so does a test run."""
        self.run_script(
            *SETUP,
            "sys.argv = ['manage.py', 'check']",
            "django.setup()",
            "assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL",
        )
        self.assertEqual(signal.getsignal(signal.SIGTERM), signal.SIG_DFL)

    def test_programs_that_it_starts(self):
        """A program that the process starts has the default."""
        self.run_script(
            *SETUP,
            "import subprocess",
            "django.setup()",
            "child = subprocess.Popen(['sleep', '60'])",
            "child.terminate()",
            "assert child.wait() == -signal.SIGTERM",
        )

    def test_signals_that_are_waited_for(self):
        """No thread of signalscope's takes a signal that the main thread waits for."""
        said = self.run_script(
            *SETUP,
            "django.setup()",
            "import signalscope",
            "from tests.process.receivers import ping",
            "ping.send(sender=None)",
            "assert signalscope.flush(30)",
            "signals = [signal.SIGTERM, signal.SIGUSR1]",
            "signal.pthread_sigmask(signal.SIG_BLOCK, signals)",
            "for number in signals:",
            "    os.kill(os.getpid(), number)",
            "    time.sleep(0.2)",
            "    print(signal.sigwait(signals) == number)",
        )
        self.assertEqual(said.split(), ["True", "True"])

    def test_asyncio(self):
        """An event loop handles the signal as it always did, and leaves it as it always did."""
        said = self.run_script(
            *SETUP,
            "import asyncio",
            "django.setup()",
            "from tests.process.receivers import ping",
            "async def main():",
            "    loop, came = asyncio.get_running_loop(), asyncio.Event()",
            "    loop.add_signal_handler(signal.SIGTERM, came.set)",
            "    await ping.asend(sender=None)",
            "    os.kill(os.getpid(), signal.SIGTERM)",
            "    await came.wait()",
            "    print(loop.remove_signal_handler(signal.SIGTERM))",
            "asyncio.run(main())",
            "print(signal.getsignal(signal.SIGTERM) == signal.SIG_DFL)",
        )
        self.assertEqual(said.split(), ["True", "True"])
        self.assert_stored(1)

    def test_wakeup_descriptor_of_another(self):
        """Whoever asked Python for signals before goes on getting them."""
        self.run_script(
            *SETUP,
            "import socket",
            "reader, writer = socket.socketpair()",
            "writer.setblocking(False)",
            "signal.set_wakeup_fd(writer.fileno())",
            "django.setup()",
            "assert signal.set_wakeup_fd(-1) == writer.fileno()",
            "reader.close(), writer.close()",
        )

    def test_signal_to_a_child_that_is_not_yet_itself(self):
        """Before a program begins, its signals are written where its parent's are."""
        self.run_script(
            *SETUP,
            "import subprocess",
            "django.setup()",
            "number = signal.set_wakeup_fd(-1)",
            "signal.set_wakeup_fd(number, warn_on_full_buffer=False)",
            "write = f'import os; os.write({number}, bytes([15]))'",
            "subprocess.run([sys.executable, '-c', write], pass_fds=[number], check=True)",
            "time.sleep(0.5)",
            "sys.exit(5)",
            status=5,
        )

    def test_thread_other_than_the_main_one(self):
        """Django may be set up in a thread that cannot set handlers."""
        self.run_script(
            *SETUP,
            "import threading",
            "thread = threading.Thread(target=django.setup)",
            "thread.start()",
            "thread.join()",
            "assert signal.getsignal(signal.SIGTERM) == signal.SIG_DFL",
            "from tests.process.receivers import ping",
            "ping.send(sender=None)",
            "os.kill(os.getpid(), signal.SIGTERM)",
            "time.sleep(10)",
            status=-signal.SIGTERM,
        )
        self.assert_stored(1)


class EndTests(ProcessTestCase):
    """How it ends."""

    def test_anywhere(self):
        """The signal may come at any step of the main thread, also while it holds a lock."""
        # Traces that are not kept are counted at once, under a lock.
        self.settings(SAMPLE_RATE=0)
        said = self.run_script(
            *SETUP,
            "import mmap, random, struct",
            "django.setup()",
            "import signalscope",
            "from tests.process.receivers import ping",
            "counter = mmap.mmap(-1, 8)",
            "sent = ended = 0",
            "for number in range(15):",
            "    counter[:] = struct.pack('q', 0)",
            "    child = os.fork()",
            "    if child == 0:",
            "        count = 0",
            "        while True:",
            "            with signalscope.trace('loop'):",
            "                for _ in range(20):",
            "                    ping.send(sender=None)",
            "                    count += 1",
            "                    counter[:] = struct.pack('q', count)",
            "    while not struct.unpack('q', counter[:])[0]:",
            "        time.sleep(0.001)",
            "    time.sleep(random.random() / 30)",
            "    os.kill(child, signal.SIGTERM)",
            "    assert os.waitpid(child, 0)[1] == signal.SIGTERM",
            "    sent += struct.unpack('q', counter[:])[0]",
            "print(sent)",
        )
        # The loop may have sent once more than it had time to count.
        self.assertLessEqual(int(said), self.calls())
        self.assertGreaterEqual(int(said) + 15, self.calls())
        self.assertEqual(self.losses(), 0)

    def test_during_a_long_query(self):
        """Python cannot interrupt the main thread there; the process ends all the same."""
        process = self.start(
            "-c",
            "\n".join(
                (
                    "import django, sqlite3",
                    "django.setup()",
                    "from tests.process.receivers import ping",
                    "ping.send(sender=None)",
                    "print('ready', flush=True)",
                    "sqlite3.connect(':memory:').execute(",
                    "    'WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n)'",
                    "    ' SELECT COUNT(*) FROM n')",
                )
            ),
        )
        self.assertEqual(process.stdout.readline(), "ready\n")
        time.sleep(0.2)
        os.kill(process.pid, signal.SIGTERM)
        self.finish(process, status=-signal.SIGTERM, timeout=20)
        self.assert_stored(1)

    def test_threads_that_go_on(self):
        """What other threads have recorded until then is stored as well."""
        said = self.run_script(
            *SETUP,
            "import threading",
            "django.setup()",
            "from tests.process.receivers import ping",
            "def send():",
            "    for _ in range(1000):",
            "        ping.send(sender=None)",
            "threads = [threading.Thread(target=send) for _ in range(4)]",
            "for thread in threads: thread.start()",
            "for thread in threads: thread.join()",
            "os.kill(os.getpid(), signal.SIGTERM)",
            "print('not reached')",
            status=-signal.SIGTERM,
        )
        self.assertEqual(said, "")
        self.assert_stored(4000)

    def start_and_lock(self):
        """Return a process that has recorded, while somebody else writes to its database."""
        process = self.start("-m", "django", "ping", "wait")
        self.assertEqual(process.stdout.readline(), "ready\n")
        other = connect("sqlite", self.database)
        self.addCleanup(other.close)
        other.execute("BEGIN IMMEDIATE")
        return process

    def test_database_that_is_locked(self):
        """It waits EXIT_TIMEOUT_S at most, where the database itself would wait for long."""
        self.settings(EXIT_TIMEOUT_S=0.3)
        process = self.start_and_lock()
        os.kill(process.pid, signal.SIGTERM)
        self.finish(process, status=-signal.SIGTERM, timeout=20)
        self.assert_stored(0)

    def test_keyboard_interrupt_while_it_stores(self):
        """Control-C then does not bring the process back to life."""
        self.settings(EXIT_TIMEOUT_S=10)
        process = self.start_and_lock()
        os.kill(process.pid, signal.SIGTERM)
        time.sleep(0.5)
        os.kill(process.pid, signal.SIGINT)
        self.finish(process, status=-signal.SIGTERM, timeout=8)

    def test_during_pythons_own_exit(self):
        """The rest is stored first where the signal comes as the process ends by itself."""
        self.run_script(
            *SETUP,
            "django.setup()",
            "from tests.process.receivers import ping",
            "from signalscope.sinks.database import DatabaseSink",
            "write = DatabaseSink.write",
            "def write_slowly(self, batch):",
            "    os.kill(os.getpid(), signal.SIGTERM)",
            "    time.sleep(0.3)",
            "    write(self, batch)",
            "DatabaseSink.write = write_slowly",
            "ping.send(sender=None)",
            status=-signal.SIGTERM,
        )
        self.assert_stored(1)
