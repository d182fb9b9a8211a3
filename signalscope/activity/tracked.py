"""What is shown of a tracked model's fields in the entries of its changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import models

from signalscope.activity.changes import UNKNOWN, Change
from signalscope.activity.masks import is_masked
from signalscope.activity.options import Options, trackable_fields
from signalscope.activity.values import MASKED, field_value, json_value

Shown = dict[str, list[Any]]


class TrackedModel:
    """
    A model class with what is tracked of it.

    masks: globs over "field" and "app.Model.field" whose values are never stored.
    columns, relations: the tracked fields by name, those with a value and many-to-many ones.
    masked: the names of those whose values are masked.
    """

    def __init__(self, model: type[models.Model], options: Options, masks: Sequence[str]) -> None:
        self.raw = options.raw
        fields = {
            name: field
            for name, field in trackable_fields(model).items()
            if name not in options.exclude
            and (
                # A save that only moves "updated at" has changed nothing.
                not getattr(field, "auto_now", False)
                if options.fields is None
                else name in options.fields
            )
        }
        self.columns = {n: field for n, field in fields.items() if not field.many_to_many}
        self.relations = {n: field for n, field in fields.items() if field.many_to_many}
        self.masked = {
            name for name in fields if name in options.mask or is_masked(model, name, masks)
        }

        # Their values say it all: those of others have a label, or belong to a related object.
        self._plain = {
            name for name, field in self.columns.items() if not (field.choices or field.is_relation)
        }

    def saved(self, change: Change) -> Shown:
        """Return what a save has changed: {field: [old, new]}, of a new object what it has."""
        instance = change.instance
        if change.is_created:
            return {
                name: [None, self._show(name, new, instance)]
                for name, (_, new) in change.fields.items()
                if name in self.columns and new not in self.columns[name].empty_values
            }
        return {
            name: [self._show(name, old, instance), self._show(name, new, instance)]
            for name, (old, new) in change.fields.items()
            if name in self.columns
        }

    def deleted(self, instance: models.Model, values: Mapping[str, Any]) -> Shown:
        """Return what an object had: {field: [value, None]}; values: by attname, where known."""
        held = {
            name: values.get(field.attname, instance.__dict__.get(field.attname))
            for name, field in self.columns.items()
        }
        return {
            name: [self._show(name, value, instance), None]
            for name, value in held.items()
            if value not in self.columns[name].empty_values
        }

    def related(self, name: str, keys: Sequence[Any]) -> Any:
        """Return the keys of related objects."""
        return MASKED if name in self.masked else [json_value(key) for key in keys]

    def _show(self, name: str, value: Any, instance: models.Model) -> Any:
        if value is None or value is UNKNOWN:
            return None
        if name in self.masked:
            return MASKED
        if name in self._plain:
            return json_value(value)
        return field_value(self.columns[name], value, instance)
