"""Makes the rows of a batch: tuples in the order of their model's fields, without an auto key."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper
from django.utils import timezone

from signalscope.core.histogram import pack
from signalscope.core.keys import Keys
from signalscope.models import ActivityLog, Dispatch, Loss, ReceiverCall, Rollup, SlowQuery, Trace
from signalscope.recorder import notes
from signalscope.recorder.batch import Batch, LossRow, TraceRow
from signalscope.recorder.rollups import PERIOD_S, Key, Tally
from signalscope.recorder.tree import Dispatch as DispatchNode

_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False)

Row = tuple[Any, ...]
Rows = dict[type[models.Model], list[Row]]


def make_rows(
    batch: Batch, keys: Keys, connection: BaseDatabaseWrapper, *, keeps_keys: bool = True
) -> Rows:
    """
    Return the rows of a batch by model.

    connection: the database that they are for. keeps_keys: traces that have a key get it.
    """
    rows: Rows = {Trace: [], Dispatch: [], ReceiverCall: []}
    for trace in batch.traces:
        key = trace.key if keeps_keys and trace.key is not None else keys.next()
        rows[Trace].append(_trace_row(key, trace, connection))
        _add_dispatches(rows, keys, key, None, trace.tree.children.values())
    rows[Rollup] = list(_rollup_rows(batch.rollups))
    rows[ActivityLog] = [entry_row(entry, connection) for entry in batch.entries]
    rows[SlowQuery] = [_slow_query_row(query, connection) for query in batch.slow_queries]
    rows[Loss] = [] if batch.loss is None else [_loss_row(batch.loss, connection)]
    return rows


def _trace_row(key: int, trace: TraceRow, connection: BaseDatabaseWrapper) -> Row:
    tree = trace.tree
    return (
        key,
        trace.trigger,
        text(trace.name, 255),
        trace.status,
        trace.kept_because,
        False,
        moment(trace.started_at, connection),
        trace.duration_ns,
        text(trace.actor.key, 255),
        text(trace.actor.label, 255),
        text(trace.actor.ip_address, 45),
        text(trace.actor.user_agent, 255),
        text(trace.correlation_id, 100),
        tree.dispatch_count,
        tree.call_count,
        tree.error_count,
        tree.query_count,
        tree.left_out_count,
    )


def _add_dispatches(
    rows: Rows,
    keys: Keys,
    trace_key: int,
    parent_key: int | None,
    dispatches: Iterable[DispatchNode],
) -> None:
    add_call = rows[ReceiverCall].append
    for dispatch in dispatches:
        dispatch_key = keys.next()
        rows[Dispatch].append(
            (
                dispatch_key,
                trace_key,
                parent_key,
                dispatch.position,
                label(dispatch.signal),
                label(dispatch.sender),
                dispatch.method,
                dispatch.repeat_count,
                dispatch.duration_ns,
                dispatch.in_atomic,
            )
        )
        for call in dispatch.calls:
            key = keys.next()
            add_call(
                (
                    key,
                    dispatch_key,
                    call.position,
                    label(call.receiver),
                    call.duration_ns,
                    call.own_ns,
                    call.query_count,
                    call.query_ns,
                    call.repeated_query_count,
                    call.outcome,
                    label(call.error_type),
                    text(call.error_message, 500),
                )
            )
            if call.children:
                _add_dispatches(rows, keys, trace_key, key, call.children.values())


def _rollup_rows(rollups: dict[Key, Tally]) -> Iterator[Row]:
    # One order for all writers, so that they never wait for each other in a circle.
    for (period_start_s, signal, sender, receiver), tally in sorted(rollups.items()):
        kept_out = tally.muted_count or tally.skipped_count or tally.deferred_count
        if tally.call_count or kept_out:
            yield (
                period_start_s,
                PERIOD_S,
                Rollup.State.DELTA.value,
                label(signal),
                label(sender),
                label(receiver),
                tally.call_count,
                tally.error_count,
                tally.muted_count,
                tally.skipped_count,
                tally.deferred_count,
                tally.total_ns,
                tally.max_ns,
                json.dumps(pack(tally.buckets)),
            )


def _loss_row(loss: LossRow, connection: BaseDatabaseWrapper) -> Row:
    return (
        moment(datetime.now(UTC), connection),
        label(loss.process),
        loss.trace_count,
        loss.dispatch_count,
        loss.call_count,
        loss.unkept_count,
        loss.grouped_count,
        loss.entry_count,
        loss.slow_query_count,
    )


def entry_row(entry: notes.Entry, connection: BaseDatabaseWrapper) -> Row:
    """Return the row of an entry of the activity log."""
    return (
        moment(entry.at, connection),
        text(entry.action, 100),
        text(entry.actor_key, 255),
        text(entry.actor_label, 255),
        text(entry.object_type, 255),
        text(entry.object_key, 255),
        text(entry.object_label, 255),
        document(entry.changes),
        document(entry.details),
        text(entry.ip_address, 45),
        text(entry.user_agent, 255),
        text(entry.correlation_id, 100),
        entry.trace_key,
    )


def _slow_query_row(query: notes.SlowQuery, connection: BaseDatabaseWrapper) -> Row:
    return (
        moment(query.at, connection),
        query.duration_ns,
        label(query.using),
        text(query.sql, notes.MAX_SQL_LENGTH),
        label(query.signal),
        label(query.sender),
        label(query.receiver),
        query.trace_key,
    )


def document(value: dict[str, Any]) -> str:
    """Return JSON that every database takes: without NUL, lone surrogates, NaN and infinity."""
    if not value:
        return "{}"
    try:
        found = _ENCODER.encode(value)
        # encode() raises where there is a lone surrogate.
        if "\\u0000" not in found and (found.isascii() or found.encode()):
            return found
    except ValueError:
        # Or NaN, or infinity.
        pass
    return _ENCODER.encode(_clean(value))


def _clean(value: Any) -> Any:
    if isinstance(value, str):
        return text(value, len(value))
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, dict):
        return {_clean(key): _clean(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_clean(part) for part in value]
    return value


@lru_cache(maxsize=4096)
def label(value: str) -> str:
    """Return a name as text() does; there are few, and they are stored again and again."""
    return text(value, 255)


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
