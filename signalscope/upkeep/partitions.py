"""Drops whole partitions, where PostgreSQL's tables of traces are divided by ranges of keys."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Generator

from django.db import OperationalError, ProgrammingError, connections, models, transaction

from signalscope.models import Dispatch, ReceiverCall, Trace

# A partition goes only when nobody uses its table; writers must not queue for long behind that.
LOCK_TIMEOUT_MS = 500
# How a pinned trace is found from the rows of each table; traces go last.
_PINNED: dict[type[models.Model], str] = {
    ReceiverCall: "dispatch__trace__is_pinned",
    Dispatch: "trace__is_pinned",
    Trace: "is_pinned",
}
_PARTITIONS = """
    SELECT child.oid::regclass::text, pg_get_expr(child.relpartbound, child.oid)
    FROM pg_inherits
    JOIN pg_class child ON child.oid = pg_inherits.inhrelid
    JOIN pg_partitioned_table parent ON parent.partrelid = pg_inherits.inhparent
    WHERE parent.partrelid = to_regclass(%s) AND parent.partstrat = 'r'
"""
_RANGE = re.compile(r"FOR VALUES FROM \((MINVALUE|'(-?\d+)')\) TO \('(-?\d+)'\)")


def drop(before_key: int, *, using: str) -> Generator[Counter[str]]:
    """
    Drop the partitions whose keys are all lower, but for those with rows of a pinned trace.

    Each in a transaction of its own. One that cannot be dropped is left: its rows are deleted
    as those of any table.
    """
    if connections[using].vendor != "postgresql":
        return
    for model, pinned in _PINNED.items():
        for name, low, high in _partitions(model, using):
            if high > before_key:
                continue
            rows = model._base_manager.using(using).filter(pk__gte=low, pk__lt=high)
            try:
                is_dropped = _drop(name, rows.filter(**{pinned: True}))
            except (OperationalError, ProgrammingError):
                # Somebody reads it for long, or it is another user's.
                continue
            if is_dropped:
                yield Counter({"partitions": 1})


def _partitions(model: type[models.Model], using: str) -> list[tuple[str, int, int]]:
    """Return the quoted names of a table's partitions, with their ranges of keys."""
    connection = connections[using]
    table = connection.ops.quote_name(model._meta.db_table)
    with connection.cursor() as cursor:
        cursor.execute(_PARTITIONS, [table])
        bounds = [(name, _RANGE.fullmatch(bound)) for name, bound in cursor.fetchall()]
    return [(name, int(found[2] or -(2**63)), int(found[3])) for name, found in bounds if found]


def _drop(name: str, pinned_rows: models.QuerySet[models.Model]) -> bool:
    using = pinned_rows.db
    connection = connections[using]
    with transaction.atomic(using=using), connection.cursor() as cursor:
        cursor.execute(f"SET LOCAL lock_timeout = {LOCK_TIMEOUT_MS}")
        # Nobody pins a trace meanwhile.
        cursor.execute(
            f"LOCK TABLE {connection.ops.quote_name(Trace._meta.db_table)} IN SHARE MODE"
        )
        if pinned_rows.exists():
            return False
        cursor.execute(f"DROP TABLE {name}")
    return True
