"""Receivers that run elsewhere, and when they are queued."""

import asyncio
import gc
import inspect
import json
from functools import partial

import django
from django.contrib.auth.models import User
from django.core.checks.registry import registry
from django.db import transaction
from django.db.models.signals import post_delete, post_save
from django.db.transaction import TransactionManagementError
from django.dispatch import Signal
from django.http import HttpRequest
from django.test import SimpleTestCase, TestCase, TransactionTestCase, override_settings

import signalscope
from signalscope import (
    AsyncSignalMixin,
    SignalContext,
    checks,
    deferred,
    only_when_field_changed,
    wiring,
)
from signalscope.core.names import receiver_label
from signalscope.delivery.jobs import Job, backoff_s, make_job
from signalscope.delivery.options import Options
from signalscope.delivery.payload import pack
from signalscope.delivery.receivers import deferred_receivers
from signalscope.delivery.runs import run_job
from signalscope.exceptions import UnreadablePayload
from signalscope.recorder.strands import running_trace
from signalscope.recorder.tree import Tree
from tests.delivery.receivers import (
    by_setting,
    do_without,
    fail,
    note,
    note_async,
    note_changed,
    seen,
    tell,
    want_key,
)
from tests.shop.models import Order
from tests.shop.signals import order_paid
from tests.trees import connected, recorded
from tests.warehouse.models import Product

NAME = "tests.delivery.receivers"
TASKS = "django.tasks" if django.VERSION >= (6, 0) else "django_tasks"
IMMEDIATE = f"{TASKS}.backends.immediate.ImmediateBackend"


class Shipped(AsyncSignalMixin, Signal):
    """A signal that can be sent as a whole."""

    backend = "inline"


shipped = Shipped()


def traces_of_runs(test, send):
    """Return trigger, name, status and calls of the traces that end while send() runs."""
    recorder, found = wiring.scope().recorder, []
    original = recorder._end

    def end(trace, status=""):
        tree = Tree(100)
        tree.add(trace)
        calls = [
            (dispatch.method, call.receiver.rpartition(".")[2], call.outcome)
            for dispatch in tree.children.values()
            for call in dispatch.calls
        ]
        found.append((trace.trigger, trace.find_name(), trace.status, calls))
        original(trace, status)

    recorder._end = end
    test.addCleanup(recorder.__dict__.pop, "_end", None)
    send()
    return found


class SeenTestCase(SimpleTestCase):
    """Begins with nothing seen."""

    def setUp(self):
        seen.clear()

    def assert_seen(self, *expected):
        """Receivers noted just that."""
        self.assertEqual(seen, [*expected])


