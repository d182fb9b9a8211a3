"""Decides which traces are stored as rows: a share of all, and those of interest."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Mapping, Sequence
from fnmatch import fnmatchcase
from hashlib import blake2b
from time import perf_counter_ns
from typing import Any

from signalscope.core.names import matches
from signalscope.recorder.calls import is_error
from signalscope.recorder.plans import Plan
from signalscope.recorder.strands import Branch
from signalscope.recorder.traces import Trace
from signalscope.recorder.tree import Tree

# Why a trace is kept, as models.Trace.Reason stores it.
SAMPLE = "sample"
ERROR = "error"
SLOW_CALL = "slow call"
SLOW_TRACE = "slow trace"
MATCH = "match"

_MINUTE_NS = 60 * 10**9
# Not the module's own functions, which a project may have seeded.
_random = random.Random()  # noqa: S311
# Forked workers would otherwise choose alike.
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)


class Keeping:
    """
    What is kept.

    rate: the share of traces, 0 to 1. rates: shares by "trigger" or "trigger:glob"; the first
    that fits a trace wins over rate.
    errors: whether traces are kept that failed, or in which a call failed.
    slow_ns, slow_trace_ns: how long a call or a trace must take to be kept for it; None for no
    such limit.
    names: globs over paths, names of commands and blocks, and signals.
    """

    def __init__(
        self,
        *,
        rate: float = 1.0,
        rates: Mapping[str, float] | None = None,
        errors: bool = True,
        slow_ns: float | None = None,
        slow_trace_ns: float | None = None,
        names: Sequence[str] = (),
    ) -> None:
        self.rate = rate
        self._rates = [(*key.partition(":")[::2], share) for key, share in (rates or {}).items()]
        self._errors = errors
        self._slow_ns = slow_ns
        self._slow_trace_ns = slow_trace_ns
        self._names = tuple(names)

    def is_sampled(self, trace: Trace) -> bool:
        """
        Decide whether a trace is in the share that is kept.

        With a correlation id the id decides, so that all processes of one distributed request
        with the same rate decide alike.
        """
        rate = self.rate
        for trigger, glob, share in self._rates:
            if trigger == trace.trigger and (not glob or fits([glob], trace.find_name())):
                rate = share
                break
        if rate >= 1:
            return True
        if rate <= 0:
            return False
        correlation_id = trace.find_correlation_id()
        return (place(correlation_id) if correlation_id else _random.random()) < rate

    def reason(self, trace: Trace, items: Iterable[Any], error_count: int) -> str:
        """
        Return why a trace that ended is kept although it is not in the share, "" if not.

        items: what it held to the end. error_count: how many of their calls failed.
        """
        duration_ns = trace.ended_ns - trace.started_ns
        if self._errors and trace.status == "error":
            return ERROR
        if reason := self.reason_of_items(items, error_count, duration_ns):
            return reason
        if self._slow_trace_ns is not None and duration_ns >= self._slow_trace_ns:
            return SLOW_TRACE
        if self._names and fits(self._names, trace.find_name()):
            return MATCH
        return ""

    def reason_of_items(self, items: Iterable[Any], error_count: int, duration_ns: int) -> str:
        """
        Return why the trace is kept that these items are part of, as far as they say, else "".

        error_count: how many of their calls failed. duration_ns: what they took, at most.
        """
        if self._errors and error_count:
            return ERROR
        # Nothing in a trace takes longer than the trace: nearly all are done here.
        if (
            self._slow_ns is not None
            and duration_ns >= self._slow_ns
            and longest_ns(items) >= self._slow_ns
        ):
            return SLOW_CALL
        if self._names and any(matches(self._names, signal) for signal in _signals(items)):
            return MATCH
        return ""

    def signals(self, items: Iterable[Any]) -> frozenset[str]:
        """Return the signals among the items and below them, where names are a reason."""
        return frozenset(_signals(items)) if self._names else frozenset()

    def reason_of_loose(self, item: Any) -> str:
        """Return why a dispatch outside of any trace is kept as a trace of its own, "" if not."""
        rate = self.rate
        plan = item if type(item) is Plan else item[0]
        for trigger, glob, share in self._rates:
            if trigger == "dispatch" and (not glob or matches([glob], plan.signal)):
                rate = share
                break
        if _random.random() < rate:
            return SAMPLE
        return self.reason_of_items([item], _has_error([item]), _MINUTE_NS)


class Allowance:
    """How many traces of each reason but the sample are still kept in the running minute."""

    def __init__(self, per_minute: int = 60) -> None:
        self.per_minute = per_minute
        self._minute = 0
        self._used: dict[str, int] = {}

    def take(self, reason: str) -> bool:
        """Return whether one more is kept for a reason."""
        if reason == SAMPLE:
            return True
        minute = perf_counter_ns() // _MINUTE_NS
        if minute != self._minute:
            self._minute = minute
            self._used.clear()
        used = self._used[reason] = self._used.get(reason, 0) + 1
        return used <= self.per_minute


def place(correlation_id: str) -> float:
    """Return the place of an id between 0 and 1, the same in every process."""
    digest = blake2b(correlation_id.encode("utf-8", "replace"), digest_size=8).digest()
    return int.from_bytes(digest) / 2**64


def fits(globs: Iterable[str], name: str) -> bool:
    """Tell whether a glob matches a trace's name, or the path in one such as "GET /path"."""
    path = name.partition(" ")[2]
    return any(fnmatchcase(name, glob) or (path and fnmatchcase(path, glob)) for glob in globs)


def longest_ns(items: Iterable[Any]) -> int:
    """Return how long the longest call took, in ns, of all among the items and below them."""
    longest = 0
    for item in items:
        kind = type(item)
        if kind is list:
            moment = item[3]
            for part in item[4:]:
                if type(part) is int:
                    longest = max(longest, part - moment)
                    moment = part
                elif type(part) is tuple and part[0] == "start":
                    moment = part[1]
            longest = max(longest, longest_ns(item[4:]))
        elif isinstance(item, Branch):
            if len(item) > 1 and type(item[-1]) is int:
                longest = max(longest, item[-1] - item[0])
            longest = max(longest, longest_ns(item))
        elif kind is Tree:
            longest = max(longest, item.longest_ns)
    return longest


def _has_error(items: Iterable[Any]) -> bool:
    return any(
        (type(item) is tuple and is_error(item))
        or (type(item) is Tree and item.error_count > 0)
        or (isinstance(item, list) and _has_error(item[1:]))
        for item in items
    )


def _signals(items: Iterable[Any]) -> Iterable[str]:
    """Yield the signals of all dispatches among the items and below them."""
    for item in items:
        if type(item) is Plan:
            yield item.signal
        elif type(item) is Tree:
            yield from item.signals
        elif isinstance(item, list):
            yield from _signals(item)
