"""A real Celery worker whose children are forked."""

import json
import os
import signal
import uuid

import amqp
import redis

from tests.process.test_servers import ServerTestCase

REDIS = os.environ.get("REDIS_URL", "redis://127.0.0.1:6379/0")
RABBITMQ = os.environ.get("RABBITMQ_HOST", "127.0.0.1")
SEND = (
    "import json",
    "from tests.process.celery_app import send_one",
    "results = [send_one.delay() for _ in range(40)]",
    "print(json.dumps([result.get(timeout=30) for result in results]))",
)


class CeleryTestCase(ServerTestCase):
    """Has a worker, and its own keys in Redis."""

    def setUp(self):
        super().setUp()
        prefix = f"signalscope-{uuid.uuid4().hex}-"
        self.environment |= {"SITE_PREFIX": prefix, "REDIS_URL": REDIS, "BROKER_URL": REDIS}
        self.addCleanup(self.clean, prefix)

    def clean(self, prefix):
        """Leave nothing in Redis."""
        with redis.Redis.from_url(REDIS) as client:
            for key in client.scan_iter(f"{prefix}*"):
                client.delete(key)

    def launch_worker(self, *options):
        """Start a worker with two children."""
        self.launch(
            "celery", "-A", "tests.process.celery_app", "worker", "--pool=prefork",
            "--concurrency=2", "--without-gossip", "--without-mingle", "--without-heartbeat",
            *options,
        )  # fmt: skip


class CeleryTests(CeleryTestCase):
    """Children of the pool end by os._exit(), which Python gives no hook for."""

    def work(self, *options):
        """Run forty tasks; return in how many processes they ran."""
        self.launch_worker(*options)
        return len(set(json.loads(self.run_script(*SEND))))

    def test_warm_shutdown(self):
        """SIGTERM lets the children finish, and all is stored."""
        self.assertEqual(self.work(), 2)
        self.end()
        self.assert_stored(40)
        self.assertEqual(self.rows(), 40)

    def test_max_tasks_per_child(self):
        """A child that is replaced after some tasks has stored all of them."""
        self.assertGreaterEqual(self.work("--max-tasks-per-child=8"), 5)
        self.end()
        self.assert_stored(40)

    def test_sigterm_to_all(self):
        """systemd and others send SIGTERM to the children as well."""
        self.work()
        self.end(signal.SIGTERM, to_group=True)
        self.assert_stored(40)


class ContextTests(CeleryTestCase):
    """Tasks run for whoever queued them."""

    def setUp(self):
        super().setUp()
        self.environment["SITE_APPS"] = json.dumps(["signalscope.contrib.celery"])

    def send(self):
        """Queue tasks for two users and for nobody; return what they told."""
        script = (
            "import django, json; django.setup()",
            "import signalscope",
            "from django.contrib.auth.models import User",
            "from django.test import RequestFactory",
            "from tests.process.celery_app import fail_one, tell_one",
            "results = []",
            "for name in ('ann', 'bob'):",
            "    request = RequestFactory().get('/', headers={'X-Request-ID': f'id-{name}'})",
            "    request.user = User.objects.create_user(name)",
            "    signalscope.SignalContext.set_request(request)",
            "    with signalscope.SignalContext.use(reason='import'):",
            "        results += [tell_one.delay() for _ in range(10)]",
            "        failed = fail_one.delay()",
            "signalscope.SignalContext.clear()",
            "results += [tell_one.delay() for _ in range(10)]",
            "failed.wait(propagate=False, timeout=30)",
            "print(json.dumps([result.get(timeout=30) for result in results]))",
        )
        return json.loads(self.run_script(*script))

    def assert_carried(self):
        """Each task knew its sender, in both children, and so does each trace."""
        self.launch_worker()
        expected = [[name, name, "127.0.0.1", "import"] for name in ("ann", "bob")]
        self.assertEqual(
            self.send(),
            [expected[0]] * 10 + [expected[1]] * 10 + [[None, "", "", ""]] * 10,
        )
        os.kill(self.server.pid, signal.SIGTERM)
        self.assertEqual(self.server.wait(timeout=30), 0, self.said())
        rows = self.query(
            "SELECT name, status, user_label, correlation_id, COUNT(*) FROM signalscope_trace"
            " WHERE trigger = 'task' GROUP BY 1, 2, 3, 4 ORDER BY 1, 3"
        )
        told, failed = "tests.process.celery_app.tell_one", "tests.process.celery_app.fail_one"
        self.assertEqual(
            rows,
            [
                (failed, "error", "ann", "id-ann", 1),
                (failed, "error", "bob", "id-bob", 1),
                (told, "ok", "", "", 10),
                (told, "ok", "ann", "id-ann", 10),
                (told, "ok", "bob", "id-bob", 10),
            ],
        )

    def test_redis(self):
        """By way of Redis."""
        self.assert_carried()

    def test_rabbitmq(self):
        """By way of RabbitMQ, which has headers of its own."""
        prefix = self.environment["SITE_PREFIX"]
        try:
            connection = amqp.Connection(f"{RABBITMQ}:5672")
            connection.connect()
        except OSError:
            if "CI" in os.environ:
                raise
            self.skipTest("RabbitMQ does not answer")
        self.addCleanup(connection.close)
        self.addCleanup(connection.channel().queue_delete, f"{prefix}tasks")
        self.environment["BROKER_URL"] = f"amqp://guest:guest@{RABBITMQ}:5672//"
        self.assert_carried()