class DecoratorTests(SeenTestCase):
    """What the decorator makes of a function."""

    def test_function(self):
        """It keeps its name, module, text and signature, and takes what a dispatch sends."""
        self.assertEqual(note.__name__, "note")
        self.assertEqual(note.__doc__, "Note all of it.")
        self.assertEqual(list(inspect.signature(note).parameters), ["sender", "signal", "kwargs"])
        self.assertEqual(receiver_label(note), f"{NAME}.note")
        self.assertFalse(inspect.iscoroutinefunction(note_async))

    def test_bare_and_with_arguments(self):
        """Both ways are the same."""
        self.assertEqual(deferred_receivers.find(f"{NAME}.by_setting").options, Options())
        self.assertEqual(deferred_receivers.find(f"{NAME}.fail").options.retries, 2)

    def test_kept_alive(self):
        """A receiver that nothing else holds stays connected, as one of a module does."""
        signal = Signal()
        for queue in ("one", "two"):
            signal.connect(deferred(queue=queue)(note.__wrapped__))
        gc.collect()
        self.assertEqual(len(signal.receivers), 2)
        self.assertTrue(signal.has_listeners())
        # The same again is the same receiver, which can be disconnected.
        for queue in ("one", "two"):
            self.assertTrue(signal.disconnect(deferred(queue=queue)(note.__wrapped__)))
        self.assertFalse(signal.has_listeners())

    def test_refused(self):
        """What a worker could not find by name cannot be decorated."""

        def nested(sender, **kwargs):
            """Stand for any."""

        class Receiver:
            """Has a method."""

            def receive(self, sender, **kwargs):
                """Stand for any."""

        for function in (nested, lambda **kwargs: None, Receiver.receive, Receiver().receive,
                         Receiver, partial(print), print):  # fmt: skip
            with self.assertRaisesMessage(TypeError, "a function at the top level of a module"):
                deferred(function)

    def test_twice(self):
        """A receiver that is put off once it is there would be put off for ever."""
        with self.assertRaisesMessage(TypeError, "is deferred already"):
            deferred(retries=7)(note)

    def test_options(self):
        """Options that make no sense are refused, with what is allowed."""
        for options, words in (
            ({"queue": ""}, "queue is ''"),
            ({"delay": -1}, "seconds, 0 or more"),
            ({"delay": float("nan")}, "seconds, 0 or more"),
            ({"delay": True}, "seconds, 0 or more"),
            ({"retries": 1.5}, "a whole number, 0 or more"),
            ({"backend": "rq"}, "one of 'celery', 'inline', 'tasks', 'thread', or None"),
            ({"durable": 1}, "True, False or None"),
            ({"order_by": ""}, "the name of an argument"),
            ({"exclude": "request"}, "a list of names"),
        ):
            with self.subTest(options), self.assertRaisesMessage(ValueError, words):
                deferred(**options)


class InlineTests(SeenTestCase):
    """Outside of transactions a call is made at once."""

    def test_call(self):
        """The receiver gets signal, sender and arguments as they were; the response is None."""
        with connected(order_paid, note):
            responses = order_paid.send(sender=Order, number=7, tags={"a"})
        self.assertEqual(responses, [(note, None)])
        self.assert_seen((Order, order_paid, {"number": 7, "tags": {"a"}}))

    def test_each_method(self):
        """So it is with the four methods, and with async receivers."""
        for receiver in (note, note_async):
            with connected(order_paid, receiver):
                order_paid.send(sender=None)
                order_paid.send_robust(sender=None)
                self.async_send(order_paid.asend)
                self.async_send(order_paid.asend_robust)
        self.assertEqual(seen, [(None, order_paid, {})] * 8)

    def async_send(self, method):
        """Send from an event loop."""
        asyncio.run(method(sender=None))

    def test_who(self):
        """It runs for whoever sent it, in a trace with the sender's correlation id."""
        with (
            connected(order_paid, tell),
            signalscope.trace("import"),
            SignalContext.use(user="cron", reason="nightly"),
        ):
            order_paid.send(sender=None)
            correlation_id = running_trace().find_correlation_id()
            self.assertEqual(SignalContext.get_reason(), "nightly")
        ((user, actor, seen_id),) = seen
        self.assertEqual((user, actor.label, actor.reason), (None, "cron", "nightly"))
        self.assertEqual(len(correlation_id), 32)
        self.assertEqual((actor.correlation_id, seen_id), (correlation_id, correlation_id))

    def test_nobody(self):
        """What nobody sent runs for nobody, though somebody runs it."""
        with connected(order_paid, tell):
            job = make_job(f"{NAME}.tell", Options(), order_paid, None, {})
            with SignalContext.use(user="worker"):
                run_job(job)
                self.assertEqual(signalscope.context.running_actor(may_query=False).label, "worker")
        self.assertEqual(seen[0][1].label, "")

    def test_key(self):
        """A receiver that asks for it gets the key of its job, unless the dispatch gives one."""
        with connected(order_paid, want_key):
            order_paid.send(sender=None)
            order_paid.send(sender=None)
            order_paid.send(sender=None, idempotency_key="mine")
        self.assertEqual([len(key) for key in seen], [36, 36, 4])
        self.assertEqual(len(set(seen)), 3)

    def test_excluded(self):
        """An argument that is excluded does not arrive."""
        with connected(order_paid, do_without):
            order_paid.send(sender=None, request=HttpRequest(), a=1)
        ((arguments),) = seen
        self.assertEqual((arguments["a"], "request" in arguments), (1, False))

    def test_argument_that_cannot_be_sent(self):
        """It is a TypeError at the dispatch, and a receiver's error to send_robust()."""
        with connected(order_paid, note):
            with self.assertRaisesMessage(TypeError, "the argument 'request' cannot be sent"):
                order_paid.send(sender=None, request=HttpRequest())
            with self.assertLogs("django.dispatch", "ERROR"):
                ((_, error),) = order_paid.send_robust(sender=None, request=HttpRequest())
        self.assertIsInstance(error, TypeError)
        self.assert_seen()

    def test_retries(self):
        """It is tried again at once, and its last error is the sender's."""
        with connected(order_paid, fail), self.assertRaisesMessage(ValueError, "on purpose"):
            order_paid.send(sender=None)
        self.assert_seen("tried", "tried", "tried")

    @override_settings(SIGNALSCOPE={"DELIVERY": {"backend": "inline", "queue": "q", "retries": 4}})
    def test_setting(self):
        """What the decorator leaves open is as the setting has it."""
        with connected(order_paid, by_setting), recorded() as found:
            order_paid.send(sender=None, a=1)
        self.assertEqual(seen[0]["a"], 1)
        self.assertEqual(found.dispatches()[0].calls[0].error_message, "inline: q")
        job = make_job("x", Options(), order_paid, None, {})
        self.assertEqual((job.queue, job.retries), ("q", 4))

    def test_switched_off(self):
        """Where nothing is recorded, calls are put off all the same."""
        signalscope.uninstall()
        self.addCleanup(signalscope.install)
        with connected(order_paid, note):
            order_paid.send(sender=None)
        self.assert_seen((None, order_paid, {}))


