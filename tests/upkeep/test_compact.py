"""Adding up roll-ups: each call counts once in every reading, whatever happens meanwhile."""

from datetime import UTC, datetime
from unittest import mock

from django.db import OperationalError, connection
from django.test import TestCase
from django.test.utils import CaptureQueriesContext
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import django

from signalscope.core.histogram import BOUNDS_NS
from signalscope.core.retention import DAY_S, HOUR_S, Retention
from signalscope.models import Rollup
from signalscope.stats.tallies import newest_period, read_tallies
from signalscope.upkeep import compact as module
from signalscope.upkeep.compact import GRACE_S, compact, has_work
from tests.upkeep.history import KEYS, START_S, History, states

durations = st.lists(st.integers(100, int(BOUNDS_NS[-1])), min_size=1, max_size=6)
# What a process stores is late by hours, or ahead, where clocks are wrong.
deltas = st.tuples(
    st.just("store"), st.integers(-HOUR_S, 3 * DAY_S), st.sampled_from(KEYS), durations
)
events = st.one_of(
    deltas,
    deltas,
    st.tuples(st.just("compact"), st.integers(1, 4), st.integers(1, 5)),
    st.tuples(st.just("compact"), st.none(), st.just(2_000)),
    st.tuples(st.just("prune"), st.integers(1, 3), st.integers(1, 5)),
    st.tuples(st.just("prune"), st.none(), st.just(1_000)),
    # Minutes, hours and days pass; at times a clock goes back.
    st.tuples(st.just("pass"), st.sampled_from([-1800, 60, 600, HOUR_S, 7 * HOUR_S, DAY_S])),
)
few = settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


