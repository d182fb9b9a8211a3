"""Puts something around a receiver, which stays what it was and lives as long as before."""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any, ClassVar, TypeVar
from weakref import WeakSet

from asgiref.sync import iscoroutinefunction

from signalscope.recorder.gate import note_outcome

Arguments = dict[str, Any]

# On a receiver: its id, and the wrappers that were put around it. A weak mapping
# would not do: a wrapper refers to its receiver, which would so be kept alive for ever.
_WRAPPERS = "_signalscope_wrappers"

# All wrappers there are.
_all_wrappers: WeakSet[Any] = WeakSet()


@dataclass(frozen=True)
class Wrapping(ABC):
    """What stands around a receiver; equal ones put one and the same wrapper around it."""

    # Of the decorator.
    name: ClassVar[str]

    @abstractmethod
    def make(self, receiver: Callable[..., Any]) -> Any:
        """Return a new wrapper."""


Kind = TypeVar("Kind", bound=Wrapping)


class Condition(Wrapping):
    """Decides whether a receiver runs."""

    # Whether it can only be asked by arefuse().
    is_async = False

    @abstractmethod
    def refuse(self, named: Arguments) -> str:
        """
        Return "" where the receiver runs, else what keeps it out.

        named: what the receiver is called with; it may be added to.
        """

    async def arefuse(self, named: Arguments) -> str:
        """Return what refuse() returns, for an async receiver."""
        return self.refuse(named)

    def make(self, receiver: Callable[..., Any]) -> Any:
        """Return a function, async where the receiver is, that asks before it calls."""
        return _make_wrapper(receiver, self)


def wrap(receiver: Any, wrapping: Wrapping) -> Any:
    """
    Return what stands for a receiver, as long as the receiver lives.

    The same again for the same receiver and an equal wrapping, so that it is connected once,
    and found by disconnect().
    """
    if isinstance(receiver, MethodType):
        # Bound anew: Django then lets it go with its object, as it does with any method.
        return MethodType(wrap(receiver.__func__, wrapping), receiver.__self__)
    if not callable(receiver) or isinstance(receiver, staticmethod | classmethod):
        raise TypeError(
            f"{wrapping.name} takes a receiver: a function, not {receiver!r}; "
            "it stands below @receiver and below @staticmethod"
        )
    wrappers = _wrappers_of(receiver, wrapping)
    for wrapper in wrappers:
        if wrapper._signalscope_wrapping == wrapping:
            return wrapper
    wrapper = wrapping.make(receiver)
    wrapper._signalscope_wrapping = wrapping
    wrappers.append(wrapper)
    _all_wrappers.add(wrapper)
    return wrapper


def _make_wrapper(receiver: Callable[..., Any], condition: Condition) -> Any:
    if iscoroutinefunction(receiver):

        @functools.wraps(receiver)
        async def acalled(*args: Any, **named: Any) -> Any:
            args, named = _by_name(receiver, args, named)
            if refusal := await condition.arefuse(named):
                note_outcome(named.get("signal"), named.get("sender"), "skipped", refusal)
                return None
            return await receiver(*args, **named)

        return acalled

    @functools.wraps(receiver)
    def called(*args: Any, **named: Any) -> Any:
        args, named = _by_name(receiver, args, named)
        if refusal := condition.refuse(named):
            note_outcome(named.get("signal"), named.get("sender"), "skipped", refusal)
            return None
        return receiver(*args, **named)

    return called


def _by_name(
    receiver: Callable[..., Any], args: tuple[Any, ...], named: Arguments
) -> tuple[tuple[Any, ...], Arguments]:
    """Return a call's arguments with the sender by name, as it is unless the project calls."""
    if "sender" in named:
        return args, named
    return (), {**dict(zip(inspect.signature(receiver).parameters, args, strict=False)), **named}


def _wrappers_of(receiver: Any, wrapping: Wrapping) -> list[Any]:
    wrappers: list[Any]
    try:
        # functools.wraps() copies attributes to functions that are others.
        owner, wrappers = vars(receiver).get(_WRAPPERS, (None, []))
        if owner != id(receiver):
            wrappers = []
            setattr(receiver, _WRAPPERS, (id(receiver), wrappers))
    except (TypeError, AttributeError):
        raise TypeError(
            f"{wrapping.name} takes functions, and objects that can have attributes: nothing "
            f"would keep what it makes of {receiver!r} alive"
        ) from None
    return wrappers


def used(kind: type[Kind]) -> Iterator[tuple[Callable[..., Any], Kind]]:
    """Yield what stands for receivers by a kind of wrapping, with that."""
    for wrapper in list(_all_wrappers):
        if isinstance(wrapper._signalscope_wrapping, kind):
            yield wrapper, wrapper._signalscope_wrapping


def wrapping_of(receiver: Callable[..., Any]) -> Wrapping | None:
    """Return by what something stands for a receiver; None where it does not."""
    # An object that is a receiver may be unhashable, a wrapper is not.
    if type(receiver) is FunctionType and receiver in _all_wrappers:
        return receiver._signalscope_wrapping  # type: ignore[attr-defined, no-any-return]
    return None


def without_conditions(receiver: Callable[..., Any]) -> Callable[..., Any]:
    """Return what runs where the conditions that stand right around a receiver let it."""
    for _, function in _sync_conditions(receiver):
        receiver = function
    return receiver


def ask(
    receiver: Callable[..., Any], signal: Any, sender: object, named: Arguments
) -> Callable[..., Any] | None:
    """
    Ask the conditions that stand right around a receiver now, though it will run later.

    Async ones are left for then. named: the other arguments of the dispatch; what conditions tell
    the receiver is added to it.
    Returns the receiver without those that were asked; None where one keeps it out, which is
    noted.
    """
    asked = {"sender": sender, "signal": signal, **named}
    for condition, function in _sync_conditions(receiver):
        if refusal := condition.refuse(asked):
            note_outcome(signal, sender, "skipped", refusal)
            return None
        receiver = function
    del asked["sender"], asked["signal"]
    named.update(asked)
    return receiver


def _sync_conditions(
    receiver: Callable[..., Any],
) -> Iterator[tuple[Condition, Callable[..., Any]]]:
    """Yield conditions from the outermost on, each with what it stands around."""
    condition = wrapping_of(receiver)
    while isinstance(condition, Condition) and not condition.is_async:
        receiver = receiver.__wrapped__  # type: ignore[attr-defined]
        yield condition, receiver
        condition = wrapping_of(receiver)
