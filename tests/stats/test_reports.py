"""Tests of the reports made from roll-ups."""

from datetime import UTC, datetime, timedelta

from django.test import TestCase
from django.utils import timezone

from signalscope.models import Loss
from signalscope.stats import reports
from tests.stats.rows import RECEIVER, SENDER, SIGNAL, rollup

POST_SAVE = "django.db.models.signals.post_save"


def stats(**options):
    return reports.receiver_stats(**({"since": None, "using": "default"} | options))


class ReceiverStatsTests(TestCase):
    """One line per (signal, sender, receiver)."""

    def setUp(self):
        rollup(1_000_000, 3_000_000, errors=1)
        rollup(12_000_000, signal=POST_SAVE, sender="shop.Item", receiver="shop.receivers.slow")
        rollup(receiver="", count=7)

    def test_line_has_all_figures(self):
        """A line tells counts, durations and the share of all receivers' time."""
        (line,) = stats(signals=["order_paid"])
        self.assertEqual((line.signal, line.sender, line.receiver), (SIGNAL, SENDER, RECEIVER))
        self.assertEqual((line.count, line.errors, line.mean_ns), (2, 1, 2_000_000))
        self.assertEqual((line.max_ns, line.total_ns, line.share), (3_000_000, 4_000_000, 0.25))
        self.assertAlmostEqual(line.p50_ns, 1_000_000, delta=50_000)
        self.assertAlmostEqual(line.p99_ns, 3_000_000, delta=150_000)

    def test_unheard_dispatches_are_no_lines(self):
        """What nobody heard has no receiver and so no line."""
        self.assertNotIn("", [line.receiver for line in stats()])

    def test_globs_match_whole_names_and_last_parts(self):
        """Signals, senders and receivers are kept where any glob matches."""
        for options in (
            {"signals": ["django.*"]},
            {"signals": ["post_*", "x"]},
            {"senders": ["Item"]},
            {"receivers": ["*.slow"]},
            {"receivers": ["slow"], "senders": ["shop.*"]},
        ):
            with self.subTest(options):
                self.assertEqual(
                    [line.receiver for line in stats(**options)], ["shop.receivers.slow"]
                )
        self.assertEqual(stats(receivers=["slow"], senders=["Order"]), [])

    def test_sorts(self):
        """Each sort puts its greatest first."""
        expected = dict.fromkeys(("total", "mean", "p95", "p99", "max"), "shop.receivers.slow")
        expected |= {"count": RECEIVER, "errors": RECEIVER}
        for sort, receiver in expected.items():
            with self.subTest(sort):
                self.assertEqual(stats(sort=sort)[0].receiver, receiver)

    def test_unknown_sort_says_what_is_allowed(self):
        """A sort that there is not is refused with the ones that there are."""
        with self.assertRaisesMessage(ValueError, "sort is 'size'; it must be one of total, count"):
            stats(sort="size")

    def test_slow_and_limit(self):
        """slow_ms keeps what took that long once; limit cuts."""
        self.assertEqual(len(stats(slow_ms=3)), 2)
        self.assertEqual(len(stats(slow_ms=3.1)), 1)
        self.assertEqual(len(stats(limit=1)), 1)


class UnheardTests(TestCase):
    """What was sent to nobody."""

    def test_own_signals_come_first(self):
        """The project's own signals come before class_prepared, whatever the counts."""
        rollup(signal="django.db.models.signals.class_prepared", receiver="", count=9)
        rollup(receiver="", count=2)
        rollup(receiver="", count=3, age_s=300)
        rollup(1000)
        found = reports.unheard(since=None, using="default")
        self.assertEqual([(line.signal.rpartition(".")[2], line.count) for line in found],
                         [("order_paid", 5), ("class_prepared", 9)])  # fmt: skip

    def test_globs(self):
        """Globs keep signals and senders."""
        rollup(receiver="", count=2)
        for options, count in (({"signals": ["order_*"]}, 1), ({"senders": ["Item"]}, 0)):
            found = reports.unheard(since=None, using="default", **options)
            self.assertEqual(len(found), count)


class LossesTests(TestCase):
    """What could not be kept."""

    def test_losses_add_up(self):
        """Losses of all processes are added; none is false."""
        self.assertFalse(reports.losses(since=None, using="default"))
        for count in (1, 2):
            Loss.objects.create(
                at=timezone.now(), process="p", trace_count=count, dispatch_count=3, call_count=0
            )
        with self.assertNumQueries(1):
            found = reports.losses(since=timezone.now() - timedelta(hours=1), using="default")
        self.assertEqual((found.trace_count, found.dispatch_count, found.call_count), (3, 6, 0))
        self.assertTrue(found)

    def test_each_kind_counts(self):
        """A loss of any kind is one."""
        for kind in ("trace", "dispatch", "call", "unkept", "grouped", "entry", "slow_query"):
            nothing = {"trace_count": 0, "dispatch_count": 0, "call_count": 0}
            row = {**nothing, f"{kind}_count": 1}
            loss = Loss.objects.create(at=timezone.now(), process="p", **row)
            self.assertTrue(reports.losses(since=None, using="default"), kind)
            loss.delete()

    def test_losses_since_a_moment_in_any_zone(self):
        """A moment with a time zone is understood with USE_TZ and without."""
        for use_tz in (True, False):
            with self.settings(USE_TZ=use_tz, TIME_ZONE="Asia/Kolkata"):
                Loss.objects.all().delete()
                Loss.objects.create(
                    at=timezone.now(), process="p", trace_count=1, dispatch_count=1, call_count=1
                )
                now = datetime.now(UTC)
                for since, count in ((now - timedelta(hours=1), 1), (now + timedelta(hours=1), 0)):
                    found = reports.losses(since=since, using="default")
                    self.assertEqual(found.call_count, count)
