"""Functions that are timed, whether signals call them or not."""

import asyncio
import gc
import inspect
import os
import subprocess
import sys
import threading
import weakref
from functools import partial
from unittest import IsolatedAsyncioTestCase, skipUnless

from django.dispatch import Signal
from django.test import SimpleTestCase

import signalscope
from signalscope import SignalPerformanceMonitor, deferred, only_when_created, signal_monitor
from signalscope.core.names import receiver_label

TIMEOUT_S = 20


def plain(sender, **kwargs):
    """Stand for a receiver of a module."""
    return "plain"


class MonitorTestCase(SimpleTestCase):
    """Has a monitor of its own."""

    def setUp(self):
        self.monitor = SignalPerformanceMonitor()


class DecoratorTests(MonitorTestCase):
    """What the decorator makes of a function."""

    def test_function(self):
        """It stays a function with its name, its text and its signature, and returns the same."""

        @self.monitor.monitor_handler
        def add(a, b=1):
            """Add."""
            return a + b

        self.assertTrue(inspect.isfunction(add))
        self.assertEqual((add.__name__, add.__doc__), ("add", "Add."))
        self.assertEqual(str(inspect.signature(add)), "(a, b=1)")
        self.assertEqual((add(1), add(1, b=2)), (2, 3))
        self.assertEqual(self.monitor.get_stats(receiver_label(add)).call_count, 2)

    def test_name(self):
        """Functions with one name have their figures in common."""
        first = self.monitor.monitor_handler(name="both")(lambda: 1)
        second = self.monitor.monitor_handler(name="both")(lambda: 2)
        self.assertEqual((first(), second()), (1, 2))
        self.assertEqual(list(self.monitor.get_stats()), ["both"])
        self.assertEqual(self.monitor.get_stats("both").call_count, 2)

    def test_methods(self):
        """Methods are timed, static ones and those of the class on either side."""
        monitor_handler = self.monitor.monitor_handler

        class Shop:
            @monitor_handler(name="bound")
            def bound(self, a):
                return a

            @monitor_handler(name="static")
            @staticmethod
            def static_above(a):
                return a

            @staticmethod
            @monitor_handler(name="static")
            def static_below(a):
                return a

            @monitor_handler(name="class")
            @classmethod
            def of_class(cls, a):
                return cls, a

        shop = Shop()
        self.assertEqual((shop.bound(1), shop.static_above(2), Shop.static_below(3)), (1, 2, 3))
        self.assertEqual(Shop.of_class(4), (Shop, 4))
        counts = {name: stats.call_count for name, stats in self.monitor.get_stats().items()}
        self.assertEqual(counts, {"bound": 1, "static": 2, "class": 1})

    def test_other_callables(self):
        """Partials and callable objects are timed as well."""

        class Hearing:
            def __call__(self, a):
                return a

        for number, called in enumerate((partial(int, base=2), Hearing())):
            timed = self.monitor.monitor_handler(name=str(number))(called)
            timed("1")
            self.assertEqual(self.monitor.get_stats(str(number)).call_count, 1)

    def test_refused(self):
        """What is no function, or runs later, is an error; so is an empty name."""

        def generate():
            yield 1

        for wrong in (1, int, MonitorTestCase, generate):
            with self.assertRaisesRegex(TypeError, "takes a function|is a generator"):
                self.monitor.monitor_handler(wrong)
        for wrong in ("", 1):
            with self.assertRaisesRegex(ValueError, "name is"):
                self.monitor.monitor_handler(name=wrong)
        with self.assertRaisesRegex(ValueError, "max_names is 0"):
            SignalPerformanceMonitor(max_names=0)


