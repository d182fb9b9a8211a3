"""Receivers that run after the commit."""

import asyncio
import gc
import weakref

from asgiref.sync import sync_to_async
from django.db import connection, transaction
from django.db.models.signals import post_delete, post_save
from django.dispatch import Signal
from django.test import TestCase, TransactionTestCase

import signalscope
from signalscope import not_raw, on_commit, only_when_created, only_when_field_changed
from signalscope.recorder.late import LateRun
from tests.shop.models import Item, Order
from tests.shop.signals import mail_queued, order_paid
from tests.trees import connected, recorded
from tests.warehouse.models import Product

SEND_METHODS = ("send", "send_robust", "asend", "asend_robust")


def send_from(method, signal, **named):
    """Send in a transaction, with whatever method, and return the responses."""
    if not method.startswith("a"):
        with transaction.atomic():
            return getattr(signal, method)(**named)
    return asyncio.run(getattr(signal, method)(**named))


class NotingTestCase(TransactionTestCase):
    """Has receivers that note what they got."""

    def setUp(self):
        self.seen = []

    def hear(self, name="hear"):
        """Return a receiver."""

        def hear(sender, **named):
            self.seen.append((name, named))

        return hear

    def ahear(self):
        """Return an async receiver."""

        async def ahear(sender, **named):
            await asyncio.sleep(0)
            self.seen.append(("ahear", named))

        return ahear

    def numbers(self):
        """Return the numbers of the orders that were noted."""
        return [named["instance"].number for _, named in self.seen]


class TransactionTests(NotingTestCase):
    """When the receiver runs."""

    def test_commit(self):
        """It runs after the outermost commit, with a response of None."""
        receiver = on_commit(self.hear())
        with connected(order_paid, receiver):
            with transaction.atomic():
                with transaction.atomic():
                    self.assertEqual(order_paid.send(sender=None, number=1), [(receiver, None)])
                self.assertEqual(self.seen, [])
        self.assertEqual(self.seen, [("hear", {"signal": order_paid, "number": 1})])

    def test_rollback(self):
        """It never runs where the transaction, or the savepoint of the dispatch, is rolled back."""
        with connected(post_save, receiver := on_commit(self.hear()), sender=Order):
            with transaction.atomic():
                Order.objects.create(number="1")
                with self.assertRaises(KeyError), transaction.atomic():
                    Order.objects.create(number="2")
                    with transaction.atomic():
                        Order.objects.create(number="3")
                    raise KeyError
                with transaction.atomic():
                    Order.objects.create(number="4")
            with self.assertRaises(KeyError), transaction.atomic():
                Order.objects.create(number="5")
                raise KeyError
        self.assertEqual(self.numbers(), ["1", "4"])
        self.assertEqual(receiver.__name__, "hear")

    def test_autocommit(self):
        """Where no transaction is open it runs at once."""
        with connected(order_paid, on_commit()(self.hear())):
            order_paid.send(sender=None)
            self.assertEqual(len(self.seen), 1)

    def test_each_method(self):
        """Sync and async receivers run once, whatever sends."""
        for receiver in (self.hear(), self.ahear()):
            with connected(order_paid, on_commit(receiver)):
                for method in SEND_METHODS:
                    with self.subTest(method=method, receiver=receiver):
                        send_from(method, order_paid, sender=None)
                        self.assertEqual(len(self.seen), 1)
                        self.seen.clear()

    def test_async_in_transaction(self):
        """What is sent from async code in a transaction's thread waits for that one."""
        seen_before = []

        def work():
            with transaction.atomic():
                order_paid.send(sender=None)
                seen_before.extend(self.seen)
            # Of a thread that is not the test's.
            connection.close()

        with connected(order_paid, on_commit(self.ahear())):
            asyncio.run(sync_to_async(work)())
        self.assertEqual((seen_before, len(self.seen)), ([], 1))

    def test_uninstalled(self):
        """Where nothing is recorded it runs all the same."""
        signalscope.uninstall()
        self.addCleanup(signalscope.install)
        self.assertIsNone(LateRun.make_plan)
        with connected(order_paid, on_commit(self.hear())), transaction.atomic():
            order_paid.send(sender=None)
            self.assertEqual(self.seen, [])
        self.assertEqual(len(self.seen), 1)

    def test_error(self):
        """It comes out of the commit, unless robust: then it is logged, and the next ones run."""

        def fail(sender, **named):
            raise ValueError("on purpose")

        with connected(order_paid, on_commit(fail), on_commit(after := self.hear())):
            with self.assertRaisesMessage(ValueError, "on purpose"), transaction.atomic():
                order_paid.send(sender=None)
        self.assertEqual(self.seen, [])
        with connected(order_paid, on_commit(robust=True)(fail), on_commit(after)):
            with self.assertLogs("django.db.backends.base", "ERROR"), transaction.atomic():
                order_paid.send(sender=None)
        self.assertEqual(len(self.seen), 1)


