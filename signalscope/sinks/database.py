"""Writes traces, roll-ups and losses to the database, over a connection of the writer's own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, Set
from contextlib import contextmanager
from itertools import chain
from typing import Any
from weakref import WeakSet

from django.db import (
    DatabaseError,
    DataError,
    IntegrityError,
    connections,
    models,
)
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper

from signalscope.core.keys import Keys
from signalscope.models import ActivityLog, Dispatch, Loss, ReceiverCall, Rollup, SlowQuery, Trace
from signalscope.recorder.batch import Batch, Refused
from signalscope.sinks.process import store_process
from signalscope.sinks.rows import Row, make_rows

# Of one statement, where the database has no limit of its own.
_MAX_PARAMS = 10_000
# How often a batch is tried whose keys another process has chosen, too.
_ATTEMPTS = 3


class DatabaseSink:
    """
    Stores batches in the database with this alias.

    All calls come from one thread.
    """

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self._connection: BaseDatabaseWrapper | None = None
        self._inherited: list[BaseDatabaseWrapper] = []
        self.fork_timeout_s = 1.0
        self._keys = Keys()
        self._neighbours: WeakSet[BaseDatabaseWrapper] = WeakSet()

    def write(self, batch: Batch) -> None:
        """
        Store a batch, whole or not at all.

        Raises Refused when it has a row that the database will never take; other errors of the
        database go to the caller, and the same batch may be stored later.
        """
        for attempt in range(_ATTEMPTS):
            self._keys.turn()
            try:
                self._write(batch, keeps_keys=attempt == 0)
            except BaseException as error:
                self._roll_back()
                if not _is_about_rows(error):
                    raise
                if isinstance(error, IntegrityError) and attempt < _ATTEMPTS - 1:
                    # Another process may have chosen the same keys.
                    continue
                if self._is_other_version():
                    raise
                raise Refused(f"{type(error).__qualname__}: {error}") from error
            else:
                return

    def report(self, row: Mapping[str, Any]) -> None:
        """Store what the process says of itself, over what it said before."""
        try:
            store_process(row, self._open())
        except BaseException:
            self._roll_back()
            raise

    @contextmanager
    def connected(self) -> Iterator[str]:
        """
        Let the ORM use the writer's own connection in a block; give the alias to use.

        Only for the writer's thread, which has no other connection by that alias.
        """
        connections[self.alias] = self._open()
        try:
            yield self.alias
        finally:
            del connections[self.alias]

    def meet(self, connection: BaseDatabaseWrapper) -> None:
        """
        Know of a connection of the project's.

        Under SQLite a transaction that has read fails at its first write, without waiting, where
        another connection writes meanwhile.
        """
        if connection.vendor == "sqlite" and connection.alias == self.alias:
            self._neighbours.add(connection)

    def would_break(self, besides: Set[int]) -> bool:
        """Tell whether a transaction is open that a write would break."""
        try:
            return any(
                neighbour.in_atomic_block and neighbour._thread_ident not in besides  # type: ignore[attr-defined]
                for neighbour in self._neighbours
            )
        except RuntimeError:
            # One has just come, or is gone.
            return True

    def close(self) -> None:
        """Close the connection; the next write opens one again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def forget(self) -> None:
        """
        Leave the connection to the parent, in a forked child.

        To close it, or to let it be collected, would say good-bye on a socket that both share.
        """
        if self._connection is not None:
            self._inherited.append(self._connection)
            self._connection = None

    def _write(self, batch: Batch, *, keeps_keys: bool) -> None:
        connection = self._open()
        # Before the transaction begins: under SQLite the project waits for its end.
        rows = make_rows(batch, self._keys, connection, keeps_keys=keeps_keys)
        connection.set_autocommit(False)
        with connection.make_cursor(connection.create_cursor()) as cursor:
            store = _copy if _has_copy(connection, cursor) else insert
            for model, values in rows.items():
                if values:
                    store(connection, cursor, model, values)
        connection.commit()
        try:
            connection.set_autocommit(True)
        except Exception:  # noqa: BLE001
            # An error would say that nothing is stored, and it would be stored once more.
            self._give_up(connection)

    def _open(self) -> BaseDatabaseWrapper:
        """Return the writer's own connection, which no other code of the thread sees."""
        if self._connection is not None and self._connection.alias != self.alias:
            self.close()
        if self._connection is None:
            connection = connections.create_connection(self.alias)
            # With DEBUG, Django logs each statement of a connection; ours are not the project's.
            quiet = type("Quiet", (type(connection),), {"queries_logged": False})
            connection.__class__ = quiet
            # Nor would a connection from the project's pool be the writer's own.
            own = {k: v for k, v in connection.settings_dict["OPTIONS"].items() if k != "pool"}
            connection.settings_dict = {**connection.settings_dict, "OPTIONS": own}
            connection.inc_thread_sharing()
            self._connection = connection
            if connection.vendor == "sqlite":
                # A child that is forked in a transaction finds the file locked for ever.
                self.fork_timeout_s = 5.0
        self._connection.ensure_connection()
        return self._connection

    def _is_other_version(self) -> bool:
        """Tell whether the tables have other columns than this version of signalscope knows."""
        connection = self._open()
        with connection.cursor() as cursor:
            for model in (Trace, Dispatch, ReceiverCall, Rollup, ActivityLog, SlowQuery, Loss):
                table = model._meta.db_table
                found = connection.introspection.get_table_description(cursor, table)
                known = {field.column for field in model._meta.concrete_fields}
                if {column.name for column in found} != known:
                    return True
        return False

    def _roll_back(self) -> None:
        """Leave nothing half done; a connection that cannot even do that is given up."""
        connection = self._connection
        if connection is None:
            return
        try:
            connection.rollback()
            connection.set_autocommit(True)
        except Exception:  # noqa: BLE001
            self._give_up(connection)

    def _give_up(self, connection: BaseDatabaseWrapper) -> None:
        self._connection = None
        connection.close()