class ReceiverTests(MonitorTestCase):
    """Receivers that are timed."""

    def test_connected(self):
        """What is made of a module's function stays connected, and the same disconnects it."""
        signal = Signal()
        signal.connect(self.monitor.monitor_handler(plain))
        gc.collect()
        self.assertEqual([response for _, response in signal.send(sender=None)], ["plain"])
        self.assertEqual(self.monitor.get_stats("tests.test_monitor.plain").call_count, 1)
        self.assertTrue(signal.disconnect(self.monitor.monitor_handler(plain)))

    def test_weak(self):
        """It is collected with its function, and with a method's object."""
        signal = Signal()

        class Shop:
            @self.monitor.monitor_handler
            def hear(self, **kwargs):
                pass

        def hear(**kwargs):
            pass

        shop = Shop()
        signal.connect(shop.hear)
        signal.connect(self.monitor.monitor_handler(hear))
        self.assertEqual(len(signal.send(sender=None)), 2)
        gone = weakref.ref(hear)
        del shop, hear
        gc.collect()
        self.assertIsNone(gone())
        self.assertEqual(signal.send(sender=None), [])

    def test_with_others(self):
        """Conditions above and below, and @deferred above, work as they do without it."""
        order = []

        def hear(created, **kwargs):
            order.append(created)

        above = only_when_created(self.monitor.monitor_handler(name="below")(hear))
        below = self.monitor.monitor_handler(name="above")(only_when_created(hear))
        for receiver in (above, below):
            for created in (True, False):
                receiver(sender=None, signal=None, created=created)
        self.assertEqual(order, [True, True])
        self.assertEqual(self.monitor.get_stats("below").call_count, 1)
        self.assertEqual(self.monitor.get_stats("above").call_count, 2)
        waiting = deferred(backend="inline")(self.monitor.monitor_handler(plain))
        self.assertEqual(receiver_label(waiting), "tests.test_monitor.plain")


class AsyncTests(IsolatedAsyncioTestCase):
    """Async functions."""

    async def test_awaited(self):
        """It stays async; the time includes what it waits for, and other tasks go on."""
        monitor, both_wait = SignalPerformanceMonitor(), asyncio.Barrier(2)

        @monitor.monitor_handler(name="wait")
        async def wait(sender, **kwargs):
            await asyncio.wait_for(both_wait.wait(), TIMEOUT_S)
            return sender

        self.assertTrue(inspect.iscoroutinefunction(wait))
        signal = Signal()
        signal.connect(wait)
        both = await asyncio.gather(signal.asend(sender=1), signal.asend(sender=2))
        self.assertEqual([response for ((_, response),) in both], [1, 2])
        self.assertEqual(monitor.get_stats("wait").call_count, 2)

    async def test_ends(self):
        """An error is a failure, a cancellation is none; both are calls."""
        monitor = SignalPerformanceMonitor()

        @monitor.monitor_handler(name="end")
        async def end(error):
            raise error

        for error in (ValueError, asyncio.CancelledError):
            with self.assertRaises(error):
                await end(error)
        stats = monitor.get_stats("end")
        self.assertEqual((stats.call_count, stats.failure_count), (2, 1))

    async def test_disabled(self):
        """While it is disabled nothing is counted, and functions work."""
        monitor = SignalPerformanceMonitor(enabled=False)

        @monitor.monitor_handler(name="a")
        async def answer():
            return 1

        self.assertEqual(await answer(), 1)
        self.assertEqual(monitor.get_stats("a").call_count, 0)


