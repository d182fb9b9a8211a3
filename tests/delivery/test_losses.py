"""A database and a broker that go away, and workers of Celery that are killed: nothing is lost."""

import os
import signal
import sys
import tempfile
import time
import unittest

import redis

from tests.delivery.workers import Deliveries
from tests.faults.servers import Postgres, Server, program
from tests.process import site

# The whole test takes minutes: DELIVERY_COUNT=10000.
COUNT = int(os.environ.get("DELIVERY_COUNT", "1000"))


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
        # One that has a delivery in hand notes what became of it as soon as it can; one that has
        # none says why.
        idle = self.deliver("--queue=other")
        self.wait_for("state <> 'done'", COUNT * 2 // 3)
        self.postgres.stop()
        time.sleep(1)
        self.postgres.start()
        self.wait_for("state <> 'done'", 0)
        for worker in workers:
            self.assertIn("Delivered: done ", self.end(worker))
        doubles = self.assert_nothing_lost(COUNT)
        self.assert_never_two_at_once()
        self.assertIn("cannot be read", self.end(idle))
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
