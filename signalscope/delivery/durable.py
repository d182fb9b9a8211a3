"""Where jobs are stored that must not be lost."""

from __future__ import annotations

from typing import ClassVar, Protocol

from signalscope.delivery.jobs import Job
from signalscope.delivery.options import Options


class Outbox(Protocol):
    """Stores jobs in the transaction of their dispatch, and runs those that are stored."""

    def store(self, job: Job, options: Options, using: str) -> None:
        """Store a job in a database, and hand it over once it is committed."""

    def keep(self, job: Job, options: Options, using: str) -> None:
        """Store a job in a database for a worker to find."""

    def run(self, key: str, using: str) -> None:
        """Run the one with a key that is stored there, unless somebody else does or did so."""


class Durable:
    """Has the outbox, which needs models: it is given when the apps are ready."""

    outbox: ClassVar[Outbox]
