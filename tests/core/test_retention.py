"""Tests of how long rows are kept."""

import math
from datetime import UTC, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

from django.test import SimpleTestCase

from signalscope.core.retention import DAY_S, HOUR_S, Retention

NOW = datetime(2026, 3, 29, 12, 34, 56, tzinfo=UTC)


class RetentionTests(SimpleTestCase):
    """Ages, and moments rounded to what is kept at their age."""

    kept = Retention(minutes_s=2 * DAY_S, hours_s=60 * DAY_S)

    def rounded(self, since, retention=None):
        return (retention or self.kept).rounded(since, NOW.timestamp())

    def test_rounded_to_what_is_kept(self):
        """A moment is rounded down to minutes, then hours, then days of UTC."""
        for age, expected in (
            (timedelta(hours=1), "2026-03-29 11:34"),
            (timedelta(days=2), "2026-03-27 12:34"),
            (timedelta(days=2, seconds=1), "2026-03-27 12:00"),
            (timedelta(days=60), "2026-01-28 12:00"),
            (timedelta(days=61), "2026-01-27 00:00"),
        ):
            with self.subTest(age):
                self.assertEqual(f"{self.rounded(NOW - age):%Y-%m-%d %H:%M}", expected)

    def test_zones(self):
        """The moment is the same in every zone, whatever daylight saving does to its clocks."""
        for age in (timedelta(hours=11), timedelta(days=3), timedelta(days=70)):
            expected = self.rounded(NOW - age)
            for zone in (
                ZoneInfo("Europe/Berlin"),
                ZoneInfo("Asia/Kolkata"),
                timezone(timedelta(minutes=-210)),
            ):
                self.assertEqual(self.rounded((NOW - age).astimezone(zone)), expected)
            naive = (NOW - age).astimezone().replace(tzinfo=None)
            self.assertEqual(self.rounded(naive).timestamp(), expected.timestamp())

    def test_for_ever(self):
        """What is kept for ever is rounded to the minute."""
        found = self.rounded(NOW - timedelta(days=5000), Retention())
        self.assertEqual(found, (NOW - timedelta(days=5000)).replace(second=0))

    def test_short_periods_never_outlive_long_ones(self):
        """Rows of a short period are kept no longer than those of a longer one."""
        found = Retention.of_days(traces=None, minutes=90, hours=None, days=30)
        self.assertEqual(found, Retention(math.inf, 30 * DAY_S, 30 * DAY_S, 30 * DAY_S))
        found = Retention.of_days(traces=7, minutes=0.5, hours=60, days=None)
        self.assertEqual(found, Retention(7 * DAY_S, 12 * HOUR_S, 60 * DAY_S, math.inf))

    def test_activity(self):
        """The activity log has an age of its own, and is kept for ever by default."""
        ages = {"traces": 7, "minutes": 2, "hours": 60, "days": 730}
        self.assertEqual(Retention.of_days(**ages).activity_s, math.inf)
        self.assertEqual(Retention.of_days(**ages, activity=1.5).activity_s, 1.5 * DAY_S)
