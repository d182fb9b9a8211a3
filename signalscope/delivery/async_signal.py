"""Signals whose whole dispatch can be made elsewhere."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar, cast

from django.dispatch import Signal

from signalscope.delivery.databases import database_of
from signalscope.delivery.handing import deliver, load_for_workers
from signalscope.delivery.jobs import make_job
from signalscope.delivery.options import Options

Kind = tuple[type["AsyncSignalMixin"], Options]


class AsyncSignalMixin:
    """
    Stands before Signal among the bases of a class: class OrderShipped(AsyncSignalMixin, Signal).

    queue, delay, retries, backend, durable: as deferred() takes them, for all such signals.
    A class with a value that makes no sense raises ValueError.
    """

    queue: ClassVar[str | None] = None
    delay: ClassVar[float] = 0
    retries: ClassVar[int | None] = None
    backend: ClassVar[str | None] = None
    durable: ClassVar[bool | None] = None
    _options: ClassVar[Options] = Options()

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        cls._options = Options(cls.queue, cls.delay, cls.retries, cls.backend, cls.durable)
        load_for_workers(cls._options)

    def send_async(self, sender: Any, **named: Any) -> str:
        """
        Let the receivers be called elsewhere, all that are connected there.

        Inside a transaction that happens after it is committed. Returns the key of the job.
        Raises TypeError for arguments that another process could not read.
        """
        signal = cast("Signal", self)
        job = make_job("", self._options, signal, sender, named)
        deliver(job, self._options, database_of(sender, named))
        return job.key


def kinds_of_signals(base: type[AsyncSignalMixin] = AsyncSignalMixin) -> Iterator[Kind]:
    """Yield the classes of such signals, each with how its dispatches are put off."""
    for cls in base.__subclasses__():
        yield cls, cls._options
        yield from kinds_of_signals(cls)
