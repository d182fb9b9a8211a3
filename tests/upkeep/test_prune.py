"""Deleting what is old: in chunks, by keys, and never what is pinned or not counted elsewhere."""

import math
from collections import Counter
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from unittest import mock

from django.db import connection
from django.test import SimpleTestCase, TestCase
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from signalscope.core.keys import first_key
from signalscope.core.retention import DAY_S, HOUR_S, Retention
from signalscope.models import ActivityLog, Dispatch, Loss, ReceiverCall, SlowQuery, Trace
from signalscope.upkeep import prune as module
from signalscope.upkeep.prune import CutOffs, doomed, prune
from tests.stats import rows
from tests.stats.rows import call, dispatch, trace
from tests.upkeep.history import KEYS, History, states


def at(moment):
    """Let rows have the keys of a moment."""
    rows.key.last = first_key(moment)


def tree(name="GET /", **values):
    """Store a trace with a call in a call."""
    of = trace(name=name, **values)
    call(dispatch(of, call(dispatch(of))))
    return of


def activity(age_days):
    """Store an entry of the activity log."""
    at = timezone.now() - timedelta(days=age_days)
    return ActivityLog.objects.create(at=at, action="created")


def counts():
    """Return how many traces, dispatches and calls there are."""
    return tuple(model.objects.count() for model in (Trace, Dispatch, ReceiverCall))


def pruned(cut_offs, **options):
    """Prune; return what was deleted."""
    return +sum(prune(cut_offs, using="default", **options), Counter())


class TraceTests(TestCase):
    """Traces with all that hangs below them."""

    def setUp(self):
        last = rows.key.last
        self.addCleanup(setattr, rows.key, "last", last)
        self.now = datetime.now(UTC)
        self.cut_offs = CutOffs.at((self.now - timedelta(days=7)).timestamp())

    def fill(self, ages, **values):
        made = []
        for number, age in enumerate(ages):
            at(self.now - timedelta(days=age, seconds=-number))
            made.append(tree(**values))
        return made

    def test_old_ones_go_and_young_ones_stay(self):
        """What is older goes with its dispatches and calls; all else stays."""
        *_, young = self.fill([30, 8, 7.1, 6.9])
        self.assertEqual(pruned(self.cut_offs, chunk=2), {"traces": 3, "dispatches": 6, "calls": 6})
        self.assertEqual(counts(), (1, 2, 2))
        self.assertEqual(set(Dispatch.objects.values_list("trace", flat=True)), {young.pk})

    def test_pinned_ones_survive_with_all_their_rows(self):
        """Of a pinned trace nothing goes, even where others lie between its rows."""
        self.fill([9, 8])
        at(self.now - timedelta(days=8, hours=1))
        first, second = trace(name="pinned", is_pinned=True), trace()
        parents = [call(dispatch(of)) for of in (first, second)]
        for of, parent in zip((first, second), parents, strict=True):
            call(dispatch(of, parent))
        for chunk in (1, 1000):
            pruned(self.cut_offs, chunk=chunk)
            self.assertEqual(counts(), (1, 2, 2))
        self.assertEqual(set(Dispatch.objects.values_list("trace", flat=True)), {first.pk})
        self.assertEqual(
            set(ReceiverCall.objects.values_list("dispatch__trace", flat=True)), {first.pk}
        )

    def test_pinned_while_it_is_pruned(self):
        """A trace that is pinned before its turn comes survives whole."""
        _, second = self.fill([9, 8])
        steps = prune(self.cut_offs, using="default", chunk=1)
        next(steps)
        Trace.objects.filter(pk=second.pk).update(is_pinned=True)
        list(steps)
        self.assertEqual(counts(), (1, 2, 2))

    def test_chunks_are_bounded_and_keep_traces_whole(self):
        """No statement takes more rows than a chunk, and none cuts a trace in two."""
        self.fill([9] * 20)
        for step in prune(self.cut_offs, using="default", chunk=10):
            self.assertLessEqual(max(step.values(), default=0), 10)
            traces, dispatches, calls = counts()
            self.assertEqual((dispatches, calls), (2 * traces, 2 * traces))
        self.assertEqual(counts(), (0, 0, 0))

    def test_a_trace_larger_than_a_chunk(self):
        """A trace with more rows than a chunk goes, too."""
        at(self.now - timedelta(days=9))
        of = trace()
        for _ in range(30):
            call(dispatch(of))
        self.fill([8])
        pruned(self.cut_offs, chunk=10)
        self.assertEqual(counts(), (0, 0, 0))

    def test_stopped_and_begun_again(self):
        """After any step the rest can be done by another run."""
        self.fill([9] * 5)
        for left in (4, 3, 2, 1, 0):
            with mock.patch.object(module, "_doomed_by_age", return_value={}):
                steps = prune(self.cut_offs, using="default", chunk=2)
                next(steps)
                steps.close()
            self.assertEqual(counts(), (left, 2 * left, 2 * left))

    def test_killed_between_two_statements(self):
        """A step that ends in its middle has deleted nothing."""
        self.fill([9])
        for number in (1, 2, 3):
            seen = []

            def run(execute, sql, params, many, context, seen=seen, number=number):
                if sql.startswith("DELETE"):
                    seen.append(sql)
                    if len(seen) == number:
                        raise KeyboardInterrupt
                return execute(sql, params, many, context)

            with self.assertRaises(KeyboardInterrupt), connection.execute_wrapper(run):
                pruned(self.cut_offs)
            self.assertEqual(counts(), (1, 2, 2))

    def test_same_statements_for_1_and_50_traces(self):
        """The number of statements does not grow with the rows of a chunk."""
        seen = set()
        for count in (1, 50):
            self.fill([9] * count)
            with CaptureQueriesContext(connection) as queries:
                pruned(self.cut_offs)
            seen.add(len(queries))
        self.assertEqual(len(seen), 1)

    def test_nothing_is_told_to_the_project(self):
        """No signal of a deletion is sent."""
        from django.db.models.signals import post_delete, pre_delete

        heard = []

        def hear(sender, **kwargs):
            heard.append(sender)

        self.fill([9])
        for signal in (pre_delete, post_delete):
            signal.connect(hear)
        try:
            pruned(self.cut_offs)
        finally:
            for signal in (pre_delete, post_delete):
                signal.disconnect(hear)
        self.assertEqual((heard, counts()), ([], (0, 0, 0)))


