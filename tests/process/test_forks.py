"""Forks while dispatches are recorded and stored, on the database that the suite runs on."""

import time

from tests.process.site import ENGINE, ProcessTestCase, connect

LOCK = {
    "sqlite": ["BEGIN IMMEDIATE"],
    "postgres": ["BEGIN", "LOCK TABLE signalscope_rollup IN ACCESS EXCLUSIVE MODE"],
    "mariadb": ["LOCK TABLES signalscope_rollup WRITE"],
}
UNLOCK = {"sqlite": "COMMIT", "postgres": "COMMIT", "mariadb": "UNLOCK TABLES"}


class ForkTests(ProcessTestCase):
    """Neither side loses anything, nor waits for ever, nor disturbs the other's connection."""

    engine = ENGINE

    def test_forks_in_a_loop(self):
        """Several threads fork while others record, and the writer stores all the time."""
        self.settings(FLUSH_INTERVAL_S=0.001)
        sent = int(self.finish(self.start("-m", "tests.process.forking", "fork_often", "8")))
        self.assert_stored(sent)
        self.assertEqual(self.rows(), sent)
        # One of each child.
        self.assertEqual(self.entries(), 24)

    def test_fork_during_a_long_turn(self):
        """A fork does not wait for long, and its child leaves the parent's connection alone."""
        process = self.start("-m", "tests.process.forking", "fork_during_a_turn")
        self.addCleanup(process.kill)
        connection = connect(self.engine, self.database)
        self.addCleanup(connection.close)
        cursor = connection.cursor()
        for statement in LOCK[self.engine]:
            cursor.execute(statement)
        self.assertEqual(process.stdout.readline(), "flushing\n")
        # Until the writer waits for the lock.
        time.sleep(0.3)
        process.stdin.write("\n")
        process.stdin.flush()
        self.assertEqual(process.stdout.readline(), "forked\n")
        cursor.execute(UNLOCK[self.engine])
        self.assertEqual(self.finish(process), "[True]\n")
        self.assert_stored(10)
