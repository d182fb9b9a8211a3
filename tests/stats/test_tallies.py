"""Tests of adding up roll-up rows."""

import math
from datetime import timedelta

from django.test import SimpleTestCase, TestCase
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from signalscope.core.histogram import BOUNDS_NS
from signalscope.stats.tallies import Tally, newest_period, read_tallies
from tests.stats.rows import RECEIVER, SENDER, SIGNAL, buckets, rollup

durations = st.lists(st.integers(100, int(BOUNDS_NS[-1])), min_size=1, max_size=60)


def tally_of(values):
    found = Tally()
    found.add(len(values), 0, 0, 0, 0, sum(values), max(values), buckets(values))
    return found


class TallyTests(SimpleTestCase):
    """One sum of calls."""

    @given(durations, durations, st.sampled_from([0.5, 0.95, 0.99, 1.0]))
    def test_percentile_is_near_the_exact_one(self, first, second, share):
        """A percentile of merged tallies is within 5 % of the exact one."""
        merged = tally_of(first)
        merged.merge(tally_of(second))
        ordered = sorted(first + second)
        exact = ordered[math.ceil(share * len(ordered)) - 1]
        self.assertLessEqual(abs(merged.percentile_ns(share) - exact), exact * 0.05)

    def test_nothing_added_is_zero(self):
        """An empty tally has zeros, not errors."""
        self.assertEqual((Tally().mean_ns, Tally().percentile_ns(0.95)), (0, 0))


class ReadTalliesTests(TestCase):
    """Reading roll-up rows."""

    def test_rows_of_one_key_add_up(self):
        """Rows of several processes and periods become one tally."""
        rollup(1000, 3000, errors=1)
        rollup(2000, age_s=600)
        tallies = read_tallies(None, using="default")
        tally = tallies[SIGNAL, SENDER, RECEIVER]
        self.assertEqual(
            (tally.count, tally.errors, tally.total_ns, tally.max_ns, tally.mean_ns),
            (3, 1, 6000, 3000, 2000),
        )

    def test_since_is_rounded_down_to_the_minute(self):
        """The period in which the time begins is part of it, older ones are not."""
        rollup(1000, age_s=60)
        rollup(1000, age_s=120)
        since = timezone.now().replace(second=0, microsecond=0) - timedelta(seconds=20)
        self.assertEqual(read_tallies(since, using="default")[SIGNAL, SENDER, RECEIVER].count, 1)

    def test_damaged_histogram_counts_nothing(self):
        """What is no histogram leaves the other figures as they are."""
        damaged_ones = (
            *([], [1], [-1, 1], [1, "b"], [1, None], [10**9, 1], [1.5, 1], [1, [2]], [1] * 400),
            *({"a": 1}, {"1": "b"}, {"1": None}, {"1": 1, "2": "b"}, {str(10**12): 1}, "x", 5),
        )
        for damaged in damaged_ones:
            row = rollup(1000)
            row.histogram = damaged
            row.save()
        tally = read_tallies(None, using="default")[SIGNAL, SENDER, RECEIVER]
        self.assertEqual((tally.count, tally.percentile_ns(0.5)), (len(damaged_ones), 1000))

    def test_histogram_of_the_first_version(self):
        """A mapping by bucket, as it was stored at first, counts as well as a list."""
        for stored in ({"20": 2, "42": 5}, [42, 1, 1]):
            row = rollup(count=1)
            row.histogram = stored
            row.save()
        tally = read_tallies(None, using="default")[SIGNAL, SENDER, RECEIVER]
        self.assertEqual(tally.buckets, {20: 2, 42: 6, 43: 1})

    def test_one_query_however_many_rows(self):
        """1 and 50 rows are read with one query."""
        for rows in (1, 49):
            for number in range(rows):
                rollup(1000, receiver=f"r{number}")
            with self.assertNumQueries(1):
                read_tallies(None, using="default")

    def test_newest_period(self):
        """The newest period is that of the newest row, None without any."""
        self.assertIsNone(newest_period("default"))
        row = rollup(1000)
        self.assertEqual(newest_period("default"), row.period_start)
