"""What migrate says while the tables are not there yet."""

from django.db import DatabaseError
from django.test import SimpleTestCase

from signalscope.recorder.buffer import Buffer
from signalscope.recorder.recorder import Recorder
from signalscope.recorder.rollups import Rollups, Tally
from signalscope.recorder.writer import Writer

MISSING = (
    "no such table: signalscope_trace",
    "table signalscope_rollup has no column named period_start_s",
    'relation "signalscope_trace" does not exist',
    'column "state" of relation "signalscope_rollup" does not exist',
    "(1146, \"Table 'shop.signalscope_trace' doesn't exist\")",
    "(1054, \"Unknown column 'state' in 'field list'\")",
)


class Failing:
    """A sink that cannot store."""

    alias = "default"
    fork_timeout_s = 1.0

    def __init__(self, message):
        self.message = message

    def write(self, batch):
        raise DatabaseError(self.message)

    def would_break(self, besides):
        return False

    def close(self):
        pass


class MigratingTests(SimpleTestCase):
    """A command that makes the tables."""

    def turn(self, message, *, is_migrating):
        rollups = Rollups()
        tally = Tally()
        tally.pending = [1000]
        tally.settle()
        rollups.put_back({(0, "signal", "sender", "receiver"): tally})
        writer = Writer(
            Recorder(planner=None, buffer=Buffer(), rollups=rollups, is_discarding=lambda: False),
            Failing(message),
            interval_s=10.0,
            exit_timeout_s=1,
            is_discarding=lambda: False,
            may_lack_tables=is_migrating,
        )
        self.assertIs(writer._take_turn(1), False)
        self.assertEqual([tally.call_count for tally in rollups.take().values()], [1])

    def test_says_nothing(self):
        """That tables or columns are missing is no news to migrate; what was recorded waits."""
        for message in MISSING:
            with self.subTest(message), self.assertNoLogs("signalscope"):
                self.turn(message, is_migrating=True)

    def test_other_troubles(self):
        """Other troubles are said, and by other commands these, too."""
        with self.assertLogs("signalscope", "WARNING"):
            self.turn("disk is full", is_migrating=True)
        with self.assertLogs("signalscope", "WARNING"):
            self.turn(MISSING[0], is_migrating=False)
