"""Names of signals, connected receivers, what runs for a model."""

import functools
import gc
import sys
import types
import weakref

from django.core import signals as core_signals
from django.db.models.signals import m2m_changed, post_save, pre_save
from django.dispatch import Signal
from django.test import SimpleTestCase

import signalscope
from signalscope.exceptions import UnknownSignal
from signalscope.registry import builtin
from signalscope.registry.receivers import all_receivers, receivers_of, runs_for_model
from signalscope.registry.signals import Registry, registry
from tests.shop.models import Item, Order
from tests.shop.signals import order_paid
from tests.trees import connected, recorded


def hear(sender, **kwargs):
    """Hear a signal."""


async def hear_async(sender, **kwargs):
    """Hear a signal asynchronously."""


class SignalTests(SimpleTestCase):
    """Which signals there are."""

    def test_every_signal_of_django_is_listed(self):
        """Each Signal that a loaded module of Django's holds has a name and a family."""
        known = {id(info.signal) for info in registry.signals() if info.family != "custom"}
        missing = [
            f"{name}.{attribute}"
            for name, module in list(sys.modules.items())
            if name.startswith("django.")
            for attribute, value in list(vars(module).items())
            if issubclass(type(value), Signal) and id(value) not in known
        ]
        self.assertEqual(missing, [])

    def test_families(self):
        """The families are those that the documentation names."""
        families = {info.family for info in registry.signals()}
        expected = set(builtin.FAMILIES) | {"custom"}
        if "django.tasks" not in sys.modules:
            expected -= {"tasks"}
        self.assertEqual(families, expected)

    def test_custom_signals_are_found(self):
        """Signals in modules of installed apps are named after their module."""
        self.assertEqual(registry.name(order_paid), ("tests.shop.signals.order_paid", False))
        self.assertEqual(
            registry.name(core_signals.request_started),
            ("django.core.signals.request_started", True),
        )

    def test_signal_imported_elsewhere_keeps_its_own_name(self):
        """A signal that several modules hold is named after its module of signals."""
        module = types.ModuleType("tests.shop.aa")
        module.order_paid = order_paid
        sys.modules["tests.shop.aa"] = module
        self.addCleanup(sys.modules.pop, "tests.shop.aa")
        fresh = Registry()
        self.assertEqual(fresh.name(order_paid)[0], "tests.shop.signals.order_paid")

    def test_signal_of_a_class(self):
        """A signal that is a class's attribute is named after the class."""
        signal = Signal()
        module = types.ModuleType("tests.shop.bb")
        module.Shop = type("Shop", (), {"closed": signal, "__module__": "tests.shop.bb"})
        sys.modules["tests.shop.bb"] = module
        self.addCleanup(sys.modules.pop, "tests.shop.bb")
        self.assertEqual(Registry().name(signal)[0], "tests.shop.bb.Shop.closed")

    def test_unnamed_signal(self):
        """A signal that no module holds says that it has no name."""
        self.assertEqual(Registry().name(Signal()), ("unnamed.Signal", False))

    def test_register_by_hand(self):
        """register() names a signal, also in what is recorded, until unregister()."""
        signal = Signal()
        with connected(signal, hear), recorded() as seen:
            signal.send(sender=None)
            signalscope.register(signal, name="shop.by_hand")
            signal.send(sender=None)
            self.assertTrue(signalscope.unregister(signal))
            self.assertFalse(signalscope.unregister(signal))
        self.assertEqual(
            [dispatch.signal for dispatch in seen.dispatches()], ["unnamed.Signal", "shop.by_hand"]
        )

    def test_register_refuses(self):
        """A wrong signal, an empty or a taken name: the error says what was given."""
        with self.assertRaisesRegex(TypeError, "signal is 'order_paid'"):
            signalscope.register("order_paid", name="shop.x")
        with self.assertRaisesRegex(ValueError, "name is ''"):
            signalscope.register(Signal(), name="")
        with self.assertRaisesRegex(ValueError, "stands for another signal"):
            signalscope.register(Signal(), name="tests.shop.signals.order_paid")

    def test_paths(self):
        """SIGNALS takes dotted paths, and says which one is wrong."""
        fresh = Registry()
        fresh.register_paths(["tests.shop.signals.order_paid"])
        self.assertEqual(fresh.name(order_paid)[0], "tests.shop.signals.order_paid")
        for path, reason in (
            ("tests.shop.signals.nothing", "cannot be imported"),
            ("tests.shop.models.Order", "not a Signal"),
            ("nonsense", "cannot be imported"),
        ):
            with self.subTest(path), self.assertRaisesRegex(UnknownSignal, reason):
                fresh.register_paths([path])

    def test_no_signal_is_held(self):
        """The registry keeps no signal alive."""
        fresh, signal = Registry(), Signal()
        fresh.register(signal, "shop.short_lived")
        reference = weakref.ref(signal)
        del signal
        gc.collect()
        self.assertIsNone(reference())
        self.assertNotIn("shop.short_lived", [info.name for info in fresh.signals()])


class ReceiverTests(SimpleTestCase):
    """Who is connected."""

    def find(self, name):
        """Return the infos of a custom signal's receivers."""
        (info,) = [info for info in registry.signals() if info.name.endswith(name)]
        return receivers_of(info)

    def test_everything_of_a_receiver(self):
        """Sender, dispatch_uid, weak or strong, sync or async, file and line."""
        partial = functools.partial(hear)
        order_paid.connect(partial, weak=False, dispatch_uid="again", sender=Order)
        self.addCleanup(order_paid.disconnect, dispatch_uid="again", sender=Order)
        with connected(order_paid, hear_async, hear):
            first, second, third = self.find("order_paid")
        self.assertEqual(
            (first.receiver, first.sender, first.dispatch_uid, first.is_weak, first.is_async),
            (f"partial({__name__}.hear)", "shop.Order", "again", False, False),
        )
        self.assertEqual((second.receiver, second.sender), (f"{__name__}.hear", ""))
        self.assertEqual((third.receiver, third.is_async), (f"{__name__}.hear_async", True))
        self.assertEqual(second.place, f"{__file__}:{hear.__code__.co_firstlineno}")

    def test_strange_entries_are_passed_over(self):
        """Whatever a project puts into the list by hand does not break the listing."""
        order_paid.receivers.append("nonsense")
        self.addCleanup(order_paid.receivers.remove, "nonsense")
        with connected(post_save, hear):
            self.assertEqual(self.find("order_paid"), [])
            self.assertTrue(all_receivers())

    def test_what_runs_for_a_model(self):
        """In the order in which it runs; catch-alls are told apart; others are left out."""
        with (
            connected(post_save, hear, sender=Order),
            connected(pre_save, hear),
            connected(m2m_changed, hear, sender=Order.tags.through),
        ):
            runs = [run for run in runs_for_model(Order) if run.info.receiver.endswith(".hear")]
            others = [run for run in runs_for_model(Item) if run.info.receiver.endswith(".hear")]
        self.assertEqual(
            [(run.info.signal.rpartition(".")[2], run.is_catch_all) for run in runs],
            [("pre_save", True), ("post_save", False), ("m2m_changed", False)],
        )
        self.assertEqual([run.info.signal.rpartition(".")[2] for run in others], ["pre_save"])
