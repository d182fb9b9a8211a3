"""D001: receivers that are connected twice under different identities."""

from __future__ import annotations

import functools
from collections import defaultdict
from collections.abc import Iterator
from types import FunctionType, MethodType
from typing import Any

from signalscope.control.wrapping import Wrapping
from signalscope.doctor.finding import CONNECTED_TWICE, Finding
from signalscope.doctor.project import Connection, Project, signal_text

# What can be compared without running code of the project's.
_PLAIN = (str, bytes, int, float, bool, type(None))
# How far into closures functions are compared.
_DEPTH = 5


def connected_twice(project: Project) -> Iterator[Finding]:
    """Give receivers that one dispatch calls more than once."""
    by_place: dict[Any, list[Connection]] = defaultdict(list)
    for one in project.connections:
        by_place[id(one.signal), one.info.place or id(one.receiver)].append(one)
    for waiting in by_place.values():
        while waiting:
            first = waiting.pop(0)
            same = [one for one in waiting if _is_twice(first, one)]
            waiting[:] = [one for one in waiting if one not in same]
            if same:
                yield project.finding(CONNECTED_TWICE, _sentence([first, *same]), [first, *same])


def _is_twice(one: Connection, other: Connection) -> bool:
    senders = {one.sender_key, other.sender_key}
    return (len(senders) == 1 or None in senders) and is_alike(one.receiver, other.receiver)


def _sentence(connections: list[Connection]) -> str:
    info = connections[0].info
    signal = signal_text(info.signal, info.family)
    ways = [
        [one.info.receiver for one in connections],
        [f"for {one.info.sender or 'any sender'}" for one in connections],
        [_uid(one.info.dispatch_uid) for one in connections],
    ]
    told = [words for words in ways if len(set(words)) > 1]
    text = "; ".join(" ".join(words) for words in zip(*told, strict=True))
    return (
        f"{info.receiver} is connected to {signal} {len(connections)} times: "
        f"{text or 'its module was imported again'}."
    )


def _uid(dispatch_uid: str) -> str:
    return f"with dispatch_uid {dispatch_uid!r}" if dispatch_uid else "without dispatch_uid"


def is_alike(one: Any, other: Any, depth: int = _DEPTH) -> bool:
    """
    Tell whether two receivers do the same: one object, or the same code with the same values.

    Functions that a factory made with different values do not.
    """
    if one is other:
        return True
    if type(one) is not type(other) or not depth:
        return False
    if isinstance(one, FunctionType):
        return _are_alike_functions(one, other, depth)
    if isinstance(one, MethodType):
        return one.__self__ is other.__self__ and is_alike(one.__func__, other.__func__, depth - 1)
    if isinstance(one, functools.partial):
        return (
            is_alike(one.func, other.func, depth - 1)
            and is_alike(one.args, other.args, depth - 1)
            and is_alike(one.keywords, other.keywords, depth - 1)
        )
    if isinstance(one, tuple | list):
        return len(one) == len(other) and all(
            is_alike(mine, its, depth - 1) for mine, its in zip(one, other, strict=True)
        )
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(
            is_alike(one[key], other[key], depth - 1) for key in one
        )
    return isinstance(one, (*_PLAIN, Wrapping)) and bool(one == other)


def _are_alike_functions(one: FunctionType, other: FunctionType, depth: int) -> bool:
    return (
        one.__code__.co_filename == other.__code__.co_filename
        and one.__code__ == other.__code__
        and is_alike(one.__defaults__, other.__defaults__, depth - 1)
        and is_alike(one.__kwdefaults__, other.__kwdefaults__, depth - 1)
        and is_alike(_cells(one), _cells(other), depth - 1)
    )


def _cells(function: FunctionType) -> list[Any]:
    try:
        return [cell.cell_contents for cell in function.__closure__ or ()]
    except ValueError:
        # One is not filled yet: that list is like no other.
        return [object()]
