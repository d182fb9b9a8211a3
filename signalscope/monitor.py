"""Times functions, whether signals call them or not: decorate them, and ask for their figures."""

from __future__ import annotations

import functools
import inspect
import os
import threading
from asyncio import CancelledError
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from time import perf_counter_ns
from typing import Any, TypeVar, overload
from weakref import WeakSet

from asgiref.sync import iscoroutinefunction

from signalscope.control.wrapping import Wrapping, wrap
from signalscope.core.histogram import bucket, percentile_ns
from signalscope.core.names import receiver_label

Function = TypeVar("Function", bound=Callable[..., Any])

# Stands for the names that came when there were too many already.
OTHER = "(other)"
MAX_NAMES = 1_000
# Durations that wait to be counted: to note one is one append, which needs no lock.
_MAX_PENDING = 1_000
# What a call may end by that is no failure of the function.
_ENDS = (CancelledError, GeneratorExit)

ORDERS = ("mean_ms", "total_ms", "max_ms", "p50_ms", "p95_ms", "p99_ms")


@dataclass(frozen=True, slots=True)
class HandlerStats:
    """
    The calls of one function, in ms; mean, max and percentiles are None while there are none.

    failure_count: the calls that raised, which are in call_count, too.
    Percentiles are read from a histogram, and at most 5 % off; all else is exact.
    """

    name: str
    call_count: int
    failure_count: int
    total_ms: float
    mean_ms: float | None
    max_ms: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None

    def __str__(self) -> str:
        if not self.call_count:
            return f"{self.name}: 0 calls"
        calls = "1 call" if self.call_count == 1 else f"{self.call_count} calls"
        failed = f", {self.failure_count} failed" if self.failure_count else ""
        return (
            f"{self.name}: {calls}{failed}, total {self.total_ms:.3f} ms, "
            f"mean {self.mean_ms:.3f} ms, p95 {self.p95_ms:.3f} ms, max {self.max_ms:.3f} ms"
        )


class SignalPerformanceMonitor:
    """
    Times the functions that monitor_handler() decorates, in this process.

    enabled: whether calls are timed; it can be set at any time. max_names: how many names are told
    apart; functions with later ones are counted together, as "(other)".
    """

    def __init__(self, *, enabled: bool = True, max_names: int = MAX_NAMES) -> None:
        if type(max_names) is not int or max_names < 1:
            raise ValueError(f"max_names is {max_names!r}; it must be a whole number above 0")
        self.enabled = enabled
        self._max_names = max_names
        self._figures: dict[str, _Figures] = {}
        # How many functions are counted as "(other)".
        self.overflow_count = 0
        self.renew_lock()
        _monitors.add(self)

    def renew_lock(self) -> None:
        """Have a lock that nobody holds, as in a forked child."""
        # Whatever a signal of the operating system runs meanwhile may ask for the figures.
        self._lock = threading.RLock()

    @overload
    def monitor_handler(self, function: Function, /) -> Function: ...

    @overload
    def monitor_handler(self, /, *, name: str | None = ...) -> Callable[[Function], Function]: ...

    def monitor_handler(
        self, function: Callable[..., Any] | None = None, /, *, name: str | None = None
    ) -> Any:
        """
        Time each call of a function, with and without arguments: write it below @receiver.

        name: what its figures are called; by default module and name of the function. Functions
        with one name have their figures in common.
        Of an async function the time is that from the call to its end, what it waits for included.
        What is returned lives as long as the function, and is the same for the same again.
        Raises TypeError for what is no function, for classes and for generators, whose bodies run
        later; ValueError for an empty name.
        """
        if name is not None and not (isinstance(name, str) and name):
            raise ValueError(f"name is {name!r}; give the figures a name, as text")
        if function is None:
            return functools.partial(self._monitor, name=name)
        return self._monitor(function, name=name)

    @overload
    def get_stats(self, name: None = ...) -> dict[str, HandlerStats]: ...

    @overload
    def get_stats(self, name: str) -> HandlerStats: ...

    def get_stats(self, name: str | None = None) -> HandlerStats | dict[str, HandlerStats]:
        """
        Return the figures of one name, or of all in a dict by name, the highest total first.

        A function that was not called since clear() is there with 0 calls. "(other)" is there
        where max_names were too few.
        Raises LookupError for a name that nothing is monitored by.
        """
        if name is None:
            found = [self._figures_of(known) for known in list(self._figures)]
            found.sort(key=lambda stats: (-stats.total_ms, stats.name))
            return {stats.name: stats for stats in found}
        if name not in self._figures:
            raise LookupError(self._unknown(name))
        return self._figures_of(name)

    def get_slow_handlers(self, threshold: float, *, by: str = "mean_ms") -> list[HandlerStats]:
        """
        Return the figures of functions that take so long, the slowest first.

        threshold: in ms; what takes just that is slow, too.
        by: the figure that is compared: mean_ms, total_ms, max_ms, p50_ms, p95_ms or p99_ms.
        Raises TypeError for a threshold that is no number, ValueError for another figure.
        """
        if isinstance(threshold, bool) or not isinstance(threshold, int | float):
            raise TypeError(f"threshold is {threshold!r}; give a number of ms")
        if by not in ORDERS:
            raise ValueError(f"by is {by!r}; it must be one of {', '.join(ORDERS)}")
        timed = [(getattr(stats, by), stats) for stats in self.get_stats().values()]
        slow = [pair for pair in timed if pair[0] is not None and pair[0] >= threshold]
        return [stats for _, stats in sorted(slow, key=lambda pair: (-pair[0], pair[1].name))]

    def clear(self) -> None:
        """Forget what was counted; what is decorated goes on to be timed."""
        with self._lock:
            for figures in list(self._figures.values()):
                figures.clear()

    def figures(self, name: str) -> _Figures:
        """Return what counts the calls of a name, or of the others where there are too many."""
        with self._lock:
            if name not in self._figures and len(self._figures) >= self._max_names:
                self.overflow_count += 1
                name = OTHER
            return self._figures.setdefault(name, _Figures())

    def note(self, figures: _Figures, started_ns: int, error: BaseException | None = None) -> None:
        """Count a call that ends now."""
        duration_ns = perf_counter_ns() - started_ns
        is_failure = error is not None and not isinstance(error, _ENDS)
        # Failed ones are below 0: one append is all, and no other thread comes in between.
        figures.pending.append(~duration_ns if is_failure else duration_ns)
        if len(figures.pending) > _MAX_PENDING and self._lock.acquire(blocking=False):
            try:
                figures.settle()
            finally:
                self._lock.release()

    def _monitor(self, function: Any, *, name: str | None) -> Any:
        if isinstance(function, staticmethod | classmethod):
            return type(function)(self._monitor(function.__func__, name=name))
        if not callable(function) or isinstance(function, type):
            raise TypeError(f"monitor_handler() takes a function, not {function!r}")
        if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(
                f"{receiver_label(function)} is a generator, whose body does not run when it is "
                "called: decorate a function that is called in it"
            )
        return wrap(function, _Timed(self, name or receiver_label(function)))

    def _figures_of(self, name: str) -> HandlerStats:
        with self._lock:
            figures = self._figures[name]
            figures.settle()
            return figures.stats(name)

    def _unknown(self, name: str) -> str:
        known = list(self._figures)
        near = get_close_matches(name, known)
        which = f"; there is {' and '.join(near)}" if near else f"; {len(known)} names are known"
        return f"nothing is monitored by the name {name!r}{which}"