class RecordTests(SeenTestCase):
    """What is recorded of a call that is put off."""

    def test_sender(self):
        """The sender's call is deferred, and says to where; repeats are folded."""
        with connected(order_paid, note), recorded() as found:
            order_paid.send(sender=None)
            order_paid.send(sender=None)
        self.assertEqual(found.text, "order_paid x2\n  note deferred\n")
        self.assertEqual(found.dispatches()[0].calls[0].error_message, "inline")

    def test_run(self):
        """The run has a trace of its own, named after the receiver."""
        with connected(order_paid, note):
            found = traces_of_runs(self, lambda: order_paid.send(sender=None))
        self.assertEqual(found, [("task", f"{NAME}.note", "ok", [("deferred", "note", "ok")])])

    def test_failed_run(self):
        """One that fails has failed, each time."""
        with connected(order_paid, fail):
            found = traces_of_runs(self, lambda: order_paid.send_robust(sender=None))
        expected = ("task", f"{NAME}.fail", "error", [("deferred", "fail", "error")])
        self.assertEqual(found, [expected] * 3)

    def test_error_at_the_sender(self):
        """A call that could not be put off has failed."""
        with connected(order_paid, note), recorded() as found:
            with self.assertLogs("django.dispatch", "ERROR"):
                order_paid.send_robust(sender=None, request=HttpRequest())
        self.assertEqual(found.text, "order_paid\n  note error\n")

    def test_unreadable(self):
        """A job that cannot be read has a trace that failed, and is logged."""
        job = Job("k", f"{NAME}.gone", pack(order_paid, None, {}))

        def run():
            with self.assertRaises(UnreadablePayload), self.assertLogs("signalscope.delivery"):
                run_job(job)

        self.assertEqual(traces_of_runs(self, run), [("task", f"{NAME}.gone", "error", [])])


