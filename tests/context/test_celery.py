"""Celery's tasks run for whoever queued them: messages, eager tasks, and a worker's steps."""

import json
from types import SimpleNamespace
from unittest import mock

from celery import Celery, signals
from celery.app.trace import build_tracer
from django.contrib.auth import get_user_model
from django.test import SimpleTestCase, TestCase

import signalscope
from signalscope import SignalContext, wiring
from signalscope.context import CONTEXT, NOBODY, Actor, running_actor
from signalscope.contrib.celery import receivers
from signalscope.core import faults
from signalscope.recorder import message
from signalscope.recorder.strands import running_trace

app = Celery("tests", broker="memory://", backend="disabled", set_as_current=False)
ACTOR = Actor("7", "ann", "203.0.113.7", "browser", "abc", "import")


# What the tasks found out.
seen = []


@app.task(shared=False)
def tell():
    """Note who is behind the task, and what its trace is."""
    trace = running_trace()
    told = None
    if trace is not None:
        told = trace.trigger, trace.find_name(), trace.find_correlation_id()
    seen.append((running_actor(may_query=True), told))


@app.task(shared=False)
def fail():
    """Fail."""
    raise ValueError("no such order")


@app.task(shared=False, bind=True, max_retries=2)
def retry(self):
    """Try three times."""
    if self.request.retries < 2:
        raise self.retry(countdown=0)
    tell.run()


class CeleryTestCase(SimpleTestCase):
    """Connects the receivers, and sees that nothing is left of a task."""

    def setUp(self):
        seen.clear()
        receivers.connect()
        self.addCleanup(SignalContext.clear)

    def tearDown(self):
        self.assertIsNone(receivers.RUNNING.get())
        self.assertIsNone(running_trace())


class MessageTests(CeleryTestCase):
    """What a message carries."""

    def published(self, task):
        """Publish a task; return the headers of its message."""
        found = []

        def see(headers, **kwargs):
            found.append(headers)

        signals.after_task_publish.connect(see, weak=False)
        try:
            task.delay()
        finally:
            signals.after_task_publish.disconnect(see)
        return found[0]

    def test_nothing_is_known(self):
        """A message of nobody is as it always was."""
        self.assertNotIn(receivers.HEADER, self.published(tell))

    def test_plain_texts(self):
        """All of it is JSON, and comes back as it was."""
        with SignalContext.use(
            user=get_user_model()(pk=7, username="ann"),
            ip_address="203.0.113.7",
            user_agent="browser",
            reason="import",
        ):
            header = self.published(tell)[receivers.HEADER]
        self.assertEqual(
            json.loads(json.dumps(header)),
            {
                "key": "7",
                "label": "ann",
                "ip_address": "203.0.113.7",
                "user_agent": "browser",
                "reason": "import",
            },
        )
        self.assertEqual(message.read(header).key, "7")

    def test_correlation_id(self):
        """A trace without an id gets one, so that the task's trace can be found by it."""
        with signalscope.trace("import"):
            header = self.published(tell)[receivers.HEADER]
            again = self.published(tell)[receivers.HEADER]
            self.assertEqual(header, {"correlation_id": running_trace().find_correlation_id()})
        self.assertEqual(len(header["correlation_id"]), 32)
        self.assertEqual(header, again)

    def test_strangers(self):
        """What somebody else put there is ignored, and long texts are cut."""
        for value in (None, "x", 5, ["key"], {"key": 5}, {"label": {"a": "b"}}, {"other": "x"}):
            self.assertEqual(message.read(value), NOBODY, value)
        self.assertEqual(message.read({"key": "x" * 1000, "more": 1}), Actor("x" * 255))


class EagerTests(CeleryTestCase):
    """Tasks that are run at once, without a broker."""

    def setUp(self):
        super().setUp()
        app.conf.task_always_eager = True
        self.addCleanup(setattr, app.conf, "task_always_eager", False)

    def test_context(self):
        """It runs in its sender's context, below the sender's trace."""
        with signalscope.trace("import"), SignalContext.use(user="cron"):
            outer = running_trace()
            correlation_id = outer.share_correlation_id()
            tell.delay()
            ((actor, trace),) = seen
            self.assertEqual(actor.label, "cron")
            self.assertEqual(trace, ("task", tell.name, correlation_id))
            self.assertIs(running_trace(), outer)
            self.assertEqual(running_actor(may_query=False).label, "cron")

    def test_alone(self):
        """Nobody is behind it, and it has a trace all the same."""
        tell.delay()
        self.assertEqual(seen, [(NOBODY, ("task", tell.name, ""))])

    def test_failure(self):
        """A task that fails leaves nothing, and its trace has failed."""
        with closed_traces() as traces, SignalContext.use(user="cron"):
            self.assertIsInstance(fail.delay().result, ValueError)
            self.assertEqual(running_actor(may_query=False).label, "cron")
        self.assertEqual(traces, [("task", fail.name, "error")])

    def test_retry(self):
        """Each try ends what it began."""
        with closed_traces() as traces, SignalContext.use(user="cron"):
            retry.delay()
        self.assertEqual(seen[0][0].label, "cron")
        self.assertEqual(traces, [("task", retry.name, "ok")] * 3)


