"""Receivers that get many dispatches at once."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from inspect import Parameter, Signature
from types import MethodType
from typing import Any, TypeVar, overload

from signalscope.control.wrapping import (
    Condition,
    Wrapping,
    ask,
    without_conditions,
    wrap,
    wrapping_of,
)
from signalscope.core.names import receiver_label
from signalscope.delivery.batches import Dispatched, Key, Options, key_of_instance
from signalscope.delivery.copies import copy_arguments
from signalscope.delivery.databases import database_of, run_after_commit
from signalscope.delivery.durable import Durable
from signalscope.delivery.jobs import make_job
from signalscope.delivery.options import Options as DeferredOptions
from signalscope.delivery.processor import BatchedSignalProcessor
from signalscope.delivery.receivers import Deferred, deferred_receivers, name_for_workers
from signalscope.recorder.gate import note_outcome

Receiver = TypeVar("Receiver", bound=Callable[..., Any])

_SIGNATURE = Signature(
    [Parameter("args", Parameter.VAR_POSITIONAL), Parameter("named", Parameter.VAR_KEYWORD)]
)

# What gathers in this process.
processor = BatchedSignalProcessor()


@dataclass(frozen=True)
class Batched(Wrapping):
    """Gathers the dispatches of a receiver."""

    name = "batched"
    options: Options

    def make(self, receiver: Callable[..., Any]) -> Any:
        """Return a sync function, for async receivers, too, which run elsewhere anyway."""

        _refuse_put_off(receiver)

        @functools.wraps(receiver)
        def gather(*args: Any, sender: Any, signal: Any, **named: Any) -> None:
            function = ask(receiver, signal, sender, named)
            if function is None:
                return
            dispatched = Dispatched(signal, sender, copy_arguments(named))
            # Its error is the receiver's, not one of the commit.
            key = self.options.key_of(dispatched)
            note_outcome(signal, sender, "deferred", self.name)
            # Of a method each object has batches of its own.
            owner = MethodType(gather, *args) if args else gather
            function = MethodType(function, *args) if args else function
            run_after_commit(
                functools.partial(processor.gather, owner, function, self.options, key, dispatched),
                database_of(sender, named),
            )

        return _as_receiver(gather)


@dataclass(frozen=True)
class DurableBatched(Wrapping):
    """Stores the dispatches of a receiver, for whichever worker has enough of them."""

    name = "batched"
    options: Options

    def make(self, receiver: Callable[..., Any]) -> Any:
        """Return a sync function; raises TypeError for what a worker could not find."""
        _refuse_put_off(receiver)
        name = name_for_workers(receiver)
        # Rows are due when they are so old that a batch need not be full.
        options = DeferredOptions(delay=self.options.interval, durable=True)

        @functools.wraps(receiver)
        def gather(*, sender: Any, signal: Any, **named: Any) -> None:
            if ask(receiver, signal, sender, named) is None:
                return
            # Its error is the receiver's, not one of a worker.
            self.options.key_of(Dispatched(signal, sender, named))
            job = make_job(name, options, signal, sender, named)
            note_outcome(signal, sender, "deferred", f"{self.name}: durable")
            Durable.outbox.keep(job, options, database_of(sender, named))

        run = Deferred(without_conditions(receiver), _as_receiver(gather), options, self.options)
        return deferred_receivers.add(name, run).connected


def _as_receiver(gather: Callable[..., Any]) -> Callable[..., Any]:
    """Let connect() see, which looks at it with DEBUG, that it takes what is sent."""
    gather.__signature__ = _SIGNATURE  # type: ignore[attr-defined]
    return gather


def _refuse_put_off(receiver: Callable[..., Any]) -> None:
    """Raise TypeError for what would call its receiver later, and not with a list."""
    function = without_conditions(receiver)
    is_deferred = any(one.connected is function for _, one in deferred_receivers.all())
    if is_deferred or not isinstance(wrapping_of(function), Condition | None):
        raise TypeError(
            f"{receiver_label(function)} is put off already; write only one of @on_commit, "
            "@deferred and @batched below @receiver"
        )


@overload
def batched(receiver: Receiver, /) -> Receiver: ...


@overload
def batched(
    *,
    size: int = ...,
    interval: float = ...,
    key: Key | None = ...,
    coalesce: bool = ...,
    durable: bool = ...,
) -> Callable[[Receiver], Receiver]: ...


def batched(
    receiver: Callable[..., Any] | None = None,
    /,
    *,
    size: int = 100,
    interval: float = 60.0,
    key: Key | None = None,
    coalesce: bool = False,
    durable: bool = False,
) -> Any:
    """
    Call a receiver with a list of Dispatched, many at a time: write it below @receiver.

    In each process a thread runs a batch when size dispatches have come, interval s after the
    first one, or as the process ends. What is sent in a transaction counts from the
    commit on, and never after a rollback. The response is None.
    coalesce: keep the last of those that have one key. key: returns it for a Dispatched; by
    default the instance's model, database and primary key. It is not asked without coalesce.
    durable: store each dispatch in its own transaction; ``manage.py signalscope deliver`` makes
    batches of those of all processes. The receiver is a function at the top level of a module.
    Raises TypeError for what is no receiver, ValueError for options that make no sense.
    """
    if not (key is None or callable(key)):
        raise ValueError(f"key is {key!r}; give a function that returns the key of a Dispatched")
    kind = DurableBatched if durable else Batched
    options = Options(size, interval, key or key_of_instance, coalesce)
    decorate = functools.partial(wrap, wrapping=kind(options))
    return decorate if receiver is None else decorate(receiver)
