"""Refuses queries for a while, so that the text of an object costs none."""

from __future__ import annotations

from typing import Any, NoReturn

from django.db import connections


class QueryRefused(Exception):
    """A query was about to run where none may."""


def _refuse(*args: object, **kwargs: object) -> NoReturn:  # noqa: ARG001
    raise QueryRefused


# All ways to a cursor.
_REFUSING = {"cursor": _refuse, "chunked_cursor": _refuse}


class refused_queries:  # noqa: N801
    """
    Raise QueryRefused for any query that this thread runs in the block.

    An execute wrapper would come too late: connection.queries counts what it refuses. Where
    threads share a connection, as live tests do, the block itself is refused.
    """

    __slots__ = ("_before",)

    def __enter__(self) -> None:
        # Those that were never asked for, too: they are made here, but not opened.
        every = connections.all()
        if any(connection.allow_thread_sharing for connection in every):
            raise QueryRefused
        self._before: list[tuple[dict[str, Any], dict[str, Any]]] = []
        for connection in every:
            attributes = connection.__dict__
            # A library may have put its own there.
            own = {name: attributes[name] for name in _REFUSING if name in attributes}
            self._before.append((attributes, own))
            attributes.update(_REFUSING)

    def __exit__(self, *error: object) -> None:
        for attributes, own in self._before:
            for name in _REFUSING:
                del attributes[name]
            attributes.update(own)