def _is_about_rows(error: BaseException) -> bool:
    """Tell whether an error lies in what is stored, not in the database."""
    if isinstance(error, DatabaseError):
        return isinstance(error, DataError | IntegrityError)
    # Such as an OverflowError of SQLite's driver.
    return isinstance(error, ValueError | TypeError | ArithmeticError)


def _has_copy(connection: BaseDatabaseWrapper, cursor: CursorWrapper) -> bool:
    """Tell whether rows can go in by COPY: PostgreSQL through psycopg 3, not psycopg2."""
    return connection.vendor == "postgresql" and hasattr(cursor, "copy")


def _copy(
    connection: BaseDatabaseWrapper,
    cursor: CursorWrapper,
    model: type[models.Model],
    rows: Sequence[Row],
) -> None:
    table, columns = _target(model, connection)
    statement = f"COPY {table} ({', '.join(columns)}) FROM STDIN"
    with connection.wrap_database_errors, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)


def insert(
    connection: BaseDatabaseWrapper,
    cursor: CursorWrapper,
    model: type[models.Model],
    rows: Sequence[Row],
) -> None:
    """Insert rows without making instances, which would send signals to the project."""
    table, columns = _target(model, connection)
    places = ", ".join(["%s"] * len(columns))
    statement = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608
    if len(rows) == 1:
        # Under PostgreSQL, executemany() takes more than one round trip.
        cursor.execute(statement, rows[0])
    else:
        cursor.executemany(statement, rows)


def insert_by_statement(
    connection: BaseDatabaseWrapper,
    cursor: CursorWrapper,
    model: type[models.Model],
    rows: Sequence[Row],
) -> None:
    """
    Insert rows by as few statements as can be, without executemany().

    What watches the project's own cursor may not be made for that: debug-toolbar's is not.
    """
    table, columns = _target(model, connection)
    places = ", ".join(["%s"] * len(columns))
    names = ", ".join(columns)
    size = max(1, (connection.features.max_query_params or _MAX_PARAMS) // len(columns))
    for first in range(0, len(rows), size):
        part = rows[first : first + size]
        values = ", ".join([f"({places})"] * len(part))
        cursor.execute(
            f"INSERT INTO {table} ({names}) VALUES {values}",  # noqa: S608
            list(chain.from_iterable(part)),
        )


# One vendor quotes names alike on all connections. Looked up for each entry of a tracked model.
_targets: dict[tuple[type[models.Model], str], tuple[str, list[Any]]] = {}


def _target(model: type[models.Model], connection: BaseDatabaseWrapper) -> tuple[str, list[Any]]:
    """Return a model's table and its columns in the order of rows, quoted."""
    found = _targets.get((model, connection.vendor))
    if found is None:
        quote = connection.ops.quote_name
        fields = [f for f in model._meta.concrete_fields if not isinstance(f, models.AutoField)]
        found = quote(model._meta.db_table), [quote(str(f.column)) for f in fields]
        _targets[model, connection.vendor] = found
    return found
