"""What a mute is about: signals, senders, receivers, dispatch_uids and families."""

from __future__ import annotations

import functools
import operator
import weakref
from collections.abc import Callable, Iterator, Sequence
from difflib import get_close_matches
from types import MethodType
from typing import Any, TypeGuard

from django.apps import apps
from django.dispatch import Signal
from django.utils.module_loading import import_string

from signalscope.core.django_dispatch import is_same
from signalscope.core.names import matches, wrapped
from signalscope.recorder.gate import Candidates
from signalscope.recorder.plans import Plan
from signalscope.registry.builtin import CUSTOM, FAMILIES, FAMILY_OF
from signalscope.registry.signals import registry

# Characters that make a glob of a name.
_GLOB = frozenset("*?[")


class Criteria:
    """
    Picks receivers out of a dispatch: all that was given must match.

    given: by keyword, one value or several in a list, tuple or set; None for what is not given.
    Objects are not kept alive. Raises TypeError for what cannot be meant, ValueError for names
    that there are not.
    """

    def __init__(self, given: dict[str, Any]) -> None:
        values = {name: _several(name, value) for name, value in given.items() if value is not None}
        self._families = _checked_families(values.get("family", []))
        self._signals = Meant([checked_signal(value) for value in values.get("signal", [])])
        self._senders = Meant(values.get("sender", []))
        self._receivers = Meant(
            [_checked_receiver(value) for value in values.get("receiver", [])], is_same=is_receiver
        )
        self._dispatch_uids = [str(value) for value in values.get("dispatch_uid", [])]

    def pick(self, plan: Plan, candidates: Candidates) -> Sequence[bool]:
        """Return for each receiver of a dispatch whether it is meant."""
        if not self._is_about(plan, candidates):
            return [False] * len(plan.receivers)
        picked = [
            self._receivers.include(label, receiver)
            for label, receiver in zip(plan.receivers, candidates.receivers, strict=True)
        ]
        if not self._dispatch_uids:
            return picked
        return [
            is_picked and self._has_dispatch_uid(text)
            for is_picked, text in zip(picked, candidates.dispatch_uids, strict=True)
        ]

    def _is_about(self, plan: Plan, candidates: Candidates) -> bool:
        if self._families and FAMILY_OF.get(plan.signal, CUSTOM) not in self._families:
            return False
        return self._signals.include(plan.signal, candidates.signal) and self._senders.include(
            plan.sender_label, candidates.sender
        )

    def _has_dispatch_uid(self, text: str) -> bool:
        return text != "" and (text in self._dispatch_uids or matches(self._dispatch_uids, text))


class Meant:
    """
    Objects that are meant, by themselves or by globs over their names; nothing given means all.

    is_same: whether an object given, and one at hand, are the same.
    """

    def __init__(
        self, values: Sequence[object], is_same: Callable[[Any, Any], bool] = operator.is_
    ) -> None:
        self._globs = [value for value in values if _is_text(value)]
        self._references = [reference(value) for value in values if not _is_text(value)]
        self._is_same = is_same

    def include(self, label: str, value: object) -> bool:
        """Tell whether an object with that name is meant."""
        if not self._globs and not self._references:
            return True
        return matches(self._globs, label) or any(
            (given := find()) is not None and self._is_same(given, value)
            for find in self._references
        )


def is_receiver(given: object, connected: object) -> bool:
    """Tell whether a receiver is the given one, a wrapper or a method of it, or what it wraps."""
    return any(is_same(given, layer) for layer in _layers(connected)) or any(
        is_same(layer, connected) for layer in wrapped(given)
    )


def _layers(receiver: object) -> Iterator[object]:
    """Give a receiver, and what is below: the function of a method or partial, what it wraps."""
    yield receiver
    if type(receiver) is MethodType:
        receiver = receiver.__func__
        yield receiver
    elif isinstance(receiver, functools.partial):
        yield from _layers(receiver.func)
    yield from wrapped(receiver)


def reference(value: Any) -> Callable[[], object]:
    """Return what gives an object while it lives, where its type allows for that."""
    try:
        return weakref.WeakMethod(value) if type(value) is MethodType else weakref.ref(value)
    except TypeError:
        return lambda: value


def _is_text(value: object) -> TypeGuard[str]:
    # Not isinstance(), which makes lazy objects, such as a user, evaluate themselves.
    return issubclass(type(value), str)


def _several(name: str, value: Any) -> list[Any]:
    is_list = issubclass(type(value), list | tuple | set | frozenset)
    values = list(value) if is_list else [value]
    if not values or any(one is None for one in values):
        raise ValueError(f"{name} is {value!r}; give a value, or a list of at least one")
    return values


def _checked_families(values: list[Any]) -> frozenset[str]:
    for value in values:
        if value != CUSTOM and value not in FAMILIES:
            allowed = ", ".join([*FAMILIES, CUSTOM])
            raise ValueError(f"family is {value!r}; it must be one of {allowed}")
    return frozenset(values)


def _checked_receiver(value: Any) -> Any:
    if not isinstance(value, str) and not callable(value):
        raise TypeError(f"receiver is {value!r}; give a function, its dotted name or a glob")
    return value


def checked_signal(value: Any) -> Any:
    """Return a signal or a glob; before all apps are there, a name is taken as it is."""
    if isinstance(value, Signal):
        return value
    if not isinstance(value, str):
        raise TypeError(f"signal is {value!r}; give a Signal, its dotted name or a glob")
    if not _GLOB.isdisjoint(value) or not apps.ready:
        return value
    try:
        _look_up(value)
    except LookupError:
        return _import_signal(value)
    return value


@functools.lru_cache(maxsize=1000)
def _look_up(name: str) -> None:
    """Raise LookupError for a name that no signal has; remember the others, which takes ms."""
    if not any(matches([name], known) for known in FAMILY_OF) and not any(
        matches([name], info.name) for info in registry.signals()
    ):
        raise LookupError


def _import_signal(path: str) -> Signal:
    """Return a signal by a path that it is not named by, or that nobody has imported yet."""
    try:
        signal = import_string(path)
    except ImportError:
        signal = None
    if not isinstance(signal, Signal):
        raise ValueError(_unknown(path))
    return signal


def _unknown(name: str) -> str:
    known = [info.name for info in registry.signals()]
    near = get_close_matches(name, [*known, *[path.rpartition(".")[2] for path in known]])
    families = ", ".join([*FAMILIES, CUSTOM])
    return (
        f"signal is {name!r}, and no signal is called that"
        f"{'; there is ' + ' and '.join(near) if near else ''}. "
        f"'manage.py signalstats --list' shows all of them; family may be one of {families}"
    )