class ArgumentTests(NotingTestCase):
    """What the receiver gets."""

    def test_instance(self):
        """It is a copy, as it was at the dispatch; what it refers to is the same."""
        order = Order.objects.create(number="1")
        item = Item(order=order, name="a")
        with connected(post_save, on_commit(self.hear()), sender=Item), transaction.atomic():
            item.save()
            item.name = "b"
            item.order = Order(number="other")
        ((_, named),) = self.seen
        copied = named["instance"]
        self.assertEqual((copied.name, copied._state.db, copied.pk), ("a", "default", item.pk))
        with self.assertNumQueries(0):
            self.assertIs(copied.order, order)
        self.assertEqual((named["created"], named["using"]), (True, "default"))
        del item, named
        gc.collect()
        with self.assertNumQueries(0):
            self.assertIs(copied.order, order)

    def test_deleted(self):
        """A deleted instance keeps its key."""
        order = Order.objects.create(number="1")
        key = order.pk
        with connected(post_delete, on_commit(self.hear()), sender=Order), transaction.atomic():
            order.delete()
        self.assertIsNone(order.pk)
        self.assertEqual(self.seen[0][1]["instance"].pk, key)

    def test_containers(self):
        """Lists, tuples, sets and dicts are copies, also with loops; other objects are passed."""
        order, token = Order(number="1"), object()
        loop = [order, (order,), {1}, {"a": [1]}, token]
        loop.append(loop)
        order.held = {"b": memoryview(b"x"), "c": [1]}
        with connected(order_paid, on_commit(self.hear())), transaction.atomic():
            order_paid.send(sender=None, loop=loop, same=order)
            loop[2].add(2)
            loop[3]["a"].append(2)
            order.number = "2"
            order.held["c"].append(2)
            loop.append(None)
        ((_, named),) = self.seen
        copied = named["loop"]
        self.assertEqual(len(copied), 6)
        self.assertEqual((copied[0].number, copied[2:4]), ("1", [{1}, {"a": [1]}]))
        self.assertEqual(copied[0].held, {"b": b"x", "c": [1]})
        self.assertIs(copied[4], token)
        self.assertIs(copied[5], copied)
        self.assertIs(copied[1][0], copied[0])
        self.assertIs(named["same"], copied[0])

    def test_conditions_below(self):
        """They are asked at the dispatch, and what has changed is as it was there."""
        product = Product.objects.create(title="a", price=1)
        seen = self.seen

        def hear(sender, instance, changed, **named):
            seen.append((instance.title, changed))

        receiver = on_commit(only_when_field_changed("title")(hear))
        with connected(post_save, receiver, sender=Product), recorded() as found:
            with transaction.atomic():
                product.title = "b"
                product.save()
                product.price = 2
                product.save()
                product.title = "c"
                product.save()
        self.assertEqual(seen, [("b", {"title": ("a", "b")}), ("c", {"title": ("b", "c")})])
        self.assertEqual(found.text.count("hear skipped"), 1)
        lines = [line for line in found.text.splitlines() if not line.startswith("    ")]
        self.assertEqual(
            [line for line in lines if "hear" in line], ["  hear deferred", "  hear skipped"]
        )

    def test_conditions_above(self):
        """They decide whether anything is put off."""
        seen = self.seen

        def hear(sender, instance, changed, **named):
            seen.append(changed)

        receiver = only_when_field_changed("number")(on_commit(hear))
        order = Order.objects.create(number="1")
        with connected(post_save, receiver, sender=Order), transaction.atomic():
            order.save()
            order.number = "2"
            order.save()
            self.assertEqual(seen, [])
        self.assertEqual(seen, [{"number": ("1", "2")}])

    def test_several_conditions(self):
        """All that stand below are asked, outer ones first."""
        receiver = on_commit(not_raw(only_when_created(self.hear())))
        with connected(post_save, receiver, sender=Order), transaction.atomic():
            order = Order.objects.create(number="1")
            order.save()
            order.save_base(raw=True)
        self.assertEqual(self.numbers(), ["1"])


