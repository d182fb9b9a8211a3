"""Makes rows of traces in the database, by the million: no trace was recorded for them."""

import time

from django.db import connections, models

from signalscope.models import Dispatch, ReceiverCall, Trace

RECEIVER = "shop.receivers.receiver_"
_DAY_MS = 86_400_000


def make_traces(using, count, *, dispatches=1, calls=1, since_days=7, until_days=0):
    """
    Add traces, each with so many dispatches, each of these with so many calls.

    They are spread over a time that began and ended so many days ago. One trace in 20 failed, one
    call in 20, too; there are 10 signals and 50 receivers.
    """
    begin_ms = round(time.time() * 1000 - since_days * _DAY_MS)
    step_ms = (since_days - until_days) * _DAY_MS / count

    def key(number):
        return f"(({begin_ms} + CAST(({number}) * {step_ms} AS bigint)) * {1 << 22})"

    in_trace = dispatches * calls
    _insert(
        using,
        Trace,
        count,
        id=key("i"),
        trigger="'request'",
        name="'GET /orders/' || (i % 1000) || '/'",
        status="CASE WHEN i % 20 = 0 THEN 'error' ELSE 'ok' END",
        kept_because="'sample'",
        started_at=_moment(using, f"{begin_ms} + i * {step_ms}"),
        correlation_id="'00-' || i",
        dispatch_count=str(dispatches),
        call_count=str(in_trace),
    )
    _insert(
        using,
        Dispatch,
        count * dispatches,
        # The keys of one trace follow each other.
        id=f"{key(f'i / {dispatches}')} + 1 + i % {dispatches}",
        trace_id=key(f"i / {dispatches}"),
        parent_call_id="NULL",
        signal="'shop.signals.signal_' || (i % 10)",
        sender="'shop.Order'",
        method="'send'",
    )
    dispatch = f"(i / {calls})"
    _insert(
        using,
        ReceiverCall,
        count * in_trace,
        id=f"{key(f'i / {in_trace}')} + {1 + dispatches} + i % {in_trace}",
        dispatch_id=f"{key(f'i / {in_trace}')} + 1 + {dispatch} % {dispatches}",
        receiver=f"'{RECEIVER}' || (i % 50)",
        outcome="CASE WHEN i % 20 = 0 THEN 'error' ELSE 'ok' END",
    )


def _insert(using, model, count, **columns):
    """Add rows in one statement: each column an expression of i, the row's number from 0."""
    connection = connections[using]
    names, values = [], []
    for field in model._meta.concrete_fields:
        names.append(connection.ops.quote_name(field.column))
        values.append(columns.get(field.column) or _default(field))
    into = f"INSERT INTO {model._meta.db_table} ({', '.join(names)}) SELECT {', '.join(values)}"
    if connection.vendor == "postgresql":
        statement = f"{into} FROM generate_series(0, {count - 1}) AS n(i)"
    else:
        numbers = f"SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < {count - 1}"
        statement = f"WITH RECURSIVE n(i) AS ({numbers}) {into} FROM n"
    with connection.cursor() as cursor:
        cursor.execute(statement)


def _default(field):
    if field.null:
        return "NULL"
    if isinstance(field, models.BooleanField):
        return "false"
    return "''" if isinstance(field, models.CharField | models.TextField) else "1000"


def _moment(using, ms):
    if connections[using].vendor == "postgresql":
        return f"to_timestamp(({ms}) / 1000.0)"
    return f"strftime('%Y-%m-%d %H:%M:%f', ({ms}) / 1000.0, 'unixepoch')"


def analyze(using):
    """Let the database learn what its tables hold, as PostgreSQL does by itself."""
    if connections[using].vendor == "postgresql":
        with connections[using].cursor() as cursor:
            cursor.execute("VACUUM ANALYZE")
