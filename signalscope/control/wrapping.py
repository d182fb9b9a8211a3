"""Puts a condition around a receiver, which stays what it was and lives as long as before."""

from __future__ import annotations

import functools
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import MethodType
from typing import Any, ClassVar
from weakref import WeakSet

from asgiref.sync import iscoroutinefunction

from signalscope.recorder.gate import note_outcome

Arguments = dict[str, Any]

# On a receiver: its id, and the wrappers that conditions have put around it. A weak mapping
# would not do: a wrapper refers to its receiver, which would so be kept alive for ever.
_WRAPPERS = "_signalscope_wrappers"

# All wrappers there are.
_all_wrappers: WeakSet[Any] = WeakSet()


@dataclass(frozen=True)
class Condition(ABC):
    """Decides whether a receiver runs; equal ones put one and the same wrapper around it."""

    name: ClassVar[str]

    @abstractmethod
    def refuse(self, named: Arguments) -> str:
        """
        Return "" where the receiver runs, else what keeps it out.

        named: what the receiver is called with; it may be added to.
        """

    async def arefuse(self, named: Arguments) -> str:
        """Return what refuse() returns, for an async receiver."""
        return self.refuse(named)


def wrap(receiver: Any, condition: Condition) -> Any:
    """
    Return what stands for a receiver under a condition, as long as the receiver lives.

    The same again for the same receiver and an equal condition, so that it is connected once,
    and found by disconnect().
    """
    if isinstance(receiver, MethodType):
        # Bound anew: Django then lets it go with its object, as it does with any method.
        return MethodType(wrap(receiver.__func__, condition), receiver.__self__)
    if not callable(receiver) or isinstance(receiver, staticmethod | classmethod):
        raise TypeError(
            f"{condition.name} takes a receiver: a function, not {receiver!r}; "
            "it stands below @receiver and below @staticmethod"
        )
    wrappers = _wrappers_of(receiver, condition)
    for wrapper in wrappers:
        if wrapper._signalscope_condition == condition:
            return wrapper
    wrapper = _make_wrapper(receiver, condition)
    wrapper._signalscope_condition = condition
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


def _wrappers_of(receiver: Any, condition: Condition) -> list[Any]:
    wrappers: list[Any]
    try:
        # functools.wraps() copies attributes to functions that are others.
        owner, wrappers = vars(receiver).get(_WRAPPERS, (None, []))
        if owner != id(receiver):
            wrappers = []
            setattr(receiver, _WRAPPERS, (id(receiver), wrappers))
    except (TypeError, AttributeError):
        raise TypeError(
            f"{condition.name} takes functions, and objects that can have attributes: nothing "
            f"would keep what it makes of {receiver!r} alive"
        ) from None
    return wrappers


def used_conditions() -> Iterator[tuple[Callable[..., Any], Condition]]:
    """Yield each receiver that stands under a condition, with that."""
    for wrapper in list(_all_wrappers):
        yield wrapper, wrapper._signalscope_condition
