"""Tests of finding the newest slow and failed calls."""

from datetime import timedelta

from django.test import SimpleTestCase, TestCase
from django.utils import timezone

from signalscope.core.keys import Keys, first_key
from signalscope.stats.latest import noteworthy_calls
from tests.stats.rows import RECEIVER, call, dispatch, trace


class FirstKeyTests(SimpleTestCase):
    """The lowest key of a moment."""

    def test_writers_keys_lie_above_it(self):
        """Keys that the writer makes now lie between those of this second and the next."""
        now = timezone.now()
        keys = Keys()
        keys.turn()
        self.assertLess(first_key(now - timedelta(seconds=5)), keys.next())
        self.assertGreater(first_key(now + timedelta(seconds=5)), keys.next())


class NoteworthyCallsTests(TestCase):
    """Slow and failed calls."""

    def found(self, **options):
        given = {
            "since": timezone.now() - timedelta(hours=1),
            "slow_ns": 4_000_000,
            "limit": 5,
            "using": "default",
        }
        return noteworthy_calls(RECEIVER, **(given | options))

    def test_slow_and_failed_newest_first(self):
        """Slow and failed calls are found, fast ones and other receivers' are not."""
        of = dispatch(trace())
        slow = call(of)
        call(of, duration_ns=1000)
        call(of, receiver="other")
        failed = call(of, duration_ns=1000, outcome="error")
        with self.assertNumQueries(1):
            self.assertEqual([row.dispatch.trace.name for row in self.found()], ["GET /"] * 2)
        self.assertEqual(self.found(), [failed, slow])
        self.assertEqual(self.found(slow_ns=None), [failed])
        self.assertEqual(self.found(limit=1), [failed])

    def test_repeats_are_not_slow_by_their_number(self):
        """A call folded from repeats is slow when a repeat is."""
        call(dispatch(trace(), repeat_count=2))
        self.assertEqual(self.found(), [])

    def test_older_calls_are_left_out(self):
        """Calls before the time are not found."""
        call(dispatch(trace()))
        self.assertEqual(self.found(since=timezone.now() + timedelta(minutes=1)), [])
