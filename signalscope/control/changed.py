"""
Which of some fields a save changes, told while it runs: in pre_save and in post_save.

At post_save the row holds the new values already, so a save must be looked at before it begins.
Of which models is known by the fields that a condition names: who is connected to what may
change at any time, and is only asked where something would have to be looked up.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from typing import Any
from weakref import WeakKeyDictionary

from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.models.base import ModelState
from django.db.models.signals import class_prepared, post_save, pre_save

from signalscope.activity.changes import UNKNOWN, Change, family, watch
from signalscope.activity.loaded import known_values
from signalscope.activity.methods import MethodPatch
from signalscope.activity.saving import fetch_missing, saved_fields
from signalscope.activity.stored import as_stored, is_expression, is_same
from signalscope.core.django_dispatch import live_receivers

# On a receiver, and by functools.wraps() on what other decorators make of it.
MARK = "signalscope_asks_for_changes"
_UID = "signalscope.control.changed"

# Old and new value by the name of a field.
Changes = dict[str, tuple[Any, Any]]
Model = type[models.Model]

# What conditions name, and the models that have all of it.
_named: set[tuple[str, ...]] = set()
_watched: set[Model] = set()
# What the saves under way have changed, by the instance's state: an instance may be unhashable.
_changes: WeakKeyDictionary[ModelState, Changes] = WeakKeyDictionary()


class NotKnown(Exception):
    """What a save has changed is not known."""


def watch_fields(names: tuple[str, ...]) -> None:
    """Watch each model that has all the fields, there now or made later."""
    if names not in _named:
        _named.add(names)
        class_prepared.connect(_meet, weak=False, dispatch_uid=_UID)
        for child in models.Model.__subclasses__():
            for model in family(child):
                _meet(model)


def find_changes(names: tuple[str, ...], named: dict[str, Any]) -> Changes:
    """
    Return which of the fields the save changes that is telling of itself now.

    names: as fields are named, or with "_id" for a foreign key; the values are its keys, anyway.
    named: what pre_save or post_save was sent with. Runs a query in pre_save only, and only where
    the save did not come by the model's own methods: from a fixture, or before it was watched.
    Raises FieldDoesNotExist for what is no field with a column, NotKnown at post_save where no
    save of a watched model is under way, as for the first one of a migration's model.
    """
    instance = named["instance"]
    fields = {name: _field_name(instance, name) for name in names}
    is_late = not _is_watched(type(instance))
    if is_late:
        _watch(instance._meta.concrete_model)
    if named["signal"] is pre_save:
        found = _compare(named, fields.values(), _known_before(named, is_late=is_late))
    elif instance._state in _changes:
        found = _changes[instance._state]
    elif named["created"]:
        found = _compare(named, fields.values(), {})
    else:
        raise NotKnown
    return {name: found[field] for name, field in fields.items() if field in found}


def _known_before(named: dict[str, Any], *, is_late: bool) -> dict[str, Any]:
    """Return what the database holds before a save, by attname; {} for a new object."""
    instance, using, raw = named["instance"], named["using"], named["raw"]
    if raw or is_late:
        fetch_missing(instance, using, is_raw=raw, update_fields=named["update_fields"])
    return known_values(instance, using)


def _compare(named: dict[str, Any], names: Collection[str], known: dict[str, Any]) -> Changes:
    """Return how the fields that are saved differ from what is known."""
    found = {}
    instance, raw, update_fields = named["instance"], named["raw"], named["update_fields"]
    for field in saved_fields(instance, is_raw=raw, update_fields=update_fields):
        # A deferred field is not saved.
        if field.name not in names or field.attname not in instance.__dict__:
            continue
        old, held = known.get(field.attname), instance.__dict__[field.attname]
        new = held if is_expression(held) else as_stored(field, held)
        if not (is_same(old, held) or is_same(old, new)):
            found[field.name] = (old, new)
    return found


def _field_name(instance: models.Model, name: str) -> str:
    meta = instance._meta
    try:
        field: Any = meta.get_field(name)
    except FieldDoesNotExist:
        field = None
    if field is None or not field.concrete or field.many_to_many or field.generated:
        allowed = sorted(field.name for field in meta.concrete_fields if not field.generated)
        raise FieldDoesNotExist(
            f"{meta.label} has no field {name!r} that a save could change. "
            f"only_when_field_changed() takes: {', '.join(allowed)}."
        )
    return str(field.name)


def _meet(sender: Model, **_: Any) -> None:
    """Watch a model that a condition may be about."""
    # Not those that migrations make, by the hundred, and drop again.
    if sender.__module__ == "__fake__" or _is_watched(sender):
        return
    fields = {
        text for field in sender._meta.concrete_fields for text in (field.name, field.attname)
    }
    if any(fields.issuperset(names) for names in _named):
        _watch(sender)


def _is_watched(model: Model) -> bool:
    return not _watched.isdisjoint(model.__mro__)


def _watch(model: Model) -> None:
    _watched.add(model)
    watch(model, _saved, needs_old=_is_asked, raw=True)
    MethodPatch(model, "save_base", _make_save_base)


def _is_asked(model: Model) -> bool:
    """Tell whether a receiver of the model's saves asks what changes."""
    return any(
        _is_marked(receiver)
        for signal in (pre_save, post_save)
        for receiver in live_receivers(signal, model)
    )


def _is_marked(receiver: Any) -> bool:
    while isinstance(receiver, partial):
        receiver = receiver.func
    return getattr(receiver, MARK, None) is True


def _saved(change: Change) -> None:
    _changes[change.instance._state] = {
        name: (old, new) for name, (old, new) in change.fields.items() if old is not UNKNOWN
    }


def _make_save_base(save: Callable[..., Any]) -> Callable[..., Any]:
    def save_base(self: models.Model, *args: Any, **kwargs: Any) -> Any:
        # Of the save that this one is nested in: the receivers that follow ask for that again.
        outer = _changes.get(self._state)
        try:
            return save(self, *args, **kwargs)
        finally:
            if outer is None:
                _changes.pop(self._state, None)
            else:
                _changes[self._state] = outer

    return save_base
