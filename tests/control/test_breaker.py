"""The circuit breaker alone, told how calls ended."""

import math
import random
from collections import deque
from time import perf_counter_ns

from django.test import SimpleTestCase

from signalscope.control.breaker import CLOSED, HALF_OPEN, OPEN, Breaker, Limits
from tests.control.guards import Clock

MS = 10**6


class BreakerTests(SimpleTestCase):
    """The breaker alone, told how calls ended."""

    def breaker(self, **limits):
        """Return one, with the clock and the changes that it tells of."""
        clock, changes = Clock(), []
        limits = Limits(**{"max_error_rate": 0.5, **limits})
        return Breaker(limits, clock, lambda *change: changes.append(change)), clock, changes

    def test_p95(self):
        """It opens as soon as the 95th percentile by nearest rank is above the limit."""
        pick = random.Random(5)
        for _ in range(200):
            breaker, _, changes = self.breaker(max_error_rate=None, max_p95_ms=100, min_calls=20)
            durations = []
            while len(durations) < 200 and not changes:
                durations.append(pick.choices((50, 100, 101, 900), (60, 37, 2, 1))[0])
                breaker.note(0, durations[-1] * MS, "ok")
                p95 = sorted(durations)[math.ceil(0.95 * len(durations)) - 1]
                is_expected = len(durations) >= 20 and p95 > 100
                self.assertEqual(breaker.state, OPEN if is_expected else CLOSED, durations)

    def test_a_trial_without_a_rate(self):
        """An error is as good as an answer where only the duration is limited."""
        breaker, clock, changes = self.breaker(max_error_rate=None, max_p95_ms=100, min_calls=1)
        breaker.note(0, 200 * MS, "ok")
        clock.now += 300
        self.assertEqual(breaker.judge(), "")
        breaker.note(perf_counter_ns(), 50 * MS, "error")
        self.assertEqual([state for state, _ in changes], [OPEN, HALF_OPEN, CLOSED])

    def test_rolling(self):
        """At each moment nearly all calls of the last 60 s count, and no older ones."""
        breaker, clock, _ = self.breaker(max_error_rate=0.99, min_calls=10**9)
        pick, calls = random.Random(6), deque()
        for _ in range(2_000):
            while calls and calls[0][0] <= clock.now - 100:
                calls.popleft()
            clock.now += pick.choice((0, 0.1, 0.5, 1, 7, 61) if pick.random() < 0.1 else (0, 0.1))
            is_error = pick.random() < 0.5
            calls.append((clock.now, is_error))
            breaker.note(0, 0, "error" if is_error else "ok")
            window = breaker._window
            young = [bad for at, bad in calls if at > clock.now - 54]
            old = [bad for at, bad in calls if at > clock.now - 60]
            self.assertTrue(len(young) <= window.call_count <= len(old))
            self.assertTrue(sum(young) <= window.error_count <= sum(old))

    def test_100_000_calls(self):
        """Take no more room than a hundred."""
        breaker, clock, _ = self.breaker(max_error_rate=0.99, max_p95_ms=1)
        for count in range(100_000):
            clock.now += 0.01
            breaker.note(0, 0, "error" if count % 2 else "ok")
        self.assertLessEqual(len(breaker._window._parts), 10)
        self.assertLessEqual(breaker._window.call_count, 6_000)
