"""A call under a condition, and that a receiver under one is what it was."""

import functools
import gc
import inspect
import weakref

from asgiref.sync import iscoroutinefunction
from django.dispatch import receiver
from django.test import override_settings

import signalscope
from signalscope import (
    not_raw,
    only_for_models,
    only_when_created,
    signal_condition,
)
from signalscope.core.django_dispatch import entries
from signalscope.core.names import receiver_label
from signalscope.registry.receivers import place_of
from tests.control.hearing import SEND_METHODS, ConditionTestCase, is_large, send
from tests.shop.signals import order_paid
from tests.trees import connected, recorded
from tests.warehouse.models import Product, Rate


class OutcomeTests(ConditionTestCase):
    """A call that a condition keeps out, and one that it lets through."""

    def test_all_send_methods(self):
        """With each way to send, sync and async, a receiver runs or answers None."""
        for method in SEND_METHODS:
            for function in (self.hear(), self.ahear()):
                with self.subTest(method=method, function=function):
                    with connected(self.signal, signal_condition(is_large)(function)):
                        self.assertEqual(send(self.signal, method, size=11), ["heard"])
                        self.assertEqual(send(self.signal, method, size=10), [None])
        self.assertEqual(self.heard, [Product] * 8)

    def test_recorded_as_skipped(self):
        """The record says which condition kept the call out, and only that call."""
        for function in (self.hear(), self.ahear()):
            under = signal_condition(is_large)(function)
            with connected(order_paid, under, self.hear_other):
                calls = self.skipped(order_paid, size=1)
                self.assertCountEqual(
                    calls, [("skipped", "signal_condition(is_large)"), ("ok", "")]
                )
                self.assertEqual(self.skipped(order_paid, size=11), [("ok", ""), ("ok", "")])

    def test_instance_as_sender(self):
        """The sender may be anything."""
        with connected(order_paid, signal_condition(is_large)(self.hear())):
            for sender in (None, "text", Rate(code="a")):
                self.assertEqual(
                    self.skipped(order_paid, sender=sender),
                    [("skipped", "signal_condition(is_large)")],
                )

    def test_nested_dispatch(self):
        """What a skipped call is nested in is not skipped."""

        def pay(sender, **kwargs):
            order_paid.send(sender=sender, size=1)

        signalscope.register(self.signal, name="tests.outer")
        self.addCleanup(signalscope.unregister, self.signal)
        under = signal_condition(is_large)(self.hear())
        with connected(self.signal, pay), connected(order_paid, under), recorded() as seen:
            send(self.signal)
        self.assertEqual(seen.text, "outer\n  pay ok\n    order_paid\n      heard skipped\n")

    def test_not_recording(self):
        """Conditions are the project's own logic: they hold while nothing is recorded."""
        signalscope.uninstall()
        self.addCleanup(signalscope.install)
        with connected(self.signal, signal_condition(is_large)(self.hear())):
            self.assertEqual(send(self.signal, size=1), [None])
            self.assertEqual(send(self.signal, size=11), ["heard"])

    def hear_other(self, sender, **kwargs):
        """Run under no condition."""