class JobTests(SeenTestCase):
    """What a queue carries."""

    def assert_unreadable(self, words, job):
        """Say why it is not run."""
        with self.assertLogs("signalscope.delivery", "ERROR") as logs:
            with self.assertRaisesMessage(UnreadablePayload, words):
                run_job(job)
        self.assertIn(job.name, logs.output[0])
        self.assert_seen()

    def test_round_trip(self):
        """A job is JSON, and comes back as it was."""
        with SignalContext.use(user="cron"):
            job = make_job(f"{NAME}.note", Options("mail", 5, 3), order_paid, Order, {"a": 1})
        self.assertEqual(Job.from_dict(json.loads(json.dumps(job.to_dict()))), job)
        self.assertEqual((job.queue, job.delay_s, job.retries), ("mail", 5, 3))
        self.assertEqual(job.actor, {"label": "cron"})

    def test_malformed(self):
        """Anything else is told apart from a job."""
        whole = make_job("x", Options(), order_paid, None, {}).to_dict()
        for told in ({}, {"key": "k"}, {**whole, "payload": 5}, {**whole, "actor": []},
                     {**whole, "retries": "x"}, {**whole, "receiver": None}):  # fmt: skip
            with self.assertRaises(UnreadablePayload):
                Job.from_dict(told)

    def test_receiver_that_is_gone(self):
        """A name that nobody has, or that nobody decorated, is not run."""
        payload = pack(order_paid, None, {})
        for name in (f"{NAME}.gone", "os.system", "subprocess.Popen", f"{NAME}.acts", "", "x",
                     "tests.delivery.test_deferred.SeenTestCase"):  # fmt: skip
            words = "without AsyncSignalMixin" if name == "" else ""
            self.assert_unreadable(words, Job("k", name, payload))

    def test_hostile_actor(self):
        """Whoever a message says is behind it is taken for texts, or for nobody."""
        job = make_job(f"{NAME}.tell", Options(), order_paid, None, {})
        for actor in ({"label": 5}, {"correlation_id": {}}, {"other": "x"}):
            run_job(Job(**{**job.to_dict(), "actor": actor}))
            self.assertEqual(seen.pop()[1].label, "")

    def test_backoff(self):
        """Pauses double up to an hour, and are not all alike."""
        longest = [backoff_s(n, lambda least, most: most) for n in (1, 2, 3, 12, 100)]
        self.assertEqual(longest, [2, 4, 8, 3600, 3600])
        self.assertEqual(backoff_s(3, lambda least, most: least), 4)
        self.assertGreater(len({backoff_s(3) for _ in range(10)}), 1)


class AsyncSignalTests(SeenTestCase):
    """Dispatches that are queued as a whole."""

    def test_send_async(self):
        """All receivers are called, in a dispatch of their own below the job's trace."""

        def plain(sender, **kwargs):
            seen.append((sender, kwargs["number"], running_trace().trigger))

        with connected(shipped, plain, note.__wrapped__):
            key = shipped.send_async(sender=Order, number=7)
        self.assertEqual(len(key), 36)
        self.assert_seen((Order, 7, "task"), (Order, shipped, {"number": 7}))

    def test_plain_dispatch(self):
        """It can be sent as any signal is."""
        with connected(shipped, note.__wrapped__):
            shipped.send(sender=None)
        self.assert_seen((None, shipped, {}))

    def test_failures(self):
        """Each receiver is called though another one fails, and then the job has failed."""

        def broken(sender, **kwargs):
            raise ValueError("first")

        def broken_too(sender, **kwargs):
            raise KeyError("second")

        with self.assertLogs("django.dispatch", "ERROR"):
            with connected(shipped, broken, note.__wrapped__):
                with self.assertRaisesMessage(ValueError, "first"):
                    shipped.send_async(sender=None)
            with connected(shipped, broken, broken_too), self.assertRaises(ExceptionGroup) as both:
                shipped.send_async(sender=None)
        self.assert_seen((None, shipped, {}))
        self.assertEqual(len(both.exception.exceptions), 2)

    def test_options(self):
        """A class with options that make no sense is refused."""
        with self.assertRaisesMessage(ValueError, "delay is 'soon'"):
            type("Late", (AsyncSignalMixin, Signal), {"delay": "soon"})

    def test_argument(self):
        """An argument that cannot be sent is a TypeError at the dispatch."""
        with self.assertRaisesMessage(TypeError, "the argument 'a'"):
            shipped.send_async(sender=None, a=object())


