"""How many rows signalscope's tables have and how large they are, without reading them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from django.apps import apps
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper

# Rows are counted up to here: some ms per table. SQLite keeps no estimate of larger ones.
COUNT_LIMIT = 10_000
SQLITE_COUNT_LIMIT = 100_000

# reltuples is as old as the last ANALYZE, so it is scaled by how far the table has grown since,
# as PostgreSQL's own planner does. A partitioned table is the sum of its partitions.
_POSTGRESQL = """
SELECT given.name,
       COALESCE(SUM(
           c.reltuples / NULLIF(c.relpages, 0)
           * (pg_relation_size(c.oid) / current_setting('block_size')::int)
       ), 0)::bigint,
       SUM(pg_total_relation_size(c.oid))::bigint
FROM unnest(%s::text[]) AS given(name)
CROSS JOIN LATERAL (
    SELECT to_regclass(quote_ident(given.name))::oid
    UNION
    SELECT relid::oid FROM pg_partition_tree(to_regclass(quote_ident(given.name)))
) AS part(oid)
JOIN pg_class AS c ON c.oid = part.oid
GROUP BY given.name
"""
_MYSQL = """
SELECT table_name, COALESCE(table_rows, 0), data_length + index_length
FROM information_schema.tables
WHERE table_schema = DATABASE() AND table_name IN %s
"""
_SQLITE = "SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"


class Precision(StrEnum):
    """What a number of rows is."""

    EXACT = "exact"
    ABOUT = "about"
    OVER = "over"


@dataclass(frozen=True, slots=True)
class TableSize:
    """
    One table: its rows, how sure that number is, and its bytes with indexes.

    byte_count: None where the database cannot tell without reading the table.
    """

    name: str
    row_count: int
    precision: Precision
    byte_count: int | None


@dataclass(frozen=True, slots=True)
class Tables:
    """
    All of signalscope's tables.

    byte_count: theirs, or with is_whole_database (SQLite) that of the file with all tables in
    it; None where it is not known.
    """

    sizes: list[TableSize]
    byte_count: int | None
    is_whole_database: bool


def table_sizes(using: str) -> Tables:
    """Return the sizes in two queries, which take some ms however large the tables are."""
    connection = connections[using]
    names = [model._meta.db_table for model in apps.get_app_config("signalscope").get_models()]
    is_sqlite = connection.vendor == "sqlite"
    limit = SQLITE_COUNT_LIMIT if is_sqlite else COUNT_LIMIT
    counts = _counts(connection, names, limit)
    estimates = _estimates(connection, names)
    sizes = []
    for name in names:
        row_count, byte_count = estimates.get(name, (0, None))
        if counts[name] <= limit:
            size = TableSize(name, counts[name], Precision.EXACT, byte_count)
        elif row_count > limit:
            size = TableSize(name, row_count, Precision.ABOUT, byte_count)
        else:
            size = TableSize(name, limit, Precision.OVER, byte_count)
        sizes.append(size)
    if is_sqlite:
        with connection.cursor() as cursor:
            cursor.execute(_SQLITE)
            return Tables(sizes, int(cursor.fetchone()[0]), is_whole_database=True)
    known = [size.byte_count for size in sizes if size.byte_count is not None]
    return Tables(sizes, sum(known) if known else None, is_whole_database=False)


def _counts(connection: BaseDatabaseWrapper, names: Sequence[str], limit: int) -> dict[str, int]:
    """Return how many rows each table has, limit + 1 where it has more than limit."""
    quote = connection.ops.quote_name
    parts = [
        f"SELECT %s, COUNT(*) FROM (SELECT 1 FROM {quote(name)} LIMIT {limit + 1}) AS t"  # noqa: S608
        for name in names
    ]
    with connection.cursor() as cursor:
        cursor.execute(" UNION ALL ".join(parts), list(names))
        return dict(cursor.fetchall())


def _estimates(
    connection: BaseDatabaseWrapper, names: Sequence[str]
) -> dict[str, tuple[int, int | None]]:
    """Return rows and bytes by table, as far as the database keeps such figures."""
    statement = {"postgresql": _POSTGRESQL, "mysql": _MYSQL}.get(connection.vendor)
    if statement is None:
        return {}
    wanted = list(names) if connection.vendor == "postgresql" else tuple(names)
    with connection.cursor() as cursor:
        cursor.execute(statement, [wanted])
        return {name: (int(rows), int(size)) for name, rows, size in cursor.fetchall()}
