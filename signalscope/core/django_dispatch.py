"""The only file that names private parts of Signal, as they are in each Django version."""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any
from weakref import ReferenceType, WeakKeyDictionary

from django.dispatch import Signal, dispatcher

SEND_METHODS = ("send", "asend", "send_robust", "asend_robust")
# What other packages are known to replace, too.
OTHER_METHODS = ("_live_receivers", "connect", "disconnect", "has_listeners")


def is_django_own(function: object) -> bool:
    """Tell whether a function of Signal is Django's, not one that somebody put in its place."""
    return type(function) is FunctionType and (function.__code__.co_filename == dispatcher.__file__)


def calls_its_list(signal_class: type[Signal]) -> bool:
    """Tell whether signals of this class call just what is in their ``receivers``."""
    return is_django_own(signal_class._live_receivers)


@dataclass(frozen=True, slots=True)
class Entry:
    """
    One entry of ``Signal.receivers``.

    receiver: the connected object, None once it was collected.
    sender_key: id of the sender (Django's key), None where any sender is meant.
    sender: the sender where Django keeps a reference to it (6.0 on), else None.
    dispatch_uid: as given to connect(), else None.
    """

    receiver: Any
    sender_key: Any
    sender: Any
    dispatch_uid: Any
    is_weak: bool
    is_async: bool


def entries(signal: Signal) -> Iterator[Entry]:
    """
    Read a signal's connected receivers, in connection order.

    Entries have three parts in Django 5.2 and four from 6.0 on; entries of any other shape,
    which only a host can have put there, are passed over.
    """
    for raw in list(signal.receivers):
        try:
            (receiver_key, sender_key), reference, *middle, is_async = raw
        except (TypeError, ValueError):
            continue
        is_weak = isinstance(reference, ReferenceType)
        receiver = reference() if is_weak else reference
        sender_reference = middle[0] if middle else None
        yield Entry(
            receiver=receiver,
            sender_key=None if sender_key == dispatcher.NONE_ID else sender_key,
            sender=sender_reference() if sender_reference is not None else None,
            dispatch_uid=None if _is_own_key(receiver, receiver_key) else receiver_key,
            is_weak=is_weak,
            is_async=bool(is_async),
        )


def dispatch_uids(signal: Signal, sender: object, receivers: Sequence[object]) -> tuple[str, ...]:
    """
    Return the text of the dispatch_uid of each of a sender's receivers, "" where it has none.

    receivers: live ones, as _live_receivers() returns them; one may be there more than once.
    """
    connected = [
        entry for entry in entries(signal) if entry.sender_key in (None, _sender_key(sender))
    ]
    found = []
    for receiver in receivers:
        entry = next((entry for entry in connected if is_same(entry.receiver, receiver)), None)
        if entry is not None:
            connected.remove(entry)
        has_uid = entry is not None and entry.dispatch_uid is not None
        found.append(str(entry.dispatch_uid) if entry is not None and has_uid else "")
    return tuple(found)


def is_same(receiver: object, other: object) -> bool:
    """Tell whether two receivers are one; a bound method is made anew each time."""
    return receiver is other or (type(receiver) is type(other) is MethodType and receiver == other)


def _sender_key(sender: object) -> Any:
    return dispatcher._make_id(sender)  # type: ignore[attr-defined]


def _is_own_key(receiver: object, key: object) -> bool:
    """Tell whether a key was made from the receiver, not given as a dispatch_uid."""
    if receiver is not None:
        return bool(key == dispatcher._make_id(receiver))  # type: ignore[attr-defined]
    return type(key) is int or (type(key) is tuple and all(type(part) is int for part in key))


def live_receivers(signal: Signal, sender: object) -> list[Any]:
    """Return a signal's receivers of a sender, sync before async, as a dispatch finds them."""
    sync_receivers, async_receivers = signal._live_receivers(sender)
    return [*sync_receivers, *async_receivers]


class Absence:
    """
    An entry that is taken out of ``Signal.receivers``, to be put back later.

    key: the entry's. earlier: the keys of the entries that stood before it.
    holders: how many want it to be away.
    """

    __slots__ = ("earlier", "entry", "holders", "key")

    def __init__(self, entry: tuple[Any, ...], earlier: list[Any]) -> None:
        self.entry = entry
        self.key = entry[0]
        self.earlier = earlier
        self.holders = 1

    def place(self, receivers: list[Any]) -> int:
        """Return where in a list the entry belongs: behind what stood before it."""
        for position, entry in enumerate(receivers):
            if entry[0] not in self.earlier:
                return position
        return len(receivers)

    def is_dead(self) -> bool:
        """Tell whether the receiver is gone, or the sender where Django has a reference to it."""
        return any(isinstance(part, ReferenceType) and part() is None for part in self.entry[1:-1])