class CommitTests(TransactionTestCase):
    """In a transaction a call is put off until that is committed."""

    def setUp(self):
        seen.clear()

    def test_commit_and_rollback(self):
        """It is queued after the outermost commit, and never if its part is rolled back."""
        with connected(post_save, note, sender=Order):
            with transaction.atomic():
                Order.objects.create(number="1")
                with self.assertRaises(KeyError), transaction.atomic():
                    Order.objects.create(number="2")
                    raise KeyError
                with transaction.atomic():
                    Order.objects.create(number="3")
                self.assertEqual(seen, [])
            with self.assertRaises(KeyError), transaction.atomic():
                Order.objects.create(number="4")
                raise KeyError
        self.assertEqual([named["instance"].number for _, _, named in seen], ["1", "3"])
        self.assertEqual([named["created"] for _, _, named in seen], [True, True])

    def test_arguments_of_the_dispatch(self):
        """The arguments are as they were at the dispatch; the row is as it is by then."""
        tags = ["a"]
        with connected(order_paid, note), transaction.atomic():
            order = Order.objects.create(number="1")
            order_paid.send(sender=Order, order=order, tags=tags)
            tags.append("b")
            Order.objects.update(number="2")
        ((_, _, named),) = seen
        self.assertEqual((named["tags"], named["order"].number), (["a"], "2"))

    def test_deleted(self):
        """After a deletion the instance is as it was."""
        order = Order.objects.create(number="1")
        key = order.pk
        with connected(post_delete, note, sender=Order):
            Order.objects.all().delete()
        ((_, _, named),) = seen
        self.assertEqual((named["instance"].pk, named["instance"].number), (key, "1"))
        self.assertIsNone(named["origin"])

    def test_condition_below(self):
        """It is asked where the signal is sent, and the receiver has what it says."""
        product = Product.objects.create(title="a", price=1)
        receiver = deferred(backend="inline")(only_when_field_changed("title")(note_changed))
        self.addCleanup(deferred_receivers._by_name.pop, f"{NAME}.note_changed")
        with connected(post_save, receiver, sender=Product), recorded() as found:
            product.price = 2
            product.save()
            product.title = "b"
            product.save()
        self.assertEqual(seen, [{"title": ("a", "b")}])
        self.assertEqual(found.text.count("note_changed skipped"), 1)

    def test_without_autocommit(self):
        """Where Django tells nobody of the commit, that is an error, as of on_commit()."""
        transaction.set_autocommit(False)
        try:
            with connected(order_paid, note), self.assertRaises(TransactionManagementError):
                order_paid.send(sender=Order)
        finally:
            transaction.rollback()
            transaction.set_autocommit(True)
        self.assertEqual(seen, [])

    def test_autocommit(self):
        """Without a transaction it is queued at once."""
        with connected(post_save, note, sender=Order):
            Order.objects.create(number="1")
            self.assertEqual(len(seen), 1)

    def test_whole_dispatch(self):
        """So it is with send_async()."""
        with connected(shipped, note.__wrapped__):
            with transaction.atomic():
                shipped.send_async(sender=None)
                self.assertEqual(seen, [])
            self.assertEqual(len(seen), 1)
            with self.assertRaises(KeyError), transaction.atomic():
                shipped.send_async(sender=None)
                raise KeyError
        self.assertEqual(len(seen), 1)

    def test_error_of_the_receiver(self):
        """The error of an inline receiver comes out of the commit, where tests see it."""
        with connected(order_paid, fail), self.assertRaisesMessage(ValueError, "on purpose"):
            with transaction.atomic():
                order_paid.send(sender=None)

    @override_settings(SIGNALSCOPE={"DELIVERY": {"backend": "celery"}})
    def test_broker_is_down(self):
        """After the commit it is logged and recorded as failed; the work is not disturbed."""

        def send():
            with recorded() as found, transaction.atomic():
                order_paid.send(sender=Order)
                Order.objects.create(number="1")
                transaction.on_commit(partial(seen.append, "next"))
            self.assertEqual(found.text.splitlines()[1], "  by_setting deferred")

        with unreachable_broker(), connected(order_paid, by_setting):
            with self.assertLogs("signalscope.delivery", "ERROR") as logs:
                traces = traces_of_runs(self, send)
            self.assertEqual((seen, Order.objects.count()), (["next"], 1))
            self.assertIn("is lost", logs.output[0])
            calls = [("deferred", "by_setting", "error")]
            self.assertEqual(traces, [("task", f"{NAME}.by_setting", "error", calls)])
            # Where nothing is committed yet, it is the receiver's error.
            with self.assertRaisesMessage(Exception, "onnect"):
                order_paid.send(sender=None)


