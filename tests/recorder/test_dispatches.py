"""What is recorded of dispatches: tree, outcomes, counts, contexts."""

import asyncio
import contextvars
import threading

from asgiref.sync import async_to_sync, sync_to_async
from django.db.models.signals import post_save
from django.dispatch import Signal
from django.test import SimpleTestCase, TestCase, override_settings

import signalscope
from signalscope.recorder import strands
from tests.shop.models import Order
from tests.shop.signals import mail_queued, never_heard, order_paid
from tests.trees import connected, recorded


def send_receipt(sender, **kwargs):
    """Send another signal from a receiver."""
    mail_queued.send(sender=sender)


def queue_mail(sender, **kwargs):
    """Hear the nested signal."""


def fail(sender, **kwargs):
    """Fail with plain text."""
    raise ValueError("no such address")


async def index(sender, **kwargs):
    """Hear a signal asynchronously, and send another one."""
    await asyncio.sleep(0)
    await mail_queued.asend(sender=sender)


async def wait_long(sender, **kwargs):
    """Be cancelled."""
    await asyncio.sleep(60)


class TreeTests(SimpleTestCase):
    """The tree of dispatches and calls."""

    def test_nested_send_hangs_below_its_receiver(self):
        """A signal sent by a receiver becomes a child of that receiver's call."""
        with connected(order_paid, send_receipt, queue_mail), connected(mail_queued, queue_mail):
            with recorded() as seen:
                order_paid.send(sender=Order)
        self.assertEqual(
            seen.text,
            "order_paid\n"
            "  send_receipt ok\n"
            "    mail_queued\n"
            "      queue_mail ok\n"
            "  queue_mail ok\n",
        )

    def test_repeats_fold_into_one_node(self):
        """A thousand equal dispatches under one parent are one node with a count."""
        with connected(order_paid, queue_mail), recorded() as seen:
            for _ in range(1000):
                order_paid.send(sender=Order)
        self.assertEqual(seen.text, "order_paid x1000\n  queue_mail ok\n")
        (dispatch,) = seen.dispatches()
        self.assertGreater(dispatch.duration_ns, dispatch.calls[0].duration_ns - 1)
        self.assertEqual(seen.tree().dispatch_count, 1000)
        self.assertEqual(seen.tree().call_count, 1000)

    def test_other_senders_do_not_fold(self):
        """Dispatches of other senders keep nodes of their own, in order."""
        with connected(order_paid, queue_mail), recorded() as seen:
            order_paid.send(sender=Order)
            order_paid.send(sender=None)
            order_paid.send(sender="text")
            order_paid.send(sender=Order)
        senders = [dispatch.sender for dispatch in seen.dispatches()]
        self.assertEqual(senders, ["shop.Order", "None", "builtins.str"])

    def test_error_ends_the_dispatch(self):
        """send() stops at a failing receiver: later ones are not called, and that is said."""
        with connected(order_paid, queue_mail, fail, send_receipt), recorded() as seen:
            with self.assertRaises(ValueError):
                order_paid.send(sender=Order)
        self.assertEqual(seen.text, "order_paid\n  queue_mail ok\n  fail error\n")
        (dispatch,) = seen.dispatches()
        self.assertEqual(dispatch.calls[1].error_type, "ValueError")
        self.assertEqual(dispatch.calls[1].error_message, "no such address")
        self.assertEqual(len(dispatch.not_called), 1)

    def test_robust_error_does_not_end_the_dispatch(self):
        """send_robust() goes on after a failing receiver."""
        with connected(order_paid, fail, queue_mail), recorded() as seen:
            with self.assertLogs("django.dispatch"):
                order_paid.send_robust(sender=Order)
        self.assertEqual(seen.text, "order_paid\n  fail error\n  queue_mail ok\n")

    def test_failures_do_not_fold(self):
        """Each failing dispatch keeps its own node and message."""
        with connected(order_paid, fail), recorded() as seen:
            with self.assertLogs("django.dispatch"):
                for _ in range(3):
                    order_paid.send_robust(sender=Order)
        self.assertEqual(len(seen.dispatches()), 3)
        self.assertEqual(seen.tree().error_count, 3)

    def test_base_exception_passes_and_is_noted(self):
        """KeyboardInterrupt goes through send_robust(), and the record says so."""

        def interrupt(sender, **kwargs):
            raise KeyboardInterrupt

        with connected(order_paid, interrupt), recorded() as seen:
            with self.assertRaises(KeyboardInterrupt):
                order_paid.send_robust(sender=Order)
        (dispatch,) = seen.dispatches()
        self.assertEqual(dispatch.calls[0].error_type, "KeyboardInterrupt")

    def test_failed_logging_blames_no_other_receiver(self):
        """Django's AttributeError for receivers without a __qualname__ is not the next one's."""

        class Failing:
            def __call__(self, sender, **kwargs):
                raise ValueError("inside")

        failing = Failing()
        with connected(order_paid, failing, queue_mail), recorded() as seen:
            with self.assertRaises(AttributeError):
                order_paid.send_robust(sender=Order)
        self.assertEqual(seen.text, "order_paid\n  Failing error\n")

    def test_unheard_custom_signal_is_recorded(self):
        """A custom signal that nobody hears is noted where it was sent."""
        with connected(order_paid, queue_mail), recorded() as seen:
            never_heard.send(sender=Order)
            never_heard.send(sender=Order)
            never_heard.send_robust(sender=None)
        self.assertEqual(seen.text, "never_heard x2 unheard\nnever_heard unheard\n")

    def test_wrong_sender_is_unheard(self):
        """A dispatch whose receivers all wait for other senders is unheard."""
        with connected(order_paid, queue_mail, sender=Signal), recorded() as seen:
            order_paid.send(sender=Order)
        self.assertEqual(seen.text, "order_paid unheard\n")

    def test_receiver_that_just_died(self):
        """A dispatch that finds its only receiver dead is unheard, and no fault."""

        def receiver(sender, **kwargs):
            pass

        order_paid.connect(receiver)
        with recorded() as seen:
            order_paid.send(sender=Order)
            del receiver
            order_paid.send(sender=Order)
            order_paid.send(sender=Order)
        self.assertEqual(seen.text, "order_paid\n  receiver ok\norder_paid x2 unheard\n")

    def test_temporary_signals_do_not_inherit_names(self):
        """A signal in the place in memory of one that died has a name of its own."""
        with recorded() as seen:
            for number in range(50):
                signal = Signal()
                if number % 2:
                    signalscope.register(signal, name=f"shop.temporary_{number}")
                signal.send(sender=Order)
                del signal
        names = [dispatch.signal for dispatch in seen.dispatches()]
        self.assertEqual(names[0], "unnamed.Signal")
        self.assertEqual(names[1:], [f"shop.temporary_{number}" for number in range(1, 50, 2)])
        self.assertEqual(seen.dispatches()[0].repeat_count, 25)

    def test_unheard_signal_of_django_is_not_recorded(self):
        """Django's own signals that nobody hears leave no node."""
        with recorded() as seen:
            Order(number="1")
            post_save.send(sender=Order, instance=None)
        self.assertEqual(seen.text, "")

    def test_own_time_is_without_nested_dispatches(self):
        """The own time of a call is its duration without the dispatches sent from it."""
        with connected(order_paid, send_receipt), connected(mail_queued, queue_mail):
            with recorded() as seen:
                order_paid.send(sender=Order)
        (call,) = seen.dispatches()[0].calls
        (child,) = call.children.values()
        self.assertEqual(call.own_ns, call.duration_ns - child.duration_ns)

    def test_limit_leaves_out_and_counts(self):
        """Beyond the cap, dispatches are counted as left out, with those below them."""
        senders = [type(f"Sender{number}", (), {}) for number in range(10)]
        with connected(order_paid, send_receipt), connected(mail_queued, queue_mail):
            with recorded() as seen:
                for sender in senders:
                    order_paid.send(sender=sender)
        tree = seen.tree(limit=5)
        self.assertLessEqual(tree.node_count, 6)
        self.assertEqual(tree.dispatch_count, 20)
        kept = sum(dispatch.size()[1] for dispatch in tree.children.values())
        self.assertEqual(kept + tree.left_out_count, 20)


