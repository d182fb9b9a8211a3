"""What the toolbar panel keeps of a request: plain values that survive a round trip as JSON."""

from __future__ import annotations

import sys
import weakref
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

from django.dispatch import Signal

from signalscope.conf import NOISE, get_conf
from signalscope.core.names import matches
from signalscope.recorder.tree import Call, Dispatch, Tree
from signalscope.registry.receivers import COLLECTED, UNKNOWN, ReceiverInfo, receivers_of
from signalscope.registry.signals import SignalInfo, registry

# Rows are stored on every request, also while the toolbar is closed.
MAX_ROWS = 500
MAX_LISTED = 200

# Sent before the toolbar begins to watch a request, or after it has ended.
OUTSIDE = frozenset({"django.core.signals.request_started", "django.core.signals.request_finished"})
LIBRARIES = ("django.", "debug_toolbar.", "signalscope.")

Stats = dict[str, Any]
_cached_matches = lru_cache(maxsize=10_000)(matches)


def request_stats(items: Sequence[Any], left_out_count: int) -> Stats:
    """
    Return what the panel shows of a request's items, as a Tap has them.

    left_out_count: how many more found no room in the Tap.
    Durations are in ns. ``rows`` is the tree, line by line: a dispatch, below it its calls, below
    each call the dispatches that it sent, with their depth.
    """
    conf = get_conf()
    tree = Tree(conf.max_trace_dispatches)
    tree.add(items)
    lines = Lines()
    lines.add(tree.children.values(), 0)
    connected = connected_receivers()
    places = {info.receiver: info.place for info in connected}
    for row in lines.rows:
        if row["kind"] == "call":
            row["place"] = places.get(row["receiver"], "")
    not_called, library_count = lines.not_called(connected)
    unheard = [
        {"signal": signal, "sender": sender, "count": count}
        for (signal, sender), count in sorted(lines.unheard.items())
    ]
    return {
        "state": "on",
        "captures_sql": conf.captures_sql,
        "dispatch_count": tree.dispatch_count,
        "call_count": tree.call_count,
        "error_count": tree.error_count,
        "query_count": tree.query_count,
        "receiver_query_count": lines.query_count,
        "duration_ns": sum(child.duration_ns for child in tree.children.values()),
        "left_out_count": tree.left_out_count + left_out_count,
        "rows": lines.rows,
        "rows_left_out_count": lines.left_out_count,
        "not_called": not_called[:MAX_LISTED],
        "not_called_count": len(not_called),
        "library_not_called_count": library_count,
        "unheard": unheard[:MAX_LISTED],
        "unheard_count": len(unheard),
    }