class ReceiverTests(ConditionTestCase):
    """A receiver under a condition is what it was without."""

    def connections(self):
        """Return how many receivers of the signal are alive."""
        gc.collect()
        return len([entry for entry in entries(self.signal) if entry.receiver is not None])

    def test_identity(self):
        """Name, module, documentation, signature and place stay, and whether it is async."""

        def plain(sender, size=3, **kwargs):
            """Say what it does."""

        async def later(sender, size=3, **kwargs):
            """Say what it does."""

        plain.short_description = "own attribute"
        for function in (plain, later):
            under = only_when_created(signal_condition(is_large)(function))
            for name in ("__name__", "__qualname__", "__module__", "__doc__"):
                self.assertEqual(getattr(under, name), getattr(function, name))
            self.assertEqual(inspect.signature(under), inspect.signature(function))
            self.assertEqual(receiver_label(under), receiver_label(function))
            self.assertEqual(place_of(under), place_of(function))
            self.assertIs(iscoroutinefunction(under), iscoroutinefunction(function))
        self.assertEqual(not_raw(plain).short_description, "own attribute")

    def test_lives_as_long_as_its_function(self):
        """With no other reference to it, a condition stays connected until its receiver goes."""
        for make in (self.hear, self.ahear):
            function = make()
            self.signal.connect(not_raw(only_when_created(function)))
            self.assertEqual(self.connections(), 1)
            gone = weakref.ref(function)
            del function
            self.assertEqual(self.connections(), 0)
            self.assertIsNone(gone())

    def test_decorated_function_goes(self):
        """What is decorated goes with its name, as it would without a condition."""

        @receiver(self.signal)
        @only_when_created
        def heard(sender, **kwargs):
            pass

        self.assertEqual(self.connections(), 1)
        del heard
        self.assertEqual(self.connections(), 0)

    def test_bound_method_goes_with_its_object(self):
        """At once, as any bound method does: no cycle keeps the object."""

        class Desk:
            def hear(self, sender, **kwargs):
                return self

        desk = Desk()
        self.signal.connect(only_when_created(desk.hear))
        self.assertEqual(self.connections(), 1)
        self.assertEqual(send(self.signal, created=True), [desk])
        gone = weakref.ref(desk)
        gc.disable()
        self.addCleanup(gc.enable)
        del desk
        self.assertIsNone(gone())
        self.assertEqual(send(self.signal, created=True), [])

    def test_method_of_a_class(self):
        """Decorated in a class body, each object's method is a receiver of its own."""

        class Desk:
            @only_when_created
            def hear(self, sender, **kwargs):
                return self

            @only_when_created()
            async def ahear(self, sender, **kwargs):
                return self

            @staticmethod
            @not_raw
            def hear_static(sender, **kwargs):
                return "static"

            @classmethod
            @not_raw
            def hear_class(cls, sender, **kwargs):
                return cls

        one, other = Desk(), Desk()
        with connected(self.signal, one.hear, other.hear, one.ahear, Desk.hear_static):
            with connected(self.signal, Desk.hear_class):
                self.assertEqual(send(self.signal, created=True), [one, other, "static", Desk, one])
                self.assertEqual(
                    send(self.signal, created=False, raw=True), [None, None, None, None, None]
                )
        del other
        self.signal.connect(one.hear)
        del one
        self.assertEqual(self.connections(), 0)

    def test_callable_object_and_partial(self):
        """They go as they came: with their own name, and when they are gone."""

        class Desk:
            def __call__(self, sender, **kwargs):
                return "desk"

        for make in (Desk, lambda: functools.partial(self.hear(), size=3)):
            one = make()
            under = only_when_created(one)
            self.assertEqual(receiver_label(under), receiver_label(one))
            self.signal.connect(under)
            del under
            self.assertEqual(self.connections(), 1)
            self.assertEqual(len(send(self.signal, created=True)), 1)
            self.assertEqual(send(self.signal, created=False), [None])
            del one
            self.assertEqual(self.connections(), 0)

    def test_async_partial(self):
        """A partial of a coroutine function is awaited."""
        one = functools.partial(self.ahear(), size=3)
        with connected(self.signal, only_when_created(one)):
            self.assertEqual(send(self.signal, created=True), ["heard"])
            self.assertEqual(send(self.signal, "asend", created=False), [None])

    def test_same_condition_again(self):
        """It is one connection, which disconnect() finds; another condition is another one."""
        function = self.hear()
        for _ in range(2):
            self.signal.connect(only_when_created(function))
            self.signal.connect(only_for_models("warehouse.Product")(function))
        self.assertEqual(self.connections(), 2)
        self.assertTrue(self.signal.disconnect(only_when_created(function)))
        self.assertFalse(self.signal.disconnect(only_when_created(function)))
        self.assertTrue(self.signal.disconnect(only_for_models("warehouse.product")(function)))
        self.assertEqual(self.connections(), 0)
        self.assertIsNot(only_for_models(Rate)(function), only_for_models(Product)(function))

    def test_same_condition_in_another_stack(self):
        """One of a function is not taken for the same one of a function made of that."""
        function = self.hear()
        created = only_when_created(function)

        @functools.wraps(function)
        def foreign(*args, **kwargs):
            return [function(*args, **kwargs)]

        both = only_when_created(not_raw(function))
        self.assertIsNot(both, created)
        with connected(self.signal, both, only_when_created(foreign)):
            self.assertEqual(send(self.signal, created=True, raw=True), [None, ["heard"]])

    def test_bound_methods_are_equal(self):
        """As those of one object are, so that disconnect() finds one."""
        self.signal.connect(only_when_created(self.one))
        self.signal.connect(only_when_created(self.one))
        self.assertEqual(self.connections(), 1)
        self.assertTrue(self.signal.disconnect(only_when_created(self.one)))

    def one(self, sender, **kwargs):
        """Be a bound method."""

    def test_dispatch_uid(self):
        """A dispatch_uid is what tells receivers apart, with a condition as without."""
        first, second = only_when_created(self.hear()), only_when_created(self.hear())
        with connected(self.signal, first, second, dispatch_uid="one"):
            self.assertEqual(self.connections(), 1)

    @override_settings(DEBUG=True)
    def test_keyword_arguments_are_checked(self):
        """Django still refuses, with DEBUG, what does not take keyword arguments."""

        def narrow(sender):
            pass

        class Desk:
            @only_when_created
            def narrow(self, sender):
                pass

        for function in (only_when_created(narrow), Desk().narrow, not_raw(Desk().narrow)):
            with self.assertRaisesMessage(ValueError, "must accept keyword arguments"):
                self.signal.connect(function)
        self.signal.connect(only_when_created(self.hear()))

    def test_called_by_hand(self):
        """A project's tests call a receiver as they did: the sender by position, too."""

        class Desk:
            @only_for_models(Product)
            def hear(self, sender, **kwargs):
                return "heard"

        under = only_for_models(Product)(self.hear())
        self.assertEqual(under(Product), "heard")
        self.assertEqual(under(sender=Product, instance=None), "heard")
        self.assertIsNone(under(Rate, instance=None))
        self.assertEqual(Desk().hear(Product), "heard")
        self.assertIsNone(Desk().hear(Rate))
        with self.assertRaisesMessage(TypeError, "missing 1 required positional argument"):
            only_when_created(self.hear())(created=True)

    def test_what_is_no_receiver(self):
        """It is refused as it is decorated, with what is allowed."""
        with self.assertRaisesMessage(TypeError, "only_when_created takes a receiver"):
            only_when_created(5)
        with self.assertRaisesMessage(TypeError, "below @staticmethod"):
            not_raw(staticmethod(self.hear()))
        with self.assertRaisesMessage(TypeError, "below @staticmethod"):
            not_raw(classmethod(self.hear()))
        with self.assertRaisesMessage(TypeError, "would keep what it makes of"):
            not_raw([].append)


class StackTests(ConditionTestCase):
    """Several conditions around one receiver."""

    def test_outer_ones_first(self):
        """The first that does not hold ends it, and is the one that is named."""
        asked = []

        def asks(name, answer):
            def ask(**kwargs):
                asked.append(name)
                return answer

            return signal_condition(ask)

        for function in (self.hear(), self.ahear()):
            asked.clear()
            under = asks("outer", True)(asks("middle", False)(asks("inner", True)(function)))
            with connected(order_paid, under):
                calls = self.skipped(order_paid)
            self.assertEqual(asked, ["outer", "middle"])
            self.assertEqual(len(calls), 1)
            self.assertEqual(calls[0][0], "skipped")

    def test_all_hold(self):
        """Then the receiver runs."""

        @not_raw
        @only_when_created()
        @only_for_models("warehouse.Product")
        @signal_condition(is_large)
        def heard(sender, **kwargs):
            return "heard"

        with connected(self.signal, heard):
            named = {"size": 11, "raw": False, "created": True}
            self.assertEqual(send(self.signal, **named), ["heard"])
            for other in ({"size": 1}, {"raw": True}, {"created": False}, {"sender": Rate}):
                self.assertEqual(send(self.signal, **{**named, **other}), [None])
