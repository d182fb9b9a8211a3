"""Tells whether a model's signal is sent in a transaction."""

from __future__ import annotations

import threading
import weakref
from typing import Any

from django.db import connections

# These carry ``using``; pre_init and post_init do not.
_SIGNALS = ("pre_save", "post_save", "pre_delete", "post_delete", "m2m_changed")


class _Connections(threading.local):
    """This thread's connections by alias: Django's own look-up costs more than a dispatch."""

    def __init__(self) -> None:
        self.by_alias: dict[object, weakref.ref[Any]] = {}


_connections = _Connections()


def read_atomic(named: dict[str, Any]) -> bool | None:
    """Return whether the connection that a dispatch names is in a transaction."""
    try:
        connection: Any = _connections.by_alias[named["using"]]()
        return connection.in_atomic_block  # type: ignore[no-any-return]
    except (KeyError, AttributeError, TypeError):
        # Not known yet, or gone, or the sender named none.
        return _find(named.get("using"))


def _find(using: object) -> bool | None:
    if type(using) is not str:
        return None
    connection = connections[using]
    _connections.by_alias[using] = weakref.ref(connection)
    return bool(connection.in_atomic_block)


READERS = {f"django.db.models.signals.{name}": read_atomic for name in _SIGNALS}
