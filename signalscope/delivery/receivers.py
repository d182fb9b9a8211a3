"""The receivers that may be run by name: those that were decorated for it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from types import FunctionType
from typing import Any

from signalscope.core.names import receiver_label
from signalscope.delivery.batches import Options as BatchOptions
from signalscope.delivery.options import Options
from signalscope.delivery.references import find_module
from signalscope.exceptions import UnreadablePayload

Function = Callable[..., Any]

IDEMPOTENCY_KEY = "idempotency_key"


@dataclass(frozen=True, slots=True)
class Deferred:
    """
    A decorated receiver.

    function: what runs in the end. connected: what stands in its place in Signal.receivers.
    batch: how its calls are gathered, None where each is made alone.
    """

    function: Function
    connected: Function
    options: Options
    batch: BatchOptions | None = None

    @property
    def wants_key(self) -> bool:
        """Whether the receiver asks for the key of its job."""
        return IDEMPOTENCY_KEY in inspect.signature(self.function).parameters


def name_for_workers(function: Function) -> str:
    """Return the dotted name of a function; raises TypeError where it is not found by that."""
    if type(function) is not FunctionType or not function.__qualname__.isidentifier():
        raise TypeError(
            f"{function!r} cannot be deferred: a worker finds a receiver by its module and name, "
            "so that it must be a function at the top level of a module"
        )
    return receiver_label(function)


class DeferredReceivers:
    """
    Decorated receivers by dotted name.

    They live as long as the process, as functions of modules do, however they are connected.
    """

    def __init__(self) -> None:
        # Of one function, one for each set of options.
        self._by_name: dict[str, list[Deferred]] = {}

    def add(self, name: str, deferred: Deferred) -> Deferred:
        """
        Add one, in place of those of another function with its name, as in its module.

        Returns it, or the one that there is with the same function and options.
        Raises TypeError for one that is deferred already: it would be put off for ever.
        """
        known = self._by_name.get(name, [])
        if any(one.connected is deferred.function for one in known):
            raise TypeError(f"{name} is deferred already")
        if not known or known[0].function is not deferred.function:
            known = self._by_name[name] = []
        for one in known:
            if (one.options, one.batch) == (deferred.options, deferred.batch):
                return one
        known.append(deferred)
        return deferred

    def find(self, name: str) -> Deferred:
        """
        Return one with a name, whatever its options; raises UnreadablePayload.

        Only what is decorated is found: a queue cannot say what else to call.
        """
        if name not in self._by_name:
            find_module(name.rpartition(".")[0])
        try:
            return self._by_name[name][0]
        except KeyError:
            raise UnreadablePayload(
                f"there is no receiver {name!r} with @deferred or @batched(durable=True): was it "
                "renamed or moved?"
            ) from None

    def all(self) -> list[tuple[str, Deferred]]:
        """Return all of them, with their names."""
        return [(name, one) for name, known in self._by_name.items() for one in known]


deferred_receivers = DeferredReceivers()
