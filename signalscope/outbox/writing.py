"""Writes deliveries in the transaction of the work that made them, many by one statement."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from itertools import chain
from typing import Any

from django.db import connections, models, transaction
from django.db.backends.base.base import BaseDatabaseWrapper

from signalscope.activity.spans import Span, Transaction, running_transaction
from signalscope.models import Delivery

# How many of one transaction wait until they are written.
MAX_WAITING = 5_000
# Characters of one statement, unless a single row has more. MySQL takes no larger packet than
# max_allowed_packet, where quotes and the like count twice: 4 MB in old versions.
MAX_LENGTH = 1_000_000
# PostgreSQL counts bound parameters by two bytes; Django before 6.1 does not say so.
MAX_PARAMETERS = 65_535
# The values of a delivery by the names of its fields, without the id.
Row = dict[str, Any]
_FIELDS: list[Any] = [
    field for field in Delivery._meta.concrete_fields if not isinstance(field, models.AutoField)
]


def write(row: Row, using: str) -> None:
    """
    Write a delivery just before the outermost atomic block is committed; without one at once.

    Errors of the database go to the caller, here or as the block ends: what was done and what
    was promised are both there then, or neither.
    """
    connection = connections[using]
    running = running_transaction(using)
    if running is None or not connection.in_atomic_block:
        # Without autocommit, SQLite may not even have begun a transaction.
        _insert([row], connection)
        return
    if not isinstance(running.companion, _WaitingRows):
        running.companion = _WaitingRows(running)
    running.companion.add(row)


class _Waiting:
    """A row, the part of the transaction that it belongs to, and that in which it was written."""

    __slots__ = ("row", "span", "written_in")

    def __init__(self, row: Row, span: Span) -> None:
        self.row = row
        self.span = span
        self.written_in: Span | None = None

    @property
    def is_due(self) -> bool:
        """Whether it is to be written: not undone, and written nowhere or where that is undone."""
        is_written = self.written_in is not None and not self.written_in.is_undone
        return not (is_written or self.span.is_undone)


class _WaitingRows:
    """The deliveries of one transaction; those of a part that is rolled back are forgotten."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self._waiting: list[_Waiting] = []
        self._unwritten_count = 0

    def add(self, row: Row) -> None:
        """Let a row wait; raises DatabaseError where many do, and cannot be written."""
        self._waiting.append(_Waiting(row, self._transaction.span))
        self._unwritten_count += 1
        if self._unwritten_count >= MAX_WAITING:
            self._transaction.write_everything()

    def write(self, connection: BaseDatabaseWrapper) -> None:
        """Write what is due; raises DatabaseError where that fails."""
        # What an execute wrapper of the project's promises meanwhile waits for the next time.
        waiting, self._waiting = self._waiting, []
        self._unwritten_count = 0
        span = self._transaction.span
        due = [one for one in waiting if one.is_due]
        try:
            if due:
                _insert([one.row for one in due], connection)
        except BaseException:
            self._waiting[:0] = waiting
            raise
        for one in due:
            one.written_in = span
        if span.parent is not None:
            # To roll back to a savepoint undoes this, too.
            self._waiting[:0] = waiting


def _insert(rows: Sequence[Row], connection: BaseDatabaseWrapper) -> None:
    """Insert rows without making instances, which would send signals to the project."""
    quote = connection.ops.quote_name
    columns = ", ".join([quote(field.column) for field in _FIELDS])
    places = f"({', '.join(['%s'] * len(_FIELDS))})"
    with (
        transaction.mark_for_rollback_on_error(connection.alias),
        connection.cursor() as cursor,
    ):
        for part in _parts(rows, connection):
            cursor.execute(
                f"INSERT INTO {quote(Delivery._meta.db_table)} ({columns}) VALUES "  # noqa: S608
                + ", ".join([places] * len(part)),
                list(chain.from_iterable(part)),
            )


def _parts(rows: Sequence[Row], connection: BaseDatabaseWrapper) -> Iterator[list[list[Any]]]:
    """Give the values of so many rows at a time as one statement can take."""
    most = _rows_at_once(connection)
    part: list[list[Any]] = []
    length = 0
    for row in rows:
        values = [field.get_db_prep_save(row[field.name], connection) for field in _FIELDS]
        # PostgreSQL has JSON as no text yet, and no such limit.
        row_length = sum([len(value) for value in values if type(value) is str])
        if part and (len(part) >= most or length + row_length > MAX_LENGTH):
            yield part
            part, length = [], 0
        part.append(values)
        length += row_length
    yield part


def _rows_at_once(connection: BaseDatabaseWrapper) -> int:
    limit = connection.features.max_query_params
    if connection.vendor == "sqlite":
        # Django 5.2 takes the limit of old versions for that of all.
        raw: sqlite3.Connection = connection.connection
        limit = raw.getlimit(sqlite3.SQLITE_LIMIT_VARIABLE_NUMBER)
    return (limit or MAX_PARAMETERS) // len(_FIELDS)
