"""Stands before a connection's methods while somebody follows its transaction."""

from __future__ import annotations

from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from signalscope.core.faults import fault

_FOLLOWED = (
    "savepoint",
    "savepoint_commit",
    "savepoint_rollback",
    "commit",
    "rollback",
    "close",
    "set_autocommit",
)
_NOTHING = object()


class _Shadow:
    """
    Stands before a connection's method, and tells a follower of calls that succeeded.

    follower: is told by its own after_commit(result, ...), and so on. Where it has such a method,
    it is asked by before_commit(...) first, and what that raises goes to the caller.
    """

    def __init__(self, connection: BaseDatabaseWrapper, name: str, follower: object) -> None:
        self.follower = follower
        self._name = name
        self._own = connection.__dict__.get(name, _NOTHING)
        self._method = getattr(connection, name)
        self._before = getattr(follower, f"before_{name}", None)
        self._after = getattr(follower, f"after_{name}")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if self._before is not None:
            self._before(*args, **kwargs)
        result = self._method(*args, **kwargs)
        try:
            self._after(result, *args, **kwargs)
        except Exception as error:  # noqa: BLE001
            fault("following a transaction", error)
        return result

    def take_off(self, connection: BaseDatabaseWrapper) -> None:
        """Leave the connection as it was found."""
        if self._own is _NOTHING:
            del connection.__dict__[self._name]
        else:
            connection.__dict__[self._name] = self._own


def put_on(connection: BaseDatabaseWrapper, follower: object) -> None:
    """Let a follower know of what becomes of a connection's transaction, from now on."""
    for name in _FOLLOWED:
        connection.__dict__[name] = _Shadow(connection, name, follower)


def take_off(connection: BaseDatabaseWrapper, follower: object) -> None:
    """Take off what is there for a follower."""
    for name in _FOLLOWED:
        shadow = connection.__dict__.get(name)
        if isinstance(shadow, _Shadow) and shadow.follower is follower:
            shadow.take_off(connection)
