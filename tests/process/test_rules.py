"""A rule that is set in one process holds in the workers of a real server."""

import time

from tests.process.site import ENGINE
from tests.process.test_servers import GUNICORN, ServerTestCase

REFRESH_S = 2.0


class GunicornTests(ServerTestCase):
    """Two workers, and commands beside them."""

    engine = ENGINE

    def answers(self):
        """Return how many receivers answered, by worker, once both have been asked."""
        found = {}
        for _ in range(200):
            pid, count = self.get("/heard/").split()
            found[pid] = int(count)
            if len(found) == 2 and _ > 10:
                break
        return found

    def wait_for(self, count, seconds):
        """Wait until so many receivers answer in both workers; return how long that took."""
        started = time.monotonic()
        while set(self.answers().values()) != {count}:
            self.assertLess(time.monotonic() - started, seconds, self.said())
            time.sleep(0.05)
        return time.monotonic() - started

    def test_two_workers(self):
        """It holds in both within RULES_REFRESH_S and a second, ends by itself, or when told."""
        self.settings(RULES_REFRESH_S=REFRESH_S, FLUSH_INTERVAL_S=0.5)
        self.serve(*GUNICORN, "--workers=2", "--threads=2")
        self.wait_for(1, 10)
        while not self.calls():
            time.sleep(0.05)
        mute = ("signalscope", "mute", "--receiver", "hear_ping", "--reason", "it is slow")
        said = self.run_django(*mute, "--for", "6s", "--by", "alice")
        self.assertIn("Set rule 1, until", said)
        # Known from what the workers have stored.
        self.assertRegex(said, r"hear_ping +not connected here +[1-9]")
        took = self.wait_for(0, REFRESH_S + 1)
        # It ends by itself, though nobody asks for it.
        self.wait_for(1, 6.5 - took)
        said = self.run_django(*mute, "--for-good")
        self.assertIn("Set rule 2, for good", said)
        self.wait_for(0, REFRESH_S + 1)
        self.assertIn("1 rule has ended", self.run_django("signalscope", "unmute", "2"))
        self.wait_for(1, REFRESH_S + 1)
        self.end()
        self.check_records()

    def check_records(self):
        """The calls that were kept out are counted as muted; each change is in the log."""
        ((called, muted),) = self.query(
            "SELECT SUM(call_count), SUM(muted_count) FROM signalscope_rollup"
            " WHERE receiver = 'tests.process.receivers.hear_ping'"
        )
        self.assertEqual(called + muted, self.request_count)
        self.assertGreater(muted, 10)
        entries = self.query(
            "SELECT action, object_key, actor_label FROM signalscope_activitylog"
            " WHERE action LIKE 'rule_%' ORDER BY id"
        )
        self.assertEqual(
            [entry[:2] for entry in entries],
            [("rule_set", "1"), ("rule_set", "2"), ("rule_ended", "2")],
        )
        self.assertEqual(entries[0][2], "alice")

    def test_idle_worker(self):
        """A worker that was idle follows with its first request, not a whole interval later."""
        self.settings(RULES_REFRESH_S=REFRESH_S)
        self.serve(*GUNICORN, "--workers=1", "--threads=2")
        self.get("/heard/")
        # Until it has looked, and found that nothing happens.
        time.sleep(2 * REFRESH_S + 0.5)
        self.run_django("signalscope", "mute", "--receiver", "hear_ping", "--reason", "slow")
        started = time.monotonic()
        while self.get("/heard/").endswith("1"):
            self.assertLess(time.monotonic() - started, REFRESH_S / 2, self.said())
            time.sleep(0.02)
        self.end()
