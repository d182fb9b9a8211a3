"""Writes entries of the activity log in the project's own connection and transaction."""

from __future__ import annotations

from django.db import connections, transaction

from signalscope.models import ActivityLog
from signalscope.recorder.notes import Entry
from signalscope.sinks.database import insert_by_statement
from signalscope.sinks.rows import entry_row


def store_entries(entries: list[Entry], using: str) -> None:
    """
    Insert entries at once; where a transaction is open, they are part of it.

    Errors of the database go to the caller, and the transaction can only be rolled back then.
    """
    connection = connections[using]
    rows = [entry_row(entry, connection) for entry in entries]
    with transaction.mark_for_rollback_on_error(using), connection.cursor() as cursor:
        insert_by_statement(connection, cursor, ActivityLog, rows)
