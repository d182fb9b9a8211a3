"""Counts what happened since the process began, for the page to show."""

import threading
from collections import Counter, deque
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.utils import timezone

PATIENCE = timedelta(seconds=10)


@dataclass(frozen=True)
class Batch:
    """How many changes of how many products went into the index at once."""

    indexed_at: datetime
    change_count: int
    product_count: int


class Tally:
    """Counts changes and index updates; the batches, too, are those of one process."""

    def __init__(self):
        self._lock = threading.Lock()
        self.clear()

    def clear(self):
        """Begin anew."""
        with self._lock:
            self._change_count = self._update_count = 0
            self._changed_at = timezone.now()
            # Changes that wait, by the key of the product.
            self._waiting = Counter()
            self._batches = deque(maxlen=10)

    def note_change(self, key):
        """Note that a product was saved or deleted."""
        with self._lock:
            self._change_count += 1
            self._changed_at = timezone.now()
            self._waiting[key] += 1

    def note_batch(self, keys):
        """Note that products were indexed."""
        with self._lock:
            change_count = sum(self._waiting.pop(key, 0) for key in keys)
            self._update_count += len(keys)
            self._batches.appendleft(Batch(timezone.now(), change_count, len(keys)))

    def read(self):
        """
        Return all of it as a dict.

        waiting: how many changes wait, by the key of the product. is_busy: whether their batch can
        be expected soon, since one that fails is set aside. batches: the newest first.
        """
        with self._lock:
            return {
                "change_count": self._change_count,
                "update_count": self._update_count,
                "waiting": dict(self._waiting),
                "is_busy": bool(self._waiting) and timezone.now() - self._changed_at < PATIENCE,
                "batches": list(self._batches),
            }


tally = Tally()
