"""Logs which groups and permissions users and groups are given and lose."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import wraps
from typing import Any

from django.apps import apps
from django.core.exceptions import FieldDoesNotExist
from django.db import models, router

from signalscope.activity.entries import make_entry, type_label
from signalscope.activity.journal import Journal
from signalscope.activity.values import json_value, object_key, object_label
from signalscope.core.faults import fault
from signalscope.recorder.notes import Entry

ACTION = "permissions_changed"

_ITEMS = ["self", "source_field_name", "target_field_name", "objs"]
# The methods that all ways to change a relation go through, with the parameters that they have
# at least; those that may follow are options. Since Django 6.1 clear() has _clear_base() below.
_METHODS = {
    "_add_items": _ITEMS,
    "_remove_items": _ITEMS,
    "_clear_base": ["self"],
    "clear": ["self"],
}
_OPTIONS = {"through_defaults", "using", "raw"}


class RelationWatch:
    """
    Stands between the managers of the relations and their callers.

    Not a receiver of m2m_changed: with one, add() runs other and more queries.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._replaced: list[tuple[type, str, Any, Any]] = []

    def install(self, fields: list[Any]) -> None:
        """Begin to look at many-to-many fields, from both of their sides."""
        if not self._replaced:
            for field in fields:
                for manager_class in _manager_classes(field):
                    self._replace(manager_class)

    def uninstall(self) -> None:
        """Put Django's methods back, where ours are still there."""
        for manager_class, name, original, ours in self._replaced:
            if manager_class.__dict__.get(name) is ours:
                setattr(manager_class, name, original)
        self._replaced.clear()

    def _replace(self, manager_class: type) -> None:
        own = manager_class.__dict__
        names = ["_add_items", "_remove_items", "_clear_base" if "_clear_base" in own else "clear"]
        for name in names:
            original = own.get(name)
            if original is not None and _is_as_expected(name, original):
                ours = self._noting(name, original)
                self._replaced.append((manager_class, name, original, ours))
                setattr(manager_class, name, ours)

    def _noting(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        @wraps(original)
        def call(manager: Any, *args: Any, **options: Any) -> Any:
            result = original(manager, *args, **options)
            try:
                if self._journal.wants(ACTION) and not options.get("raw"):
                    self._note(name, manager, args[2:], options.get("using"))
            except Exception as error:  # noqa: BLE001
                fault("logging permissions", error)
            return result

        return call

    def _note(self, name: str, manager: Any, objs: tuple[Any, ...], using: str | None) -> None:
        if name in ("_add_items", "_remove_items"):
            entries = list(_item_entries(manager, objs, is_added=name == "_add_items"))
        else:
            # What was there is not known, and to ask would be a query.
            entries = [
                make_entry(
                    ACTION, manager.instance, changes={manager.prefetch_cache_name: [None, []]}
                )
            ]
        using = using or router.db_for_write(manager.through, instance=manager.instance)
        self._journal.note_on_commit(entries, using)


def relation_fields(user_model: type[models.Model]) -> list[Any]:
    """Return the many-to-many fields by which users and groups are given permissions."""
    owners: list[tuple[Any, str]] = [(user_model, "groups"), (user_model, "user_permissions")]
    if apps.is_installed("django.contrib.auth"):
        owners.append((apps.get_model("auth.Group"), "permissions"))
    found = []
    for owner, name in owners:
        try:
            field = owner._meta.get_field(name)
        except FieldDoesNotExist:
            continue
        if field.many_to_many and not field.auto_created:
            found.append(field)
    return found


def _manager_classes(field: Any) -> Iterator[type]:
    """Give the manager classes of both sides of a relation; a hidden side has none."""
    yield getattr(field.model, field.name).related_manager_cls
    accessor = field.remote_field.get_accessor_name()
    if accessor is not None:
        yield getattr(field.remote_field.model, accessor).related_manager_cls


def _is_as_expected(name: str, method: Any) -> bool:
    if not inspect.isfunction(method):
        return False
    names = list(inspect.signature(method).parameters)
    needed = _METHODS[name]
    return names[: len(needed)] == needed and _OPTIONS.issuperset(names[len(needed) :])


def _item_entries(manager: Any, objs: tuple[Any, ...], *, is_added: bool) -> Iterator[Entry]:
    """Give an entry for each user or group, from whichever side it was changed."""
    if not objs:
        return
    if not manager.reverse:
        labels = json_value([_label(obj) for obj in objs])
        changes = {manager.prefetch_cache_name: [[], labels] if is_added else [labels, []]}
        yield make_entry(ACTION, manager.instance, changes=changes)
        return
    label = _label(manager.instance)
    changes = {manager.query_field_name: [[], [label]] if is_added else [[label], []]}
    for obj in objs:
        if isinstance(obj, models.Model):
            yield make_entry(ACTION, obj, changes=changes)
        else:
            yield make_entry(
                ACTION,
                object_type=type_label(manager.model),
                object_key=str(obj),
                changes=changes,
            )


def _label(obj: Any) -> str:
    """Return "editors (3)", or only the key where that is all there is."""
    if not isinstance(obj, models.Model):
        return str(obj)
    # A permission's str() needs its content type, and thus a query.
    name = obj.__dict__.get("name") or object_label(obj)
    return f"{name} ({object_key(obj)})"
