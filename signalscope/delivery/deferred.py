"""Receivers that run elsewhere."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeVar, overload

from signalscope.control.wrapping import ask, without_conditions
from signalscope.delivery.databases import database_of
from signalscope.delivery.handing import deliver, load_for_workers
from signalscope.delivery.jobs import make_job
from signalscope.delivery.options import Options
from signalscope.delivery.receivers import Deferred, deferred_receivers, name_for_workers
from signalscope.recorder.gate import note_outcome

Function = TypeVar("Function", bound=Callable[..., Any])


@overload
def deferred(function: Function, /) -> Function: ...


@overload
def deferred(
    *,
    queue: str | None = ...,
    delay: float = ...,
    retries: int | None = ...,
    backend: str | None = ...,
    durable: bool | None = ...,
    order_by: str | None = ...,
    exclude: Sequence[str] = ...,
) -> Callable[[Function], Function]: ...


def deferred(
    function: Callable[..., Any] | None = None,
    /,
    *,
    queue: str | None = None,
    delay: float = 0,
    retries: int | None = None,
    backend: str | None = None,
    durable: bool | None = None,
    order_by: str | None = None,
    exclude: Sequence[str] = (),
) -> Any:
    """
    Let a receiver run elsewhere, in a worker: write it below @receiver.

    In a transaction it is queued after that is committed, and never if that is rolled back.
    Its response is None. Sync and async receivers run alike.
    queue: its name, None for the backend's own. delay: s until it runs, at least.
    retries: how often it is tried again when it fails, after growing pauses.
    backend: "tasks", "celery", "thread" or "inline". durable: whether it is stored first.
    order_by: the argument with which calls run one after another, where it is durable.
    exclude: names of arguments that the receiver does without.
    What is not given is as the DELIVERY setting has it.
    Raises TypeError for what is no function at the top level of a module, ValueError for options
    that make no sense.
    """
    options = Options(queue, delay, retries, backend, durable, order_by, exclude)
    if function is None:
        return functools.partial(_defer, options=options)
    return _defer(function, options)


def _defer(function: Callable[..., Any], options: Options) -> Callable[..., Any]:
    name = name_for_workers(function)

    @functools.wraps(function)
    def defer(sender: Any, signal: Any, **named: Any) -> None:
        # What a condition compares is not known to a worker.
        if ask(function, signal, sender, named) is None:
            return
        job = make_job(name, options, signal, sender, named)
        note_outcome(signal, sender, "deferred", options.place)
        deliver(job, options, database_of(sender, named))

    load_for_workers(options)
    run = Deferred(without_conditions(function), defer, options)
    return deferred_receivers.add(name, run).connected
