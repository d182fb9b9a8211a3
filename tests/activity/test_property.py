"""Whatever is saved, deleted and rolled back: the entries tell what was committed."""

from contextlib import suppress
from unittest import mock

from django.db import connection, connections, transaction
from django.db.models import F
from django.test import TransactionTestCase, override_settings
from hypothesis import given, settings
from hypothesis import strategies as st

from signalscope.activity.tracking import tracker
from signalscope.models import ActivityLog
from tests.activity.tracking import tracked
from tests.tracked.models import Coupon

CODES = st.sampled_from(["a", "b"])
PERCENTS = st.integers(0, 3)

# What is done with one of two coupons, the same instances all the time.
CHANGES = st.one_of(
    st.tuples(st.just("save"), CODES, PERCENTS),
    st.tuples(st.just("save fields"), CODES, PERCENTS),
    st.tuples(st.just("add"), CODES, PERCENTS),
    st.tuples(st.just("load"), CODES),
    st.tuples(st.just("load deferred"), CODES),
    st.tuples(st.just("refresh"), CODES),
    st.tuples(st.just("delete"), CODES),
    st.tuples(st.just("look"), CODES),
)


def blocks(steps):
    """Return blocks of steps, which may be rolled back in three ways or by hand."""
    return st.tuples(
        st.sampled_from(["commit", "raise", "set_rollback", "savepoint", "savepoint back"]),
        st.lists(steps, max_size=5),
    )


# How many entries may wait.
LIMITS = st.sampled_from([1, 2, 3, 1000])
PROGRAMS = st.lists(st.recursive(CHANGES, blocks, max_leaves=12), max_size=8)


class Failure(Exception):
    """Ends a block."""


class Program:
    """Runs steps on coupons, each of which has one instance in memory."""

    def __init__(self):
        self.coupons = {code: Coupon(code=code, percent=9) for code in ("a", "b")}

    def run(self, step):
        """Run one step; what the database refuses is left out."""
        name, *rest = step
        if isinstance(rest[0], list):
            self.run_block(name, rest[0])
        else:
            with suppress(Coupon.DoesNotExist):
                getattr(self, name.replace(" ", "_"))(*rest)

    def run_block(self, end, steps):
        """Run steps in a block that ends in some way."""
        if end.startswith("savepoint"):
            self.run_savepoint(steps, is_kept=end == "savepoint")
            return
        with suppress(Failure), transaction.atomic():
            for step in steps:
                self.run(step)
            if end == "raise":
                raise Failure
            if end == "set_rollback":
                transaction.set_rollback(True)

    def run_savepoint(self, steps, *, is_kept):
        """Run steps behind a savepoint that is made by hand; what comes next may be in it."""
        with transaction.atomic():
            sid = connection.savepoint()
            for step in steps:
                self.run(step)
            if is_kept:
                connection.savepoint_commit(sid)
            else:
                connection.savepoint_rollback(sid)
                self.save("a", 3)

    def save(self, code, percent):
        """Save, be it an insert or an update."""
        coupon = self.coupons[code]
        coupon.code, coupon.percent = code, percent
        coupon.save()

    def save_fields(self, code, percent):
        """Save one field, where there is a row."""
        coupon = self.coupons[code]
        coupon.code, coupon.percent = code, percent
        with transaction.atomic():
            if Coupon.objects.filter(pk=code).exists():
                coupon.save(update_fields=["percent"])

    def add(self, code, number):
        """Add in the database, where there is a row."""
        coupon = self.coupons[code]
        if Coupon.objects.filter(pk=code).exists():
            coupon.code = code
            coupon.percent = F("percent") + number
            coupon.save()
            coupon.refresh_from_db()

    def load(self, code):
        """Go on with another instance."""
        self.coupons[code] = Coupon.objects.get(pk=code)

    def load_deferred(self, code):
        """Go on with another instance that has not all values."""
        self.coupons[code] = Coupon.objects.defer("percent").get(pk=code)

    def refresh(self, code):
        """Read it again."""
        self.coupons[code].code = code
        self.coupons[code].refresh_from_db()

    def delete(self, code):
        """Delete, where there is a row or not."""
        self.coupons[code].code = code
        self.coupons[code].delete()

    def look(self, code):
        """Ask the activity log, so that what waits is written."""
        ActivityLog.objects.filter(object_key=code).exists()


def replay(entries):
    """Return what the tables must hold after what entries tell: percent by code."""
    rows = {}
    for entry in entries:
        pair = entry.changes.get("percent", [None, None])
        if entry.action == "created":
            assert entry.object_key not in rows, entries
            rows[entry.object_key] = pair[1]
        elif entry.action == "updated":
            assert rows[entry.object_key] == pair[0], entries
            assert pair[0] != pair[1], entries
            rows[entry.object_key] = pair[1]
        else:
            assert rows.pop(entry.object_key) == pair[0], entries
    return rows


# A row is flushed per test, not per example: what an example leaves is deleted by the next one.
often = settings(max_examples=50, deadline=None)


class CommittedTests(TransactionTestCase):
    """Random programs; their entries, one after the other, lead to what is in the table."""

    def check(self, program):
        """Run a program and compare."""
        Coupon.objects.all().delete()
        ActivityLog.objects.all().delete()
        with tracked(Coupon, fields=["percent"]):
            running = Program()
            for step in program:
                running.run(step)
        self.assertNotIn("savepoint", connections["default"].__dict__)
        return {coupon.code: coupon.percent for coupon in Coupon.objects.all()}

    def test_in_the_transaction(self):
        """Entries are written in the transaction of the change."""

        @often
        @given(PROGRAMS, LIMITS)
        def compare(program, limit):
            with mock.patch("signalscope.activity.unwritten.MAX_UNWRITTEN", limit):
                held = self.check(program)
            self.assertEqual(replay(ActivityLog.objects.order_by("id")), held)

        compare()

    def test_after_commit(self):
        """Entries are handed to the writer after the commit."""

        @often
        @given(PROGRAMS, LIMITS)
        def compare(program, limit):
            noted = []
            with (
                mock.patch.object(tracker, "note", noted.extend),
                mock.patch("signalscope.activity.spans.MAX_HELD", limit),
            ):
                held = self.check(program)
            # What there is no room for is written in the transaction.
            entries = [*noted, *ActivityLog.objects.order_by("id")]
            self.assertEqual(replay(sorted(entries, key=lambda entry: entry.at)), held)

        with override_settings(SIGNALSCOPE={"TRACK_WRITE": "after_commit"}):
            compare()
