"""Batches: what is in them, how they are gathered, and how a function is given one."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.db import models
from django.dispatch import Signal

from signalscope.delivery.jobs import FAILURES
from signalscope.recorder.late import LateRun


@dataclass(frozen=True, slots=True)
class Dispatched:
    """
    One dispatch of a batch.

    signal: the signal; in a batch of one's own the name that was given to add_signal().
    named: the other arguments that it was sent with.
    """

    signal: Any
    sender: Any
    named: dict[str, Any]


# Gets the dispatches of a batch, oldest first; it may be async.
Function = Callable[[list[Dispatched]], object]
Key = Callable[[Dispatched], Hashable]
# Gets places, and returns those whose dispatches are still to be handled.
Keep = Callable[[Sequence[int]], Sequence[int]]


def key_of_instance(dispatched: Dispatched) -> Hashable:
    """
    Return the model, database and key of the instance that a dispatch is about.

    One that has no key yet is like no other. Raises TypeError where there is no instance.
    """
    instance = dispatched.named.get("instance")
    if not isinstance(instance, models.Model):
        raise TypeError(
            f"{dispatched.signal!r} was sent without a model's instance; "
            "give key=, a function that returns what dispatches have in common"
        )
    using = dispatched.named.get("using") or instance._state.db
    return instance._meta.concrete_model, using, object() if instance.pk is None else instance.pk


@dataclass(frozen=True, slots=True)
class Options:
    """
    How dispatches are gathered.

    size: how many make a batch. interval: s after the first at which a smaller one is one, too.
    key: returns what dispatches have in common; with coalesce only the last of each key is kept.
    """

    size: int
    interval: float
    key: Key = key_of_instance
    coalesce: bool = False

    def __post_init__(self) -> None:
        if type(self.size) is not int or self.size < 1:
            raise ValueError(f"size is {self.size!r}; it must be a whole number above 0")
        is_number = type(self.interval) in (int, float)
        if not is_number or not 0 < self.interval <= threading.TIMEOUT_MAX:
            raise ValueError(f"interval is {self.interval!r}; it must be seconds above 0")

    def key_of(self, dispatched: Dispatched) -> Hashable:
        """Return what takes the place of what; raises what the key's function does."""
        key = self.key(dispatched) if self.coalesce else object()
        hash(key)
        return key


def run_split(
    function: Function, dispatches: Sequence[Dispatched], *, keep: Keep = list
) -> dict[int, BaseException]:
    """
    Call a function with dispatches; if it fails, halve what it gets until the bad ones are found.

    keep: asked before each call but the first one; what it raises goes to the caller.
    Returns the errors that the function raised for single ones, by their places.
    """
    errors: dict[int, BaseException] = {}
    parts: list[Sequence[int]] = [range(len(dispatches))]
    while parts:
        part = parts.pop()
        if len(part) < len(dispatches):
            part = keep(part)
            if not part:
                continue
        try:
            _call(function, [dispatches[place] for place in part])
        except FAILURES as error:
            middle = len(part) // 2
            if middle:
                parts += [part[middle:], part[:middle]]
            else:
                errors[part[0]] = error
    return errors


def _call(function: Function, dispatches: list[Dispatched]) -> None:
    first = dispatches[0]
    # What was added by hand is no dispatch.
    is_recorded = isinstance(first.signal, Signal)
    run = LateRun(first.signal, first.sender, function, method="batched")
    with run if is_recorded else nullcontext():
        (async_to_sync(function) if iscoroutinefunction(function) else function)(dispatches)
