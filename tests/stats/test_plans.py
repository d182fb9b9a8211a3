"""How the databases read roll-ups: by ranges of an index, whatever else the table holds."""

from datetime import UTC, datetime, timedelta

from django.db import connection
from django.test import TestCase

from signalscope.models import Rollup
from signalscope.stats.tallies import _rows

INDEX = "signalscope_rollup_period"


class PlanTests(TestCase):
    """The plan of the statement that reads tallies."""

    def setUp(self):
        states = Rollup.State.values
        Rollup.objects.bulk_create(
            Rollup(
                period_start_s=86_400 * 20_000 + number * 60,
                period_s=Rollup.Period.values[number % 3],
                state=states[number // 3 % 3],
                signal="s",
                sender="s",
                receiver="r",
                call_count=1,
                error_count=0,
                total_ns=1,
                max_ns=1,
                histogram=[],
            )
            for number in range(3000)
        )
        with connection.cursor() as cursor:
            table = connection.ops.quote_name(Rollup._meta.db_table)
            if connection.vendor == "postgresql":
                # The table is small, but must be read as a large one is.
                cursor.execute(f"ANALYZE {table}")
                cursor.execute("SET LOCAL enable_seqscan = off")

    def test_only_ranges_of_the_index_are_read(self):
        """Since a moment within an hour and a day, all six ranges come from the index."""
        since = datetime.fromtimestamp(86_400 * 20_002 + 1_830, UTC)
        rows = _rows(since, "default")
        plan = rows.explain()
        if connection.vendor == "postgresql":
            self.assertEqual(plan.count(f"Index Scan on {INDEX}"), 6, plan)
            conditions = [line for line in plan.splitlines() if "Index Cond" in line]
            self.assertEqual(sum("period_start_s >=" in line for line in conditions), 6, plan)
        elif connection.vendor == "sqlite":
            self.assertEqual(plan.count(f"USING INDEX {INDEX}"), 6, plan)
            self.assertEqual(plan.count("AND period_start_s>?"), 6, plan)
        else:
            self.assertIn(f" range {INDEX} {INDEX} 14 ", plan)
        self.assertNotIn("SCAN ", plan.replace("Scan on", ""))
        self.assertGreater(rows.count(), 0)

    def test_all_there_is(self):
        """Without a moment the same ranges are read from their beginning."""
        self.assertEqual(
            _rows(None, "default").count(),
            Rollup.objects.exclude(state=Rollup.State.MERGED)
            .exclude(state=Rollup.State.DELTA, period_s__gt=60)
            .count(),
        )

    def test_newest_first_of_each_range(self):
        """A moment in the future reads nothing."""
        since = datetime.now(UTC) + timedelta(days=30_000)
        self.assertEqual(_rows(since, "default").count(), 0)
