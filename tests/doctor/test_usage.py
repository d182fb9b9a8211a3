"""D004 and D005: receivers that are not called, and signals that nobody hears."""

from datetime import UTC, datetime, timedelta

from django.db.models.signals import post_save
from django.test import TestCase

from signalscope.core.retention import Retention
from signalscope.doctor.project import Project
from signalscope.doctor.records import read_records
from signalscope.doctor.usage import never_called, sent_to_nobody
from tests.doctor.base import DoctorTestCase
from tests.shop.models import Item, Order
from tests.shop.signals import order_paid
from tests.stats.rows import SIGNAL, rollup

DAY_S = 86_400


def hear(sender, **kwargs):
    """Hear."""


def hear_too(sender, **kwargs):
    """Hear."""


HEAR, HEAR_TOO = f"{__name__}.hear", f"{__name__}.hear_too"


def project(days=2, **options):
    """Return what is looked at, with records."""
    return Project(records=read_records(days, using="default", retention=Retention(), **options))


class NeverCalledTests(DoctorTestCase, TestCase):
    def setUp(self):
        super().setUp()
        # So far do the records reach back.
        rollup(1, signal="other", age_s=3 * DAY_S)

    def said(self, **options):
        """Return what is said of the receivers of this module."""
        return [
            one.message.partition(__name__)[2]
            for one in never_called(project(**options))
            if one.receiver in (HEAR, HEAR_TOO)
        ]

    def test_others_were(self):
        """A receiver is told where another one of its signal was called, with how often."""
        order_paid.connect(hear)
        order_paid.connect(hear_too)
        rollup(1, 1, 1, receiver=HEAR_TOO)
        (text,) = self.said()
        self.assertEqual(
            text,
            f".hear hears {SIGNAL}, and was not called in the last 2 days; the signal was "
            "sent at least 3 times.",
        )
        self.assertEqual(self.said(days=1)[0].partition("last ")[2][:4], "day;")

    def test_its_sender_did_not_send(self):
        """One that waits for another sender is told as well."""
        post_save.connect(hear, sender=Order)
        post_save.connect(hear, sender=Item)
        rollup(1, signal="django.db.models.signals.post_save", receiver=HEAR)
        self.assertEqual(
            [text.split(",")[0] for text in self.said()], [".hear hears post_save of shop.Item"]
        )

    def test_signal_was_not_sent(self):
        """Where nobody was called, nothing is said."""
        order_paid.connect(hear)
        self.assertEqual(self.said(), [])

    def test_not_long_enough(self):
        """Records that do not reach back so far say nothing."""
        order_paid.connect(hear)
        rollup(1, receiver="other")
        self.assertEqual(len(self.said()), 1)
        self.assertEqual(self.said(days=4), [])
        self.assertEqual(list(never_called(Project())), [])

    def test_kept_out(self):
        """One that was muted or put off was not forgotten; one that is not recorded is unknown."""
        order_paid.connect(hear)
        rollup(1, receiver="other")
        row = rollup(receiver=HEAR)
        self.assertEqual(len(self.said()), 1)
        for field in ("muted_count", "skipped_count", "deferred_count"):
            type(row).objects.filter(pk=row.pk).update(**{field: 1})
            self.assertEqual(self.said(), [], field)
            type(row).objects.filter(pk=row.pk).update(**{field: 0})
        self.assertEqual(self.said(exclude=[HEAR]), [])


class NobodyTests(DoctorTestCase, TestCase):
    def setUp(self):
        super().setUp()
        self.name = self.load_app(
            ["views"],
            signals="""
                from django.dispatch import Signal
                lost, heard, kept, quiet = Signal(), Signal(), Signal(), Signal()
            """,
            views="""
                from THIS.signals import heard, kept, lost

                def hear(sender, **kwargs): ...
                heard.connect(hear)

                def lose():
                    heard.send(sender=None)
                    lost.send(sender=None)
                    lost.send(
                        sender=None,
                    )
                    kept.send(sender=None)  # signalscope: ignore=D005
            """,
            tests="from THIS.signals import quiet\nquiet.send(sender=None)",
            test_views="from THIS.signals import quiet\nquiet.send(sender=None)",
            migrations__in__send="from THIS.signals import quiet\nquiet.send(sender=None)",
        )

    def findings(self, records=None):
        """Return what is found in the app."""
        found = sent_to_nobody(Project(records=records))
        return [one for one in found if one.signal.startswith(self.name)]

    def test_by_source(self):
        """Places are told; tests are no places, and who hears any sender is somebody."""
        lost, kept = sorted(self.findings(), key=lambda one: one.line)
        self.assertEqual((lost.signal, lost.line), (f"{self.name}.signals.lost", 9))
        self.assertIn("from 2 places, also line 10.", lost.message)
        self.assertEqual(kept.spots, ((kept.file, 13, 13),))
        self.assertEqual(self.found(sent_to_nobody), [])
        report = self.report(sent_to_nobody)
        self.assertIn(lost.message, [one.message for one in report.findings])
        self.assertNotIn(kept.message, [one.message for one in report.findings])

    def test_by_records(self):
        """What was sent from elsewhere is told by the statistics, with how often."""
        rollup(signal=f"{self.name}.signals.quiet", receiver="", count=1200)
        rollup(signal=f"{self.name}.signals.lost", receiver="", count=1)
        records = read_records(2, using="default", retention=Retention())
        found = {one.signal.rpartition(".")[2]: one for one in self.findings(records)}
        self.assertEqual(set(found), {"lost", "kept", "quiet"})
        self.assertIn("1,200 times in the last 2 days", found["quiet"].message)
        self.assertEqual((found["quiet"].file, found["quiet"].line), ("", 0))
        self.assertIn("1 time in the last 2 days; from 2 places", found["lost"].message)

    def test_since(self):
        """The oldest record of any length says how far they reach back."""
        self.assertIsNone(read_records(2, using="default", retention=Retention()).since)
        rollup(1, age_s=5 * DAY_S)
        rollup(1)
        since = read_records(2, using="default", retention=Retention()).since
        self.assertLess(abs(datetime.now(UTC) - timedelta(days=5) - since), timedelta(minutes=2))