class StatsTests(MonitorTestCase):
    """What is told of the calls."""

    def note(self, name, *durations_ms, error=None):
        """Count calls that took so long."""
        figures = self.monitor.figures(name)
        for duration_ms in durations_ms:
            duration_ns = int(duration_ms * 1e6)
            figures.pending.append(duration_ns if error is None else ~duration_ns)

    def test_figures(self):
        """Count, total, mean and max are exact; percentiles are within 5 %."""
        self.note("a", *range(1, 101))
        stats = self.monitor.get_stats("a")
        self.assertEqual((stats.call_count, stats.failure_count), (100, 0))
        self.assertEqual((stats.total_ms, stats.mean_ms, stats.max_ms), (5050, 50.5, 100))
        for found, right in ((stats.p50_ms, 50), (stats.p95_ms, 95), (stats.p99_ms, 99)):
            self.assertAlmostEqual(found, right, delta=right * 0.05)

    def test_text(self):
        """It prints as one line."""
        self.note("a", 2)
        self.note("a", 4, error=ValueError())
        self.assertEqual(
            str(self.monitor.get_stats("a")),
            "a: 2 calls, 1 failed, total 6.000 ms, mean 3.000 ms, p95 4.000 ms, max 4.000 ms",
        )

    def test_failure(self):
        """An error goes through, and is counted as a call and a failure."""

        @self.monitor.monitor_handler(name="fail")
        def fail(error):
            raise error

        for error in (ValueError, KeyboardInterrupt):
            with self.assertRaises(error):
                fail(error)
        stats = self.monitor.get_stats("fail")
        self.assertEqual((stats.call_count, stats.failure_count), (2, 2))

    def test_not_called(self):
        """A function that was not called has no mean, no max and no percentiles."""
        self.monitor.monitor_handler(name="never")(plain)
        stats = self.monitor.get_stats("never")
        self.assertEqual((stats.call_count, stats.total_ms), (0, 0.0))
        self.assertEqual({stats.mean_ms, stats.max_ms, stats.p95_ms}, {None})
        self.assertEqual(str(stats), "never: 0 calls")

    def test_all(self):
        """All of them come by name, the highest total first."""
        self.note("few", 10)
        self.note("many", 6, 6)
        self.assertEqual(list(self.monitor.get_stats()), ["many", "few"])

    def test_unknown(self):
        """An unknown name is an error that names what is near."""
        self.note("shop.send_mail", 1)
        with self.assertRaisesRegex(LookupError, "there is shop.send_mail"):
            self.monitor.get_stats("shop.send_mails")

    def test_slow(self):
        """Slow are those that reach the threshold in ms, the slowest first."""
        self.note("mean 20", 10, 30)
        self.note("mean 5", 5)
        self.note("mean 50", 50)
        self.monitor.monitor_handler(name="never")(plain)

        def names(*args, **kwargs):
            return [stats.name for stats in self.monitor.get_slow_handlers(*args, **kwargs)]

        self.assertEqual(names(20), ["mean 50", "mean 20"])
        self.assertEqual(names(threshold=20.5), ["mean 50"])
        self.assertEqual(names(30, by="max_ms"), ["mean 50", "mean 20"])
        for wrong in ("20", None, True):
            with self.assertRaisesRegex(TypeError, "threshold is"):
                names(wrong)
        with self.assertRaisesRegex(ValueError, "by is 'mean'"):
            names(1, by="mean")

    def test_clear(self):
        """What was counted is forgotten, and the next calls count."""
        timed = self.monitor.monitor_handler(name="a")(plain)
        timed(None)
        self.monitor.clear()
        self.assertEqual(self.monitor.get_stats("a").call_count, 0)
        timed(None)
        self.assertEqual(self.monitor.get_stats("a").call_count, 1)

    def test_disabled(self):
        """While it is disabled nothing is counted, and functions work."""
        timed = self.monitor.monitor_handler(name="a")(plain)
        self.monitor.enabled = False
        self.assertEqual(timed(None), "plain")
        self.assertEqual(self.monitor.get_stats("a").call_count, 0)
        self.monitor.enabled = True
        timed(None)
        self.assertEqual(self.monitor.get_stats("a").call_count, 1)