class RollupTests(TestCase):
    """Roll-ups by the length of their period."""

    def setUp(self):
        self.history = History(
            retention=Retention(minutes_s=2 * DAY_S, hours_s=4 * DAY_S, days_s=9 * DAY_S)
        )

    def test_each_length_has_its_age(self):
        """Minutes, hours and days go when they are older than they are kept."""
        history = self.history
        for age_days in (1, 3, 6, 10):
            history.store(age_days * DAY_S, KEYS[0], [1000])
        history.compact()
        before = states()
        self.assertEqual(before["minute merged"], 4)
        history.prune()
        self.assertEqual(states(), {"minute merged": 1, "hour merged": 2, "day whole": 3})
        history.check(self, history.now_s - 8 * DAY_S)

    def test_what_no_longer_period_counts_stays(self):
        """Minutes and hours that are not merged are never deleted, however old they are."""
        history = self.history
        for age_days in (3, 6, 100):
            history.store(age_days * DAY_S, KEYS[0], [1000])
        history.prune()
        self.assertEqual(states(), {"minute delta": 3})
        history.check(self, 0)

    def test_for_ever(self):
        """Without an age nothing goes."""
        history = History()
        history.store(5000 * DAY_S, KEYS[0], [1000])
        history.compact()
        before = states()
        history.prune()
        self.assertEqual(states(), before)


class OtherTests(TestCase):
    """Losses and processes; what would go."""

    def test_losses(self):
        """Losses go with the days of their time."""
        for age_days in (1, 800):
            Loss.objects.create(
                at=timezone.now() - timedelta(days=age_days),
                process="p",
                trace_count=1,
                dispatch_count=1,
                call_count=1,
            )
        now_s = datetime.now(UTC).timestamp()
        self.assertEqual(pruned(CutOffs.of(Retention(days_s=730 * DAY_S), now_s)), {"losses": 1})

    def test_activity(self):
        """The activity log goes by its own age, and by default never."""
        now_s = timezone.now().timestamp()
        for age_days in (1, 40, 800):
            activity(age_days)
        self.assertEqual(pruned(CutOffs.of(Retention(traces_s=DAY_S), now_s)), {})
        found = pruned(CutOffs.of(Retention(activity_s=30 * DAY_S), now_s), chunk=1)
        self.assertEqual(found, {"activity entries": 2})
        self.assertEqual(ActivityLog.objects.count(), 1)

    def test_activity_before_a_moment(self):
        """Whoever deletes by a date has to ask for the activity log."""
        activity(40)
        moment_s = timezone.now().timestamp() - DAY_S
        self.assertEqual(pruned(CutOffs.at(moment_s)), {})
        found = pruned(CutOffs.at(moment_s, with_activity=True))
        self.assertEqual(found, {"activity entries": 1})

    def test_slow_queries(self):
        """They go with the traces of their time; those of a pinned trace stay."""
        for age_days in (1, 9):
            for key in (None, 7, trace(is_pinned=True).pk):
                SlowQuery.objects.create(
                    at=timezone.now() - timedelta(days=age_days),
                    duration_ns=1,
                    using="default",
                    sql="SELECT 1",
                    trace_key=key,
                )
        now_s = timezone.now().timestamp()
        self.assertEqual(
            pruned(CutOffs.of(Retention(traces_s=7 * DAY_S), now_s)), {"slow queries": 2}
        )
        self.assertEqual(SlowQuery.objects.count(), 4)

    def test_doomed_is_what_goes(self):
        """What is said to go is what goes."""
        last = rows.key.last
        self.addCleanup(setattr, rows.key, "last", last)
        now = datetime.now(UTC)
        at(now - timedelta(days=9))
        tree()
        tree(is_pinned=True)
        cut_offs = CutOffs.at(now.timestamp() - 7 * DAY_S)
        expected = {label: found.count() for label, found in doomed(cut_offs, "default").items()}
        self.assertEqual(pruned(cut_offs), +Counter(expected))
        self.assertEqual(expected["traces"], 1)


class CutOffTests(SimpleTestCase):
    """Moments before which rows go."""

    def test_of_a_retention(self):
        """Roll-ups are cut at full hours and days, an hour late at least."""
        now_s = 20_000 * DAY_S + 10 * HOUR_S + 90
        found = CutOffs.of(Retention(DAY_S, DAY_S, 2 * DAY_S, 3 * DAY_S, 4 * DAY_S), now_s)
        self.assertEqual(found.traces_s, now_s - DAY_S)
        self.assertEqual(found.minutes_s, 19_999 * DAY_S + 9 * HOUR_S)
        self.assertEqual(found.hours_s, 19_998 * DAY_S)
        self.assertEqual(found.days_s, 19_997 * DAY_S)
        self.assertEqual(found.activity_s, now_s - 4 * DAY_S)

    def test_for_ever(self):
        """What is kept for ever has no cut-off."""
        found = CutOffs.of(Retention(), 1e9)
        self.assertEqual(set(map(math.isfinite, astuple(found))), {False})
