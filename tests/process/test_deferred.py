"""Deferred receivers in real processes: a worker of Celery's, and threads of the sender's."""

import json
import os
import signal
import time
from pathlib import Path

import amqp
import redis

from tests.process.test_celery import RABBITMQ, REDIS, CeleryTestCase


def _answers(url):
    try:
        with redis.Redis.from_url(url, socket_connect_timeout=1) as client:
            return bool(client.ping())
    except redis.ConnectionError:
        return False


class DeferringTestCase(CeleryTestCase):
    """Runs scripts that put calls off, and reads what the receivers wrote down."""

    delivery = {"backend": "celery"}

    def setUp(self):
        if not _answers(REDIS) and "CI" not in os.environ:
            self.skipTest(f"Redis does not answer at {REDIS}: no worker can be tried")
        super().setUp()
        self.found = Path(self.folder) / "found"
        self.found.touch()
        self.environment["SITE_FOUND"] = str(self.found)
        self.settings(DELIVERY=self.delivery)

    def send(self, *lines, status=0):
        """Run a script that queues calls."""
        return self.run_script(
            "import django; django.setup()",
            "from django.contrib.auth.models import User",
            "from django.db import transaction",
            "import signalscope",
            "from tests.process import celery_app, deferring",
            "from tests.shop.models import Order",
            *lines,
            status=status,
        )

    def lines(self):
        """Return what the calls wrote down so far, without the processes' ids."""
        return [json.loads(line)[1:] for line in self.found.read_text().splitlines()]

    def wait_for(self, count):
        """Return what so many calls wrote down."""
        for _ in range(600):
            if len(self.lines()) >= count:
                break
            self.assertIsNone(self.server.poll(), self.said())
            time.sleep(0.05)
        self.assertEqual(len(self.lines()), count, self.said())
        return self.lines()

    def use_rabbitmq(self):
        """Let RabbitMQ be the broker."""
        prefix = self.environment["SITE_PREFIX"]
        try:
            connection = amqp.Connection(f"{RABBITMQ}:5672")
            connection.connect()
        except OSError:
            if "CI" in os.environ:
                raise
            self.skipTest(f"RabbitMQ does not answer at {RABBITMQ}")
        self.addCleanup(connection.close)
        self.addCleanup(connection.channel().queue_delete, f"{prefix}tasks")
        self.environment["BROKER_URL"] = f"amqp://guest:guest@{RABBITMQ}:5672//"


class ThreadBackendTests(DeferringTestCase):
    """Threads of the sender's own process."""

    delivery = {"backend": "thread"}

    def test_end(self):
        """What is due as the process ends is run before, and recorded."""
        self.send("for number in range(20):", "    Order.objects.create(number=number)")
        self.assertCountEqual([line[3] for line in self.lines()], map(str, range(20)))
        expected = ("tests.process.deferring.tell_of_order", "ok")
        self.assertEqual(self.traces("task"), [expected] * 20)

    def test_sigterm(self):
        """What is due is run where SIGTERM ends the process by its default action."""
        self.send(
            "import os, signal, time",
            "for number in range(5): Order.objects.create(number=str(number))",
            "os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)",
            status=-signal.SIGTERM,
        )
        self.assertEqual(len(self.lines()), 5)

    def test_fork(self):
        """A child has threads of its own, and runs nothing of its parent's."""
        self.send(
            "import os",
            "Order.objects.create(number='parent')",
            # SQLite has locks that a child would find closed for ever.
            "import time",
            "from signalscope.delivery.backends.thread import pool",
            "while pool._running or pool._waiting: time.sleep(0.01)",
            "from django.db import connections",
            "connections.close_all()",
            "child = os.fork()",
            "if child == 0:",
            "    Order.objects.create(number='child')",
            "    from signalscope.delivery.backends.thread import pool",
            "    pool.stop(20)",
            "    os._exit(0)",
            "assert os.waitpid(child, 0)[1] == 0",
        )
        self.assertEqual(sorted(line[3] for line in self.lines()), ["child", "parent"])


