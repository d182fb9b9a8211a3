"""Writes traces, roll-ups and losses to the database, over a connection of the writer's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connections, models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from signalscope.core.keys import Keys
from signalscope.models import Dispatch, Loss, ReceiverCall, Rollup, Trace
from signalscope.recorder.batch import Batch, LossRow, TraceRow
from signalscope.recorder.rollups import PERIOD_S, Key, Tally
from signalscope.recorder.tree import Call
from signalscope.recorder.tree import Dispatch as DispatchNode

# How often a batch is tried whose keys another process has chosen, too.
_ATTEMPTS = 3


class DatabaseSink:
    """
    Stores batches in the database with this alias.

    All calls come from one thread. Errors of the database go to the caller.
    """

    def __init__(self, alias: str) -> None:
        self.alias = alias
        self._connection: BaseDatabaseWrapper | None = None
        self._keys = Keys()

    def write(self, batch: Batch) -> None:
        """Store a batch, whole or not at all."""
        for attempt in range(_ATTEMPTS):
            self._keys.turn()
            try:
                self._write(batch)
            except IntegrityError:
                self._roll_back()
                if attempt == _ATTEMPTS - 1:
                    raise
            except BaseException:
                self._roll_back()
                raise
            else:
                return

    def close(self) -> None:
        """Close the connection; the next write opens one again."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _write(self, batch: Batch) -> None:
        connection = self._open()
        rows: dict[type[models.Model], list[Sequence[Any]]] = {
            Trace: [],
            Dispatch: [],
            ReceiverCall: [],
        }
        for trace in batch.traces:
            self._add_trace(rows, trace, connection)
        rows[Rollup] = list(_rollup_rows(batch.rollups, connection))
        if batch.loss is not None:
            rows[Loss] = [_loss_row(batch.loss, connection)]
        connection.set_autocommit(False)
        with connection.make_cursor(connection.create_cursor()) as cursor:
            for model, values in rows.items():
                if values:
                    cursor.executemany(_insert(model, connection), values)
        connection.commit()
        connection.set_autocommit(True)

    def _open(self) -> BaseDatabaseWrapper:
        """Return the writer's own connection, which no other code of the thread sees."""
        if self._connection is not None and self._connection.alias != self.alias:
            self.close()
        if self._connection is None:
            connection = connections.create_connection(self.alias)
            # With DEBUG, Django logs each statement of a connection; ours are not the project's.
            quiet = type("Quiet", (type(connection),), {"queries_logged": False})
            connection.__class__ = quiet
            connection.inc_thread_sharing()
            self._connection = connection
        self._connection.close_if_unusable_or_obsolete()
        self._connection.ensure_connection()
        return self._connection

    def _roll_back(self) -> None:
        """Leave nothing half done; a connection that cannot even do that is given up."""
        connection = self._connection
        if connection is None:
            return
        try:
            connection.rollback()
            connection.set_autocommit(True)
        except Exception:  # noqa: BLE001
            self._connection = None
            connection.close()

    def _add_trace(
        self,
        rows: dict[type[models.Model], list[Sequence[Any]]],
        trace: TraceRow,
        connection: BaseDatabaseWrapper,
    ) -> None:
        key = self._keys.next()
        tree = trace.tree
        rows[Trace].append(
            (
                key,
                trace.trigger,
                text(trace.name, 255),
                trace.status,
                moment(trace.started_at, connection),
                trace.duration_ns,
                "",
                "",
                "",
                "",
                "",
                tree.dispatch_count,
                tree.call_count,
                tree.error_count,
                tree.query_count,
                tree.left_out_count,
            )
        )
        self._add_dispatches(rows, key, None, tree.children.values())

    def _add_dispatches(
        self,
        rows: dict[type[models.Model], list[Sequence[Any]]],
        trace_key: int,
        parent_key: int | None,
        dispatches: Any,
    ) -> None:
        dispatch: DispatchNode
        for dispatch in dispatches:
            key = self._keys.next()
            rows[Dispatch].append(
                (
                    key,
                    trace_key,
                    parent_key,
                    dispatch.position,
                    text(dispatch.signal, 255),
                    text(dispatch.sender, 255),
                    dispatch.method,
                    dispatch.repeat_count,
                    dispatch.duration_ns,
                    dispatch.in_atomic,
                )
            )
            for call in dispatch.calls:
                call_key = self._keys.next()
                rows[ReceiverCall].append(_call_row(call_key, key, call))
                if call.children:
                    self._add_dispatches(rows, trace_key, call_key, call.children.values())


def _call_row(key: int, dispatch_key: int, call: Call) -> Sequence[Any]:
    return (
        key,
        dispatch_key,
        call.position,
        text(call.receiver, 255),
        call.duration_ns,
        call.own_ns,
        call.query_count,
        call.query_ns,
        call.repeated_query_count,
        call.outcome,
        text(call.error_type, 255),
        text(call.error_message, 500),
    )


def _rollup_rows(
    rollups: dict[Key, Tally], connection: BaseDatabaseWrapper
) -> Iterator[Sequence[Any]]:
    histogram = Rollup._meta.get_field("histogram")
    # One order for all writers, so that they never wait for each other in a circle.
    for (period_start, signal, sender, receiver), tally in sorted(rollups.items()):
        if not tally.call_count:
            continue
        yield (
            moment(datetime.fromtimestamp(period_start, UTC), connection),
            PERIOD_S,
            text(signal, 255),
            text(sender, 255),
            text(receiver, 255),
            tally.call_count,
            tally.error_count,
            tally.total_ns,
            tally.max_ns,
            histogram.get_db_prep_save(
                {str(index): count for index, count in sorted(tally.buckets.items())}, connection
            ),
        )


def _loss_row(loss: LossRow, connection: BaseDatabaseWrapper) -> Sequence[Any]:
    now = datetime.now(UTC)
    return (
        moment(now, connection),
        text(loss.process, 255),
        loss.trace_count,
        loss.dispatch_count,
        loss.call_count,
    )


def _insert(model: type[models.Model], connection: BaseDatabaseWrapper) -> str:
    """Return the INSERT of a model's columns, in the order of its fields, without an auto key."""
    quote = connection.ops.quote_name
    fields = [f for f in model._meta.concrete_fields if not isinstance(f, models.AutoField)]
    columns = ", ".join([quote(str(f.column)) for f in fields])
    places = ", ".join(["%s"] * len(fields))
    return f"INSERT INTO {quote(model._meta.db_table)} ({columns}) VALUES ({places})"  # noqa: S608


def text(value: str, max_length: int) -> str:
    """Return text that every database takes: cut, without NUL and lone surrogates."""
    if len(value) > max_length:
        value = value[: max_length - 1] + "…"
    if value.isascii():
        return value.replace("\0", "") if "\0" in value else value
    return value.encode("utf-8", "replace").decode("utf-8").replace("\0", "")


def moment(value: datetime, connection: BaseDatabaseWrapper) -> Any:
    """Return a moment as the database takes it."""
    if not settings.USE_TZ:
        value = timezone.make_naive(value)
    return connection.ops.adapt_datetimefield_value(value)
