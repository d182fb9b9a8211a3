"""Gathers dispatches in this process, and runs them in a thread, many at a time."""

from __future__ import annotations

import atexit
import logging
import os
import threading
import time
from collections import OrderedDict, deque
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakSet

from django.db import connections

from signalscope.conf import get_conf
from signalscope.core.faults import fault
from signalscope.core.masks import block_signals
from signalscope.core.names import receiver_label
from signalscope.delivery.batches import Dispatched, Function, Options, run_split
from signalscope.delivery.copies import copy_arguments
from signalscope.exceptions import QueueFull

logger = logging.getLogger("signalscope.delivery")

# How many dispatches may wait for one function, which must be much slower than they come. To let
# their senders wait would hold up requests, or for ever a function that sends some itself.
MAX_WAITING = 100_000
# The newest dispatches that were set aside, for whoever asks.
MAX_FAILED = 100


@dataclass(slots=True)
class _Batch:
    name: str
    function: Function
    options: Options
    # By key: when the first with that came, and the last one.
    waiting: OrderedDict[Hashable, tuple[float, Dispatched]] = field(default_factory=OrderedDict)
    # Held while the function runs: one batch of it runs after another.
    running: threading.RLock = field(default_factory=threading.RLock)
    # What the function has in hand, by run: it may flush what it adds itself.
    taken: dict[object, list[Dispatched]] = field(default_factory=dict)

    @property
    def is_full(self) -> bool:
        return len(self.waiting) >= self.options.size

    @property
    def due_at(self) -> float:
        first_at, _ = next(iter(self.waiting.values()))
        return first_at + self.options.interval

    def add(self, key: Hashable, dispatched: Dispatched) -> bool:
        """Add a dispatch; return whether there was room for it."""
        if key in self.waiting:
            # It keeps its place: one that comes again and again has its turn all the same.
            self.waiting[key] = self.waiting[key][0], dispatched
        elif len(self.waiting) < MAX_WAITING:
            self.waiting[key] = time.monotonic(), dispatched
        else:
            return False
        return True

    def take(self) -> list[Dispatched]:
        """Return the first ones, as many as make a batch at most, which no longer wait."""
        count = min(self.options.size, len(self.waiting))
        return [self.waiting.popitem(last=False)[1][1] for _ in range(count)]


