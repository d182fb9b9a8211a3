"""Entries of what is added to and removed from the many-to-many relations of tracked models."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from typing import Any

from django.db import models

from signalscope.activity.entries import make_entry, type_label
from signalscope.activity.loaded import was_saved_raw
from signalscope.activity.tracked import TrackedModel
from signalscope.recorder.notes import Entry

# What is removed and cleared can be seen only before. Errors undo it together with the entry.
_ACTIONS = {
    "post_add": "m2m_added",
    "pre_remove": "m2m_removed",
    "pre_clear": "m2m_cleared",
}


def is_from_fixture(named: dict[str, Any]) -> bool:
    """Tell whether an m2m_changed is of a fixture; Django says so since 6.1."""
    return bool(named["raw"]) if "raw" in named else was_saved_raw(named["instance"])


def relation_entries(tracked: TrackedModel, named: dict[str, Any]) -> Iterator[Entry]:
    """
    Yield the entries of an m2m_changed: one for each tracked object whose relation changes.

    tracked: the model that has the field. named: what the signal was sent with.
    """
    action = _ACTIONS.get(named["action"])
    if action is None:
        return
    instance, is_reverse = named["instance"], named["reverse"]
    for name, field in tracked.relations.items():
        if field.remote_field.through is not named["sender"]:
            continue
        keys = _keys(field, action, named)
        if not keys:
            continue
        is_added = action == "m2m_added"
        if not is_reverse:
            changes = _changes(tracked, name, keys, is_added=is_added)
            yield make_entry(action, instance, changes=changes, may_query=True)
        if is_reverse or field.remote_field.symmetrical:
            changes = _changes(tracked, name, [instance.pk], is_added=is_added)
            yield from _entries_by_key(action, named["model"], keys, changes)


def _entries_by_key(
    action: str, model: type[models.Model], keys: Iterable[Any], changes: dict[str, Any]
) -> Iterator[Entry]:
    # The objects are not at hand, and to load them would cost a query.
    for key in keys:
        text = str(key)
        yield make_entry(
            action,
            object_type=type_label(model),
            object_key=text,
            object_label=f"{model._meta.verbose_name} {text}",
            changes=changes,
            may_query=True,
        )


def _changes(
    tracked: TrackedModel, name: str, keys: list[Any], *, is_added: bool
) -> dict[str, list[Any]]:
    shown = tracked.related(name, keys)
    return {name: [[], shown] if is_added else [shown, []]}


def _keys(field: Any, action: str, named: dict[str, Any]) -> list[Any]:
    """Return the keys of the objects at the other side, in order: those that really change."""
    found: Collection[Any] = named["pk_set"] or ()
    if action != "m2m_added":
        # Django names all that remove() was given, and none that clear() removes.
        accessor = field.remote_field.get_accessor_name() if named["reverse"] else field.name
        manager = getattr(named["instance"], accessor)
        name = manager.target_field.target_field.attname
        rows = manager.using(named["using"]).order_by()
        if action == "m2m_removed":
            rows = rows.filter(**{f"{name}__in": found})
        found = set(rows.values_list(name, flat=True))
    try:
        return sorted(found)
    except TypeError:
        return sorted(found, key=str)