class closed_traces:
    """Collects trigger, name and status of each trace that is closed in a block."""

    def __enter__(self):
        found = []
        recorder = wiring.scope().recorder
        close = recorder.close_trace

        def see(trace):
            found.append((trace.trigger, trace.find_name(), trace.status))
            close(trace)

        self.patch = mock.patch.object(recorder, "close_trace", see)
        self.patch.start()
        return found

    def __exit__(self, *error):
        self.patch.stop()


class WorkerTests(CeleryTestCase):
    """What a worker does with a message; tests/process runs a real one."""

    def run_task(self, task, header):
        """Run a task as a worker does."""
        request = {"id": "1", "is_eager": False, "delivery_info": {}, receivers.HEADER: header}
        build_tracer(task.name, task, app=app)("1", (), {}, request)

    def test_context(self):
        """The sender is behind the task, and nobody after it."""
        header = {"key": "7", "label": "ann", "correlation_id": "abc", "reason": "import"}
        self.run_task(tell, header)
        actor = Actor("7", "ann", correlation_id="abc", reason="import")
        self.assertEqual(seen, [(actor, ("task", tell.name, "abc"))])
        self.assertIsNone(CONTEXT.get())

    def test_nothing_is_left(self):
        """The next task of nobody does not run for the one before, nor for the worker."""
        with SignalContext.use(user="worker"):
            for header in ({"label": "ann"}, None, "garbage"):
                self.run_task(tell, header)
                self.assertEqual(running_actor(may_query=False).label, "worker")
        self.assertEqual([actor.label for actor, _ in seen], ["ann", "", ""])

    def test_failure(self):
        """A task that fails leaves nothing."""
        with closed_traces() as traces:
            self.run_task(fail, {"label": "ann"})
        self.assertEqual(traces, [("task", fail.name, "error")])
        self.assertIsNone(CONTEXT.get())

    def test_without_signalscope(self):
        """Nothing is recorded after uninstall(), and tasks know their sender all the same."""
        signalscope.uninstall()
        self.addCleanup(signalscope.install)
        self.run_task(tell, {"label": "ann"})
        self.assertEqual(seen, [(Actor(label="ann"), None)])

    def test_faults(self):
        """A fault of signalscope's own is logged, and neither sender nor task sees it."""
        broken = mock.Mock(side_effect=RuntimeError("broken"))
        with (
            mock.patch.object(faults, "caught", None),
            mock.patch.multiple(receivers, read=broken, write=broken),
            self.assertLogs("signalscope", "ERROR") as logs,
        ):
            tell.delay()
            self.run_task(tell, {"label": "ann"})
        self.assertEqual([actor.label for actor, _ in seen], [""])
        with (
            mock.patch.object(faults, "caught", None),
            mock.patch.object(wiring.scope().recorder, "close_trace", broken),
            self.assertLogs("signalscope", "ERROR") as more,
        ):
            self.run_task(tell, {"label": "ann"})
            seen_trace = running_trace()
        wiring.scope().recorder.close_trace(seen_trace)
        self.assertIsNone(CONTEXT.get())
        self.assertEqual(len(logs.output) + len(more.output), 3)

    def test_unknown_end(self):
        """The end of a task whose beginning was not seen changes nothing."""
        with SignalContext.use(user="cron"):
            receivers.end(task_id="2", state="SUCCESS")
            self.assertEqual(running_actor(may_query=False).label, "cron")


class UserTests(TestCase):
    """A task asks for its user."""

    def test_user(self):
        """It is loaded by its key."""
        user = get_user_model().objects.create_user("ann")
        task = SimpleNamespace(name="shop.send", request=SimpleNamespace(is_eager=False))
        task.request.signalscope = {"key": str(user.pk)}
        receivers.begin("1", task)
        try:
            self.assertEqual(SignalContext.get_user(), user)
        finally:
            receivers.end("1", "SUCCESS")
        self.assertIsNone(SignalContext.get_user())
