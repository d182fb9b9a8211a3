"""What is stored beside traces and roll-ups, row by row: activity, and slow queries."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Generic, TypeVar

# In characters; what is longer is cut.
MAX_SQL_LENGTH = 10_000


@dataclass(slots=True)
class Entry:
    """
    What somebody did, as models.ActivityLog stores it.

    at: aware. changes: {"field": [old, new]} and details, of values that JSON has.
    trace_key: the key that the trace gets when it is kept, None outside of any.
    """

    at: datetime
    action: str
    actor_key: str = ""
    actor_label: str = ""
    object_type: str = ""
    object_key: str = ""
    object_label: str = ""
    changes: dict[str, Any] = field(default_factory=dict)
    details: dict[str, Any] = field(default_factory=dict)
    ip_address: str = ""
    user_agent: str = ""
    correlation_id: str = ""
    trace_key: int | None = None


@dataclass(frozen=True, slots=True)
class SlowQuery:
    """A statement that took long, as models.SlowQuery stores it."""

    at: datetime
    duration_ns: int
    using: str
    sql: str
    signal: str = ""
    sender: str = ""
    receiver: str = ""
    trace_key: int | None = None


Note = TypeVar("Note")


class Notes(Generic[Note]):
    """A bounded queue of rows on their way to the writer; what does not fit is counted."""

    def __init__(self, max_length: int = 10_000) -> None:
        self.max_length = max_length
        self.forget()

    def forget(self) -> None:
        """Be empty, with a lock that nobody holds: as new, or in a forked child."""
        # The garbage collector may let this thread come here again.
        self._lock = threading.RLock()
        self._notes: list[Note] = []
        self.lost_count = 0

    def put(self, notes: list[Note]) -> None:
        """Add some."""
        with self._lock:
            room = self.max_length - len(self._notes)
            self._notes += notes[:room]
            self.lost_count += max(0, len(notes) - room)

    def take(self) -> list[Note]:
        """Return all of them, oldest first, and be empty."""
        with self._lock:
            taken, self._notes = self._notes, []
            return taken

    def put_back(self, notes: list[Note]) -> None:
        """Take back the oldest ones, which could not be stored yet."""
        with self._lock:
            room = max(0, self.max_length - len(self._notes))
            self._notes = [*notes[:room], *self._notes]
            self.lost_count += max(0, len(notes) - room)

    def lose(self, count: int) -> None:
        """Count so many as lost."""
        with self._lock:
            self.lost_count += count

    def take_lost_count(self) -> int:
        """Return how many were lost since this was last asked."""
        with self._lock:
            count, self.lost_count = self.lost_count, 0
            return count