class AsyncTests(SimpleTestCase):
    """Async receivers, async sends, and contexts."""

    def test_async_receivers_of_send(self):
        """send() runs async receivers after the sync ones; what they send hangs below them."""
        with connected(order_paid, index, queue_mail), connected(mail_queued, queue_mail):
            with recorded() as seen:
                order_paid.send(sender=Order)
        self.assertEqual(
            seen.text,
            "order_paid\n  queue_mail ok\n  index ok\n    mail_queued\n      queue_mail ok\n",
        )

    async def test_asend_mixes_sync_and_async(self):
        """asend() records sync and async receivers, each with what it sent."""
        with connected(order_paid, send_receipt, index), connected(mail_queued, queue_mail):
            with recorded() as seen:
                await order_paid.asend(sender=Order)
        self.assertEqual(
            seen.text,
            "order_paid\n"
            "  send_receipt ok\n"
            "    mail_queued\n"
            "      queue_mail ok\n"
            "  index ok\n"
            "    mail_queued\n"
            "      queue_mail ok\n",
        )

    async def test_concurrent_receivers_keep_their_children(self):
        """Two async receivers that run at the same time do not take each other's dispatches."""
        first, second = Signal(), Signal()
        signalscope.register(first, name="shop.first")
        signalscope.register(second, name="shop.second")

        async def one(sender, **kwargs):
            for _ in range(3):
                await asyncio.sleep(0)
                await first.asend(sender=None)

        async def two(sender, **kwargs):
            for _ in range(3):
                await asyncio.sleep(0)
                await second.asend(sender=None)

        with connected(order_paid, one, two), recorded() as seen:
            await order_paid.asend(sender=Order)
        self.assertEqual(
            seen.text,
            "order_paid\n  one ok\n    first x3 unheard\n  two ok\n    second x3 unheard\n",
        )

    async def test_cancelled_receiver_is_cancelled(self):
        """A receiver whose dispatch is cancelled has that outcome, not an error."""
        with connected(order_paid, wait_long), recorded() as seen:
            task = asyncio.create_task(order_paid.asend(sender=Order))
            await asyncio.sleep(0.01)
            task.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await task
        self.assertEqual(seen.text, "order_paid\n  wait_long cancelled\n")
        self.assertEqual(seen.tree().error_count, 0)

    async def test_failing_async_receiver(self):
        """An async receiver's error is its outcome, and comes out of asend()."""

        async def afail(sender, **kwargs):
            raise ValueError("late")

        with connected(order_paid, afail), recorded() as seen:
            with self.assertRaises(ValueError):
                await order_paid.asend(sender=Order)
            with self.assertLogs("django.dispatch"):
                await order_paid.asend_robust(sender=Order)
        self.assertEqual(seen.text, "order_paid\n  afail error\norder_paid\n  afail error\n")

    async def test_gathered_tasks_do_not_mix(self):
        """Tasks that inherit a context add to its trace, each dispatch with its own calls."""
        with connected(order_paid, send_receipt), connected(mail_queued, queue_mail):
            with recorded() as seen:
                await asyncio.gather(*(order_paid.asend(sender=Order) for _ in range(20)))
        self.assertEqual(
            seen.text,
            "order_paid x20\n  send_receipt ok\n    mail_queued x20\n      queue_mail ok\n",
        )

    async def test_sync_to_async_inside_a_receiver(self):
        """What an async receiver does in a thread still hangs below it."""

        async def threaded(sender, **kwargs):
            await sync_to_async(mail_queued.send)(sender=sender)

        with connected(order_paid, threaded), connected(mail_queued, queue_mail):
            with recorded() as seen:
                await order_paid.asend(sender=Order)
        self.assertEqual(
            seen.text,
            "order_paid\n  threaded ok\n    mail_queued\n      queue_mail ok\n",
        )

    def test_trace_inside_an_async_receiver(self):
        """A block that an async receiver opens keeps its dispatches over awaits."""
        opened = []

        async def own_block(sender, **kwargs):
            with recorded() as seen:
                opened.append(seen)
                await asyncio.sleep(0)
                await mail_queued.asend(sender=sender)
            never_heard.send(sender=None)

        with connected(order_paid, own_block), connected(mail_queued, queue_mail):
            async_to_sync(order_paid.asend)(sender=Order)
        self.assertEqual(opened[0].text, "mail_queued\n  queue_mail ok\n")

    async def test_context_is_left_as_it_was(self):
        """No ContextVar of signalscope's stays behind in the caller's context."""
        before = contextvars.copy_context()
        with connected(order_paid, index, queue_mail), connected(mail_queued, queue_mail):
            await order_paid.asend(sender=Order)
            await sync_to_async(order_paid.send)(sender=Order)
        after = contextvars.copy_context()
        self.assertIs(after.get(strands.CURRENT), before.get(strands.CURRENT))


