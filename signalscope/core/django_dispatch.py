"""The only file that names private parts of Signal, as they are in each Django version."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import FunctionType, MethodType
from typing import Any
from weakref import ReferenceType

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
        entry = next((entry for entry in connected if _is_same(entry.receiver, receiver)), None)
        if entry is not None:
            connected.remove(entry)
        has_uid = entry is not None and entry.dispatch_uid is not None
        found.append(str(entry.dispatch_uid) if entry is not None and has_uid else "")
    return tuple(found)


def _is_same(receiver: object, other: object) -> bool:
    """Tell whether two receivers are one; a bound method is made anew each time."""
    return receiver is other or (type(receiver) is MethodType and receiver == other)


def _sender_key(sender: object) -> Any:
    return dispatcher._make_id(sender)  # type: ignore[attr-defined]


def _is_own_key(receiver: object, key: object) -> bool:
    """Tell whether a key was made from the receiver, not given as a dispatch_uid."""
    if receiver is not None:
        return bool(key == dispatcher._make_id(receiver))  # type: ignore[attr-defined]
    return type(key) is int or (type(key) is tuple and all(type(part) is int for part in key))
