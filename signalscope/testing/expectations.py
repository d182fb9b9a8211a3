"""The assertions as blocks: ``with assert_sent(order_paid): ...``."""

from __future__ import annotations

import warnings
from abc import abstractmethod
from collections.abc import Callable
from types import TracebackType
from typing import Any, Self

from django.dispatch import Signal

from signalscope.core.blocks import Block, Function
from signalscope.testing.captured import capture


class Expectation(Block):
    """
    Asserts something of what is sent in its block; what the block itself raises comes first.

    It stands as ``with`` and ``async with``, gives the capture of all that is sent, and decorates
    functions, sync and async.
    """

    def __init__(self, *signals: Signal | str) -> None:
        # Before anything can fail: __del__() asks.
        self.is_used = True
        self._capture = capture(*signals)
        self._capture.sees_all = True
        self.is_used = False

    @abstractmethod
    def check(self, seen: capture) -> None:
        """Raise AssertionError where what was seen is not as expected."""

    @abstractmethod
    def again(self) -> Self:
        """Return another one like this, for each call of a decorated function."""

    def __enter__(self) -> capture:  # type: ignore[override]
        self.is_used = True
        return self._capture.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        __tracebackhide__ = True
        self._capture.__exit__(kind, error, traceback)
        if error is None:
            self.check(self._capture)

    async def __aenter__(self) -> capture:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        __tracebackhide__ = True
        self.__exit__(kind, error, traceback)

    def __call__(self, function: Function) -> Function:
        """Decorate a function: what is asserted holds for each of its calls."""
        self.is_used = True
        return super().__call__(function)

    def __del__(self) -> None:
        # As of a coroutine that nobody awaits: the line would be a test that cannot fail.
        if not self.is_used:
            warnings.warn(self.unused(), RuntimeWarning, stacklevel=2)

    def unused(self) -> str:
        """Return what to say of one that stands without a block."""
        name = type(self).__name__
        return (
            f"{name}() has checked nothing: write 'with {name}(...):' around what sends, or call "
            f"{name}() of a capture"
        )


class assert_sent(Expectation):  # noqa: N801
    """
    Assert that a signal is sent in the block: ``with assert_sent(order_paid, times=1): ...``.

    signal, sender, times, kwargs: as of capture.assert_sent().
    """

    def __init__(
        self,
        signal: Signal | str,
        /,
        *,
        sender: Any = None,
        times: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(signal)
        self._signal, self._sender, self._times, self._kwargs = signal, sender, times, kwargs

    def check(self, seen: capture) -> None:
        """Assert it of what was seen."""
        __tracebackhide__ = True
        seen.assert_sent(self._signal, sender=self._sender, times=self._times, **self._kwargs)

    def again(self) -> Self:
        """Return another one like this."""
        return type(self)(self._signal, sender=self._sender, times=self._times, **self._kwargs)


class assert_not_sent(Expectation):  # noqa: N801
    """
    Assert that a signal is not sent in the block.

    signal, sender, kwargs: as of capture.assert_not_sent().
    """

    def __init__(self, signal: Signal | str, /, *, sender: Any = None, **kwargs: Any) -> None:
        super().__init__(signal)
        self._signal, self._sender, self._kwargs = signal, sender, kwargs

    def check(self, seen: capture) -> None:
        """Assert it of what was seen."""
        __tracebackhide__ = True
        seen.assert_not_sent(self._signal, sender=self._sender, **self._kwargs)

    def again(self) -> Self:
        """Return another one like this."""
        return type(self)(self._signal, sender=self._sender, **self._kwargs)


class assert_received_by(Expectation):  # noqa: N801
    """
    Assert that a receiver runs in the block.

    receiver, signal, sender, times, kwargs: as of capture.assert_received_by().
    """

    def __init__(
        self,
        receiver: Callable[..., Any] | str,
        /,
        *,
        signal: Signal | str | None = None,
        sender: Any = None,
        times: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(*[] if signal is None else [signal])
        self._receiver = receiver
        self._options = {"signal": signal, "sender": sender, "times": times, **kwargs}

    def check(self, seen: capture) -> None:
        """Assert it of what was seen."""
        __tracebackhide__ = True
        seen.assert_received_by(self._receiver, **self._options)

    def again(self) -> Self:
        """Return another one like this."""
        return type(self)(self._receiver, **self._options)


class assert_order(Expectation):  # noqa: N801
    """
    Assert that signals are sent, and receivers called, one after the other in the block.

    signals_and_receivers: as of capture.assert_order().
    """

    def __init__(self, *signals_and_receivers: Any) -> None:
        super().__init__(*[given for given in signals_and_receivers if isinstance(given, Signal)])
        self._given = signals_and_receivers

    def check(self, seen: capture) -> None:
        """Assert it of what was seen."""
        __tracebackhide__ = True
        seen.assert_order(*self._given)

    def again(self) -> Self:
        """Return another one like this."""
        return type(self)(*self._given)


class assert_budget(Expectation):  # noqa: N801
    """
    Assert that a receiver keeps within a budget in the block.

    receiver, max_calls, max_queries: as of capture.assert_budget().
    """

    def __init__(
        self,
        receiver: Callable[..., Any] | str,
        /,
        *,
        max_calls: int | None = None,
        max_queries: int | None = None,
    ) -> None:
        super().__init__()
        self._receiver, self._max_calls, self._max_queries = receiver, max_calls, max_queries

    def check(self, seen: capture) -> None:
        """Assert it of what was seen."""
        __tracebackhide__ = True
        seen.assert_budget(self._receiver, max_calls=self._max_calls, max_queries=self._max_queries)

    def again(self) -> Self:
        """Return another one like this."""
        return type(self)(self._receiver, max_calls=self._max_calls, max_queries=self._max_queries)
