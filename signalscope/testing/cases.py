"""Test cases for unittest that look at signals, and leave receivers as they were found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar
from unittest import TestCase as UnittestCase

from django import test
from django.dispatch import Signal

from signalscope.testing import captured, expectations
from signalscope.testing.connected import ReceiversAsFound, left_message

if TYPE_CHECKING:
    from unittest import TestResult

    _Base = UnittestCase
else:
    _Base = object

SomeExpectation = TypeVar("SomeExpectation", bound=expectations.Expectation)


class SignalTestMixin(_Base):
    """
    Adds to a test case of unittest or of Django: write it before that, in the list of bases.

    Each test begins with the receivers that were connected when its class began, and those of
    setUpClass(). One that leaves a receiver connected fails, with the name of that.
    may_stay_connected: globs over labels of receivers that may stay.
    """

    may_stay_connected: ClassVar[Sequence[str]] = ()

    @classmethod
    def setUpClass(cls) -> None:
        """Remember what is connected, until all that the class does is done."""
        cls.addClassCleanup(_put_back, cls.__qualname__, ReceiversAsFound(cls.may_stay_connected))
        super().setUpClass()

    def run(self, result: TestResult | None = None) -> TestResult | None:
        """Run the test, setUp() and all, between two looks at what is connected."""
        found = self._begin()
        try:
            return super().run(result)
        finally:
            # Also where the test was skipped.
            found.put_back()

    def debug(self) -> None:
        """Run the test without a result, in the same way."""
        found = self._begin()
        try:
            super().debug()
        finally:
            found.put_back()

    def capture(self, *signals: Signal | str, sender: Any = None) -> captured.capture:
        """Return a capture: ``with self.capture(order_paid) as seen: ...``."""
        return captured.capture(*signals, sender=sender)

    def assert_sent(
        self,
        signal: Signal | str,
        /,
        *,
        sender: Any = None,
        times: int | None = None,
        **kwargs: Any,
    ) -> expectations.assert_sent:
        """Assert that a signal is sent: ``with self.assert_sent(order_paid): ...``."""
        return self._expect(expectations.assert_sent(signal, sender=sender, times=times, **kwargs))

    def assert_not_sent(
        self, signal: Signal | str, /, *, sender: Any = None, **kwargs: Any
    ) -> expectations.assert_not_sent:
        """Assert that a signal is not sent in a block."""
        return self._expect(expectations.assert_not_sent(signal, sender=sender, **kwargs))

    def assert_received_by(
        self,
        receiver: Callable[..., Any] | str,
        /,
        *,
        signal: Signal | str | None = None,
        sender: Any = None,
        times: int | None = None,
        **kwargs: Any,
    ) -> expectations.assert_received_by:
        """Assert that a receiver runs in a block."""
        return self._expect(
            expectations.assert_received_by(
                receiver, signal=signal, sender=sender, times=times, **kwargs
            )
        )

    def assert_order(self, *signals_and_receivers: Any) -> expectations.assert_order:
        """Assert that signals are sent, and receivers called, one after the other in a block."""
        return self._expect(expectations.assert_order(*signals_and_receivers))

    def assert_budget(
        self,
        receiver: Callable[..., Any] | str,
        /,
        *,
        max_calls: int | None = None,
        max_queries: int | None = None,
    ) -> expectations.assert_budget:
        """Assert that a receiver keeps within a budget in a block."""
        return self._expect(
            expectations.assert_budget(receiver, max_calls=max_calls, max_queries=max_queries)
        )

    def _begin(self) -> ReceiversAsFound:
        found = ReceiversAsFound(self.may_stay_connected)
        self._expected: list[expectations.Expectation] = []
        # The first to be added is the last to be called, behind tearDown() and all others.
        self.addCleanup(self._end, found)
        return found

    def _expect(self, expectation: SomeExpectation) -> SomeExpectation:
        self._expected.append(expectation)
        return expectation

    def _end(self, found: ReceiversAsFound) -> None:
        __tracebackhide__ = True
        left = found.put_back()
        unused = [expected for expected in self._expected if not expected.is_used]
        self._expected = []
        for expected in unused:
            expected.is_used = True
        if not getattr(getattr(self, "_outcome", None), "success", True):
            # The traceback of what failed holds the test's receivers.
            return
        if left:
            raise self.failureException(left_message(self.id(), left))
        if unused:
            raise self.failureException(unused[0].unused())


class SignalTestCase(SignalTestMixin, test.TestCase):
    """Django's TestCase with SignalTestMixin."""


def _put_back(who: str, found: ReceiversAsFound) -> None:
    left = found.put_back()
    if left:
        raise AssertionError(left_message(who, left))
