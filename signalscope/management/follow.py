"""Finds entries of the activity log as they come."""

from __future__ import annotations

from signalscope.models import ActivityLog
from signalscope.models.activity_queries import ActivityLogQuerySet

# An entry gets its key as it is written, and is seen once its transaction is committed: so many
# keys back there may still be new ones.
WINDOW = 10_000
_CHUNK = 500


class Follower:
    """
    Gives each entry once, also one that is committed after entries with higher keys.

    An entry is missed when WINDOW others got keys before its transaction was committed.
    rows: which entries, in any order.
    """

    def __init__(self, rows: ActivityLogQuerySet) -> None:
        self._rows = rows.order_by("pk")
        self._top = 0
        self._seen: set[int] = set()

    def begin(self, limit: int) -> list[ActivityLog]:
        """Return the newest entries that there are, oldest first."""
        self._top = self._highest_key()
        self._seen = self._keys()
        newest = list(self._rows.order_by("-pk")[:limit])
        # Some may have come since the line above.
        self._seen.update(entry.pk for entry in newest)
        return newest[::-1]

    def new(self) -> list[ActivityLog]:
        """Return what came since this or begin() was last called, by key."""
        top = self._highest_key()
        keys = self._keys()
        new = sorted(keys - self._seen)
        self._top, self._seen = top, keys
        return [
            entry
            for start in range(0, len(new), _CHUNK)
            for entry in self._rows.filter(pk__in=new[start : start + _CHUNK])
        ]

    def _highest_key(self) -> int:
        keys = ActivityLog.objects.using(self._rows.db).order_by("-pk")
        return keys.values_list("pk", flat=True).first() or 0

    def _keys(self) -> set[int]:
        """Return the keys within reach of the highest one that there was before."""
        rows = self._rows.filter(pk__gt=self._top - WINDOW)
        return set(rows.values_list("pk", flat=True))