class AnyHistoryTests(django.TestCase):
    """Random histories against the exact sums."""

    @few
    @given(st.lists(events, max_size=25), st.lists(st.integers(0, 4 * DAY_S), max_size=4))
    def test_each_call_counts_once(self, happened, ages):
        """Whatever is stored, merged, pruned or late, reading is exact since any moment."""
        history = History(retention=Retention(minutes_s=5 * HOUR_S, hours_s=2 * DAY_S))
        for kind, *args in happened:
            if kind == "store":
                history.store(*args)
            elif kind == "compact":
                history.compact(*args)
            elif kind == "prune":
                history.prune(*args)
            else:
                history.now_s += args[0]
            for age_s in ages:
                history.check(self, history.now_s - age_s)
        history.check(self, 0)

    @few
    @given(st.lists(st.tuples(st.integers(0, 3 * DAY_S), durations), min_size=1, max_size=30))
    def test_percentiles_of_hours_and_days(self, stored):
        """Percentiles from hours and days are within 5 % of the exact ones."""
        history = History()
        for age_s, given_durations in stored:
            history.store(age_s, KEYS[0], given_durations)
        history.now_s += DAY_S + HOUR_S
        history.compact(chunk=7)
        self.assertFalse(Rollup.objects.filter(state=Rollup.State.DELTA).exists())
        self.assertEqual(
            Rollup.objects.filter(period_s=DAY_S).count(),
            len({(START_S - age_s) // DAY_S for age_s, _ in stored}),
        )
        for since_s in (0, START_S - DAY_S, START_S - 5 * HOUR_S):
            history.check(self, since_s)


class LevelTests(TestCase):
    """Each level by itself."""

    def test_deltas_become_a_minute(self):
        """Deltas of one key and minute become one row; other keys have rows of their own."""
        history = History()
        for durations_ns in ([1000], [2000, 9000]):
            history.store(600, KEYS[0], durations_ns, errors=1)
        history.store(600, KEYS[1], [1000])
        history.compact()
        self.assertEqual(states(), {"minute whole": 2})
        row = Rollup.objects.get(receiver=KEYS[0][2])
        self.assertEqual(
            (row.call_count, row.error_count, row.total_ns, row.max_ns), (3, 2, 12_000, 9000)
        )
        self.assertEqual(sum(row.histogram[1:]), 3)

    def test_present_minute_is_left(self):
        """Deltas wait until their minute is over, and a little longer."""
        history = History()
        for age_s in (0, GRACE_S - 60):
            history.store(age_s, KEYS[0], [1000])
        self.assertFalse(has_work(using="default", now_s=history.now_s))
        self.assertEqual(history.compact(), 0)
        history.now_s += GRACE_S + 60
        self.assertTrue(has_work(using="default", now_s=history.now_s))
        self.assertEqual(history.compact(), 2)

    def test_hours_and_days(self):
        """Hours and days that are over have rows; what they count is marked."""
        history = History()
        for age_s in (0, HOUR_S, 2 * HOUR_S):
            history.store(age_s, KEYS[0], [1000])
        history.now_s += 30 * 60
        history.compact()
        self.assertEqual(states(), {"minute merged": 3, "hour whole": 3})
        history.now_s += 2 * HOUR_S
        history.compact()
        self.assertEqual(states(), {"minute merged": 3, "hour merged": 3, "day whole": 1})
        self.assertEqual(Rollup.objects.get(period_s=DAY_S).call_count, 3)

    def test_late_delta_ends_in_its_hour_and_day(self):
        """What comes after its day was merged is added to the day's row."""
        history = History()
        history.store(0, KEYS[0], [1000])
        history.now_s += DAY_S
        history.compact()
        history.store(DAY_S, KEYS[0], [5000])
        history.check(self, START_S)
        history.compact()
        history.check(self, START_S)
        day = Rollup.objects.get(period_s=DAY_S)
        self.assertEqual((day.call_count, day.max_ns, day.state), (2, 5000, Rollup.State.WHOLE))
        self.assertEqual(set(states()), {"minute merged", "hour merged", "day whole"})

    def test_names_that_a_database_takes_for_equal(self):
        """Names that differ in case, accents or trailing spaces stay apart."""
        history = History()
        names = ["shop.r", "shop.R", "shop.r ", "shop.ŕ"]
        for _ in range(2):
            for name in names:
                history.store(600, ("paid", "shop.Order", name), [1000])
            history.compact()
        found = read_tallies(None, using="default")
        self.assertEqual(
            {key[2]: tally.count for key, tally in found.items()}, dict.fromkeys(names, 2)
        )

    def test_newest_period(self):
        """The newest period is found, however old rows were written anew."""
        history = History()
        newest = history.store(60, KEYS[0], [1000])
        history.store(2 * DAY_S, KEYS[0], [1000])
        history.compact()
        self.assertEqual(newest_period("default"), newest.period_start)
        history.now_s += 3 * DAY_S
        history.compact()
        self.assertEqual(newest_period("default"), newest.period_start)

    def test_same_queries_for_1_and_50_rows(self):
        """A step takes the same statements for 1 and for 50 rows."""
        counts = []
        for rows in (1, 50):
            history = History()
            for _ in range(rows):
                history.store(600, KEYS[0], [1000])
            with CaptureQueriesContext(connection) as seen:
                history.compact()
            counts.append(len(seen))
        self.assertEqual(len(set(counts)), 1)


class InterruptedTests(TestCase):
    """Whatever stops a step, it is done wholly or not at all."""

    def fill(self):
        history = History()
        history.store(600, KEYS[0], [1000])
        history.compact()
        history.store(600, KEYS[0], [3000])
        history.store(600, KEYS[1], [3000])
        return history

    def test_killed_between_any_two_statements(self):
        """A step that ends after its first, second or third statement leaves nothing half done."""
        statements = []

        def run(execute, sql, params, many, context):
            if sql.startswith(("DELETE", "UPDATE", "INSERT")):
                statements.append(sql)
                if len(statements) == number:
                    raise KeyboardInterrupt
            return execute(sql, params, many, context)

        for number in (1, 2, 3):
            statements.clear()
            history = self.fill()
            before = states()
            with self.assertRaises(KeyboardInterrupt), connection.execute_wrapper(run):
                history.compact()
            self.assertEqual((len(statements), states()), (number, before))
            history.check(self, 0)
        number = 0
        history.compact()
        history.check(self, 0)

    def compact_beside_another(self, history, name):
        """Compact; before the first call of a function, another process does the same."""
        real = getattr(module, name)
        others = [lambda: list(compact(using="default", now_s=history.now_s))]

        def first_the_other(*args, **kwargs):
            if others:
                others.pop()()
            return real(*args, **kwargs)

        with mock.patch.object(module, name, first_the_other):
            history.compact()

    def test_another_process_between_reading_and_writing(self):
        """Where another process takes the same rows meanwhile, each call still counts once."""
        for name in ("_row", "delete_by_key"):
            history = self.fill()
            self.compact_beside_another(history, name)
            history.check(self, 0)
            self.assertEqual(states(), {"minute whole": 2})

    def test_another_process_marks_the_same_rows(self):
        """An hour that two processes add up at once has each minute once."""
        history = self.fill()
        history.compact()
        history.now_s += 2 * HOUR_S
        self.compact_beside_another(history, "_row")
        history.check(self, 0)
        self.assertEqual(states(), {"minute merged": 2, "hour whole": 2})

    def test_error_of_the_database(self):
        """An error reaches the caller, and nothing has changed."""
        history = self.fill()
        before = states()
        with (
            mock.patch.object(module, "update_by_key"),
            mock.patch.object(module, "delete_by_key", side_effect=OperationalError("locked")),
            self.assertRaises(OperationalError),
        ):
            history.compact()
        self.assertEqual(states(), before)


class ZoneTests(TestCase):
    """Time zones and daylight saving change nothing."""

    def test_days_are_those_of_utc(self):
        """In every zone the same rows come out, also where clocks change or stand off by half."""
        seen = set()
        for zone in ("UTC", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"):
            for use_tz in (True, False):
                with self.settings(TIME_ZONE=zone, USE_TZ=use_tz):
                    history = History()
                    for age_s in range(0, 2 * DAY_S, 1800):
                        history.store(age_s, KEYS[0], [1000])
                    history.now_s += DAY_S
                    history.compact()
                    history.check(self, START_S - 5 * HOUR_S - 90)
                    seen.add(tuple(sorted(states().items())))
                    day = Rollup.objects.filter(period_s=DAY_S).first()
                    self.assertEqual(day.period_start.tzinfo, UTC)
                    self.assertEqual(day.period_start.time(), datetime.min.time())
        self.assertEqual(len(seen), 1)