class ThreadTests(SimpleTestCase):
    """Threads, and contexts copied to them."""

    def test_other_threads_do_not_mix(self):
        """A thread without the context adds nothing to the block of another one."""
        with connected(order_paid, queue_mail), recorded() as seen:
            thread = threading.Thread(target=order_paid.send, kwargs={"sender": Order})
            thread.start()
            thread.join()
        self.assertEqual(seen.text, "")

    def test_copied_context_adds_to_the_block(self):
        """A thread that was given the context adds to the block, not to a call in progress."""
        inside, done = threading.Event(), threading.Event()

        def hold(sender, **kwargs):
            inside.set()
            done.wait(5)

        def elsewhere():
            inside.wait(5)
            mail_queued.send(sender=Order)
            done.set()

        with connected(order_paid, hold), connected(mail_queued, queue_mail):
            with recorded() as seen:
                context = contextvars.copy_context()
                thread = threading.Thread(target=context.run, args=(elsewhere,))
                thread.start()
                order_paid.send(sender=Order)
                thread.join()
        self.assertEqual(seen.text, "mail_queued\n  queue_mail ok\norder_paid\n  hold ok\n")

    def test_many_threads_lose_nothing(self):
        """Eight threads in the same block: every dispatch is counted, with its own child."""
        with connected(order_paid, send_receipt), connected(mail_queued, queue_mail):
            with recorded() as seen:

                def work():
                    for _ in range(200):
                        order_paid.send(sender=Order)

                threads = [
                    threading.Thread(target=contextvars.copy_context().run, args=(work,))
                    for _ in range(8)
                ]
                for thread in threads:
                    thread.start()
                for thread in threads:
                    thread.join()
        self.assertEqual(
            seen.text,
            "order_paid x1600\n  send_receipt ok\n    mail_queued x1600\n      queue_mail ok\n",
        )