class Lines:
    """
    Reads a tree: the first rows of it as JSON, and all of it for who was called.

    query_count: of the receivers. left_out_count: dispatches that found no row.
    unheard: how often each (signal, sender) was sent to nobody.
    """

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []
        self.left_out_count = 0
        self.query_count = 0
        self.unheard: dict[tuple[str, str], int] = {}
        self._senders: dict[str, set[str]] = {}
        # By signal and receiver: the senders it was called for; and what failed before it.
        self._called: dict[tuple[str, str], set[str]] = {}
        self._failed: dict[tuple[str, str], str] = {}

    def add(self, dispatches: Iterable[Dispatch], depth: int) -> None:
        """Add the dispatches of one parent, and all below them."""
        for dispatch in dispatches:
            self._note(dispatch)
            if len(self.rows) < MAX_ROWS:
                self.rows.append(_dispatch_row(dispatch, depth))
            else:
                self.left_out_count += dispatch.repeat_count
            for call in dispatch.calls:
                self.query_count += call.query_count
                if len(self.rows) < MAX_ROWS:
                    self.rows.append(_call_row(call, depth + 1))
                self.add(call.children.values(), depth + 2)

    def _note(self, dispatch: Dispatch) -> None:
        self._senders.setdefault(dispatch.signal, set()).add(dispatch.sender)
        if dispatch.is_unheard:
            key = (dispatch.signal, dispatch.sender)
            self.unheard[key] = self.unheard.get(key, 0) + dispatch.repeat_count
        failed = ""
        for call in dispatch.calls:
            self._called.setdefault((dispatch.signal, call.receiver), set()).add(dispatch.sender)
            if call.outcome in ("error", "cancelled"):
                failed = call.receiver
        for receiver in dispatch.not_called:
            self._failed[dispatch.signal, receiver] = failed

    def not_called(self, connected: Iterable[ReceiverInfo]) -> tuple[list[dict[str, Any]], int]:
        """
        Return the receivers that were not called, each with a reason.

        The second value counts those of Django and the toolbar, which are not listed.
        """
        found = []
        library_count = 0
        for info in connected:
            senders = self._called.get((info.signal, info.receiver), set())
            if info.sender in senders or (senders and info.sender in ("", UNKNOWN)):
                continue
            if _is_of_library(info):
                library_count += 1
                continue
            reason, cause = self._reason(info)
            found.append(
                {
                    "signal": info.signal,
                    "sender": info.sender,
                    "receiver": info.receiver,
                    "place": info.place,
                    "reason": reason,
                    "cause": cause,
                }
            )
        return found, library_count

    def _reason(self, info: ReceiverInfo) -> tuple[str, str]:
        """Return why a receiver was not called, and the receiver or senders that explain it."""
        failed = self._failed.get((info.signal, info.receiver))
        if failed is not None:
            return "failed", failed
        if info.receiver == COLLECTED:
            return "collected", ""
        if info.signal in OUTSIDE:
            return "outside", ""
        senders = sorted(self._senders.get(info.signal, ()))
        if senders and info.sender:
            more = [f"+{len(senders) - 3}"] if len(senders) > 3 else []
            return "other_sender", ", ".join(senders[:3] + more)
        if senders:
            return "late", ""
        # Django's own signals leave no trace where nobody hears them, so that with a sender it
        # cannot be told whether the signal was sent by another one.
        return ("unsent_by_sender" if info.sender else "unsent"), ""


def _is_of_library(info: ReceiverInfo) -> bool:
    """Tell whether a receiver is Django's or the toolbar's own, as far as its name says."""
    # Storages connect to setting_changed by the dozen and are collected; that is no mistake.
    if info.receiver == COLLECTED:
        return info.family == "test"
    return info.receiver.removeprefix("partial(").startswith(LIBRARIES)


def _dispatch_row(dispatch: Dispatch, depth: int) -> dict[str, Any]:
    return {
        "kind": "dispatch",
        "depth": depth,
        "signal": dispatch.signal,
        "sender": dispatch.sender,
        "method": dispatch.method,
        "repeat_count": dispatch.repeat_count,
        "duration_ns": dispatch.duration_ns,
        "in_atomic": dispatch.in_atomic,
        "is_unheard": dispatch.is_unheard,
        "not_called_count": len(dispatch.not_called),
    }


def _call_row(call: Call, depth: int) -> dict[str, Any]:
    return {
        "kind": "call",
        "depth": depth,
        "receiver": call.receiver,
        "position": call.position,
        "duration_ns": call.duration_ns,
        "own_ns": call.own_ns,
        "query_count": call.query_count,
        "query_ns": call.query_ns,
        "repeated_query_count": call.repeated_query_count,
        "outcome": call.outcome,
        "error_type": call.error_type,
        "error_message": call.error_message,
    }


def connected_receivers() -> list[ReceiverInfo]:
    """Return the receivers of all named signals, without those that EXCLUDE leaves out."""
    conf = get_conf()
    include, exclude = tuple(conf.include), (*NOISE, *conf.exclude)
    found = []
    for name, family, reference in _known_signals(len(sys.modules)):
        info = SignalInfo(name, family, reference())
        for receiver in receivers_of(info):
            names = (receiver.signal, receiver.sender, receiver.receiver)
            is_excluded = any(_cached_matches(exclude, text) for text in names)
            if not is_excluded or any(_cached_matches(include, text) for text in names):
                found.append(receiver)
    return found


@lru_cache(maxsize=1)
def _known_signals(
    module_count: int,  # noqa: ARG001
) -> list[tuple[str, str, weakref.ref[Signal]]]:
    """
    Return name, family and signal of all named ones, without keeping the signals alive.

    Looking through all modules takes ms, too long for each request; that another module was
    imported is the sign that there may be others.
    """
    return [
        (info.name, info.family, weakref.ref(info.signal))
        for info in registry.signals()
        if info.signal is not None
    ]
