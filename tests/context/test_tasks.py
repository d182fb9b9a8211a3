"""Tasks of django.tasks: each has a trace, and what runs at once runs for its sender."""

import asyncio
import unittest

import django
from django.test import SimpleTestCase

import signalscope
from signalscope import SignalContext
from signalscope.context import running_actor
from signalscope.recorder.strands import running_trace

# What the tasks found out.
seen = []


def tell():
    """Note who is behind the task, and what its trace is."""
    trace = running_trace()
    name = trace.find_name().rpartition(".")[2]
    label = running_actor(may_query=False).label
    seen.append((label, trace.trigger, name, trace.find_correlation_id()))


def fail():
    """Fail, with the trace at hand."""
    seen.append(running_trace())
    raise ValueError("no such order")


def nest():
    """Queue another task, and go on."""
    make_task(tell).enqueue()
    tell()


def make_task(function):
    """Return the task of a function."""
    from django.tasks import task

    return task(function)


@unittest.skipIf(django.VERSION < (6, 0), "django.tasks is new in Django 6.0")
class TaskTests(SimpleTestCase):
    """The immediate backend, which runs a task where it is queued."""

    def setUp(self):
        seen.clear()
        self.assertIsNone(running_trace())

    def tearDown(self):
        self.assertIsNone(running_trace())

    def test_context(self):
        """It runs for its sender, in a trace of its own that has the sender's id."""
        with signalscope.trace("import"), SignalContext.use(user="cron"):
            outer = running_trace()
            correlation_id = outer.share_correlation_id()
            make_task(tell).enqueue()
            self.assertIs(running_trace(), outer)
        self.assertEqual(seen, [("cron", "task", "tell", correlation_id)])

    def test_async(self):
        """So it does when it is queued from an event loop."""

        async def queue():
            with SignalContext.use(user="cron"):
                await make_task(tell).aenqueue()

        asyncio.run(queue())
        self.assertEqual(seen, [("cron", "task", "tell", "")])

    def test_nested(self):
        """A task in a task has a trace of its own, and the outer one goes on after it."""
        make_task(nest).enqueue()
        self.assertEqual([one[2] for one in seen], ["tell", "nest"])

    def test_failure(self):
        """The trace of a task that fails has failed, and nothing is left."""
        with self.assertLogs("django.tasks", "ERROR"):
            make_task(fail).enqueue()
        self.assertEqual((seen[0].status, seen[0].find_name()[-4:]), ("error", "fail"))
        self.assertGreater(seen[0].ended_ns, 0)
