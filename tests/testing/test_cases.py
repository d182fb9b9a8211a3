"""SignalTestCase leaves receivers as they were found, and says who left one connected."""

import sys
import types
import unittest
from unittest import IsolatedAsyncioTestCase, mock

from django.db.models.signals import post_save
from django.test import SimpleTestCase

from signalscope.registry.receivers import all_receivers
from signalscope.signals import receiver_slow
from signalscope.testing import SignalTestCase, SignalTestMixin
from signalscope.testing.connected import receivers_as_found
from tests.shop.models import Order, Tag
from tests.shop.signals import mail_queued, order_paid

LATE = "tests.testing.imported_late"
CONNECTS = """
from django.dispatch import receiver
from tests.shop.signals import order_paid

@receiver(order_paid)
def on_paid(sender, **kwargs):
    pass
"""
PLACE = r"\(.+tests/testing/test_cases\.py:\d+\)"


def listen(sender, **kwargs):
    pass


def also(sender, **kwargs):
    pass


def labels(signal="tests.shop.signals.order_paid"):
    """Return the labels of a signal's receivers, in order."""
    return [info.receiver.rpartition(".")[2] for info in all_receivers() if info.signal == signal]


def run(*cases):
    """Run all tests of some cases, in the order of their names; return the result."""
    result = unittest.TestResult()
    loader = unittest.TestLoader()
    unittest.TestSuite([loader.loadTestsFromTestCase(case) for case in cases]).run(result)
    return result


def messages(result):
    """Return the last paragraphs of what failed, by the name of the test."""
    return {
        str(getattr(test, "_testMethodName", test)): text.partition("AssertionError: ")[2]
        for test, text in [*result.failures, *result.errors]
    }


