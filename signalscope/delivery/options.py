"""How a call is put off, as the decorator or a signal's class says it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from signalscope.conf import BACKENDS, get_conf

DEFAULT_BACKEND = "thread"
# As many as its column has room for.
MAX_QUEUE_LENGTH = 100


@dataclass(frozen=True, slots=True)
class Options:
    """
    How a call is put off; None leaves it to the DELIVERY setting.

    queue: its name, None for the backend's own. delay: s until it runs, at least.
    retries: how often it is tried again when the receiver fails.
    backend: one of BACKENDS. durable: whether it is stored first, so that it is never lost.
    order_by: the argument with which calls run one after another, only with durable.
    exclude: names of arguments that are not sent.
    """

    queue: str | None = None
    delay: float = 0
    retries: int | None = None
    backend: str | None = None
    durable: bool | None = None
    order_by: str | None = None
    exclude: Sequence[str] = ()

    def __post_init__(self) -> None:
        is_name = isinstance(self.queue, str) and 0 < len(self.queue) <= MAX_QUEUE_LENGTH
        if not (self.queue is None or is_name):
            raise ValueError(
                f"queue is {self.queue!r}; give the name of a queue, of {MAX_QUEUE_LENGTH} "
                "characters at most, or None"
            )
        if isinstance(self.delay, bool) or not (
            isinstance(self.delay, int | float) and 0 <= self.delay < float("inf")
        ):
            raise ValueError(f"delay is {self.delay!r}; give a number of seconds, 0 or more")
        if not (self.retries is None or (type(self.retries) is int and self.retries >= 0)):
            raise ValueError(f"retries is {self.retries!r}; give a whole number, 0 or more")
        if not (self.backend is None or self.backend in BACKENDS):
            known = ", ".join(map(repr, BACKENDS))
            raise ValueError(f"backend is {self.backend!r}; give one of {known}, or None")
        if not (self.durable is None or isinstance(self.durable, bool)):
            raise ValueError(f"durable is {self.durable!r}; give True, False or None")
        if not (self.order_by is None or (isinstance(self.order_by, str) and self.order_by)):
            raise ValueError(
                f"order_by is {self.order_by!r}; give the name of an argument, such as "
                "'instance', or None"
            )
        if isinstance(self.exclude, str) or not all(isinstance(one, str) for one in self.exclude):
            raise ValueError(f"exclude is {self.exclude!r}; give a list of names of arguments")
        # So that equal ones are equal.
        object.__setattr__(self, "exclude", tuple(self.exclude))

    @property
    def effective_queue(self) -> str | None:
        """Its name, None for the backend's own."""
        return self.queue or get_conf().delivery.get("queue")

    @property
    def effective_retries(self) -> int:
        """How often the call is tried again."""
        if self.retries is not None:
            return self.retries
        return int(get_conf().delivery.get("retries", 0))

    @property
    def effective_backend(self) -> str:
        """Where the call is made."""
        return self.backend or str(get_conf().delivery.get("backend", DEFAULT_BACKEND))

    @property
    def is_durable(self) -> bool:
        """Whether it is stored first."""
        if self.durable is not None:
            return self.durable
        return bool(get_conf().delivery.get("durable", False))

    @property
    def place(self) -> str:
        """Where the call goes, for whoever reads what was recorded."""
        queue = self.effective_queue
        return f"{self.effective_backend}: {queue}" if queue else self.effective_backend
