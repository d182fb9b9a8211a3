"""Mutes as decorators of functions, classes and test classes."""

import asyncio
import contextlib
import functools
import inspect
import unittest

from django.db.models.signals import post_save, pre_save
from django.dispatch import Signal
from django.test import SimpleTestCase, TestCase, TransactionTestCase

import signalscope
from signalscope.recorder.gate import MUTES, OPEN_MUTES
from tests.control.muting import ALL, MuteTestCase, first, second
from tests.shop.models import Order

heard = Signal()


def note(sender, **kwargs):
    """Answer."""
    return "note"


heard.connect(note)


def is_muted():
    """Tell whether the module's receiver is muted here."""
    return heard.send(None) == []


async def ais_muted():
    """Tell whether the module's receiver is muted here."""
    return await heard.asend(None) == []


class FunctionTests(MuteTestCase):
    """Functions, sync and async."""

    def test_function(self):
        """Each call is a block, also one that raises; the function keeps its name and signature."""

        @signalscope.mute(receiver=first)
        def work(number, *, fails=False):
            """Work."""
            if fails:
                raise ValueError(number)
            return number, self.heard()

        self.assertEqual(work(1), (1, ["second", "third", "fourth"]))
        with self.assertRaises(ValueError):
            work(2, fails=True)
        self.assertHeard(ALL)
        self.assertEqual((work.__name__, work.__doc__), ("work", "Work."))
        self.assertEqual(str(inspect.signature(work)), "(number, *, fails=False)")

    def test_recursion(self):
        """A decorated function may call itself."""

        @signalscope.mute(receiver=first)
        def work(depth):
            return self.heard() if depth == 0 else work(depth - 1)

        self.assertEqual(work(3), ["second", "third", "fourth"])
        self.assertHeard(ALL)

    def test_coroutine_function(self):
        """Each call is a block from its first step to its end, and of its task alone."""

        @signalscope.mute(receiver=note)
        async def work(started):
            before = await ais_muted()
            started.set()
            await asyncio.sleep(0)
            return before, await ais_muted()

        async def run():
            started = asyncio.Event()
            task = asyncio.create_task(work(started))
            await started.wait()
            return await ais_muted(), await task

        self.assertTrue(inspect.iscoroutinefunction(work))
        self.assertEqual(asyncio.run(run()), (False, (True, True)))

    def test_generators(self):
        """A generator's body does not run when it is called, so that nothing would be muted."""

        def generator():
            yield

        async def async_generator():
            yield

        class Methods:
            def plain(self):
                """Do nothing."""

            def method(self):
                yield

        method = Methods.plain
        for function in (generator, async_generator, Methods):
            for block in (signalscope.mute.all(), signalscope.only(receiver=note)):
                with self.assertRaisesRegex(TypeError, "is a generator"):
                    block(function)
        self.assertIs(Methods.plain, method)

    def test_two_mutes(self):
        """Decorators stack."""

        @signalscope.mute(receiver=first)
        @signalscope.only(receiver=[first, second])
        def work():
            return self.heard()

        self.assertEqual(work(), ["second"])

    def test_who_muted_it(self):
        """It is named after the line in which it was made, however it is used."""
        for block in (
            signalscope.mute.all(),
            signalscope.mute(receiver=note),
            signalscope.only(receiver=note),
        ):
            with contextlib.ExitStack() as stack:
                stack.enter_context(block)
                self.assertRegex(block.text, rf"^(mute|only) at {__name__}:\d+$")
        line = inspect.currentframe().f_lineno
        self.assertEqual(signalscope.mute.all().text, f"mute at {__name__}:{line + 1}")


@signalscope.mute(receiver=note)
class Service:
    """A class with all kinds of methods."""

    def __init__(self):
        self.in_init = is_muted()

    def __call__(self):
        """Be called."""
        return is_muted()

    def __len__(self):
        return int(is_muted())

    def method(self):
        """Be called."""
        return is_muted()

    async def amethod(self):
        """Be awaited."""
        return await ais_muted()

    @staticmethod
    def static():
        """Be called."""
        return is_muted()

    @classmethod
    def of_class(cls):
        """Be called."""
        return cls, is_muted()

    @property
    def value(self):
        """Be read."""
        return is_muted()

    part = staticmethod(functools.partial(is_muted))


class Child(Service):
    """Has a method more."""

    def own(self):
        """Be called."""
        return is_muted()

    def method(self):
        """Be called, and call the other one."""
        return is_muted(), super().method()


class ClassTests(SimpleTestCase):
    """Classes that are no test cases."""

    def test_methods(self):
        """Each function of the class is muted, but operators and properties."""
        service = Service()
        self.assertEqual(
            (service.in_init, service(), service.method(), service.static()), (True,) * 4
        )
        self.assertEqual(Service.of_class(), (Service, True))
        self.assertIs(asyncio.run(service.amethod()), True)
        self.assertEqual((len(service), service.value, service.part()), (0, False, False))
        self.assertIs(is_muted(), False)

    def test_subclass(self):
        """What a subclass adds is its own."""
        child = Child()
        self.assertEqual((child.own(), child.method()), (False, (False, True)))
        self.assertIs(child.static(), True)
        self.assertEqual(Child.of_class(), (Child, True))

    def test_class_without_methods(self):
        """Where nothing would be muted, the decorator says so."""

        class Factory:
            """Has only inherited methods."""

            model = Order

        with self.assertRaisesRegex(TypeError, "Factory has no methods of its own"):
            signalscope.mute.all()(Factory)


