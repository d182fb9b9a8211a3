"""Deferred calls as tasks of django.tasks, or of the package before Django 6.0."""

import json
import subprocess
import sys
import unittest
from datetime import timedelta
from importlib.util import find_spec

import django
from django.core.exceptions import ImproperlyConfigured
from django.test import SimpleTestCase, override_settings
from django.utils import timezone

import signalscope
from signalscope import SignalContext, checks, deferred, wiring
from signalscope.delivery.jobs import Job, make_job
from signalscope.delivery.options import Options
from signalscope.delivery.receivers import deferred_receivers
from signalscope.delivery.traces import DJANGO_TASK
from signalscope.exceptions import UnreadablePayload
from signalscope.recorder.strands import running_trace
from tests.delivery.receivers import by_setting, seen, tell
from tests.shop.signals import order_paid
from tests.trees import connected

PACKAGE = "django.tasks" if django.VERSION >= (6, 0) else "django_tasks"
IS_THERE = django.VERSION >= (6, 0) or find_spec("django_tasks") is not None
NAME = "tests.delivery.receivers"
DUMMY = {"default": {"BACKEND": f"{PACKAGE}.backends.dummy.DummyBackend", "QUEUES": []}}
IMMEDIATE = {"default": {"BACKEND": f"{PACKAGE}.backends.immediate.ImmediateBackend", "QUEUES": []}}


def backend():
    """Return signalscope's module, which needs the package."""
    from signalscope.delivery.backends import tasks

    return tasks


def problems_here():
    """Return what checks say of receivers in the module; other tests may have some of their own."""
    return [one for one in checks.check_delivery(None) if f"{NAME}." in one.msg]


