"""Several workers on one database, some of which are killed: each delivery is run, by one."""

import signal
import time
from itertools import pairwise

from tests.delivery.workers import Deliveries
from tests.process import site


class WorkersTests(Deliveries, site.ProcessTestCase):
    """Several workers on one database."""

    engine = site.ENGINE

    def setUp(self):
        super().setUp()
        self.prepare()

    def test_killed_before_it_is_handed_over(self):
        """What is committed is run, though its process dies at once; each by one worker."""
        process = self.send("durable.send_and_die(120)")
        self.assertEqual(process.returncode, -signal.SIGKILL)
        self.assertEqual(self.count("state = 'pending'"), 120)
        workers = [self.deliver() for _ in range(3)]
        self.wait_for("state <> 'done'", 0)
        for worker in workers:
            self.assertIn("Delivered: ", self.end(worker))
        self.assertEqual(self.assert_nothing_lost(120), 0)
        self.assertGreater(len({*self.query("SELECT process FROM runs")}), 1)

    def test_order(self):
        """Those of one group run one after another, in their order, whoever runs them."""
        self.send("durable.send_and_die(100, groups=5)")
        workers = [self.deliver("--once") for _ in range(3)]
        for worker in workers:
            self.assertEqual(worker.wait(300), 0)
        # A worker that found the groups taken may have ended before the last one was done.
        self.wait_for("state <> 'done'", 0)
        self.assertEqual(self.assert_nothing_lost(100), 0)
        for group in range(5):
            found = sorted(
                (*span, number) for number, (span,) in self.runs().items() if number % 5 == group
            )
            self.assertEqual([number for *_, number in found], list(range(group, 100, 5)))
            for (_, ended, _), (started, _, _) in pairwise(found):
                self.assertLessEqual(ended, started)

    def test_switched_off(self):
        """What was promised is kept also where nothing is recorded."""
        self.settings(ENABLED=False, DELIVERY=self.delivery)
        self.send("durable.send_and_die(5)")
        output = self.run_django("signalscope", "deliver", "--once")
        self.assertEqual(output, "Delivered: done 5.\n")
        self.assertEqual(self.assert_nothing_lost(5), 0)

    def test_sigterm(self):
        """SIGTERM lets the receiver that is running end, and leaves the others for later."""
        self.environment["SITE_PAUSE_S"] = "1"
        self.send("durable.send_and_die(2)")
        worker = self.deliver()
        while not self.runs():
            time.sleep(0.02)
        self.assertIn("Delivered: done 1.", self.end(worker))
        self.assertEqual(self.query("SELECT COUNT(ended) FROM runs"), [(1,)])
        self.assertEqual(self.count("state = 'pending'"), 1)

    def test_worker_is_killed(self):
        """What a killed worker had is run by another one after its lease, and that is counted."""
        self.environment["SITE_PAUSE_S"] = "3"
        self.settings(DELIVERY={"lease_s": 1, "hand_over_s": 0})
        self.send("durable.send_and_die(1)")
        worker = self.deliver()
        while not self.runs():
            time.sleep(0.02)
        self.kill(worker)
        self.environment["SITE_PAUSE_S"] = "0"
        time.sleep(1)
        output = self.run_django("signalscope", "deliver", "--once")
        self.assertIn("done 1, begun before by a worker that did not end in time 1", output)
        self.assertEqual(self.assert_nothing_lost(1), 1)
        self.assertEqual(self.count("lapse_count = 1 AND attempts = 2"), 1)
