"""Runs in a test what the test puts off, whatever would run it otherwise."""

from __future__ import annotations

import json
import logging
import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from types import ModuleType, SimpleNamespace, TracebackType
from typing import Any
from unittest import mock

from django.db import connections
from django.db.transaction import TransactionManagementError

from signalscope.core.names import receiver_label
from signalscope.delivery import handing
from signalscope.delivery.batches import Dispatched, Options, run_split
from signalscope.delivery.batching import processor
from signalscope.delivery.durable import Durable
from signalscope.delivery.jobs import Job
from signalscope.delivery.runs import run_job

logger = logging.getLogger("signalscope.delivery")

# What runs may put off something again; who does so for ever is told.
MAX_ROUNDS = 100
# Where the functions come from that signalscope gives to transaction.on_commit().
_OWN = ("signalscope.delivery.", "signalscope.outbox.", __name__)


@dataclass(frozen=True, slots=True)
class Delivered:
    """
    One run of what was put off.

    receiver: its label; of send_async() the signal's. by: "on_commit", "deferred", "send_async",
    "batched" or "durable". dispatch_count: how many dispatches it got; 1 but for batches.
    error: what it raised, None where it went well.
    """

    receiver: str
    by: str
    dispatch_count: int = 1
    error: BaseException | None = None


class Deliveries(list[Delivered]):
    """
    What ran so far, in its order; run() runs what waits.

    It is made by run_deliveries() and hold_deliveries().
    """

    def __init__(self) -> None:
        super().__init__()
        self._held = _Held()

    def run(self, *, raise_errors: bool = True) -> list[Delivered]:
        """
        Run once what was put off and waits, and what that puts off; return the runs, in order.

        What fails and has retries left waits for the next run(). Delays and intervals are passed
        over, and what waits for a transaction of the test's own, as in TestCase, runs, too.
        raise_errors: raise the error where one failed, an ExceptionGroup where several did, after
        all has run; errors of on_commit(robust=True) are only logged, as by Django.
        Raises TransactionManagementError in an atomic block of the test, behind which nothing is
        due yet, and RuntimeError where there is no end of what is put off.
        """
        runs: list[Delivered] = []
        errors: list[BaseException] = []
        self._held.refuse_atomic()
        with self._held.running() as attempts:
            for delivered, is_raised in attempts:
                runs.append(delivered)
                self.append(delivered)
                if delivered.error is not None and is_raised:
                    errors.append(delivered.error)
        if errors and raise_errors:
            raise errors[0] if len(errors) == 1 else _group(errors)
        return runs


@contextmanager
def hold_deliveries() -> Iterator[Deliveries]:
    """
    Hold in a block what is put off, in the whole process; run() of what it gives runs it.

    Held is what @on_commit, @deferred, send_async(), @batched and durable calls put off and what
    is due, so that no worker, thread or queue gets it; the backend "inline" still runs at once.
    What was not run at the end of the block is forgotten, but for rows that are committed.
    """
    deliveries = Deliveries()
    with deliveries._held.holding():
        yield deliveries


class run_deliveries:  # noqa: N801
    """
    Hold in a block what is put off, and run it at its end: ``with run_deliveries() as ran: ...``.

    It gives the list of what ran, which fills at the end of the block, and before by its run().
    Where the block raises, nothing is run. raise_errors and errors: as of Deliveries.run().
    """

    def __init__(self, *, raise_errors: bool = True) -> None:
        self._raise_errors = raise_errors
        self._stack: ExitStack | None = None

    def __enter__(self) -> Deliveries:
        self._stack = ExitStack()
        self._deliveries = self._stack.enter_context(hold_deliveries())
        return self._deliveries

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with self._stack or ExitStack():
            if kind is None:
                self._deliveries.run(raise_errors=self._raise_errors)

    def __del__(self) -> None:
        # The fixture of that name is called, and this would run nothing.
        if self._stack is None:
            warnings.warn(
                "run_deliveries() has run nothing: write 'with run_deliveries():' around what "
                "puts something off, or use pytest's fixture of that name",
                RuntimeWarning,
                stacklevel=2,
            )


# A run, and whether its error is to be raised.
_Run = tuple[Delivered, bool]


@dataclass(slots=True)
class _Waiting:
    """The dispatches of a decorated receiver that are gathered, by key."""

    function: Any
    options: Options
    dispatches: dict[Any, Dispatched]


