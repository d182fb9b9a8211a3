"""Captures the dispatches of a block, for tests to look at."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Sequence
from types import TracebackType
from typing import Any, Self, overload

from django.dispatch import Signal

from signalscope import wiring
from signalscope.control.criteria import Meant, checked_signal
from signalscope.core.names import matches
from signalscope.exceptions import NotRecording
from signalscope.recorder.captures import OpenCapture
from signalscope.recorder.plans import Plan
from signalscope.registry.signals import registry
from signalscope.testing.assertions import Assertions
from signalscope.testing.dispatches import Reading, SeenCall, SeenDispatch, tree
from signalscope.testing.values import label_of

# Each instance of a model sends these two: where nobody hears them they are seen by their name.
PER_INSTANCE = frozenset(
    {"django.db.models.signals.pre_init", "django.db.models.signals.post_init"}
)


class capture(Assertions):  # noqa: N801
    """
    See what is dispatched in a block: ``with capture(order_paid) as seen: ...``.

    signals: Signals, dotted names or globs; none means all that signalscope watches, without
    pre_init and post_init that nobody hears.
    sender: a class, a model's label, any other object, a glob, or a list of these; None for any.
    What the running thread or task sends is seen, and what the tasks and functions do that it
    awaits; muted dispatches are, too. The dispatches are there in the block, and behind it, in
    the order in which they were sent; seen holds what they were sent with as long as it lives.
    It stands as ``with`` and ``async with``, and decorates functions, sync and async, which are
    given it as the argument ``seen``.
    Raises TypeError and ValueError for what is no signal, NotRecording as the block begins where
    signalscope is off.
    """

    def __init__(self, *signals: Signal | str, sender: Any = None) -> None:
        self._given = signals
        self._sender = sender
        # Whether assertions know of what is not named, too.
        self.sees_all = not signals
        self._signals = Meant([checked_signal(signal) for signal in signals])
        self._senders = Meant([] if sender is None else _several(sender))
        self._open: OpenCapture | None = None
        self._reading = Reading([], [])

    def __enter__(self) -> Self:
        if self._open is not None:
            raise RuntimeError("this capture is open already; give each block one of its own")
        if reason := wiring.why_off():
            raise NotRecording(f"capture() cannot see what is sent. {reason}")
        self._open = OpenCapture(self._decide, _watch_queries)
        self._open.open()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        opened, self._open = self._open, None
        if opened is not None:
            opened.close()
            self._reading = self._make_reading(opened)
            # Contexts that were copied in the block may hold it for long.
            opened.forget()
            _watch_queries()

    async def __aenter__(self) -> Self:
        return self.__enter__()

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.__exit__(kind, error, traceback)

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """
        Decorate a function: each of its calls has a capture, which is its argument ``seen``.

        Raises TypeError where it takes no such argument, and for generators, whose bodies do not
        run when they are called.
        """
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"{function.__qualname__} is a generator; use 'with capture(...)' inside of it"
            )
        signature = inspect.signature(function)
        if "seen" not in signature.parameters:
            raise TypeError(
                f"{function.__qualname__}() takes no argument 'seen', in which capture() gives it "
                "what was sent: add it, or use 'with capture(...) as seen' inside of it"
            )
        called: Any
        if inspect.iscoroutinefunction(function):

            @functools.wraps(function)
            async def called(*args: Any, **kwargs: Any) -> Any:
                with self.again() as seen:
                    return await function(*args, seen=seen, **kwargs)
        else:

            @functools.wraps(function)
            def called(*args: Any, **kwargs: Any) -> Any:
                with self.again() as seen:
                    return function(*args, seen=seen, **kwargs)

        # pytest must not look for a fixture of that name.
        others = [entry for name, entry in signature.parameters.items() if name != "seen"]
        called.__signature__ = signature.replace(parameters=others)
        return called  # type: ignore[no-any-return]

    def again(self) -> Self:
        """Return another one like this."""
        another = type(self)(*self._given, sender=self._sender)
        another.sees_all = self.sees_all
        return another

    # What was seen.

    @property
    def roots(self) -> list[SeenDispatch]:
        """The dispatches that no other one contains; below them, by their calls, the others."""
        return self._read().roots

    @property
    def calls(self) -> list[SeenCall]:
        """The calls of all dispatches, of those that were muted and not reached as well."""
        return [
            call
            for dispatch in self._read().all
            if self._shows(dispatch)
            for call in dispatch.calls
        ]

    def named(self, name: str) -> list[SeenDispatch]:
        """Return the dispatches of a signal, by its dotted name, the last part of it or a glob."""
        return [dispatch for dispatch in self if matches([name], dispatch.signal_name)]

    def tree(self) -> str:
        """
        Return what was sent as text: "order_paid Order", below it its calls, and what they sent.

        There are no times and no addresses in it, so that a test can compare the whole.
        """
        return tree(self.roots)

    def __iter__(self) -> Iterator[SeenDispatch]:
        return iter(self._shown())

    def __len__(self) -> int:
        return len(self._shown())

    # An empty capture is one nevertheless.
    def __bool__(self) -> bool:
        return True

    @overload
    def __getitem__(self, index: int) -> SeenDispatch: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[SeenDispatch]: ...

    def __getitem__(self, index: Any) -> Any:
        return self._shown()[index]

    def __str__(self) -> str:
        return self.tree()

    def __repr__(self) -> str:
        return f"<capture of {self._title()}: {len(self)} dispatches>"

    def _title(self) -> str:
        return ", ".join(self._names()) or "all signals"

    def _shown(self) -> list[SeenDispatch]:
        return [
            dispatch for dispatch in self._read().all if dispatch.is_sent and self._shows(dispatch)
        ]

    def _shows(self, dispatch: SeenDispatch) -> bool:
        """Tell whether a dispatch is shown; assertions know of more."""
        return dispatch.is_watched or bool(self._given)

    def _everything(self) -> list[SeenDispatch]:
        return self._read().all

    def _why_blind(self, signal: Signal | str, sender: Any) -> str:
        """Return why nothing can be said of what is asked for; "" where it can."""
        name = signal if isinstance(signal, str) else registry.name(signal)[0]
        last = name.rpartition(".")[2]
        is_per_instance = any(matches([name], known) for known in PER_INSTANCE)
        is_given = bool(self._given) and (
            any(_overlap(given, name) for given in self._names())
            if isinstance(signal, str)
            else self._signals.include(name, signal)
        )
        if not is_given and not self.sees_all:
            return f"this is a capture of {self._title()}, which does not see {last}: add it there"
        if not is_given and is_per_instance:
            return (
                f"{last} is sent for each instance, and seen only where it is named: "
                f"write capture({last})"
            )
        label = label_of(sender)
        own = [label_of(one) for one in _several(self._sender)] if self._sender is not None else []
        if own and sender is not None and not any(_overlap(one, label) for one in own):
            return f"this is a capture of what {', '.join(own)} sends, not {label}: add it there"
        return ""

    def _names(self) -> list[str]:
        return [
            given if isinstance(given, str) else registry.name(given)[0] for given in self._given
        ]

    def _decide(self, plan: Plan, sender: object) -> bool:
        is_unheard = not (plan.receivers or plan.kept_out)
        is_given = bool(self._given) and self._signals.include(plan.signal, plan.of())
        is_hidden = not self.sees_all or (is_unheard and plan.signal in PER_INSTANCE)
        if is_hidden and not is_given:
            return False
        return self._senders.include(plan.sender_label, sender)

    def _read(self) -> Reading:
        if self._open is None:
            return self._reading
        return self._make_reading(self._open)

    def _make_reading(self, opened: OpenCapture) -> Reading:
        # Copies, since other threads and tasks may still be adding to them.
        return Reading(list(opened.notes), list(opened.queries), has_unwatched=bool(self._given))


def _several(sender: Any) -> list[Any]:
    return list(sender) if type(sender) in (list, tuple, set, frozenset) else [sender]


def _overlap(one: str, other: str) -> bool:
    """Tell whether two names or globs may stand for the same."""
    return matches([one], other) or matches([other], one)


def _watch_queries() -> None:
    wiring.scope().watch_queries()
