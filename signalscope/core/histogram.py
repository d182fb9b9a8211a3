"""
Durations counted in buckets: one truth for the writer and the readers.

Each bound is a tenth above the one before, so that the middle of a bucket is at most 4.8 %
away from any duration in it.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Mapping
from operator import add

GROWTH = 1.1
FIRST_BOUND_NS = 100
# The last bound is above one hour; what is longer falls in one last, open bucket.
_LENGTH = math.ceil(math.log(3_600e9 / FIRST_BOUND_NS, GROWTH)) + 1
# Not rounded: at the low end half a ns is half a percent.
BOUNDS_NS = [FIRST_BOUND_NS * GROWTH**step for step in range(_LENGTH)]
# How many buckets there are, with the open one.
LENGTH = _LENGTH + 1


def bucket(duration_ns: int) -> int:
    """Return the index of the bucket that a duration falls in, 0 to len(BOUNDS_NS)."""
    return bisect_left(BOUNDS_NS, duration_ns)


def middle_ns(index: int) -> float:
    """
    Return the duration that stands for a bucket, in ns.

    It is the harmonic mean of the bucket's bounds, which has the least relative error:
    (GROWTH - 1) / (GROWTH + 1), 4.8 %.
    """
    if index == 0:
        return FIRST_BOUND_NS
    if index >= len(BOUNDS_NS):
        return BOUNDS_NS[-1]
    low, high = BOUNDS_NS[index - 1], BOUNDS_NS[index]
    return 2 * low * high / (low + high)


def pack(counts: Mapping[int, int]) -> list[int]:
    """
    Return counts by bucket index as they are stored: the first index, then a count for each on.

    Such a list is read much faster than a mapping. No counts make an empty list.
    """
    if not counts:
        return []
    first = min(counts)
    return [first, *(counts.get(index, 0) for index in range(first, max(counts) + 1))]


def add_packed(counts: list[int], stored: object) -> None:
    """
    Add what pack() made to counts of all buckets, LENGTH of them.

    What is no histogram counts nothing. A mapping by the text of the index is one, too: so the
    first versions stored it.
    """
    try:
        if isinstance(stored, dict):
            stored = pack({int(i): int(n) for i, n in stored.items() if 0 <= int(i) < LENGTH})
        if not isinstance(stored, list) or not stored:
            return
        first, added = stored[0], stored[1:]
        end = first + len(added)
        if first >= 0 and end <= LENGTH:
            # All is added up before anything is changed.
            counts[first:end] = list(map(add, counts[first:end], added))
    except (TypeError, ValueError):
        pass


def percentile_ns(counts: Mapping[int, int], share: float, max_ns: int) -> int:
    """
    Return the duration below which the given share of calls fell, in ns.

    counts: calls by bucket index.
    share: above 0, up to 1.
    max_ns: the longest call, which no percentile exceeds.
    Raises ValueError when share is out of range or there are no calls.
    Source: nearest-rank percentile, applied to buckets.
    """
    if not 0 < share <= 1:
        raise ValueError(f"share is {share!r}; it must be above 0 and at most 1")
    rank = math.ceil(share * sum(counts.values()))
    if rank == 0:
        raise ValueError("counts is empty: there is no percentile of no calls")
    reached = 0
    for index in sorted(counts):
        reached += counts[index]
        if reached >= rank:
            break
    return min(round(middle_ns(index)), max_ns)
