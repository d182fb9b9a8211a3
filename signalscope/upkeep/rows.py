"""Statements that change many rows at once, each with its row count."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from django.db.models import QuerySet

# Old versions of SQLite take no more than 999 parameters.
_IN_LENGTH = 500


def delete_rows(rows: QuerySet[Any]) -> int:
    """
    Delete rows with one statement; return how many there were.

    QuerySet.delete() would read them, send signals to the project, and follow relations.
    """
    count: int = rows.order_by()._raw_delete(rows.db)
    return count


def delete_by_key(rows: QuerySet[Any], keys: Sequence[Any]) -> int:
    """Delete those rows that have one of the keys; return how many there were."""
    return sum(delete_rows(rows.filter(pk__in=part)) for part in _parts(keys))


def update_by_key(rows: QuerySet[Any], keys: Sequence[Any], **values: Any) -> int:
    """Change those rows that have one of the keys; return how many there were."""
    return sum(rows.order_by().filter(pk__in=part).update(**values) for part in _parts(keys))


def _parts(keys: Sequence[Any]) -> Iterator[Sequence[Any]]:
    for start in range(0, len(keys), _IN_LENGTH):
        yield keys[start : start + _IN_LENGTH]
