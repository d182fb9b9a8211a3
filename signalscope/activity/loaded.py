"""
Remembers what instances of some models were loaded with, at no query and hardly a cost.

What is remembered hangs in the instance's ``_state``. Neither its attributes nor its equality
change; a copy shares it, and a pickle does without.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

from django.db import models

from signalscope.activity.methods import MethodPatch
from signalscope.activity.spans import Span, followed_span
from signalscope.activity.stored import as_stored, is_same, may_be_mutable
from signalscope.core.faults import fault

_NAME = "signalscope_loaded"
_NOTHING = object()


class Snapshot:
    """
    What a database holds for an instance: values by attname, as far as they are known.

    span: the open part of a transaction that this is true in, None where it is committed.
    previous: what is true when that is rolled back.
    is_raw: whether the last save was of a fixture.
    """

    __slots__ = ("_attnames", "_values", "db", "is_raw", "previous", "span")

    def __init__(
        self, db: str, attnames: Sequence[str], values: Sequence[Any], span: Span | None
    ) -> None:
        self.db = db
        self._attnames = attnames
        self._values = values
        self.span = span
        self.previous: Snapshot | None = None
        self.is_raw = False

    @property
    def values(self) -> dict[str, Any]:
        """A new dict of them."""
        return dict(zip(self._attnames, self._values, strict=True))

    def __reduce__(self) -> tuple[type[None], tuple[()]]:
        # A pickle may be read where signalscope is not installed.
        return type(None), ()

    def __deepcopy__(self, memo: object) -> Snapshot:
        return self


class Memory:
    """Remembers what instances of a model, and of its subclasses, are loaded with."""

    def __init__(self, model: type[models.Model]) -> None:
        self._patches = [
            MethodPatch(model, "from_db", _make_from_db),
            MethodPatch(model, "refresh_from_db", _make_refresh_from_db),
        ]

    def end(self) -> None:
        """Leave the model as it was found."""
        for patch in reversed(self._patches):
            patch.take_off()


def known_values(instance: models.Model, using: str) -> dict[str, Any]:
    """
    Return what a database is known to hold for an instance, by attname.

    Empty where the instance is from another database, or its primary key was changed.
    """
    snapshot = _in_force(instance._state.__dict__.get(_NAME))
    if snapshot is None or snapshot.db != using:
        return {}
    values = snapshot.values
    for field in instance._meta.pk_fields:
        held = instance.__dict__.get(field.attname)
        if not is_same(values.get(field.attname, _NOTHING), held):
            return {}
    return values


def remember(
    instance: models.Model,
    using: str,
    values: Mapping[str, Any],
    span: Span | None,
    *,
    is_raw: bool = False,
) -> None:
    """
    Let values be what a database holds for an instance, unless a span is rolled back.

    values: by attname, with those of the primary key; they are not copied.
    """
    snapshot = Snapshot(using, tuple(values), tuple(values.values()), span)
    snapshot.is_raw = is_raw
    before = instance._state.__dict__.get(_NAME)
    if before is not None and span is not None:
        snapshot.previous = _below(_in_force(before), span)
    setattr(instance._state, _NAME, snapshot)


def was_saved_raw(instance: models.Model) -> bool:
    """Tell whether the instance was last saved from a fixture."""
    snapshot = instance._state.__dict__.get(_NAME)
    return snapshot is not None and snapshot.is_raw


def _in_force(snapshot: Snapshot | None) -> Snapshot | None:
    """Return the newest snapshot that was not undone."""
    while snapshot is not None:
        span = snapshot.span
        if span is None:
            return snapshot
        if not span.is_undone:
            snapshot.span = span.outcome
            if snapshot.span is None:
                snapshot.previous = None
            return snapshot
        snapshot = snapshot.previous
    return None


def _below(snapshot: Snapshot | None, span: Span) -> Snapshot | None:
    """Return what is true when a span is rolled back: saves without end leave one each level."""
    found = _older(snapshot, span)
    if found is not None:
        # Savepoints that were released since have become one; those below it are as they were.
        found.previous = _older(_in_force(found.previous), found.span)
    return found


def _older(snapshot: Snapshot | None, span: Span | None) -> Snapshot | None:
    """Return the newest of another span, from a snapshot in force on."""
    while snapshot is not None and snapshot.span is span:
        snapshot = _in_force(snapshot.previous)
    return snapshot


@cache
def _columns(model: type[models.Model]) -> tuple[tuple[str, ...], frozenset[str]]:
    """Return the attnames in the order of rows, and those of values that must be copied."""
    fields = model._meta.concrete_fields
    return (
        tuple(field.attname for field in fields),
        frozenset(field.attname for field in fields if may_be_mutable(field)),
    )


def _make_from_db(load: Callable[..., Any]) -> Callable[..., Any]:
    def from_db(
        cls: type[models.Model],
        db: str,
        field_names: Any,
        values: Sequence[Any],
        *args: Any,
        **kwargs: Any,
    ) -> Any:
        instance = load(cls, db, field_names, values, *args, **kwargs)
        try:
            attnames: Sequence[str]
            attnames, mutable = _columns(cls)
            if len(values) != len(attnames):
                attnames = [name for name in attnames if name in field_names]
            if mutable:
                values = [
                    copy.deepcopy(value) if name in mutable else value
                    for name, value in zip(attnames, values, strict=True)
                ]
            snapshot = Snapshot(db, attnames, values, followed_span(db))
            instance._state.__dict__[_NAME] = snapshot
        except Exception as error:  # noqa: BLE001
            fault("remembering a loaded instance", error)
        return instance

    return from_db


def _make_refresh_from_db(refresh: Callable[..., Any]) -> Callable[..., Any]:
    def refresh_from_db(self: models.Model, *args: Any, **kwargs: Any) -> Any:
        before = dict(self.__dict__)
        result = refresh(self, *args, **kwargs)
        fields = kwargs.get("fields", args[1] if len(args) > 1 else None)
        try:
            _remember_refreshed(self, before, fields)
        except Exception as error:  # noqa: BLE001
            fault("remembering a refreshed instance", error)
        return result

    return refresh_from_db


def _remember_refreshed(instance: models.Model, before: dict[str, Any], fields: Any) -> None:
    """
    Remember the values that a refresh has put in the place of others.

    before: the attributes before it. fields: what was asked for; a queryset may have left some
    out, and an iterator can be read only once.
    """
    using = instance._state.db
    if using is None:
        return
    values = known_values(instance, using)
    held = instance.__dict__
    for field in instance._meta.concrete_fields:
        name = field.attname
        is_asked = not isinstance(fields, list | tuple | set | frozenset) or not (
            {name, field.name}.isdisjoint(fields)
        )
        if name not in held or not is_asked:
            continue
        if field in instance._meta.pk_fields or held[name] is not before.get(name, _NOTHING):
            values[name] = as_stored(field, held[name])
        elif not is_same(values.get(name, _NOTHING), held[name]):
            # Read again as the same object, or not read: who knows.
            values.pop(name, None)
    remember(instance, using, values, followed_span(using))