class SelectionTests(SimpleTestCase):
    """INCLUDE and EXCLUDE, and suppress()."""

    def test_suppress_records_nothing(self):
        """In a suppress() block nothing is recorded, in threads and tasks neither."""
        with connected(order_paid, send_receipt), connected(mail_queued, queue_mail):
            with recorded() as seen, signalscope.suppress():
                order_paid.send(sender=Order)
                async_to_sync(order_paid.asend)(sender=Order)
                never_heard.send(sender=None)
        self.assertEqual(seen.text, "")

    def test_excluded_signal_is_not_recorded(self):
        """EXCLUDE takes globs over names: the whole one, or its last part."""
        for glob in ("order_paid", "tests.shop.signals.order_*", "shop.Order", "Order"):
            with self.subTest(glob), override_settings(SIGNALSCOPE={"EXCLUDE": [glob]}):
                with connected(order_paid, queue_mail), recorded() as seen:
                    order_paid.send(sender=Order)
                    mail_queued.send(sender=None)
                self.assertEqual(seen.text, "mail_queued unheard\n")

    def test_include_wins_over_exclude(self):
        """INCLUDE names the exceptions from EXCLUDE."""
        setting = {"EXCLUDE": ["*"], "INCLUDE": ["mail_queued"]}
        with override_settings(SIGNALSCOPE=setting):
            with connected(order_paid, send_receipt), connected(mail_queued, queue_mail):
                with recorded() as seen:
                    order_paid.send(sender=Order)
        self.assertEqual(seen.text, "mail_queued\n  queue_mail ok\n")

    def test_excluded_receiver_is_left_out(self):
        """An excluded receiver has no call, unless others hang below it."""
        with override_settings(SIGNALSCOPE={"EXCLUDE": ["*.queue_mail"]}):
            with connected(order_paid, send_receipt, queue_mail):
                with connected(mail_queued, queue_mail), recorded() as seen:
                    order_paid.send(sender=Order)
        self.assertEqual(seen.text, "order_paid\n  send_receipt ok\n")

    def test_connecting_is_seen_at_once(self):
        """A receiver that is connected or disconnected between two dispatches is right."""
        with recorded() as seen:
            for _ in range(2):
                with connected(order_paid, queue_mail):
                    order_paid.send(sender=Order)
                with connected(order_paid, send_receipt):
                    order_paid.send(sender=Order)
        self.assertEqual(
            seen.text,
            "order_paid x2\n  queue_mail ok\n"
            "order_paid x2\n  send_receipt ok\n    mail_queued x2 unheard\n",
        )

    def test_replaced_receiver_with_a_reused_address(self):
        """A dead receiver's name is not given to one that took its place in memory."""
        with recorded() as seen:
            for number in range(50):

                def receiver(sender, **kwargs):
                    pass

                receiver.__qualname__ = f"receiver_{number}"
                order_paid.connect(receiver)
                order_paid.send(sender=Order)
                del receiver
        names = [dispatch.calls[0].receiver for dispatch in seen.dispatches()]
        self.assertEqual(names, [f"{__name__}.receiver_{number}" for number in range(50)])
        self.assertFalse(order_paid.has_listeners(Order))