class BoundsTests(MonitorTestCase):
    """Memory, threads and calls within calls."""

    def test_names(self):
        """Functions beyond max_names are counted together, and how many these are is told."""
        monitor = SignalPerformanceMonitor(max_names=2)
        for name in "abcd":
            monitor.monitor_handler(name=name)(lambda: None)()
        counts = {name: stats.call_count for name, stats in monitor.get_stats().items()}
        self.assertEqual(counts, {"a": 1, "b": 1, "(other)": 2})
        self.assertEqual(monitor.overflow_count, 2)

    def test_many_calls(self):
        """Calls do not pile up until somebody asks."""
        timed = self.monitor.monitor_handler(name="a")(plain)
        for _ in range(2500):
            timed(None)
        self.assertLess(len(self.monitor.figures("a").pending), 1100)
        self.assertEqual(self.monitor.get_stats("a").call_count, 2500)

    def test_recursion(self):
        """Each call of a function that calls itself is timed, the inner ones in the outer."""

        @self.monitor.monitor_handler(name="count")
        def count(number):
            return number and count(number - 1)

        count(5)
        stats = self.monitor.get_stats("count")
        self.assertEqual(stats.call_count, 6)
        self.assertLessEqual(stats.max_ms, stats.total_ms)

    def test_threads(self):
        """No call is lost between threads, also while figures are read."""
        timed = self.monitor.monitor_handler(name="a")(plain)

        def call():
            for number in range(2000):
                timed(None)
                if number % 100 == 0:
                    self.monitor.get_stats("a")

        threads = [threading.Thread(target=call) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(TIMEOUT_S)
        self.assertEqual(self.monitor.get_stats("a").call_count, 8000)

    def test_asked_while_locked(self):
        """A call that comes while the figures are being read waits for nobody."""
        timed = self.monitor.monitor_handler(name="a")(plain)
        done = threading.Event()

        def call():
            for _ in range(1500):
                timed(None)
            done.set()

        thread = threading.Thread(target=call)
        with self.monitor._lock:
            thread.start()
            self.assertTrue(done.wait(TIMEOUT_S))
        thread.join(TIMEOUT_S)
        self.assertEqual(self.monitor.get_stats("a").call_count, 1500)


@skipUnless(hasattr(os, "fork"), "processes do not fork here")
class ForkTests(SimpleTestCase):
    """Children of a process."""

    def test_lock(self):
        """A child that begins while figures are read in the parent can read its own."""
        code = (
            "import os, threading, warnings\n"
            "from signalscope import signal_monitor\n"
            "warnings.simplefilter('ignore')\n"
            "is_locked, may_end = threading.Event(), threading.Event()\n"
            "def hold():\n"
            "    with signal_monitor._lock:\n"
            "        is_locked.set(); may_end.wait()\n"
            "threading.Thread(target=hold).start()\n"
            "is_locked.wait()\n"
            "child = os.fork()\n"
            "if not child:\n"
            "    signal_monitor.get_stats(); signal_monitor.clear(); os._exit(7)\n"
            "_, status = os.waitpid(child, 0)\n"
            "may_end.set()\n"
            "assert os.waitstatus_to_exitcode(status) == 7\n"
        )
        subprocess.run([sys.executable, "-c", code], check=True, timeout=TIMEOUT_S * 3)


class RootTests(SimpleTestCase):
    """The names that projects import."""

    def test_ready_made(self):
        """There is one monitor for all."""
        self.assertIs(type(signal_monitor), SignalPerformanceMonitor)
        self.assertIs(signalscope.signal_monitor, signal_monitor)

    def test_without_apps(self):
        """It needs no settings, no apps and no database."""
        code = (
            "import sys; from signalscope import signal_monitor\n"
            "@signal_monitor.monitor_handler\n"
            "def hear(): pass\n"
            "hear()\n"
            "assert signal_monitor.get_stats('__main__.hear').call_count == 1\n"
            "assert 'django.db' not in sys.modules, 'django.db'\n"
        )
        environment = {**os.environ}
        environment.pop("DJANGO_SETTINGS_MODULE", None)
        subprocess.run([sys.executable, "-c", code], check=True, env=environment)
