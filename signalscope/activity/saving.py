"""What a save needs before it runs: a transaction, and the old values that nobody knows."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from contextlib import AbstractContextManager, nullcontext
from functools import lru_cache
from typing import Any, ClassVar

from django.db import DatabaseError, connections, models, router, transaction

from signalscope.activity.loaded import known_values, remember
from signalscope.activity.spans import running_span
from signalscope.activity.stored import is_expression
from signalscope.core.faults import fault


class Saves:
    """
    How saves run that somebody listens to.

    are_atomic: the row is written in a transaction, even in autocommit mode, so that what is
    written about a save is committed with it or not at all.
    """

    are_atomic: ClassVar[bool] = True


def own_transaction(using: str) -> AbstractContextManager[object]:
    """Return a transaction for a save in autocommit mode; in the project's own, nothing."""
    connection = connections[using]
    # Not entered once more: an error that the project catches would mark it for rollback.
    is_alone = not connection.in_atomic_block and connection.get_autocommit()
    return transaction.atomic(using) if is_alone else nullcontext()


def fetch_before(
    instance: models.Model,
    raw: bool = False,
    force_insert: Any = False,
    force_update: Any = False,
    using: str | None = None,
    update_fields: Collection[str] | None = None,
    *args: Any,  # noqa: ARG001
    **kwargs: Any,  # noqa: ARG001
) -> None:
    """
    Look up what a call of save_base() with these arguments will overwrite, unless known.

    Projects may override that method with more of them.
    """
    if not force_insert:
        fetch_missing(
            instance,
            using or router.db_for_write(type(instance), instance=instance),
            is_raw=raw,
            is_update=bool(force_update),
            update_fields=update_fields,
        )


def fetch_missing(
    instance: models.Model,
    using: str,
    *,
    is_raw: bool,
    is_update: bool = False,
    update_fields: Collection[str] | None,
) -> None:
    """
    Look up what the database holds for the fields that are about to be saved, unless it is known.

    is_raw, is_update, update_fields: as in Model.save_base(). Errors of the database go to the
    caller, whose transaction they have broken.
    """
    try:
        known = known_values(instance, using)
        missing = [
            field
            for field in saved_fields(instance, is_raw=is_raw, update_fields=update_fields)
            if field.attname not in known
            and field.attname in instance.__dict__
            and not field.primary_key
        ]
        # Asked last, since of most instances nothing is missing.
        if missing and has_key(instance) and (is_raw or is_update or _may_be_stored(instance)):
            look_up(instance, using, missing)
    except DatabaseError:
        raise
    except Exception as error:  # noqa: BLE001
        fault("looking up old values", error)


def look_up(instance: models.Model, using: str, fields: list[Any]) -> None:
    """Remember what the database holds for some fields of an instance: one query, if any."""
    found = fetch(instance, using, fields)
    if found:
        pk = {field.attname: getattr(instance, field.attname) for field in _pk_fields(instance)}
        known = known_values(instance, using)
        remember(instance, using, {**known, **found, **pk}, running_span(using))


def saved_fields(
    instance: models.Model, *, is_raw: bool, update_fields: Collection[str] | None
) -> Sequence[Any]:
    """Return the fields that a save writes; of a fixture, those of the model's own table."""
    names = None if update_fields is None else frozenset(update_fields)
    return _saved_fields(instance._meta.concrete_model, names, is_raw=is_raw)


# A project's code saves the same fields again and again; names may come from anywhere.
@lru_cache(maxsize=1000)
def _saved_fields(model: Any, names: frozenset[str] | None, *, is_raw: bool) -> tuple[Any, ...]:
    meta = model._meta
    fields: Iterable[Any] = meta.local_concrete_fields if is_raw else meta.concrete_fields
    return tuple(
        field
        for field in fields
        if not field.generated and (names is None or field.name in names or field.attname in names)
    )


def fetch(instance: models.Model, using: str, fields: Sequence[Any]) -> dict[str, Any]:
    """Return what a database holds in an instance's row, by attname; {} without fields or row."""
    if not fields:
        return {}
    names = [field.attname for field in fields]
    # Not through a manager, which may hide rows or be the project's own.
    rows: Any = models.QuerySet(type(instance), using=using).filter(pk=instance.pk).order_by()
    row = next(iter(rows.values_list(*names)), None)
    return {} if row is None else dict(zip(names, row, strict=True))


def has_key(instance: models.Model) -> bool:
    """Tell whether an instance has a primary key, of whatever parts."""
    parts = [getattr(instance, field.attname) for field in _pk_fields(instance)]
    return not any(part is None or is_expression(part) for part in parts)


def _may_be_stored(instance: models.Model) -> bool:
    """Tell whether there may be a row: Django only inserts where it made the key itself."""
    return not instance._state.adding or not all(
        field.has_default() or field.has_db_default() for field in _pk_fields(instance)
    )


def _pk_fields(instance: models.Model) -> list[Any]:
    return instance._meta.pk_fields
