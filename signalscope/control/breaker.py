"""A circuit breaker: counts how calls end, and says when there have been too many bad ones."""

from __future__ import annotations

import math
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

from signalscope.control.outcomes import ERROR, OK

CLOSED, OPEN, HALF_OPEN = "closed", "open", "half_open"
ACTIONS = ("mute", "warn")

# In so many parts a window rolls on.
_PARTS = 10

_TOO_MUCH = 1e12


@dataclass(frozen=True, slots=True)
class Limits:
    """
    What a receiver may do; None for a limit that is not set.

    max_error_rate: share of calls that fail. max_p95_ms: duration that 95 % of calls stay within.
    window_s: what is counted, in s. min_calls: fewer in the window say nothing.
    action: one of ACTIONS. for_s: after so long one call is let through.
    Raises ValueError for what cannot be meant.
    """

    max_error_rate: float | None = None
    max_p95_ms: float | None = None
    window_s: float = 60
    min_calls: int = 20
    action: str = "mute"
    for_s: float = 300

    def __post_init__(self) -> None:
        if self.max_error_rate is None and self.max_p95_ms is None:
            raise ValueError("give max_error_rate, max_p95_ms or both")
        for name, is_meant, meant in _MEANT:
            value = getattr(self, name)
            is_unset = value is None and name in ("max_error_rate", "max_p95_ms")
            if not (is_unset or (_is_number(value) and is_meant(value))):
                raise ValueError(f"{name} is {value!r}; it must be {meant}")
        if self.action not in ACTIONS:
            allowed = ", ".join(map(repr, ACTIONS))
            raise ValueError(f"action is {self.action!r}; it must be one of {allowed}")


_MEANT: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("max_error_rate", lambda value: 0 <= value < 1, "a share, from 0 to below 1"),
    ("max_p95_ms", lambda value: value > 0, "a number of milliseconds above 0"),
    ("window_s", lambda value: value >= 1, "a number of seconds, 1 or more"),
    ("min_calls", lambda value: type(value) is int and value > 0, "a whole number above 0"),
    ("for_s", lambda value: value > 0, "a number of seconds above 0"),
)


def _is_number(value: object) -> bool:
    """Tell whether a value is a number that can be reckoned with."""
    return type(value) in (int, float) and abs(value) < _TOO_MUCH  # type: ignore[arg-type]


class Window:
    """Counts the calls of the last window_s seconds, or up to a tenth less."""

    def __init__(self, window_s: float) -> None:
        self._part_s = window_s / _PARTS
        self.clear()

    def clear(self) -> None:
        """Count from nothing."""
        # [number, calls, errors, slow ones] of each part in which there was a call, and the last.
        self._parts: deque[list[int]] = deque()
        self._part = [-1, 0, 0, 0]
        self.call_count = self.error_count = self.slow_count = 0

    def add(self, now: float, *, is_error: bool, is_slow: bool) -> None:
        """Count a call, and forget those that are too old."""
        number = int(now / self._part_s)
        part = self._part
        if part[0] != number:
            part = self._turn_to(number)
        part[1] += 1
        part[2] += is_error
        part[3] += is_slow
        self.call_count += 1
        self.error_count += is_error
        self.slow_count += is_slow

    def _turn_to(self, number: int) -> list[int]:
        parts = self._parts
        while parts and parts[0][0] <= number - _PARTS:
            _, calls, errors, slow = parts.popleft()
            self.call_count -= calls
            self.error_count -= errors
            self.slow_count -= slow
        self._part = [number, 0, 0, 0]
        parts.append(self._part)
        return self._part


class Breaker:
    """
    The circuit breaker of one receiver.

    clock: returns s, and never goes back. on_change: called with the new state and why; it holds
    the breaker's lock, so it must only take a note.
    state: CLOSED; OPEN, which keeps the receiver out; HALF_OPEN, when one call was let through
    and has not ended yet.
    """

    def __init__(
        self, limits: Limits, clock: Callable[[], float], on_change: Callable[[str, str], None]
    ) -> None:
        self._limits = limits
        self._clock = clock
        self._on_change = on_change
        self._slow_ns = math.inf if limits.max_p95_ms is None else limits.max_p95_ms * 1e6
        self._window = Window(limits.window_s)
        self.state = CLOSED
        self._verdict = ""
        # When a call is let through. One that was and has not ended by then is given up.
        self._retry_at = 0.0
        # When the last one was, as records are timed.
        self._trial_ns = 0
        # The garbage collector may let the thread that holds it come here again.
        self._lock = threading.RLock()

    def judge(self) -> str:
        """Return who keeps the receiver out of a dispatch, as text; "" where it is called."""
        if self.state == CLOSED or self._begins_trial() or self._limits.action == "warn":
            return ""
        return self._verdict

    def _begins_trial(self) -> bool:
        """Let a call through if it is time; of several threads only one may."""
        now = self._clock()
        if now < self._retry_at:
            return False
        next_at = now + self._limits.for_s
        with self._lock:
            if self.state == CLOSED:
                return True
            if now < self._retry_at:
                return False
            self._retry_at = next_at
            self._trial_ns = perf_counter_ns()
            if self.state == OPEN:
                self._change(HALF_OPEN, f"a call is let through after {self._limits.for_s:g} s")
            return True

    def note(self, started_ns: int, duration_ns: int, outcome: str) -> None:
        """
        Take how a call ended that the breaker let through.

        started_ns: when its dispatch began. outcome: what is neither OK nor ERROR tells nothing.
        """
        is_error = outcome == ERROR
        is_slow = duration_ns > self._slow_ns
        with self._lock:
            if self.state == CLOSED:
                if outcome in (OK, ERROR):
                    self._window.add(self._clock(), is_error=is_error, is_slow=is_slow)
                    if reason := self._find_reason():
                        self._open(reason)
            elif self.state == HALF_OPEN and started_ns >= self._trial_ns:
                # What began before was still on its way as the breaker opened.
                self._end_trial(duration_ns, outcome, is_slow=is_slow)

    def _find_reason(self) -> str:
        """Return why the calls in the window are too many bad ones, "" if they are not."""
        limits, window = self._limits, self._window
        calls = window.call_count
        if calls < limits.min_calls:
            return ""
        span = f"in {limits.window_s:g} s"
        if limits.max_error_rate is not None and window.error_count > limits.max_error_rate * calls:
            return f"{window.error_count} of {calls} calls failed {span}"
        # By nearest rank, the 95th percentile is above the limit.
        if window.slow_count * 20 > calls:
            return f"{window.slow_count} of {calls} calls took over {limits.max_p95_ms:g} ms {span}"
        return ""

    def _end_trial(self, duration_ns: int, outcome: str, *, is_slow: bool) -> None:
        if outcome not in (OK, ERROR):
            # Skipped, cancelled or not reached: the next one is let through instead.
            self._retry_at = self._clock()
        elif outcome == ERROR and self._limits.max_error_rate is not None:
            self._open("the call that was let through failed")
        elif is_slow:
            self._open(f"the call that was let through took {duration_ns / 1e6:.0f} ms")
        else:
            self._window.clear()
            self._change(CLOSED, "the call that was let through ended well")

    def _open(self, reason: str) -> None:
        self._verdict = f"guard: {reason}"
        self._retry_at = self._clock() + self._limits.for_s
        self._change(OPEN, reason)

    def _change(self, state: str, reason: str) -> None:
        self.state = state
        self._on_change(state, reason)
