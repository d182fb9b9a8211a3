"""The right to do upkeep: one process has it, for a while."""

from __future__ import annotations

import time

from django.db import IntegrityError, connections, transaction
from django.db.models import Q

from signalscope.models import Lease
from signalscope.sinks.database import insert

# A process that was killed keeps the others waiting for so long.
LENGTH_S = 60.0


class Held:
    """
    One process's hold on a lease.

    The work itself must bear two holders: clocks differ, and a holder may sleep past the end.
    holder: names the process, and is no other one's name.
    """

    def __init__(self, name: str, holder: str) -> None:
        self.name = name
        self.holder = holder
        self._renew_at = 0.0

    def take(self, using: str, *, by_force: bool = False) -> bool:
        """
        Take or renew the lease; return whether this process has it.

        by_force: from whoever has it, who notices when renewing.
        """
        if time.monotonic() < self._renew_at:
            return True
        now_s = time.time()
        # An end further away than any can be was set by a clock that went back since.
        is_free = Q(until_s__lt=now_s) | Q(until_s__gt=now_s + 2 * LENGTH_S)
        lease = Lease.objects.using(using).filter(name=self.name)
        free = lease if by_force else lease.filter(Q(holder=self.holder) | is_free)
        has_it = bool(free.update(holder=self.holder, until_s=now_s + LENGTH_S))
        if not has_it and not lease.exists():
            has_it = self._begin(using, now_s + LENGTH_S)
        self._renew_at = time.monotonic() + LENGTH_S / 3 if has_it else 0.0
        return has_it

    def _begin(self, using: str, until_s: float) -> bool:
        """Make the row; return whether nobody was faster."""
        connection = connections[using]
        try:
            with transaction.atomic(using=using), connection.cursor() as cursor:
                insert(connection, cursor, Lease, [(self.name, self.holder, until_s)])
        except IntegrityError:
            return False
        return True

    def give_back(self, using: str) -> None:
        """Let another process have the lease."""
        if self.is_held:
            self._renew_at = 0.0
            Lease.objects.using(using).filter(name=self.name, holder=self.holder).update(until_s=0)

    @property
    def is_held(self) -> bool:
        """Whether this process has taken the lease and not given it back."""
        return self._renew_at > 0