class unreachable_broker:
    """Lets Celery's current app have a broker that nobody can reach."""

    def __enter__(self):
        from celery import Celery, current_app

        before = current_app._get_current_object()
        app = Celery("nobody", broker="redis://127.0.0.1:1/0")
        app.conf.update(
            broker_connection_retry=False,
            task_publish_retry=False,
            broker_transport_options={"socket_connect_timeout": 1, "max_retries": 0},
        )
        self.leave = before.set_current

    def __exit__(self, *error):
        self.leave()


class CaptureTests(TestCase):
    """Django's own tools for tests."""

    def test_capture(self):
        """captureOnCommitCallbacks() gets the calls, and runs them."""
        seen.clear()
        with connected(post_save, note, sender=Order):
            with self.captureOnCommitCallbacks() as callbacks:
                Order.objects.create(number="1")
            self.assertEqual((len(callbacks), seen), (1, []))
            with self.captureOnCommitCallbacks(execute=True):
                Order.objects.create(number="2")
        self.assertEqual([named["instance"].number for _, _, named in seen], ["2"])

    def test_user(self):
        """The user is loaded by the key that the sender had."""
        seen.clear()
        user = User.objects.create_user("ann")
        with connected(order_paid, tell), SignalContext.use(user=user):
            with self.captureOnCommitCallbacks(execute=True):
                order_paid.send(sender=None)
        self.assertEqual(seen[0][0], user)
        self.assertIsNot(seen[0][0], user)


class CheckTests(SimpleTestCase):
    """What can be seen at start-up."""

    def test_silent(self):
        """What is there and can do what it must has no findings."""
        self.assertEqual(checks.check_delivery(None), [])
        self.assertIn(checks.check_delivery, registry.registered_checks)

    @override_settings(TASKS={"default": {"BACKEND": IMMEDIATE}})
    def test_class_of_signals(self):
        """A class of signals is looked at as a receiver is."""
        kind = type("Late", (AsyncSignalMixin, Signal), {"backend": "tasks", "delay": 5})
        (found,) = checks.check_delivery(None)
        self.assertIn(f"{__name__}.Late is deferred to the backend 'tasks'", found.msg)
        del kind, found
        gc.collect()

    @override_settings(SIGNALSCOPE={"DELIVERY": {"backend": "inline"}})
    def test_threads(self):
        """Receivers that are left to threads are named, where the project is deployed."""
        self.assertIn(checks.check_threads, registry.deployment_checks)
        (found,) = checks.check_threads(None)
        self.assertEqual(found.id, "signalscope.W006")
        self.assertIn(f"{NAME}.in_thread", found.msg)
        self.assertIn(f"{NAME}.in_batches", found.msg)
        self.assertNotIn("by_setting", found.msg)

    def test_setting(self):
        """Each key of DELIVERY is checked."""
        for value, words in (
            ([], "a dict such as"),
            ({"backends": 1}, "'backends' is none of them"),
            ({"backend": "rq"}, "one of 'celery', 'inline', 'tasks', 'thread'"),
            ({"queue": ""}, "the name of a queue"),
            ({"retries": -1}, "a whole number, 0 or more"),
            ({"durable": 1}, "True or False"),
        ):
            with self.subTest(value), override_settings(SIGNALSCOPE={"DELIVERY": value}):
                (error,) = checks.check_settings(None)
                self.assertIn(words, error.msg)