class BatchedSignalProcessor:
    """
    Gathers dispatches by name, and gives them to a function, many at a time.

    batch_size: how many make a batch. flush_interval: s after the first dispatch at which a
    smaller one is one, too. Batches run in a thread of the processor's own, one after another;
    what is left runs as the process ends.
    """

    def __init__(self, batch_size: int = 100, flush_interval: float = 60.0) -> None:
        self._options = Options(batch_size, flush_interval)
        self._named: dict[str, _Batch] = {}
        # Those of decorated receivers, while something waits: nothing else keeps these alive.
        self._gathered: dict[Hashable, _Batch] = {}
        # Dispatches that were set aside: name, dispatch and error.
        self.failed: deque[tuple[str, Dispatched, BaseException]] = deque(maxlen=MAX_FAILED)
        self.failed_count = 0
        self.forget()
        _processors.add(self)

    def forget(self) -> None:
        """Begin anew in a forked child: what waits is the parent's."""
        self._changed = threading.Condition()
        # There while something waits.
        self._thread: threading.Thread | None = None
        self._running_count = 0
        self._is_ending = False
        self._gathered.clear()
        for name, batch in self._named.items():
            self._named[name] = _Batch(name, batch.function, batch.options)

    def connect(self, name: str, function: Function) -> None:
        """
        Let a function get the batches of a name, a list of Dispatched each.

        It takes the place of the one before. Raises TypeError for what cannot be called.
        """
        if not callable(function):
            raise TypeError(f"connect() takes a function, not {function!r}")
        with self._changed:
            batch = self._named.setdefault(name, _Batch(name, function, self._options))
            batch.function = function

    def add_signal(self, name: str, /, sender: Any, **kwargs: Any) -> None:
        """
        Add a dispatch to the batch of a name, with its arguments as they are now.

        Raises LookupError where no function is connected to the name.
        """
        batch = self._batch(name)
        dispatched = Dispatched(name, sender, copy_arguments(kwargs))
        with self._changed:
            has_room = self._put(batch, object(), dispatched)
        self._see_to(batch, dispatched, has_room=has_room)

    def gather(
        self,
        owner: Hashable,
        function: Function,
        options: Options,
        key: Hashable,
        dispatched: Dispatched,
    ) -> None:
        """Add a dispatch to the batch of a decorated receiver; owner: what stands for it."""
        with self._changed:
            batch = self._gathered.get(owner)
            if batch is None:
                batch = _Batch(receiver_label(function), function, options)
                self._gathered[owner] = batch
            has_room = self._put(batch, key, dispatched)
        self._see_to(batch, dispatched, has_room=has_room)

    def flush_batch(self, name: str) -> int:
        """
        Give all that waits under a name to its function, here and now.

        Returns how many dispatches that were. Raises LookupError where no function is connected.
        """
        return self._flush(self._batch(name))

    def flush(self) -> int:
        """Do that for all names and decorated receivers; return how many dispatches waited."""
        return sum([self._flush(batch) for batch in self._all()])

    def waiting_count(self, name: str) -> int:
        """Return how many dispatches wait under a name; raises LookupError as add_signal()."""
        return len(self._batch(name).waiting)

    def stop(self, timeout_s: float) -> None:
        """Run what waits, for so long at most, and set aside what is left then."""
        with self._changed:
            self._is_ending = True
            self._changed.notify_all()
            self._changed.wait_for(self._is_at_rest, timeout_s)
            self._is_ending = False
            left = []
            for batch in self._all():
                left += [(batch, one) for taken in batch.taken.values() for one in taken]
                left += [(batch, one) for _, one in batch.waiting.values()]
                batch.taken.clear()
                batch.waiting.clear()
        for batch, dispatched in left:
            error = TimeoutError("the process ended before the run of its batch was over")
            self._set_aside(batch.name, dispatched, error)

    def _all(self) -> list[_Batch]:
        with self._changed:
            return [*self._named.values(), *self._gathered.values()]

    def _is_at_rest(self) -> bool:
        return not self._running_count and not any(batch.waiting for batch in self._all())

    def _batch(self, name: str) -> _Batch:
        try:
            return self._named[name]
        except KeyError:
            known = ", ".join(sorted(self._named)) or "none"
            raise LookupError(
                f"no function is connected to {name!r}; call connect() first. Known: {known}"
            ) from None

    def _put(self, batch: _Batch, key: Hashable, dispatched: Dispatched) -> bool:
        """Add a dispatch, under the lock; return whether there was room."""
        has_room = batch.add(key, dispatched)
        if self._thread is None:
            self._start()
        if batch.is_full or len(batch.waiting) == 1:
            self._changed.notify_all()
        return has_room

    def _see_to(self, batch: _Batch, dispatched: Dispatched, *, has_room: bool) -> None:
        """Go on without the lock, as functions run under locks of their own."""
        if not has_room:
            error = QueueFull(f"{MAX_WAITING} dispatches wait for {batch.name} already")
            self._set_aside(batch.name, dispatched, error)
        if self._thread is None:
            # It could not be started, or has run all of it by now.
            self._flush(batch)

    def _start(self) -> None:
        self._thread = threading.Thread(target=self._work, name="signalscope-batches", daemon=True)
        try:
            self._thread.start()
        except RuntimeError:
            # The interpreter is about to end, or has no room for a thread.
            self._thread = None

    def _work(self) -> None:
        block_signals()
        try:
            while (batch := self._wait_for_due()) is not None:
                try:
                    with batch.running:
                        self._run(batch)
                except Exception as error:  # noqa: BLE001
                    fault("running a batch", error)
                finally:
                    connections.close_all()
        except BaseException:
            # Let the next dispatch start another thread.
            with self._changed:
                self._thread = None
            raise

    def _wait_for_due(self) -> _Batch | None:
        """Return the batch that is due for the longest time; None where nothing waits at all."""
        with self._changed:
            while waiting := [batch for batch in self._all() if batch.waiting]:
                now = time.monotonic()
                due = [
                    batch
                    for batch in waiting
                    if self._is_ending or batch.is_full or batch.due_at <= now
                ]
                if due:
                    return min(due, key=lambda batch: batch.due_at)
                self._changed.wait(min(batch.due_at for batch in waiting) - now)
            self._thread = None
            return None

    def _flush(self, batch: _Batch) -> int:
        count = 0
        with batch.running:
            # What comes meanwhile is not waited for: the function itself may send it.
            waiting_count = len(batch.waiting)
            while count < waiting_count and (run_count := self._run(batch)):
                count += run_count
        return count

    def _run(self, batch: _Batch) -> int:
        """Give one batch to its function; return how many dispatches that were."""
        run = object()
        with self._changed:
            taken = batch.take()
            batch.taken[run] = taken
            self._running_count += 1
        try:
            errors = run_split(batch.function, taken) if taken else {}
            with self._changed:
                # Unless the process has not waited for its end.
                is_counted = batch.taken.pop(run, None) is not None
            for place, error in errors.items() if is_counted else ():
                self._set_aside(batch.name, taken[place], error)
        finally:
            with self._changed:
                batch.taken.pop(run, None)
                self._running_count -= 1
                if not batch.waiting:
                    self._drop(batch)
                self._changed.notify_all()
        return len(taken)

    def _drop(self, batch: _Batch) -> None:
        for owner, gathered in list(self._gathered.items()):
            if gathered is batch:
                del self._gathered[owner]

    def _set_aside(self, name: str, dispatched: Dispatched, error: BaseException) -> None:
        self.failed.append((name, dispatched, error))
        self.failed_count += 1
        logger.error("A dispatch was set aside: %s did not handle it.", name, exc_info=error)


_processors: WeakSet[BatchedSignalProcessor] = WeakSet()


def flush_all() -> int:
    """Run all that waits in this process, here and now; return how many dispatches that were."""
    return sum([processor.flush() for processor in list(_processors)])


def stop_all(timeout_s: float) -> None:
    """Run what waits in this process as it ends, for so long at most for each processor."""
    for processor in list(_processors):
        processor.stop(timeout_s)


def _forget_all() -> None:
    for processor in list(_processors):
        processor.forget()


def _stop_all() -> None:
    stop_all(get_conf().exit_timeout_s)


atexit.register(_stop_all)
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_all)