class LeftConnectedTests(SimpleTestCase):
    databases = "__all__"

    def check(self, base):
        class Left(SignalTestMixin, base):
            def test_one(self):
                order_paid.connect(listen, sender=Order)

            def test_two(self):
                self.assertEqual(labels(), [])

        result = run(Left)
        self.assertEqual(result.testsRun, 2)
        found = messages(result)
        self.assertEqual(list(found), ["test_one"])
        name = f"{__name__}.{Left.__qualname__}.test_one"
        self.assertRegex(
            found["test_one"],
            rf"^{name} left a receiver connected:\n"
            rf"  {__name__}\.listen, to tests\.shop\.signals\.order_paid {PLACE}\n"
            r"A test disconnects what it connects: "
            r"self\.addCleanup\(signal\.disconnect, receiver\)\n$",
        )
        self.assertEqual(labels(), [])

    def test_bases(self):
        """A test that leaves a receiver connected fails with its name; the next is not hit."""
        for base in (SimpleTestCase, IsolatedAsyncioTestCase, unittest.TestCase):
            with self.subTest(base=base):
                self.check(base)

    def test_async(self):
        """So does an async test."""

        class Left(SignalTestMixin, IsolatedAsyncioTestCase):
            async def test_one(self):
                order_paid.connect(listen)

        class AlsoLeft(SignalTestMixin, SimpleTestCase):
            async def test_one(self):
                order_paid.connect(listen)

        for case in (Left, AlsoLeft):
            with self.subTest(case=case):
                self.assertIn("test_one left a receiver", messages(run(case))["test_one"])
                self.assertEqual(labels(), [])

    def test_set_up(self):
        """What setUp() connects, before or after that of the mixin's bases, must go as well."""

        class Before(SignalTestMixin, SimpleTestCase):
            def setUp(self):
                order_paid.connect(listen)
                super().setUp()

            def test_one(self):
                self.assertEqual(labels(), ["listen"])

        class Disconnects(Before):
            def tearDown(self):
                order_paid.disconnect(listen)

        class CleansUp(Before):
            def setUp(self):
                super().setUp()
                self.addCleanup(order_paid.disconnect, listen)

        self.assertEqual(list(messages(run(Before))), ["test_one"])
        self.assertEqual(messages(run(Disconnects, CleansUp)), {})

    def test_weak(self):
        """What nobody holds is gone; what something holds is left, methods and lambdas too."""
        held = []

        class Left(SignalTestMixin, SimpleTestCase):
            def on_paid(self, **kwargs):
                pass

            def test_function(self):
                def local(**kwargs):
                    local.itself = local

                order_paid.connect(local)

            def test_gone(self):
                order_paid.connect(lambda **kwargs: None)

            def test_held(self):
                held.append(lambda **kwargs: None)
                order_paid.connect(held[0])

            def test_lambda(self):
                order_paid.connect(lambda **kwargs: None, weak=False)

            def test_method(self):
                order_paid.connect(self.on_paid)

        self.assertEqual(sorted(messages(run(Left))), ["test_held", "test_lambda", "test_method"])
        self.assertEqual(labels(), [])

    def test_disconnected(self):
        """Receivers that a test disconnected are connected again, in their order."""

        class Disconnects(SignalTestMixin, SimpleTestCase):
            def test_again(self):
                order_paid.disconnect(listen)
                order_paid.connect(listen)

            def test_one(self):
                order_paid.disconnect(listen)

            def test_two(self):
                self.assertEqual(labels(), ["listen", "also"])

        order_paid.connect(listen)
        order_paid.connect(also)
        self.addCleanup(order_paid.disconnect, listen)
        self.addCleanup(order_paid.disconnect, also)
        self.assertEqual(messages(run(Disconnects)), {})
        self.assertEqual(labels(), ["listen", "also"])

    def test_class(self):
        """Receivers of setUpClass() are there in each test, and go with the class."""

        class Connects(SignalTestMixin, SimpleTestCase):
            @classmethod
            def setUpClass(cls):
                super().setUpClass()
                order_paid.connect(listen)

            def test_one(self):
                self.assertEqual(labels(), ["listen"])

            def test_two(self):
                self.assertEqual(labels(), ["listen"])

        class Disconnects(Connects):
            @classmethod
            def tearDownClass(cls):
                order_paid.disconnect(listen)
                super().tearDownClass()

        result = run(Connects)
        self.assertEqual(result.testsRun, 2)
        ((_, text),) = result.errors
        self.assertIn(f"AssertionError: {Connects.__qualname__} left a receiver connected", text)
        self.assertEqual(labels(), [])
        self.assertEqual(messages(run(Disconnects)), {})

    def test_failed(self):
        """A test that failed for another reason says that one, and leaves nothing behind."""

        class Fails(SignalTestMixin, SimpleTestCase):
            def test_one(self):
                def local(**kwargs):
                    pass

                order_paid.connect(local)
                self.fail("for another reason")

        result = run(Fails)
        self.assertEqual(len(result.failures), 1)
        self.assertIn("for another reason", result.failures[0][1])
        self.assertEqual(labels(), [])

    def test_may_stay(self):
        """A class can name receivers that may stay."""

        class Stays(SignalTestMixin, SimpleTestCase):
            may_stay_connected = ("*.listen",)

            def test_one(self):
                order_paid.connect(listen)

        self.addCleanup(order_paid.disconnect, listen)
        self.assertEqual(messages(run(Stays)), {})
        self.assertEqual(labels(), ["listen"])

    def test_debug(self):
        """debug(), which debuggers use, looks after receivers as well."""

        class Left(SignalTestMixin, unittest.TestCase):
            def test_one(self):
                order_paid.connect(listen)

            @unittest.skip("not now")
            def test_skipped(self):
                pass

        with self.assertRaisesMessage(AssertionError, "test_one left a receiver connected"):
            Left("test_one").debug()
        self.assertEqual(labels(), [])
        self.assertEqual(len(run(Left).skipped), 1)

    def test_connected_by_import(self):
        """What a module connects as it is imported in a test stays: it is imported only once."""

        class Imports(SignalTestMixin, SimpleTestCase):
            def test_one(self):
                sys.modules[LATE] = types.ModuleType(LATE)
                exec(CONNECTS, sys.modules[LATE].__dict__)

        self.addCleanup(sys.modules.pop, LATE)
        self.assertEqual(messages(run(Imports)), {})
        self.assertEqual(labels(), ["on_paid"])
        self.assertTrue(order_paid.disconnect(sys.modules[LATE].on_paid))

    def test_slow_receivers(self):
        """A signal that has to be told of its receivers is, when they are disconnected."""

        class Left(SignalTestMixin, SimpleTestCase):
            def test_one(self):
                receiver_slow.connect(listen)

        changes = []
        with mock.patch.object(receiver_slow, "on_change", lambda: changes.append(1)):
            self.assertEqual(list(messages(run(Left))), ["test_one"])
        self.assertEqual(len(changes), 2)

    def test_fixture(self):
        """receivers_as_found() does for a block what the mixin does for a test."""
        with self.assertRaisesMessage(AssertionError, "a_test left a receiver connected:\n"):
            with receivers_as_found("a_test"):
                order_paid.connect(listen)
        with self.assertRaises(ZeroDivisionError), receivers_as_found("a_test"):
            order_paid.connect(listen)
            _ = 1 / 0
        with receivers_as_found("a_test", may_stay=["*.listen"]):
            order_paid.connect(listen)
        order_paid.disconnect(listen)


class MethodsTests(SignalTestCase):
    def test_blocks(self):
        """The assertions are methods that open a block."""
        post_save.connect(listen, sender=Tag)
        self.addCleanup(post_save.disconnect, listen, sender=Tag)
        with (
            self.assert_sent(post_save, sender=Tag, times=1),
            self.assert_not_sent(order_paid),
            self.assert_received_by(listen, times=1),
            self.assert_order("pre_save", listen),
            self.assert_budget(listen, max_calls=1, max_queries=0),
            self.capture() as seen,
        ):
            Tag.objects.create(name="new")
        self.assertEqual(seen.named("post_save")[0].kwargs["instance"].name, "new")

    def test_without_a_block(self):
        """An assertion without a block fails the test: it would have checked nothing."""

        class Without(SignalTestMixin, SimpleTestCase):
            def test_one(self):
                self.assert_sent(mail_queued)

        self.assertEqual(
            messages(run(Without))["test_one"],
            "assert_sent() has checked nothing: write 'with assert_sent(...):' around what sends, "
            "or call assert_sent() of a capture\n",
        )
