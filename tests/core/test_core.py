"""The ground floor: names, globs, histograms, messages, faults."""

import functools
import unittest
from unittest import mock

from django.test import SimpleTestCase
from django.utils.functional import SimpleLazyObject
from hypothesis import given
from hypothesis import strategies as st

from signalscope.core import faults, histogram
from signalscope.core.names import matches, receiver_label, sender_label
from signalscope.core.redact import error_message, error_type
from tests.shop.models import Order


def function(sender, **kwargs):
    """Stand for a receiver."""


def decorator(wrapped):
    """Wrap as decorators do."""

    @functools.wraps(wrapped)
    def wrapper(*args, **kwargs):
        return wrapped(*args, **kwargs)

    return wrapper


class Receiver:
    """A callable object."""

    def __call__(self, sender, **kwargs):
        """Hear a signal."""

    def method(self, sender, **kwargs):
        """Hear a signal."""

    @classmethod
    def class_method(cls, sender, **kwargs):
        """Hear a signal."""


class NamesTests(SimpleTestCase):
    """Labels."""

    def test_receivers(self):
        """Every kind of receiver has a readable name."""
        here = __name__
        for receiver, label in (
            (function, f"{here}.function"),
            (decorator(decorator(function)), f"{here}.function"),
            (functools.partial(function, a=1), f"partial({here}.function)"),
            (Receiver(), f"{here}.Receiver"),
            (Receiver, f"{here}.Receiver"),
            (Receiver().method, f"{here}.Receiver.method"),
            (Receiver.class_method, f"{here}.Receiver.class_method"),
            (lambda sender, **kwargs: None, f"{here}.NamesTests.test_receivers.<locals>.<lambda>"),
            (len, "builtins.len"),
            (mock.Mock(), "unittest.mock.Mock"),
        ):
            with self.subTest(label):
                self.assertEqual(receiver_label(receiver), label)

    def test_senders(self):
        """A model's label, a dotted path, or that of the type; the sender is never asked."""
        lazy = SimpleLazyObject(lambda: self.fail("evaluated"))
        for sender, label in (
            (None, "None"),
            (Order, "shop.Order"),
            (Receiver, f"{__name__}.Receiver"),
            (Order(number="1"), "shop.Order"),
            ("text", "builtins.str"),
            (7, "builtins.int"),
            (function, f"{__name__}.function"),
            (unittest, "unittest"),
            (lazy, "django.utils.functional.SimpleLazyObject"),
        ):
            with self.subTest(label):
                self.assertEqual(sender_label(sender), label)

    def test_globs(self):
        """A glob matches the whole text or its last part, and minds the case."""
        for glob, name, is_match in (
            ("shop.*", "shop.Order", True),
            ("Order", "shop.Order", True),
            ("order", "shop.Order", False),
            ("shop", "shop.Order", False),
            ("*.touch_*", "shop.receivers.touch_stock", True),
            ("touch_*", "shop.receivers.touch_stock", True),
            ("[!x]*", "shop.Order", True),
            ("touch_stock", "partial(shop.receivers.touch_stock)", True),
        ):
            with self.subTest(glob=glob, name=name):
                self.assertIs(matches([glob], name), is_match)


class HistogramTests(SimpleTestCase):
    """Buckets and percentiles."""

    @given(
        st.lists(st.integers(100, 10**12), min_size=1, max_size=300),
        st.sampled_from([0.01, 0.5, 0.95, 0.99, 1.0]),
    )
    def test_percentiles_are_within_five_percent(self, durations, share):
        """A percentile from buckets is at most 5 % away from the exact one."""
        counts = {}
        for duration in durations:
            index = histogram.bucket(duration)
            counts[index] = counts.get(index, 0) + 1
        rank = -(-len(durations) * share // 1)
        exact = sorted(durations)[int(rank) - 1]
        found = histogram.percentile_ns(counts, share, max(durations))
        self.assertLessEqual(abs(found - exact), 0.05 * exact)

    def test_every_short_duration(self):
        """Whole ns round a lot where there are few of them: still at most 5 %."""
        for duration in range(100, 20_000):
            found = histogram.percentile_ns({histogram.bucket(duration): 1}, 1.0, 10**9)
            self.assertLessEqual(abs(found - duration), 0.05 * duration, duration)

    def test_edges(self):
        """Nothing, too much and the very long are told apart."""
        with self.assertRaisesRegex(ValueError, "share is 0"):
            histogram.percentile_ns({1: 1}, 0, 1)
        with self.assertRaisesRegex(ValueError, "counts is empty"):
            histogram.percentile_ns({}, 0.5, 1)
        two_hours = 7_200 * 10**9
        self.assertEqual(histogram.bucket(two_hours), len(histogram.BOUNDS_NS))
        self.assertLess(histogram.percentile_ns({histogram.bucket(1): 1}, 1.0, 1), 2)


class RedactTests(SimpleTestCase):
    """Messages of exceptions."""

    def test_plain_messages(self):
        """Python's own exceptions with plain arguments give their text."""
        self.assertEqual(error_message(ValueError("bad")), "bad")
        self.assertEqual(error_message(KeyError("key")), "'key'")
        missing = FileNotFoundError(2, "No such file")
        self.assertEqual(error_message(missing), "[Errno 2] No such file")
        self.assertEqual(len(error_message(ValueError("x" * 9999))), 500)

    def test_code_of_the_project_is_not_run(self):
        """str() of an exception or an argument may do anything, so it is not called."""

        class Talking(Exception):
            def __str__(self):
                raise AssertionError("asked")

        class Argument:
            def __repr__(self):
                raise AssertionError("asked")

        self.assertEqual(error_message(Talking("first", Argument())), "first")
        self.assertEqual(error_message(ValueError(Argument())), "")
        self.assertEqual(error_type(Talking()), f"{__name__}.{Talking.__qualname__}")
        self.assertEqual(error_type(ValueError()), "ValueError")


class FaultTests(SimpleTestCase):
    """The guard around signalscope's own code."""

    def test_reported_once_per_kind(self):
        """The same kind of fault is logged once."""
        faults.caught = None
        with self.assertLogs("signalscope", "ERROR") as logs:
            for _ in range(3):
                faults.fault("counting", ValueError("ours"))
            faults.fault("counting", KeyError("ours"))
        self.assertEqual(len(logs.output), 2)
        self.assertIn("the project is not affected", logs.output[0])

    def test_exhausted_stack_is_not_a_fault(self):
        """A RecursionError is the project's own."""
        faults.caught = None
        with self.assertNoLogs("signalscope"):
            faults.fault("counting", RecursionError())