class RecordTests(NotingTestCase):
    """What is recorded."""

    def test_tree(self):
        """The call is deferred, and its run hangs below it, with what that sends."""

        def tell(sender, **named):
            mail_queued.send(sender=None)

        with connected(order_paid, receiver := on_commit(tell)), recorded() as found:
            with transaction.atomic():
                order_paid.send(sender=None)
        self.assertEqual(
            found.text,
            "order_paid\n  tell deferred\n    order_paid\n      tell ok\n"
            "        mail_queued unheard\n",
        )
        (call,) = found.dispatches()[0].calls
        self.assertEqual(call.error_message, "on_commit")
        (run,) = call.children.values()
        self.assertEqual(run.method, "on_commit")
        del receiver

    def test_error(self):
        """A run that fails has failed; the call that put it off has not."""

        def fail(sender, **named):
            raise ValueError

        with connected(order_paid, on_commit(robust=True)(fail)), recorded() as found:
            with self.assertLogs("django.db.backends.base", "ERROR"), transaction.atomic():
                order_paid.send(sender=None)
        self.assertEqual(
            found.text, "order_paid\n  fail deferred\n    order_paid\n      fail error\n"
        )

    def test_rolled_back(self):
        """What was rolled back was put off, and never ran."""
        with connected(order_paid, on_commit(self.hear())), recorded() as found:
            with self.assertRaises(KeyError), transaction.atomic():
                order_paid.send(sender=None)
                raise KeyError
        self.assertEqual(found.text, "order_paid\n  hear deferred\n")


class LifeTests(NotingTestCase):
    """How long things live, and what can be decorated."""

    def test_same_again(self):
        """The same receiver gives the same, which is disconnected by it."""
        receiver = self.hear()
        self.assertIs(on_commit(receiver), on_commit()(receiver))
        self.assertIsNot(on_commit(receiver), on_commit(robust=True)(receiver))

    def test_methods(self):
        """A bound method goes with its object, and runs for it until then."""

        class Service:
            def __init__(self, seen):
                self.seen = seen

            @on_commit
            def receive(self, sender, **named):
                self.seen.append(sender)

        signal = Signal()
        service = Service(self.seen)
        signal.connect(service.receive)
        with transaction.atomic():
            signal.send(sender="a")
            self.assertEqual(self.seen, [])
        self.assertEqual(self.seen, ["a"])
        gone = weakref.ref(service)
        del service
        gc.collect()
        self.assertIsNone(gone())
        self.assertEqual(signal.send(sender="b"), [])

    def test_unhashable_receiver(self):
        """An object that cannot be hashed is a receiver like others."""
        seen = self.seen

        class Receiver:
            __hash__ = None

            def __call__(self, sender, **named):
                seen.append(sender)

        receiver = Receiver()
        with connected(order_paid, on_commit(receiver)), transaction.atomic():
            order_paid.send(sender="a")
        self.assertEqual(seen, ["a"])

    def test_refused(self):
        """What is no receiver is a TypeError."""
        for wrong in (5, "hear", staticmethod(len)):
            with self.assertRaisesMessage(TypeError, "on_commit takes a receiver"):
                on_commit(wrong)


class CaptureTests(TestCase):
    """Django's own tool for tests."""

    def test_capture(self):
        """captureOnCommitCallbacks() finds the run, and runs it."""
        seen = []

        def hear(sender, instance, **named):
            seen.append(instance.number)

        with connected(post_save, on_commit(hear), sender=Order):
            with self.captureOnCommitCallbacks() as callbacks:
                Order.objects.create(number="1")
            self.assertEqual((len(callbacks), seen), (1, []))
            with self.captureOnCommitCallbacks(execute=True):
                Order.objects.create(number="2")
        self.assertEqual(seen, ["2"])