@unittest.skipUnless(IS_THERE, "django-tasks is not installed, and Django is older than 6.0")
class TasksTests(SimpleTestCase):
    """What is queued, and what a worker does with it."""

    def setUp(self):
        seen.clear()

    def job(self, name, **options):
        """Return a job for one of the receivers."""
        return make_job(f"{NAME}.{name}", Options(**options), order_paid, None, {})

    @override_settings(TASKS=DUMMY)
    def test_queued(self):
        """A task has the job as JSON, its queue, and the time at which it is due."""
        results = backend().run.get_backend().results
        backend().enqueue(self.job("note"))
        backend().enqueue(self.job("note", queue="mail", delay=60))
        self.assertEqual([one.task.queue_name for one in results], ["default", "mail"])
        self.assertIsNone(results[0].task.run_after)
        left = results[1].task.run_after - timezone.now()
        self.assertTrue(timedelta(seconds=50) < left <= timedelta(seconds=60))
        self.assertEqual(results[0].task.module_path, DJANGO_TASK)
        ((told,),) = [one.args for one in results[:1]]
        self.assertEqual(Job.from_dict(json.loads(json.dumps(told))).receiver, f"{NAME}.note")

    @override_settings(TASKS=IMMEDIATE, SIGNALSCOPE={"DELIVERY": {"backend": "tasks"}})
    def test_dispatch(self):
        """A receiver is run by the task."""
        with connected(order_paid, by_setting):
            order_paid.send(sender=None, number=7)
        self.assertEqual(seen[0]["number"], 7)

    @override_settings(TASKS=IMMEDIATE)
    def test_one_trace(self):
        """The task's own trace, where it has one, becomes the receiver's."""
        recorder, found = wiring.scope().recorder, []
        original = recorder._end

        def end(trace, status=""):
            found.append((trace.trigger, trace.find_name(), trace.find_correlation_id()))
            original(trace, status)

        recorder._end = end
        self.addCleanup(recorder.__dict__.pop, "_end", None)
        with signalscope.trace("import"), SignalContext.use(user="cron"):
            correlation_id = running_trace().share_correlation_id()
            backend().enqueue(self.job("tell"))
        self.assertEqual(
            found,
            [("task", f"{NAME}.tell", correlation_id), ("block", "import", correlation_id)],
        )
        ((_, actor, _),) = seen
        self.assertEqual((actor.label, tell.__name__), ("cron", "tell"))

    @override_settings(TASKS=DUMMY)
    def test_retry(self):
        """A task that fails has failed, and queues the next attempt after a pause."""
        results = backend().run.get_backend().results
        with self.assertRaisesMessage(ValueError, "on purpose"):
            backend().run.func(self.job("fail", retries=1).to_dict())
        ((told,),) = [one.args for one in results]
        self.assertEqual(told["attempts"], 1)
        self.assertGreater(results[0].task.run_after, timezone.now())
        with self.assertRaisesMessage(ValueError, "on purpose"):
            backend().run.func(told)
        self.assertEqual((len(results), seen), (1, ["tried", "tried"]))

    @override_settings(TASKS=IMMEDIATE)
    def test_retry_without_pause(self):
        """Where tasks cannot wait, the next attempt is made at once."""
        with self.assertLogs(PACKAGE, "ERROR"):
            backend().enqueue(self.job("fail", retries=2))
        self.assertEqual(seen, ["tried"] * 3)

    @override_settings(TASKS=DUMMY)
    def test_unreadable(self):
        """What cannot be read is not tried again."""
        told = {**self.job("note", retries=3).to_dict(), "receiver": f"{NAME}.gone"}
        with self.assertLogs("signalscope.delivery"), self.assertRaises(UnreadablePayload):
            backend().run.func(told)
        self.assertEqual(backend().run.get_backend().results, [])

    @override_settings(TASKS=IMMEDIATE)
    def test_delay_that_cannot_be(self):
        """A delay is refused where tasks cannot wait, and a system check says so before."""
        with self.assertRaisesMessage(ImproperlyConfigured, "ImmediateBackend, cannot let tasks"):
            backend().enqueue(self.job("note", delay=5))
        with override_settings(SIGNALSCOPE={"DELIVERY": {"backend": "tasks"}}):
            self.assertEqual(problems_here(), [])
        deferred(backend="tasks", delay=5)(by_setting.__wrapped__)
        self.addCleanup(deferred_receivers._by_name[f"{NAME}.by_setting"].pop)
        (found,) = problems_here()
        self.assertEqual(found.id, "signalscope.E007")
        self.assertIn(f"{NAME}.by_setting is deferred to the backend 'tasks': it cannot", found.msg)

    def test_queues(self):
        """Where the project's backend knows no queue "default", another one of its own is used."""
        script = (
            "import django; from django.conf import settings\n"
            f"settings.configure(TASKS={{'default': {{**{IMMEDIATE['default']!r}, "
            "'QUEUES': ['b', 'a']}})\n"
            "django.setup()\n"
            "from signalscope.delivery.backends.tasks import run; print(run.queue_name)"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        self.assertEqual(done.stdout, "a\n")


class MissingTests(SimpleTestCase):
    """What a backend needs and is not installed."""

    def find_problem(self, name, *missing):
        """Return what is said in a process that lacks some packages."""
        script = (
            f"import sys; sys.modules.update(dict.fromkeys({missing!r}))\n"
            "import django; from django.conf import settings; settings.configure()\n"
            "django.setup()\n"
            "from signalscope.delivery.handing import find_problem\n"
            "from signalscope.delivery.options import Options\n"
            f"print(find_problem(Options(backend={name!r})))"
        )
        done = subprocess.run(
            [sys.executable, "-c", script], capture_output=True, text=True, check=True
        )
        return done.stdout.strip()

    def test_tasks(self):
        """Without both packages it says what to install."""
        said = self.find_problem("tasks", "django.tasks", "django_tasks")
        self.assertIn("needs Django 6.0 or later, or: pip install django-tasks", said)

    def test_celery(self):
        """So it does without Celery."""
        said = self.find_problem("celery", "celery")
        self.assertIn("needs Celery 5.5 or later: pip install signalscope[celery]", said)

    def test_threads(self):
        """Threads need nothing."""
        self.assertEqual(self.find_problem("thread", "celery"), "")
