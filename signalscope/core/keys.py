"""Primary keys that signalscope makes itself: they rise with time, and need no reading back."""

from __future__ import annotations

import random
import time
from datetime import datetime

# A key is a moment in ms, followed by so many bits: a random start in every millisecond keeps
# processes apart. If two meet all the same, the batch goes again.
_BITS = 22


class Keys:
    """Makes the keys of one process."""

    def __init__(self) -> None:
        self._last = 0

    def next(self) -> int:
        """Return a key of 63 bits that none of this process had."""
        self._last += 1
        return self._last

    def turn(self) -> None:
        """Go on from the present millisecond, at a random place in it."""
        now_ms = time.time_ns() // 1_000_000
        self._last = max(self._last, (now_ms << _BITS) | random.getrandbits(_BITS))  # noqa: S311


def first_key(since: datetime) -> int:
    """
    Return the lowest key that a row written at a moment or later can have.

    since: where it has no time zone, it is local time.
    It bounds what is read by the primary key, which needs no other index.
    """
    return int(since.timestamp() * 1000) << _BITS
