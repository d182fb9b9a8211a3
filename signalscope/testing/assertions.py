"""What a test can say of the dispatches that were captured."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

from django.dispatch import Signal

from signalscope.control.criteria import Meant, checked_signal
from signalscope.core.names import matches, receiver_label
from signalscope.registry.signals import registry
from signalscope.testing import messages
from signalscope.testing.dispatches import SeenCall, SeenDispatch
from signalscope.testing.values import differing, label_of


class Assertions(ABC):
    """
    The assertions of a capture.

    Each raises AssertionError with what was sent instead, and ValueError where the capture does
    not see what is asked for.
    """

    @abstractmethod
    def _everything(self) -> list[SeenDispatch]:
        """Return all dispatches and later runs that are known, in the order of their beginning."""

    @abstractmethod
    def _why_blind(self, signal: Signal | str, sender: Any) -> str:
        """Return why nothing can be said of a signal and a sender; "" where it can."""

    def assert_sent(
        self,
        signal: Signal | str,
        /,
        *,
        sender: Any = None,
        times: int | None = None,
        **kwargs: Any,
    ) -> None:
        """
        Assert that a signal was sent: at least once, or just so often as ``times`` says.

        signal: a Signal, its name or a glob. sender: a class, a model's label, any other object
        or a glob; None for any. kwargs: arguments that it was sent with, among others.
        """
        __tracebackhide__ = True
        wanted = Wanted(signal, sender, kwargs)
        sent = self._sent(signal, sender)
        found = [dispatch for dispatch in sent if wanted.is_met(dispatch)]
        if times is None and not found:
            raise AssertionError(messages.not_sent(wanted, sent))
        if times is not None and len(found) != _checked_count("times", times):
            raise AssertionError(messages.sent_times(wanted, times, found, sent))

    def assert_not_sent(
        self, signal: Signal | str, /, *, sender: Any = None, **kwargs: Any
    ) -> None:
        """Assert that a signal was not sent; arguments as those of assert_sent()."""
        __tracebackhide__ = True
        wanted = Wanted(signal, sender, kwargs)
        found = [dispatch for dispatch in self._sent(signal, sender) if wanted.is_met(dispatch)]
        if found:
            raise AssertionError(messages.was_sent(wanted, found))

    def assert_received_by(
        self,
        receiver: Callable[..., Any] | str,
        /,
        *,
        signal: Signal | str | None = None,
        sender: Any = None,
        times: int | None = None,
        **kwargs: Any,
    ) -> None:
        """
        Assert that a receiver ran: at least once, or just so often as ``times`` says.

        receiver: a function or its dotted name, the last part of it or a glob. signal, sender,
        kwargs: of the dispatches that count, as in assert_sent(); None for any.
        One that was muted, skipped by a condition or put off has not run; a later run counts.
        """
        __tracebackhide__ = True
        wanted = Wanted("*" if signal is None else signal, sender, kwargs)
        name = _receiver_name(receiver)
        everything = self._everything() if signal is None else self._seen(signal, sender)
        calls = [
            (dispatch, call)
            for dispatch in everything
            for call in dispatch.calls
            if matches([name], call.receiver) or call.receiver == name
        ]
        ran = [call for dispatch, call in calls if call.has_run and wanted.is_met(dispatch)]
        if times is None and not ran:
            raise AssertionError(messages.not_received(name, wanted, calls, everything))
        if times is not None and len(ran) != _checked_count("times", times):
            raise AssertionError(messages.received_times(name, wanted, times, ran, calls))

    def assert_order(self, *signals_and_receivers: Any) -> None:
        """
        Assert that signals were sent, and receivers called, one after the other.

        signals_and_receivers: Signals, functions, and names or globs of either. Others may come
        between them. A call of a receiver comes after its dispatch, and before what it sends.
        """
        __tracebackhide__ = True
        steps = [Step(given) for given in signals_and_receivers]
        if len(steps) < 2:  # noqa: PLR2004
            raise TypeError(
                f"assert_order() takes signals and receivers, at least two, not "
                f"{signals_and_receivers!r}"
            )
        for given in signals_and_receivers:
            if isinstance(given, Signal):
                self._seen(given)
        events = self._events()
        at = 0
        for number, step in enumerate(steps):
            while at < len(events) and not step.is_met(events[at]):
                at += 1
            if at == len(events):
                raise AssertionError(messages.out_of_order(steps, number, events))
            at += 1

    def assert_budget(
        self,
        receiver: Callable[..., Any] | str,
        /,
        *,
        max_calls: int | None = None,
        max_queries: int | None = None,
    ) -> None:
        """
        Assert that a receiver keeps within a budget.

        receiver: as in assert_received_by(). max_calls: how often it may run in the block.
        max_queries: how many statements one of its calls may run, without those of the
        receivers that it sends signals to.
        """
        __tracebackhide__ = True
        if max_calls is None and max_queries is None:
            raise TypeError("assert_budget() takes max_calls, max_queries or both")
        name = _receiver_name(receiver)
        calls = [
            (dispatch, call)
            for dispatch in self._everything()
            for call in dispatch.calls
            if call.has_run and (matches([name], call.receiver) or call.receiver == name)
        ]
        if max_calls is not None and len(calls) > _checked_count("max_calls", max_calls):
            raise AssertionError(messages.too_many_calls(name, max_calls, calls))
        if max_queries is not None:
            _checked_count("max_queries", max_queries)
            beyond = [pair for pair in calls if pair[1].query_count > max_queries]
            if beyond:
                raise AssertionError(messages.too_many_queries(name, max_queries, beyond))

    def _seen(self, signal: Signal | str, sender: Any = None) -> list[SeenDispatch]:
        if reason := self._why_blind(checked_signal(signal), sender):
            raise ValueError(reason)
        return self._everything()

    def _sent(self, signal: Signal | str, sender: Any) -> list[SeenDispatch]:
        return [dispatch for dispatch in self._seen(signal, sender) if dispatch.is_sent]

    def _events(self) -> list[SeenDispatch | SeenCall]:
        """Return dispatches and the calls that ran, in the order of their beginning."""
        everything = self._everything()
        later = {id(dispatch) for dispatch in everything if not dispatch.is_sent}
        below = {id(child) for dispatch in everything for child in dispatch.children}
        events: list[SeenDispatch | SeenCall] = []
        for dispatch in everything:
            if id(dispatch) in later or id(dispatch) not in below:
                _add_events(events, dispatch, later)
        return events


def _add_events(
    events: list[SeenDispatch | SeenCall], dispatch: SeenDispatch, later: set[int]
) -> None:
    if dispatch.is_sent:
        events.append(dispatch)
    for call in dispatch.calls:
        if call.has_run:
            events.append(call)
        for child in call.children:
            # A later run has a place of its own: when it ran.
            if id(child) not in later:
                _add_events(events, child, later)


class Wanted:
    """The dispatches that an assertion is about."""

    def __init__(self, signal: Signal | str, sender: Any, kwargs: dict[str, Any]) -> None:
        given = checked_signal(signal)
        self.signal = given if isinstance(given, str) else registry.name(given)[0]
        # As dispatches are called in messages; of a glob nothing is left out.
        self.name = given if isinstance(given, str) else self.signal.rpartition(".")[2]
        self._signals = Meant([given])
        self.sender = "" if sender is None else label_of(sender)
        self._senders = Meant([] if sender is None else [sender])
        self.kwargs = kwargs

    def is_met(self, dispatch: SeenDispatch) -> bool:
        """Tell whether a dispatch is one of them."""
        return self.distance(dispatch) == (False, False, 0)

    def distance(self, dispatch: SeenDispatch) -> tuple[bool, bool, int]:
        """Return how far off a dispatch is: by signal, sender, and how many arguments."""
        return (
            not self._signals.include(dispatch.signal_name, dispatch.signal),
            not self._senders.include(dispatch.sender_label, dispatch.sender),
            len(differing(self.kwargs, dispatch.kwargs)),
        )


class Step:
    """One part of an order: a signal that is sent, or a receiver that is called."""

    def __init__(self, given: Any) -> None:
        self._signals: Meant | None = None
        self._receiver = ""
        if isinstance(given, Signal):
            self.text = registry.name(given)[0]
            self._signals = Meant([given])
        elif isinstance(given, str):
            self.text = given
            self._signals = Meant([given])
            self._receiver = given
        elif callable(given):
            self.text = self._receiver = receiver_label(given)
        else:
            raise TypeError(
                f"assert_order() was given {given!r}; it takes Signals, receivers, and names of "
                "either"
            )

    def is_met(self, event: SeenDispatch | SeenCall) -> bool:
        """Tell whether an event is this one."""
        if isinstance(event, SeenDispatch):
            signals = self._signals
            return signals is not None and signals.include(event.signal_name, event.signal)
        return bool(self._receiver) and (
            event.receiver == self._receiver or matches([self._receiver], event.receiver)
        )


def _receiver_name(receiver: Callable[..., Any] | str) -> str:
    if isinstance(receiver, str) and receiver:
        return receiver
    if callable(receiver):
        return receiver_label(receiver)
    raise TypeError(f"receiver is {receiver!r}; give a function, its dotted name or a glob")


def _checked_count(name: str, count: int) -> int:
    if type(count) is not int or count < 0:
        raise ValueError(f"{name} is {count!r}; give a whole number, 0 or more")
    return count
