"""A signal that remembers its last dispatches."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from time import perf_counter_ns
from types import TracebackType
from typing import Any, ClassVar

from django.dispatch import Signal

from signalscope.activity.values import MASKED, is_secret, json_value
from signalscope.core.django_dispatch import live_receivers
from signalscope.core.faults import fault
from signalscope.core.names import sender_label

Responses = list[tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class LoggedDispatch:
    """
    One dispatch that a LoggedSignal remembers: texts and numbers, no objects of the project.

    sent_at: when it began, in UTC. sender: its label, such as "shop.Order".
    arguments: the names of what it was sent with. values: what these were, as JSON has it, and
    masked where a name says that it is secret; None unless the signal is to keep them.
    method: send, asend, send_robust or asend_robust.
    receiver_count: how many receivers were called; where one raised, how many are connected.
    error_count: how many of them raised; send() and asend() stop at the first.
    """

    sent_at: datetime
    sender: str
    arguments: tuple[str, ...]
    values: Mapping[str, Any] | None
    method: str
    receiver_count: int
    error_count: int
    duration_ms: float


class LoggedSignal(Signal):
    """
    A signal that remembers its last dispatches, in this process.

    log_size: how many. log_values: whether the arguments' values are kept, too, as short JSON.
    Both are attributes of the class as well, for all signals of a subclass.
    Raises ValueError for a size that is no whole number above 0.
    """

    log_size: ClassVar[int] = 100
    log_values: ClassVar[bool] = False

    def __init__(
        self,
        use_caching: bool = False,  # noqa: FBT001, FBT002
        *,
        log_size: int | None = None,
        log_values: bool | None = None,
    ) -> None:
        super().__init__(use_caching)
        size = self.log_size if log_size is None else log_size
        if type(size) is not int or size < 1:
            raise ValueError(f"log_size is {size!r}; it must be a whole number above 0")
        self._keeps_values = self.log_values if log_values is None else log_values
        # Appending to it needs no lock.
        self._log: deque[LoggedDispatch] = deque(maxlen=size)

    def get_recent_events(self, limit: int | None = 10) -> list[LoggedDispatch]:
        """
        Return the last dispatches that are over, the newest first.

        limit: how many at most; None for all that are remembered.
        Raises ValueError for one that is no whole number, or below 0.
        """
        if limit is not None and (type(limit) is not int or limit < 0):
            raise ValueError(f"limit is {limit!r}; it must be a whole number, 0 or more, or None")
        # A copy is made at once: other threads may add some while it is gone through.
        return list(islice(reversed(self._log.copy()), limit))

    def clear_recent_events(self) -> None:
        """Forget the dispatches so far."""
        self._log.clear()

    def send(self, sender: Any, **named: Any) -> Responses:
        """Send as Signal.send() does, and remember it."""
        entry = _Entry(self, "send", sender, named)
        with entry:
            return entry.answered(super().send(sender, **named))

    def send_robust(self, sender: Any, **named: Any) -> Responses:
        """Send as Signal.send_robust() does, and remember it."""
        entry = _Entry(self, "send_robust", sender, named)
        with entry:
            return entry.answered(super().send_robust(sender, **named))

    async def asend(self, sender: Any, **named: Any) -> Responses:
        """Send as Signal.asend() does, and remember it."""
        entry = _Entry(self, "asend", sender, named)
        with entry:
            return entry.answered(await super().asend(sender, **named))

    async def asend_robust(self, sender: Any, **named: Any) -> Responses:
        """Send as Signal.asend_robust() does, and remember it."""
        entry = _Entry(self, "asend_robust", sender, named)
        with entry:
            return entry.answered(await super().asend_robust(sender, **named))

    def note(self, dispatched: LoggedDispatch) -> None:
        """Remember a dispatch, in place of the oldest one where there is no room."""
        self._log.append(dispatched)

    def values_of(self, named: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what is kept of arguments; None where that is nothing but their names."""
        if not self._keeps_values:
            return None
        return {
            name: MASKED if is_secret(name) else json_value(value) for name, value in named.items()
        }


class _Entry:
    """A block that is one dispatch."""

    def __init__(
        self, signal: LoggedSignal, method: str, sender: object, named: Mapping[str, Any]
    ) -> None:
        self._signal = signal
        self._method = method
        self._sender = sender
        self._named = named
        self._responses: Responses | None = None

    def answered(self, responses: Responses) -> Responses:
        """Note the responses, and return them."""
        self._responses = responses
        return responses

    def __enter__(self) -> None:
        self._sent_at = datetime.now(UTC)
        try:
            # As they are now: a receiver may change what is in them.
            self._values = self._signal.values_of(self._named)
        except Exception as own_error:  # noqa: BLE001
            self._values = None
            fault("reading the values of a logged signal", own_error)
        self._started_ns = perf_counter_ns()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        duration_ns = perf_counter_ns() - self._started_ns
        try:
            receiver_count, error_count = self._counts(error)
            self._signal.note(
                LoggedDispatch(
                    sent_at=self._sent_at,
                    sender=sender_label(self._sender),
                    arguments=tuple(self._named),
                    values=self._values,
                    method=self._method,
                    receiver_count=receiver_count,
                    error_count=error_count,
                    duration_ms=duration_ns / 1e6,
                )
            )
        except Exception as own_error:  # noqa: BLE001
            fault("remembering a dispatch of a logged signal", own_error)

    def _counts(self, error: BaseException | None) -> tuple[int, int]:
        if self._responses is None:
            connected = len(live_receivers(self._signal, self._sender))
            return connected, int(isinstance(error, Exception))
        is_robust = self._method.endswith("robust")
        errors = [one for _, one in self._responses if is_robust and isinstance(one, Exception)]
        return len(self._responses), len(errors)
