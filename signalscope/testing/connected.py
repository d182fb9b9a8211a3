"""Leaves receivers as they were found, and names those that were left connected."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from django.dispatch import Signal

from signalscope.core.django_dispatch import (
    has_changed,
    new_receivers,
    put_entries,
    raw_entries,
)
from signalscope.core.names import matches, receiver_label, unwrap
from signalscope.registry.receivers import place_of
from signalscope.registry.signals import registry
from signalscope.signals import WatchedSignal


class ReceiversAsFound:
    """
    The receivers of all named signals, as they are when this is made.

    may_stay: globs over labels of receivers that may stay connected.
    No receiver is kept alive that is connected weakly.
    """

    def __init__(self, may_stay: Sequence[str] = ()) -> None:
        self._may_stay = tuple(may_stay)
        self._found = {id(signal): (signal, raw_entries(signal)) for _, signal in registry.known()}
        self._modules = set(sys.modules)

    def put_back(self) -> list[str]:
        """
        Connect and disconnect until all is as it was found; a second time nothing happens.

        What a module connects as it is imported stays, since it is imported only once.
        Returns a line for each receiver that was left connected: its signal, its label and where
        it is defined.
        """
        found, self._found = self._found, {}
        if not found:
            return []
        touched = [
            (name, signal, before)
            for name, signal in registry.known()
            if has_changed(signal, before := found.get(id(signal), (signal, []))[1])
        ]
        if any(is_weak for _, _, is_weak in self._left(touched)):
            # Nobody may hold it any more: no test can do anything about that.
            gc.collect()
        lines = [_line(name, receiver) for name, receiver, _ in self._left(touched)]
        for _, signal, before in touched:
            put_entries(signal, before, self._stays)
            if isinstance(signal, WatchedSignal):
                signal.on_change()
        return lines

    def _left(
        self, touched: Sequence[tuple[str, Signal, list[Any]]]
    ) -> Iterator[tuple[str, object, bool]]:
        """Give the signal's name and receiver of each that was left, and whether it is weak."""
        for name, signal, before in touched:
            for receiver, is_weak in new_receivers(signal, before):
                if not self._stays(receiver):
                    yield name, receiver, is_weak

    def _stays(self, receiver: object) -> bool:
        module = getattr(unwrap(receiver), "__module__", None)
        if module in sys.modules and module not in self._modules:
            return True
        return matches(self._may_stay, receiver_label(receiver))


@contextmanager
def receivers_as_found(who: str, may_stay: Sequence[str] = ()) -> Iterator[None]:
    """
    Put receivers back behind a block; raise AssertionError where it left one connected.

    who: the name of the test. may_stay: globs over labels of receivers that may stay.
    What the block raises comes first.
    """
    found = ReceiversAsFound(may_stay)
    try:
        yield
    except BaseException:
        found.put_back()
        raise
    left = found.put_back()
    if left:
        raise AssertionError(left_message(who, left))


def left_message(who: str, left: Sequence[str]) -> str:
    """Return what to say of a test, or a class of tests, that left receivers connected."""
    count = "a receiver" if len(left) == 1 else f"{len(left)} receivers"
    lines = "\n".join([f"  {line}" for line in left])
    return (
        f"{who} left {count} connected:\n{lines}\n"
        "A test disconnects what it connects: self.addCleanup(signal.disconnect, receiver)"
    )


def _line(signal: str, receiver: object) -> str:
    file, line = place_of(receiver)
    place = f" ({file}:{line})" if file else ""
    return f"{receiver_label(receiver)}, to {signal}{place}"