class _Held:
    """What waits; and what stands in the places of those who would take it."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.batches: dict[Any, _Waiting] = {}
        # The databases in which something was stored.
        self.aliases: set[str] = set()
        # Whether what is handed over waits for the next round, though it be for "inline".
        self._is_running = False
        # What was there before: functions that wait for a commit, and atomic blocks.
        self._earlier: list[Any] = []
        self._real_load = handing.load

    @contextmanager
    def holding(self) -> Iterator[None]:
        """Take what is put off in a block."""
        for connection in connections.all(initialized_only=True):
            # Its entries are made anew as a part of the transaction is rolled back.
            self._earlier += [entry[1] for entry in connection.run_on_commit]
            self._earlier += connection.atomic_blocks
        self._real_load = handing.load
        with ExitStack() as stack:
            stack.enter_context(mock.patch.object(handing, "load", self._load))
            stack.enter_context(mock.patch.object(processor, "gather", self._gather))
            outbox = getattr(Durable, "outbox", None)
            if outbox is not None:
                stack.enter_context(mock.patch.object(Durable, "outbox", _Outbox(outbox, self)))
            yield

    @contextmanager
    def running(self) -> Iterator[Iterator[_Run]]:
        """Give in a block the runs of what waits, each as it is over."""
        again: list[Job] = []
        self._is_running = True
        try:
            yield _runs(self, again)
        finally:
            self._is_running = False
            self.jobs += again

    def refuse_atomic(self) -> None:
        """Raise where a block is open that is neither older nor the test case's own."""
        for connection in connections.all(initialized_only=True):
            if any(
                not (block._from_testcase or self._is_earlier(block))  # type: ignore[attr-defined]
                for block in connection.atomic_blocks
            ):
                raise TransactionManagementError(
                    "What is put off in transaction.atomic() is due when that is over: run "
                    f"deliveries behind the block that is open on {connection.alias!r}"
                )

    def take_callbacks(self) -> list[tuple[Any, bool]]:
        """Return what waits for a commit that the test will not see; and whether it is robust."""
        taken = []
        for connection in connections.all(initialized_only=True):
            kept = []
            for entry in connection.run_on_commit:
                _, function, is_robust = entry  # type: ignore[misc]
                if _is_own(function) and not self._is_earlier(function):
                    taken.append((function, is_robust))
                else:
                    kept.append(entry)
            if len(kept) < len(connection.run_on_commit):
                connection.run_on_commit = kept
        return taken

    def take_jobs(self) -> list[Job]:
        """Return the jobs that were handed over."""
        taken, self.jobs = self.jobs, []
        return taken

    def take_batches(self) -> list[_Waiting]:
        """Return what was gathered."""
        taken, self.batches = self.batches, {}
        return list(taken.values())

    def _is_earlier(self, one: object) -> bool:
        return any(one is earlier for earlier in self._earlier)

    def _load(self, backend: str) -> ModuleType | SimpleNamespace:
        real = self._real_load(backend)
        if backend == "inline" and not self._is_running:
            return real
        return SimpleNamespace(enqueue=self._enqueue, can_delay=real.can_delay)

    def _enqueue(self, job: Job) -> None:
        # What is stored is read from there.
        if not job.using:
            # As a queue carries it.
            self.jobs.append(Job.from_dict(json.loads(json.dumps(job.to_dict()))))

    def _gather(
        self, owner: Any, function: Any, options: Options, key: Any, dispatched: Dispatched
    ) -> None:
        waiting = self.batches.setdefault(owner, _Waiting(function, options, {}))
        waiting.dispatches[key] = dispatched


class _Outbox:
    """Notes in which databases something is stored."""

    def __init__(self, outbox: Any, held: _Held) -> None:
        self._outbox = outbox
        self._held = held
        self.run = outbox.run

    def store(self, job: Job, options: Any, using: str) -> None:
        """Store it; nobody is handed what is stored: run() finds it."""
        self._held.aliases.add(using)
        self._outbox.keep(job, options, using)

    def keep(self, job: Job, options: Any, using: str) -> None:
        """Store it."""
        self._held.aliases.add(using)
        self._outbox.keep(job, options, using)


def _runs(held: _Held, again: list[Job]) -> Iterator[_Run]:
    """Run what waits, and what that puts off; again: gets the jobs that have retries left."""
    tried: dict[str, set[int]] = {}
    for _ in range(MAX_ROUNDS):
        last = None
        for run in _round(held, again, tried):
            last = run
            yield run
        if last is None:
            return
    raise RuntimeError(
        f"what is put off has no end: after {MAX_ROUNDS} rounds there is still some, "
        f"the last was for {last[0].receiver if last else 'nobody'}"
    )


def _round(held: _Held, again: list[Job], tried: dict[str, set[int]]) -> Iterator[_Run]:
    """Run what waits now; tried: the ids of rows that were run before, by database."""
    for function, is_robust in held.take_callbacks():
        yield from _call_back(function, is_robust=is_robust)
    for job in held.take_jobs():
        yield _run_job(job, again), True
    for using in sorted(held.aliases):
        # The import that cannot stand at the top: it needs models.
        from signalscope.testing.stored import run_stored

        for receiver, error in run_stored(using, tried.setdefault(using, set())):
            yield Delivered(receiver, "durable", error=error), True
    for waiting in held.take_batches():
        for delivered in _run_batches(waiting):
            yield delivered, True


def _run_job(job: Job, again: list[Job]) -> Delivered:
    by = "deferred" if job.receiver else "send_async"
    try:
        run_job(job)
    except Exception as error:  # noqa: BLE001
        following = job.again()
        if following is not None:
            again.append(following)
        return Delivered(job.name, by, error=error)
    return Delivered(job.name, by)


def _call_back(function: Any, *, is_robust: bool) -> Iterator[_Run]:
    """Call what waits for a commit; that may be a receiver, or only hand something over."""
    is_receiver = hasattr(function, "__wrapped__")
    error = None
    try:
        function()
    except Exception as raised:  # noqa: BLE001
        error = raised
        if is_robust:
            logger.error(
                "Error calling %s in on_commit().", receiver_label(function), exc_info=raised
            )
    if is_receiver:
        yield Delivered(receiver_label(function), "on_commit", error=error), not is_robust
    elif error is not None:
        raise error


def _run_batches(waiting: _Waiting) -> Iterator[Delivered]:
    """Give what was gathered to its receiver, in batches of its size."""
    label = receiver_label(waiting.function)
    dispatches = list(waiting.dispatches.values())
    for start in range(0, len(dispatches), waiting.options.size):
        batch = dispatches[start : start + waiting.options.size]
        errors = list(run_split(waiting.function, batch).values())
        error = None if not errors else errors[0] if len(errors) == 1 else _group(errors)
        yield Delivered(label, "batched", len(batch), error)


def _is_own(function: Any) -> bool:
    function = function.func if isinstance(function, partial) else function
    return (getattr(function, "__module__", None) or "").startswith(_OWN)


def _group(errors: Sequence[BaseException]) -> BaseException:
    return BaseExceptionGroup(f"{len(errors)} deliveries failed", list(errors))
