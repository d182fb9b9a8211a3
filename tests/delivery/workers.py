"""Workers as processes, what they note of each run, and what must be true of that."""

import os
import signal
import tempfile
import time
from collections import defaultdict
from itertools import pairwise

TABLE = (
    "CREATE TABLE runs (number INTEGER, process INTEGER, started DOUBLE PRECISION,"
    " ended DOUBLE PRECISION)"
)
DELIVER = ("-m", "django", "signalscope", "deliver")


class Deliveries:
    """What tests with workers share; they are run by themselves, by ProcessTestCase."""

    delivery = {"lease_s": 5, "hand_over_s": 0}

    def prepare(self):
        """Make the table of the receivers, and set the settings."""
        self.query(TABLE)
        self.settings(DELIVERY=self.delivery, FLUSH_INTERVAL_S=600)

    def send(self, call):
        """Call one of durable's functions in a process of its own; return that."""
        process = self.start(
            "-c", f"import django; django.setup(); from tests.process import durable; {call}"
        )
        process.communicate(timeout=300)
        return process

    def deliver(self, *options):
        """Start a worker, which says what it does in a file."""
        log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.addCleanup(log.close)
        process = self.start(*DELIVER, "--interval=0.1", *options, log=log)
        self.addCleanup(self.kill, process)
        process.log = log
        return process

    def kill(self, process):
        """Kill a worker with all of its children."""
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()

    def end(self, process):
        """End a worker cleanly; return what it said."""
        process.send_signal(signal.SIGTERM)
        status = process.wait(60)
        process.log.seek(0)
        said = process.log.read()
        self.assertEqual(status, 0, said)
        return said

    def count(self, condition):
        """Return how many deliveries there are."""
        ((found,),) = self.query(f"SELECT COUNT(*) FROM signalscope_delivery WHERE {condition}")
        return found

    def wait_for(self, condition, count, timeout_s=600):
        """Wait until there are no more than so many deliveries of a kind."""
        ends_at = time.monotonic() + timeout_s
        while (found := self.count(condition)) > count:
            self.assertLess(time.monotonic(), ends_at, f"{found} are still {condition}")
            time.sleep(0.05)

    def runs(self):
        """Return the runs of each number, in time: (started, ended)."""
        found = defaultdict(list)
        for number, started, ended in self.query(
            "SELECT number, started, ended FROM runs ORDER BY started"
        ):
            found[number].append((started, ended))
        return found

    def assert_nothing_lost(self, count):
        """Each is done, and was run to its end; return how many runs were too many."""
        self.assertEqual(self.count("1 = 1"), count)
        self.assertEqual(self.count("state <> 'done'"), 0)
        runs = self.runs()
        complete = [n for n, found in runs.items() if any(ended for _, ended in found)]
        self.assertEqual(len(complete), count)
        return sum(map(len, runs.values())) - count

    def assert_never_two_at_once(self):
        """No run of a number began before the one before it had ended."""
        for number, found in self.runs().items():
            for (_, ended), (started, _) in pairwise(found):
                if ended is not None:
                    self.assertLessEqual(ended, started, number)