class CeleryBackendTests(DeferringTestCase):
    """What a worker is told, and what is recorded."""

    def assert_carried(self):
        """Calls run for their senders, with their arguments, each in one trace."""
        self.launch_worker()
        self.send(
            "for name in ('ann', 'bob'):",
            "    user = User.objects.create_user(name)",
            "    with signalscope.SignalContext.use(user=user, reason='import'):",
            "        with signalscope.trace('import'), transaction.atomic():",
            "            order = Order(number=name)",
            "            Order.objects.bulk_create([order])",
            "            for number in range(10):",
            "                deferring.order_paid.send(sender=Order, order=order, number=number)",
        )
        found = sorted(self.wait_for(20))
        for number, name in enumerate(("ann", "bob")):
            of_name = found[number * 10 : number * 10 + 10]
            (correlation_id,) = {line[3] for line in of_name}
            self.assertEqual(len(correlation_id), 32)
            self.assertEqual(
                of_name, [["tell", name, "import", correlation_id, name, n] for n in range(10)]
            )
        self.end()
        rows = self.query(
            "SELECT name, status, user_label, COUNT(*), COUNT(DISTINCT correlation_id)"
            " FROM signalscope_trace WHERE trigger = 'task' GROUP BY 1, 2, 3 ORDER BY 3"
        )
        name = "tests.process.deferring.tell"
        self.assertEqual(rows, [(name, "ok", "ann", 10, 1), (name, "ok", "bob", 10, 1)])
        ((method, outcome, count),) = self.query(
            "SELECT method, outcome, COUNT(*) FROM signalscope_receivercall c"
            " JOIN signalscope_dispatch d ON d.id = c.dispatch_id"
            f" WHERE receiver = '{name}' AND method = 'deferred' GROUP BY 1, 2"
        )
        self.assertEqual((method, outcome, count), ("deferred", "ok", 20))

    def test_redis(self):
        """By way of Redis."""
        self.assert_carried()

    def test_rabbitmq(self):
        """By way of RabbitMQ."""
        self.use_rabbitmq()
        self.assert_carried()

    def test_with_traces_of_tasks(self):
        """Where tasks have traces, and carry their context, a call has one all the same."""
        self.environment["SITE_APPS"] = json.dumps(["signalscope.contrib.celery"])
        self.assert_carried()

    def test_instances(self):
        """A row is read anew; of one that is gone the snapshot arrives."""
        self.send(
            "order = Order.objects.create(number='1')",
            "with transaction.atomic():",
            "    Order.objects.create(number='2')",
            "    transaction.set_rollback(True)",
            "Order.objects.filter(pk=order.pk).update(number='3')",
            "Order.objects.create(number='4')",
            "order.delete()",
        )
        self.launch_worker()
        found = sorted(self.wait_for(3))
        self.assertEqual([line[1] for line in found], [False, False, True])
        # The first was deleted before it could be read.
        self.assertEqual(sorted(line[3] for line in found), ["1", "1", "4"])

    def test_whole_dispatch_is_retried(self):
        """A dispatch whose receiver fails is brought again."""
        self.settings(DELIVERY={"backend": "celery", "retries": 2})
        self.launch_worker()
        self.send(f"deferring.order_shipped.send_async(None, place={self.folder + '/place'!r})")
        self.assertEqual(self.wait_for(2), [["failed"], ["shipped"]])

    def test_class_of_signals(self):
        """A worker knows the task also where nothing but a signal's class says Celery."""
        self.settings(DELIVERY={})
        self.run_script(
            "import django; django.setup()",
            "from celery import current_app",
            "from django.dispatch import Signal",
            "from signalscope import AsyncSignalMixin",
            "type('Own', (AsyncSignalMixin, Signal), {'backend': 'celery'})",
            "current_app.finalize()",
            "assert 'signalscope.run' in current_app.tasks",
        )

    def test_arguments_are_not_shown(self):
        """What Celery's logs and monitors show of a call has no arguments, in no attempt."""
        self.send(
            "from celery.exceptions import Retry",
            "from celery.signals import before_task_publish",
            "from signalscope.delivery.backends.celery import enqueue, run",
            "from signalscope.delivery.jobs import make_job",
            "from signalscope.delivery.options import Options",
            "shown = []",
            "note = lambda headers, **kwargs: shown.append(headers['argsrepr'])",
            "before_task_publish.connect(note)",
            "job = make_job('tests.process.deferring.tell', Options(retries=1),",
            "               deferring.order_paid, None, {'order': None, 'number': 7})",
            "enqueue(job)",
            "run.push_request(args=[job.to_dict()], kwargs={}, called_directly=False)",
            "try:",
            "    run.run(job.to_dict())",
            "except Retry:",
            "    pass",
            "assert shown == [f'(tests.process.deferring.tell, {job.key})'] * 2, shown",
        )

    def test_unreadable(self):
        """A call of a receiver that is gone is logged and recorded, and the worker goes on."""
        self.launch_worker()
        self.send(
            "from dataclasses import replace",
            "from signalscope.delivery.handing import hand_over",
            "from signalscope.delivery.jobs import make_job",
            "from signalscope.delivery.options import Options",
            "order = Order.objects.bulk_create([Order(number='1')])[0]",
            "job = make_job('tests.process.deferring.tell', Options(),",
            "               deferring.order_paid, None, {'order': order, 'number': 7})",
            "hand_over(replace(job, receiver='tests.process.deferring.gone'), 'celery')",
            "hand_over(replace(job, receiver='os.system'), 'celery')",
            "hand_over(job, 'celery')",
        )
        self.assertEqual(self.wait_for(1)[0][-1], 7)
        os.kill(self.server.pid, signal.SIGTERM)
        self.assertEqual(self.server.wait(timeout=30), 0, self.said())
        self.assertIn("there is no receiver 'tests.process.deferring.gone'", self.said())
        self.assertEqual(
            sorted(self.traces("task")),
            [("os.system", "error"), ("tests.process.deferring.gone", "error"),
             ("tests.process.deferring.tell", "ok")],
        )  # fmt: skip