class BlockTests(SimpleTestCase):
    """trace() and suppress() as blocks and decorators."""

    def test_suppress_decorates_sync_and_async(self):
        """A suppressed function records nothing, whatever it is."""

        @signalscope.suppress()
        def quiet():
            order_paid.send(sender=Order)
            return 1

        @signalscope.suppress()
        async def aquiet():
            await asyncio.sleep(0)
            order_paid.send(sender=Order)
            return 2

        with connected(order_paid, queue_mail), recorded() as seen:
            self.assertEqual((quiet(), async_to_sync(aquiet)()), (1, 2))
        self.assertEqual(seen.text, "")

    def test_generators_are_refused(self):
        """A generator's body does not run when it is called: the decorator says so."""
        for block in (signalscope.trace("import"), signalscope.suppress()):
            with self.subTest(block), self.assertRaisesRegex(TypeError, "is a generator; use"):

                @block
                def generate():
                    yield 1

    def test_trace_refuses_other_names(self):
        """The name must be text."""
        for name in ("", None, 7):
            with self.subTest(name), self.assertRaisesRegex(ValueError, f"name is {name!r}"):
                signalscope.trace(name)


class QueryTests(TestCase):
    """SQL is attributed to the call that ran it."""

    @override_settings(SIGNALSCOPE={"CAPTURE_SQL": True})
    def test_queries_belong_to_their_call(self):
        """Count, time and repeats per call; a nested call's queries are its own."""

        def count_orders(sender, **kwargs):
            Order.objects.count()
            mail_queued.send(sender=sender)
            Order.objects.count()

        def ask_often(sender, **kwargs):
            for _ in range(5):
                list(Order.objects.all())

        with connected(order_paid, count_orders), connected(mail_queued, ask_often):
            with recorded() as seen:
                Order.objects.first()
                order_paid.send(sender=Order)
        (call,) = seen.dispatches()[0].calls
        (nested,) = next(iter(call.children.values())).calls
        self.assertEqual((call.query_count, call.repeated_query_count), (2, 1))
        self.assertEqual((nested.query_count, nested.repeated_query_count), (5, 4))
        self.assertGreater(nested.query_ns, 0)
        self.assertEqual(seen.tree().query_count, 8)

    def test_without_the_setting_connections_are_untouched(self):
        """Where SQL is not captured, no execute wrapper is there."""
        from django.db import connection

        self.assertEqual(connection.execute_wrappers, [])

    def test_transaction_is_noted(self):
        """A model's signal tells whether it was sent in a transaction."""
        with connected(post_save, queue_mail, sender=Order), recorded() as seen:
            Order.objects.create(number="1")
        self.assertIs(seen.dispatches()[0].in_atomic, True)

    def test_long_calls_are_folded_on_the_way(self):
        """A receiver that sends thousands of dispatches does not hold them all."""

        def send_often(sender, **kwargs):
            for _ in range(5000):
                mail_queued.send(sender=sender)

        with connected(order_paid, send_often), connected(mail_queued, queue_mail):
            with recorded() as seen:
                order_paid.send(sender=Order)
        self.assertEqual(
            seen.text, "order_paid\n  send_often ok\n    mail_queued x5000\n      queue_mail ok\n"
        )
        self.assertLess(len(seen.tap[0]), 1100)
        self.assertEqual(seen.tree().dispatch_count, 5001)
