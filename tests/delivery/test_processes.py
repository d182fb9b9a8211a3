"""Several workers, databases that go away, and processes that are killed: nothing is lost."""

import os
import signal
import sys
import tempfile
import time
import unittest
from collections import defaultdict
from itertools import pairwise

import redis

from tests.faults.servers import Postgres, Server, program
from tests.process import site

# The whole test takes minutes: DELIVERY_COUNT=10000.
COUNT = int(os.environ.get("DELIVERY_COUNT", "1000"))
TABLE = (
    "CREATE TABLE runs (number INTEGER, process INTEGER, started DOUBLE PRECISION,"
    " ended DOUBLE PRECISION)"
)
DELIVER = ("-m", "django", "signalscope", "deliver")


class Redis(Server):
    """A Redis of the test's own, so that it may be emptied."""

    clean_end = signal.SIGTERM

    def making(self):
        """Return a command that does nothing: there is no data to begin with."""
        return [sys.executable, "-c", "import os; os.mkdir('data')"]

    def command(self):
        """Return the command that runs it."""
        return [
            program("redis-server"), "--port", str(self.port), "--bind", "127.0.0.1",
            "--save", "", "--appendonly", "no",
        ]  # fmt: skip

    def connect(self, database=None):
        """Return a client that answers."""
        client = redis.Redis(port=self.port)
        client.ping()
        return client


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


class PrivateTestCase(Deliveries, unittest.TestCase):
    """A site on a PostgreSQL of its own, that may be stopped."""

    start = site.ProcessTestCase.start
    settings = site.ProcessTestCase.settings

    def setUp(self):
        self.servers = []
        self.postgres = self.serve(Postgres)
        self.postgres.make_database("site")
        self.environment = site.environment("postgres", "site")
        self.environment |= {"POSTGRES_HOST": "127.0.0.1", "POSTGRES_USER": "postgres"}
        self.environment |= {"POSTGRES_PORT": str(self.postgres.port)}
        migration = self.start("-m", "django", "migrate", "--verbosity=0")
        self.assertEqual((migration.communicate(), migration.returncode)[1], 0)
        self.prepare()

    def serve(self, kind):
        """Start a server of the test's own."""
        folder = self.enterContext(tempfile.TemporaryDirectory())
        server = kind(folder)
        self.addCleanup(server.stop, signal.SIGKILL)
        server.start()
        return server

    def query(self, statement):
        """Run a statement, and return its rows."""
        with self.postgres.connect("site") as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


class RestartTests(PrivateTestCase):
    """The database is restarted while three workers run."""

    def test_restart(self):
        """Nothing is lost, none is run by two at once, and the workers go on by themselves."""
        self.send(f"durable.send_and_die({COUNT})")
        workers = [self.deliver() for _ in range(3)]
        self.wait_for("state <> 'done'", COUNT * 2 // 3)
        self.postgres.stop()
        time.sleep(1)
        self.postgres.start()
        self.wait_for("state <> 'done'", 0)
        said = [self.end(worker) for worker in workers]
        doubles = self.assert_nothing_lost(COUNT)
        self.assert_never_two_at_once()
        self.assertTrue(any("cannot be read" in text for text in said), said)
        print(f"\n{COUNT} delivered, database restarted once: 0 lost, {doubles} run again")


class CeleryTests(PrivateTestCase):
    """Celery's workers are killed again and again, and its queue is emptied."""

    is_whole = COUNT >= 10_000
    kill_count = 10 if is_whole else 3
    delivery = {"lease_s": 5, "hand_over_s": 60 if is_whole else 15, "backend": "celery"}

    def setUp(self):
        super().setUp()
        self.redis = self.serve(Redis)
        url = f"redis://127.0.0.1:{self.redis.port}/0"
        self.environment |= {"BROKER_URL": url, "REDIS_URL": url, "SITE_PREFIX": "killed-"}
        # Most of a worker's time, so that a kill finds it at work.
        self.environment["SITE_PAUSE_S"] = "0.02"

    def launch_worker(self):
        """Start a worker of Celery's with two children."""
        log = tempfile.TemporaryFile("w+")  # noqa: SIM115
        self.addCleanup(log.close)
        worker = self.start(
            "-m", "celery", "-A", "tests.process.celery_app", "worker", "--pool=prefork",
            "--concurrency=2", "--without-gossip", "--without-mingle", "--without-heartbeat",
            log=log,
        )  # fmt: skip
        self.addCleanup(self.kill, worker)
        return worker

    def by_celery(self, deliver):
        """Return how many runs Celery's workers have begun so far."""
        ((found,),) = self.query(f"SELECT COUNT(*) FROM runs WHERE process <> {deliver.pid}")
        return found

    def wait_for_celery(self, deliver, count):
        """Wait until Celery's workers have begun so many runs."""
        ends_at = time.monotonic() + 300
        while (found := self.by_celery(deliver)) < count:
            self.assertLess(time.monotonic(), ends_at, found)
            time.sleep(0.01)

    def begin_to_send(self, first, last):
        """Start a process that sends."""
        return self.start(
            "-c",
            "import django; django.setup(); from tests.process import celery_app, durable;"
            f" durable.send_in_tens({first}, {last})",
        )

    def test_killed(self):
        """Nothing is lost; what was begun and not ended in time is run again, and counted."""
        worker = self.launch_worker()
        senders = [self.begin_to_send(0, COUNT // 2)]
        deliver = self.deliver()
        for number in range(self.kill_count):
            self.wait_for_celery(deliver, (number + 1) * COUNT // 100)
            self.kill(worker)
            if number == self.kill_count // 2:
                self.redis.connect().flushall()
                senders.append(self.begin_to_send(COUNT // 2, COUNT))
            worker = self.launch_worker()
        for sender in senders:
            _, errors = sender.communicate(timeout=600)
            self.assertEqual(sender.returncode, 0, errors)
        self.wait_for("state <> 'done'", 0, timeout_s=1800)
        said = self.end(deliver)
        doubles = self.assert_nothing_lost(COUNT)
        ((lapses,),) = self.query("SELECT SUM(lapse_count) FROM signalscope_delivery")
        self.assertGreater(lapses, 0)
        # What was claimed and not begun, or ended and not noted, is no double.
        self.assertLessEqual(doubles, lapses)
        print(
            f"\n{COUNT} with Celery, workers killed {self.kill_count} times, Redis emptied once: "
            f"0 lost, {lapses} leases ended, {doubles} run again; "
            f"{self.by_celery(deliver)} runs by Celery; {said.splitlines()[-1]}"
        )
