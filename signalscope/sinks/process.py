"""Writes what a process says of itself over the row that it wrote before."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.models import Field

from signalscope.models import Process
from signalscope.sinks.rows import moment, text


def store_process(row: Mapping[str, Any], connection: BaseDatabaseWrapper) -> None:
    """
    Store a row, given by the names of Process's fields.

    Its first report adds the row; so does the next one when somebody has deleted it.
    """
    quote = connection.ops.quote_name
    table = quote(Process._meta.db_table)
    fields = [field for field in Process._meta.concrete_fields if not field.primary_key]
    columns = [quote(str(field.column)) for field in fields]
    values = [_value(row[field.name], field, connection) for field in fields]
    update = f"UPDATE {table} SET {', '.join(f'{column} = %s' for column in columns)} WHERE id = %s"  # noqa: S608
    insert = (
        f"INSERT INTO {table} ({', '.join(columns)}, id) "  # noqa: S608
        f"VALUES ({', '.join(['%s'] * (len(columns) + 1))})"
    )
    with connection.make_cursor(connection.create_cursor()) as cursor:
        cursor.execute(update, [*values, row["id"]])
        if cursor.rowcount == 0:
            cursor.execute(insert, [*values, row["id"]])


def _value(value: Any, field: Field[Any, Any], connection: BaseDatabaseWrapper) -> Any:
    if isinstance(value, datetime):
        return moment(value, connection)
    if isinstance(value, str):
        return text(value, field.max_length or len(value))
    return value
