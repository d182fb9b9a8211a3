"""Runs batches of stored dispatches, in whatever process has got them."""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Sequence
from contextlib import suppress
from typing import Any

from signalscope.context import CONTEXT
from signalscope.core.variables import leave
from signalscope.delivery.batches import Dispatched, Options, run_split
from signalscope.delivery.jobs import Job
from signalscope.delivery.payload import unpack
from signalscope.delivery.receivers import deferred_receivers
from signalscope.delivery.traces import JobTrace
from signalscope.exceptions import UnreadablePayload


class _HasBadOnes(Exception):
    """Tells the trace of a batch that it has failed."""


def find_batch(receiver: str) -> Options | None:
    """Return how a receiver's dispatches are gathered; None where each is given to it alone."""
    with suppress(UnreadablePayload):
        return deferred_receivers.find(receiver).batch
    # To run it says what is wrong.
    return None


def batched_receivers() -> dict[str, Options]:
    """Return how the dispatches of receivers are gathered, as far as they are loaded here."""
    known = deferred_receivers.all()
    return {name: one.batch for name, one in known if one.batch is not None}


def run_batch(
    receiver: str, options: Options, payloads: Sequence[Any], *, own: Callable[[], Collection[int]]
) -> dict[int, BaseException]:
    """
    Call a receiver with the dispatches of payloads, oldest first, for nobody in particular.

    own: asked before each call but the first one for the places of those that nobody else has
    taken meanwhile; the others are left out. What it raises goes to the caller.
    Returns the errors of those that cannot be read or that it fails for, by their places. Those
    that are left out for a later one with their key are not among them.
    """
    errors: dict[int, BaseException] = {}
    kept: dict[Hashable, tuple[int, Dispatched]] = {}
    function = deferred_receivers.find(receiver).function
    context = CONTEXT.set(None)
    try:
        with suppress(_HasBadOnes), JobTrace(Job(key="", receiver=receiver, payload={})):
            for place, payload in enumerate(payloads):
                try:
                    one = Dispatched(*unpack(payload))
                    key = options.key_of(one)
                    # The last one counts, and stands where the last one came.
                    kept.pop(key, None)
                    kept[key] = place, one
                except Exception as error:  # noqa: BLE001
                    errors[place] = error
            if kept:
                places, dispatches = zip(*kept.values(), strict=True)

                def keep(indexes: Sequence[int]) -> list[int]:
                    still_own = own()
                    return [index for index in indexes if places[index] in still_own]

                found = run_split(function, dispatches, keep=keep)
                errors.update({places[index]: error for index, error in found.items()})
            if errors:
                raise _HasBadOnes
    finally:
        leave(context)
    return errors
