"""Tests of what signalscope tells of its own health."""

from datetime import timedelta
from unittest import skipUnless

from django.db import connection
from django.test import TestCase, TransactionTestCase
from django.utils import timezone

from signalscope.models import Loss, Rollup, Trace
from signalscope.stats import tables
from signalscope.stats.health import State, cost_share, health, state_of
from signalscope.stats.tables import Precision, table_sizes
from tests.stats.rows import process, rollup, trace

DAY = timedelta(days=1)


def answer(**options):
    """Return the health of the last day."""
    return health(since=timezone.now() - DAY, using="default", **options)


class ProcessTests(TestCase):
    """What became of each process."""

    def test_states(self):
        """A process is alive, failing, ended or silent by what it said last, and when."""
        ago = timezone.now() - timedelta(minutes=10)
        for values, state in (
            ({}, State.ALIVE),
            ({"is_failing": True}, State.FAILING),
            ({"is_ended": True, "seen_at": ago}, State.ENDED),
            ({"seen_at": ago}, State.SILENT),
            # Who stores every ten minutes has time for it.
            ({"seen_at": ago, "interval_s": 600}, State.ALIVE),
            ({"seen_at": ago, "is_failing": True}, State.SILENT),
        ):
            with self.subTest(values):
                self.assertEqual(state_of(process(**values), timezone.now()), state)

    def test_period(self):
        """Who was not seen in the period is left out; the newest comes first."""
        process(name="old", seen_at=timezone.now() - 2 * DAY)
        process(name="first")
        process(name="second")
        self.assertEqual([found.row.name for found in answer().processes], ["second", "first"])

    def test_last_error(self):
        """The newest error of all processes is found."""
        now = timezone.now()
        self.assertIsNone(answer().last_error)
        process(error="older", error_at=now - timedelta(minutes=2))
        process(error="newer", error_at=now - timedelta(minutes=1))
        process()
        self.assertEqual(answer().last_error.error, "newer")

    def test_cost(self):
        """The share is that of all processes together, unknown before anything was traced."""
        self.assertIsNone(cost_share([process()]))
        rows = [
            process(scope_ns=6, writer_ns=4, traced_ns=1000),
            process(scope_ns=10, writer_ns=0, traced_ns=1000),
        ]
        self.assertEqual(cost_share(rows), 0.01)

    def test_losses(self):
        """All that was lost, not kept or not told apart is added up."""
        for _ in range(2):
            Loss.objects.create(
                at=timezone.now(), process="p", trace_count=1, dispatch_count=2, call_count=3,
                unkept_count=4, grouped_count=5, entry_count=6, slow_query_count=7,
            )  # fmt: skip
        found = answer().losses
        self.assertEqual((found.trace_count, found.dispatch_count, found.call_count), (2, 4, 6))
        self.assertEqual((found.unkept_count, found.grouped_count), (8, 10))
        self.assertEqual((found.entry_count, found.slow_query_count), (12, 14))

    def test_same_queries_with_1_and_50_processes(self):
        """The queries do not grow with the rows: processes, losses, rows, sizes."""
        for rows in (1, 49):
            for _ in range(rows):
                process()
            with self.assertNumQueries(4):
                answer()


class TableTests(TestCase):
    """Sizes of small tables."""

    def test_small_tables_are_counted(self):
        """Every table is there; few rows are an exact number."""
        trace()
        rollup(1000)
        rollup(2000)
        found = table_sizes("default")
        sizes = {size.name: size for size in found.sizes}
        self.assertEqual(len(sizes), 11)
        self.assertEqual(sizes[Trace._meta.db_table].row_count, 1)
        self.assertEqual(sizes[Rollup._meta.db_table].row_count, 2)
        self.assertEqual({size.precision for size in found.sizes}, {Precision.EXACT})
        self.assertGreater(found.byte_count, 0)

    @skipUnless(connection.vendor == "sqlite", "other databases keep estimates")
    def test_counting_ends(self):
        """Without an estimate, counting ends at the limit, and the answer says so."""
        for _ in range(4):
            rollup(1000)
        self.enterContext(limited(3))
        size = next(s for s in table_sizes("default").sizes if s.name == Rollup._meta.db_table)
        self.assertEqual((size.row_count, size.precision), (3, Precision.OVER))


class EstimateTests(TransactionTestCase):
    """Sizes of tables that are too large to count."""

    @skipUnless(connection.vendor in ("postgresql", "mysql"), "SQLite keeps no estimate")
    def test_estimate(self):
        """Beyond the limit the database's own estimate is taken, also for what was added since."""
        rows = [rollup_row() for _ in range(5000)]
        Rollup.objects.bulk_create(rows)
        self.analyze()
        self.enterContext(limited(100))
        size = next(s for s in table_sizes("default").sizes if s.name == Rollup._meta.db_table)
        self.assertEqual(size.precision, Precision.ABOUT)
        self.assertLess(abs(size.row_count - 5000), 2500)
        self.assertGreater(size.byte_count, 100_000)

    @skipUnless(connection.vendor == "postgresql", "only PostgreSQL has these partitions")
    def test_partitions(self):
        """A partitioned table is the sum of its partitions."""
        with connection.cursor() as cursor:
            self.addCleanup(self.drop)
            for statement in (
                "CREATE TABLE parted (id bigint, name text) PARTITION BY RANGE (id)",
                "CREATE TABLE parted_1 PARTITION OF parted FOR VALUES FROM (0) TO (3000)",
                "CREATE TABLE parted_2 PARTITION OF parted FOR VALUES FROM (3000) TO (9000)",
                "INSERT INTO parted SELECT n, 'name' FROM generate_series(1, 5000) AS n",
                "ANALYZE parted_1",
                "ANALYZE parted_2",
            ):
                cursor.execute(statement)
        ((rows, size),) = tables._estimates(connection, ["parted"]).values()
        self.assertEqual(rows, 5000)
        self.assertGreater(size, 100_000)

    def drop(self):
        with connection.cursor() as cursor:
            cursor.execute("DROP TABLE IF EXISTS parted")

    def analyze(self):
        with connection.cursor() as cursor:
            table = connection.ops.quote_name(Rollup._meta.db_table)
            word = "ANALYZE" if connection.vendor == "postgresql" else "ANALYZE TABLE"
            cursor.execute(f"{word} {table}")


def limited(limit):
    """Return a block in which tables are counted up to a limit."""
    from unittest import mock

    return mock.patch.multiple(tables, COUNT_LIMIT=limit, SQLITE_COUNT_LIMIT=limit)


def rollup_row():
    """Return a roll-up that is not stored."""
    return Rollup(
        period_start_s=0, period_s=60, signal="s", sender="s", receiver="r", call_count=1,
        error_count=0, total_ns=1, max_ns=1, histogram=[],
    )  # fmt: skip
