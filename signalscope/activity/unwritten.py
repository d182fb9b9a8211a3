"""Entries that are to be written in the transaction of the change, many by one statement."""

from __future__ import annotations

from collections.abc import Callable

from django.db import DatabaseError
from django.db.backends.base.base import BaseDatabaseWrapper

from signalscope.recorder.notes import Entry

# How many wait until they are written.
MAX_UNWRITTEN = 500
# A transaction's status after an error, of psycopg and of psycopg2.
_IN_ERROR = 3

# Writes entries: (entries, alias of a database).
Store = Callable[[list[Entry], str], None]


class Unwritten:
    """
    What waits to be written in a connection's transaction.

    All of it belongs to the same part of the transaction, the innermost one: it must be written
    before a savepoint is made, and forgotten when one is rolled back.
    """

    def __init__(self) -> None:
        self._entries: list[Entry] = []
        self._store: Store | None = None
        self._is_writing = False

    def add(self, entries: list[Entry], store: Store, connection: BaseDatabaseWrapper) -> None:
        """
        Let entries wait for store(); once many wait, they are written.

        Raises as write() does.
        """
        self._entries += entries
        self._store = store
        # Of what an execute wrapper saves while they are written, nobody would think again.
        if self._is_writing or len(self._entries) >= MAX_UNWRITTEN:
            self.write(connection)

    def clear(self) -> None:
        """Forget what waits."""
        self._entries.clear()

    def write(self, connection: BaseDatabaseWrapper) -> None:
        """
        Write what waits, unless the transaction can only be rolled back.

        Raises DatabaseError where that fails; what waits goes on waiting then.
        """
        if not self._entries or self._store is None:
            return
        if connection.needs_rollback or is_given_up(connection):
            return
        entries, self._entries = self._entries, []
        was_writing, self._is_writing = self._is_writing, True
        try:
            self._store(entries, connection.alias)
        except BaseException as error:
            self._entries[:0] = entries
            if isinstance(error, Exception) and not isinstance(error, DatabaseError):
                # Django rolls back for no other error of a commit.
                raise DatabaseError(f"The activity log was not written: {error!r}") from error
            raise
        finally:
            self._is_writing = was_writing


def is_given_up(connection: BaseDatabaseWrapper) -> bool:
    """
    Tell whether the database will commit nothing, after an error that the project has caught.

    PostgreSQL makes a rollback of such a COMMIT; SQLite may have rolled back by itself.
    """
    raw = connection.connection
    if connection.vendor == "postgresql":
        status = getattr(getattr(raw, "info", None), "transaction_status", None)
        return bool(status == _IN_ERROR)
    return connection.vendor == "sqlite" and not getattr(raw, "in_transaction", True)