@signalscope.mute(receiver=note)
class TestPytestStyle:
    """A class as pytest takes it."""

    @classmethod
    def setup_class(cls):
        """Look before all tests."""
        cls.before_all = is_muted()

    def setup_method(self):
        """Look before the test."""
        self.before = is_muted()

    def teardown_method(self, method):
        """Look behind the test."""
        assert is_muted()

    def test_muted(self, tmp_path):
        """The test and what is before it are muted; fixtures are found as they were."""
        assert (self.before_all, self.before, is_muted()) == (True, True, True)
        assert tmp_path.is_dir()


class Steps:
    """Notes in each step whether it is muted."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.steps = [is_muted()]

    @classmethod
    def tearDownClass(cls):
        cls.steps.append(is_muted())
        super().tearDownClass()

    def setUp(self):
        super().setUp()
        self.steps.append(is_muted())
        self.addCleanup(lambda: self.steps.append(is_muted()))

    def tearDown(self):
        self.steps.append(is_muted())
        super().tearDown()

    def test_step(self):
        """Look."""
        self.steps.append(is_muted())


class AsyncSteps(Steps):
    """Has async ones as well."""

    async def asyncSetUp(self):
        self.steps.append(await ais_muted())

    async def asyncTearDown(self):
        self.steps.append(await ais_muted())

    async def test_async_step(self):
        """Look."""
        self.steps.append(await ais_muted())


@signalscope.mute(receiver=note)
class PlainSteps(Steps, unittest.TestCase):
    """Python's own."""


@signalscope.mute(receiver=note)
class SimpleSteps(Steps, SimpleTestCase):
    """Django's without a database."""

    async def test_async_step(self):
        """Look."""
        self.steps.append(await ais_muted())


@signalscope.mute(receiver=note)
class IsolatedSteps(AsyncSteps, unittest.IsolatedAsyncioTestCase):
    """Python's own for coroutines, which run in a context that is older than setUpClass()."""


class LaterSteps(IsolatedSteps):
    """A subclass with methods of its own."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.steps.append(is_muted())

    def setUp(self):
        super().setUp()
        self.steps.append(is_muted())


@signalscope.mute(signal=pre_save)
@signalscope.mute(receiver=note)
class TwiceSteps(Steps, unittest.TestCase):
    """Two mutes on one class."""

    def setUp(self):
        """Look at the other one."""
        super().setUp()
        self.steps.append(len(MUTES.get()) == 2)


def run(cls):
    """Run a test class as unittest and Django do; return what its steps saw."""
    result = unittest.TestResult()
    unittest.defaultTestLoader.loadTestsFromTestCase(cls).run(result)
    assert result.wasSuccessful() and result.testsRun, (result.errors, result.failures)
    return cls.steps


class TestCaseTests(SimpleTestCase):
    """Test cases, run by unittest here, and below as this file is run."""

    def test_every_step(self):
        """From setUpClass() through tearDownClass(), in sync and in async tests."""
        for cls, count in (
            (PlainSteps, 6),
            (SimpleSteps, 10),
            (IsolatedSteps, 14),
            (LaterSteps, 17),
            (TwiceSteps, 7),
        ):
            with self.subTest(cls=cls.__name__):
                self.assertEqual(run(cls), [True] * count)
                self.assertEqual((is_muted(), OPEN_MUTES, MUTES.get()), (False, set(), ()))

    def test_set_up_class_that_fails(self):
        """The block ends, too, where the class could not be set up."""

        @signalscope.mute(receiver=note)
        class Fails(unittest.TestCase):
            @classmethod
            def setUpClass(cls):
                raise ValueError("no server")

            def test_step(self):
                """Never run."""

        result = unittest.TestResult()
        unittest.defaultTestLoader.loadTestsFromTestCase(Fails).run(result)
        self.assertEqual(len(result.errors), 1)
        self.assertEqual((is_muted(), OPEN_MUTES), (False, set()))


@signalscope.mute(signal=post_save)
class DatabaseTests(TestCase):
    """Django's TestCase, with objects of the class."""

    @classmethod
    def setUpTestData(cls):
        """Save while the class is set up."""
        post_save.connect(fail_on_save, sender=Order)
        cls.addClassCleanup(post_save.disconnect, fail_on_save, sender=Order)
        cls.order = Order.objects.create(number="1")

    def test_save(self):
        """No receiver of the signal is called."""
        self.order.save()
        self.assertIs(is_muted(), False)

    async def test_async_save(self):
        """Nor in an async test."""
        await self.order.asave()


@signalscope.mute(receiver="fail_on_save")
class TransactionTests(TransactionTestCase):
    """Django's TransactionTestCase."""

    def test_save(self):
        """The receiver is not called."""
        post_save.connect(fail_on_save, sender=Order)
        self.addCleanup(post_save.disconnect, fail_on_save, sender=Order)
        Order.objects.create(number="1")


def fail_on_save(sender, **kwargs):
    """Fail."""
    raise AssertionError("not muted")