@dataclass(frozen=True)
class _Timed(Wrapping):
    """Times a function for a monitor."""

    name = "monitor_handler()"
    monitor: SignalPerformanceMonitor
    label: str

    def make(self, receiver: Callable[..., Any]) -> Any:
        """Return a function, async where the other one is."""
        monitor, figures = self.monitor, self.monitor.figures(self.label)

        if iscoroutinefunction(receiver):

            @functools.wraps(receiver)
            async def atimed(*args: Any, **kwargs: Any) -> Any:
                if not monitor.enabled:
                    return await receiver(*args, **kwargs)
                started_ns = perf_counter_ns()
                try:
                    result = await receiver(*args, **kwargs)
                except BaseException as error:
                    monitor.note(figures, started_ns, error)
                    raise
                monitor.note(figures, started_ns)
                return result

            return atimed

        @functools.wraps(receiver)
        def timed(*args: Any, **kwargs: Any) -> Any:
            if not monitor.enabled:
                return receiver(*args, **kwargs)
            started_ns = perf_counter_ns()
            try:
                result = receiver(*args, **kwargs)
            except BaseException as error:
                monitor.note(figures, started_ns, error)
                raise
            monitor.note(figures, started_ns)
            return result

        return timed


class _Figures:
    """What is counted of one name. Only pending is to be touched without the monitor's lock."""

    __slots__ = ("buckets", "call_count", "failure_count", "max_ns", "pending", "total_ns")

    def __init__(self) -> None:
        self.pending: deque[int] = deque()
        self.clear()

    def clear(self) -> None:
        """Begin anew."""
        self.pending.clear()
        self.call_count = self.failure_count = 0
        self.total_ns = self.max_ns = 0
        self.buckets: dict[int, int] = {}

    def settle(self) -> None:
        """Count what is pending."""
        for _ in range(len(self.pending)):
            duration_ns = self.pending.popleft()
            if duration_ns < 0:
                duration_ns = ~duration_ns
                self.failure_count += 1
            self.call_count += 1
            self.total_ns += duration_ns
            self.max_ns = max(self.max_ns, duration_ns)
            index = bucket(duration_ns)
            self.buckets[index] = self.buckets.get(index, 0) + 1

    def stats(self, name: str) -> HandlerStats:
        """Return the figures as people want them."""
        if not self.call_count:
            return HandlerStats(name, 0, 0, 0.0, None, None, None, None, None)
        p50, p95, p99 = [
            percentile_ns(self.buckets, share, self.max_ns) / 1e6 for share in (0.5, 0.95, 0.99)
        ]
        return HandlerStats(
            name=name,
            call_count=self.call_count,
            failure_count=self.failure_count,
            total_ms=self.total_ns / 1e6,
            mean_ms=self.total_ns / self.call_count / 1e6,
            max_ms=self.max_ns / 1e6,
            p50_ms=p50,
            p95_ms=p95,
            p99_ms=p99,
        )


_monitors: WeakSet[SignalPerformanceMonitor] = WeakSet()


def _renew_locks() -> None:
    for monitor in list(_monitors):
        monitor.renew_lock()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_renew_locks)

# The one that projects use unless they want figures of their own.
signal_monitor = SignalPerformanceMonitor()