# The entries of each signal that are away. Only to be looked at with the signal's lock held.
_absences: WeakKeyDictionary[Signal, list[Absence]] = WeakKeyDictionary()


def take_out(
    signal: Signal, receiver: object, sender: object, dispatch_uid: object
) -> Absence | None:
    """
    Disconnect a receiver for a while; None where there is no such one, by Django's own rules.

    One that is away already stays so until put_back() was called as often as this.
    """
    key = (dispatch_uid or dispatcher._make_id(receiver), _sender_key(sender))  # type: ignore[attr-defined]
    with signal.lock:
        signal._clear_dead_receivers()  # type: ignore[attr-defined]
        away = _absences.setdefault(signal, [])
        receivers = signal.receivers
        for position, entry in enumerate(receivers):
            if entry[0] == key:
                earlier = [other[0] for other in receivers[:position]]
                earlier += [other.key for other in away if other.place(receivers) <= position]
                absence = Absence(entry, earlier)
                del receivers[position]
                signal.sender_receivers_cache.clear()
                away.append(absence)
                return absence
        for absence in away:
            if absence.key == key:
                absence.holders += 1
                return absence
        return None


def put_back(signal: Signal, absence: Absence) -> None:
    """
    Connect again, in its place, what take_out() disconnected.

    Not what was collected meanwhile, nor what somebody else connected again.
    """
    with signal.lock:
        absence.holders -= 1
        if absence.holders:
            return
        _absences[signal].remove(absence)
        signal._clear_dead_receivers()  # type: ignore[attr-defined]
        receivers = signal.receivers
        if absence.is_dead() or any(entry[0] == absence.key for entry in receivers):
            return
        receivers.insert(absence.place(receivers), absence.entry)
        # A list is recognised by its length and the last key: this one is not as it was.
        (receiver_key, sender_key), *rest = receivers[-1]
        receivers[-1] = ((receiver_key, sender_key), *rest)
        signal.sender_receivers_cache.clear()


def raw_entries(signal: Signal) -> list[tuple[Any, ...]]:
    """Return the entries of a signal as Django keeps them; weak receivers are not kept alive."""
    with signal.lock:
        return list(signal.receivers)


def has_changed(signal: Signal, found: Sequence[tuple[Any, ...]]) -> bool:
    """Tell whether a signal's entries are other ones, or in another order, than were found."""
    now = signal.receivers
    return len(now) != len(found) or not all(map(operator.is_, now, found))


def new_receivers(signal: Signal, found: Sequence[tuple[Any, ...]]) -> Iterator[tuple[Any, bool]]:
    """
    Give the live receivers that were connected since, and whether they are connected weakly.

    found: what raw_entries() returned earlier.
    """
    for entry in raw_entries(signal):
        receiver = _live(entry)
        if receiver is not None and not any(_is_same_entry(entry, old) for old in found):
            yield receiver, isinstance(entry[1], ReferenceType)


def put_entries(
    signal: Signal, found: Sequence[tuple[Any, ...]], may_stay: Callable[[object], bool]
) -> None:
    """
    Connect to a signal again what was, in its order, and disconnect what came since.

    found: what raw_entries() returned earlier; what was collected since stays away.
    may_stay: asked for each receiver that came since.
    """
    with signal.lock:
        now = list(signal.receivers)
        entries = [entry for entry in found if _live(entry) is not None]
        entries += [
            entry
            for entry in now
            if (receiver := _live(entry)) is not None
            and not any(_is_same_entry(entry, old) for old in found)
            and may_stay(receiver)
        ]
        if entries:
            # A list is recognised by its length and the last key: this one is not as it was.
            (receiver_key, sender_key), *rest = entries[-1]
            entries[-1] = ((receiver_key, sender_key), *rest)
        signal.receivers[:] = entries
        signal.sender_receivers_cache.clear()


def _live(entry: tuple[Any, ...]) -> Any:
    """Return the receiver of an entry, None where that, or its sender, is gone."""
    receiver, *senders, _ = entry[1:]
    for sender in senders:
        # From 6.0 on, None stands for any sender.
        if isinstance(sender, ReferenceType) and sender() is None:
            return None
    return receiver() if isinstance(receiver, ReferenceType) else receiver


def _is_same_entry(entry: tuple[Any, ...], other: tuple[Any, ...]) -> bool:
    return bool(entry[0] == other[0]) and is_same(_live(entry), _live(other))
