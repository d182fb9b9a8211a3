"""Tells what a save has changed: old and new value of each field, computed once for all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from django.db import DatabaseError, models

from signalscope.activity.loaded import Memory, known_values, remember
from signalscope.activity.methods import MethodPatch
from signalscope.activity.saving import (
    Saves,
    fetch,
    fetch_before,
    fetch_missing,
    own_transaction,
    saved_fields,
)
from signalscope.activity.spans import Transaction, running_transaction
from signalscope.activity.stored import as_stored, is_expression, is_same
from signalscope.core.faults import fault


class Unknown:
    """The type of UNKNOWN."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN = Unknown()


# Not frozen, which would be slower to make; nor are entries.
@dataclass(slots=True)
class Change:
    """
    What a save has changed.

    model: the concrete class. is_raw: it came from a fixture.
    transaction: the open one that the save is part of, None in autocommit mode.
    fields: (old, new) by the name of each field that was saved and is another one now, as the
    field loads them: UNKNOWN where that is not known, None for old where the object is new.
    Neither is for anybody to change.
    """

    instance: models.Model
    model: type[models.Model]
    using: str
    is_created: bool
    is_raw: bool
    transaction: Transaction | None
    fields: dict[str, tuple[Any, Any]] = field(default_factory=dict)


Listener = Callable[[Change], None]


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a listener wants to hear."""

    needs_old: Callable[[type[models.Model]], bool]
    raw: bool
    is_atomic: bool


@dataclass(slots=True)
class _Watched:
    """A model that somebody listens to: who, and what was done to it for that."""

    memory: Memory
    patches: list[MethodPatch] = field(default_factory=list)
    wishes: dict[Listener, _Wish] = field(default_factory=dict)


_watched: dict[type[models.Model], _Watched] = {}
# One for all, since it is needed in each save.
_NO_TRANSACTION = nullcontext()


def watch(
    model: type[models.Model],
    listener: Listener,
    *,
    needs_old: Callable[[type[models.Model]], bool],
    raw: bool = False,
    is_atomic: bool = False,
) -> None:
    """
    Call the listener for each save of the model and its subclasses, whatever it has changed.

    needs_old: asked at each save, with the class; values that nobody knows are looked up then,
    and there is never a query without it. raw: saves of fixtures count, too.
    is_atomic: where old values are needed, row and listener are in a transaction.
    The row is written then, and receivers of post_save have not run yet. What the listener
    raises goes to whoever saves.
    """
    watched = _watched.get(model)
    if watched is None:
        watched = _watched[model] = _Watched(Memory(model))
        watched.patches = [
            MethodPatch(model, "save_base", _make_save_base),
            MethodPatch(model, "_save_table", partial(_make_save_table, watched)),
        ]
    watched.wishes[listener] = _Wish(needs_old, raw, is_atomic)
    _forget()


def unwatch(model: type[models.Model], listener: Listener) -> None:
    """Call the listener no more; with the last one the model is left as it was found."""
    watched = _watched[model]
    del watched.wishes[listener]
    if not watched.wishes:
        for patch in watched.patches:
            patch.take_off()
        watched.memory.end()
        del _watched[model]
    _forget()


def family(model: type[models.Model]) -> Iterator[type[models.Model]]:
    """Yield a model and all that inherit from it: proxies, and multi-table children."""
    if not model._meta.abstract:
        yield model
    for child in model.__subclasses__():
        yield from family(child)


@cache
def _wishes(model: type[models.Model]) -> dict[Listener, _Wish]:
    """Return who listens to a model, or to one that it inherits from."""
    found: dict[Listener, _Wish] = {}
    for base in reversed(model.__mro__):
        if base in _watched:
            found.update(_watched[base].wishes)
    return found


@cache
def _nearest(model: type[models.Model]) -> _Watched | None:
    """Return the first of what a model is, and inherits from, that somebody listens to."""
    return next((_watched[base] for base in model.__mro__ if base in _watched), None)


def _forget() -> None:
    """Look anew who listens to which models."""
    _wishes.cache_clear()
    _nearest.cache_clear()


def _make_save_base(save: Callable[..., Any]) -> Callable[..., Any]:
    def save_base(self: models.Model, *args: Any, **kwargs: Any) -> Any:
        model = type(self)
        for wish in _wishes(model).values():
            if wish.needs_old(model):
                # Now, since the tables of parents are written before the model's own.
                fetch_before(self, *args, **kwargs)
                break
        return save(self, *args, **kwargs)

    return save_base


def _make_save_table(watched: _Watched, save: Callable[..., Any]) -> Callable[..., Any]:
    """
    Return what to put before a watched model's method that writes the row.

    Not a receiver of post_save: the transaction would have to hold the project's receivers, too,
    and a database error that one of them catches would undo the save.
    """

    def save_table(self: models.Model, *args: Any, **kwargs: Any) -> Any:
        raw, cls, using, update_fields = _given(*args, **kwargs)
        model = type(self)
        concrete: Any = self._meta.concrete_model
        # The tables of parents come before, and a parent may be watched, too. What could not be
        # taken off, since somebody else replaced it, is nobody's.
        if cls is not concrete or _nearest(model) is not watched:
            return save(self, *args, **kwargs)
        wishes = _wishes(model)
        if raw:
            wishes = {who: wish for who, wish in wishes.items() if wish.raw}
        needs_old = [wish for wish in wishes.values() if wish.needs_old(model)]
        is_atomic = Saves.are_atomic and any(wish.is_atomic for wish in needs_old)
        with own_transaction(using) if is_atomic else _NO_TRANSACTION:
            if raw and needs_old:
                # A fixture does not come by the model's save_base().
                fetch_missing(self, using, is_raw=True, update_fields=update_fields)
            is_updated = save(self, *args, **kwargs)
            transaction = running_transaction(using)
            change = Change(self, concrete, using, not is_updated, raw, transaction)
            if _find(change, update_fields, may_query=bool(needs_old)):
                for listener in wishes:
                    listener(change)
        return is_updated

    return save_table


def _given(
    raw: bool = False,
    cls: Any = None,
    force_insert: Any = False,  # noqa: ARG001
    force_update: Any = False,  # noqa: ARG001
    using: Any = None,
    update_fields: Collection[str] | None = None,
    *args: Any,  # noqa: ARG001
    **kwargs: Any,  # noqa: ARG001
) -> tuple[bool, Any, Any, Collection[str] | None]:
    """
    Return raw, cls, using and update_fields of a call of _save_table().

    save_base() calls that once its receivers of pre_save have run.
    """
    return raw, cls, using, update_fields


def _find(change: Change, update_fields: Collection[str] | None, *, may_query: bool) -> bool:
    """Fill in what has changed; return False where that cannot be found."""
    try:
        fields = saved_fields(change.instance, is_raw=change.is_raw, update_fields=update_fields)
        _find_changes(change, fields, may_query=may_query)
    except DatabaseError:
        # A transaction that a failed statement has broken is no place to go on.
        raise
    except Exception as error:  # noqa: BLE001
        fault("finding what a save has changed", error)
        return False
    return True


def _find_changes(change: Change, fields: Sequence[Any], *, may_query: bool) -> None:
    """
    Fill in what has changed, and remember what the database holds from now on.

    fields: those that were saved. may_query: whether to look up what the database has made.
    """
    instance, using = change.instance, change.using
    held = instance.__dict__
    values = {} if change.is_created else known_values(instance, using)
    unknown = None if change.is_created else UNKNOWN
    made = []
    for saved in fields:
        name = saved.attname
        # Django leaves the expression, or defers the field, where the database cannot return it.
        if name not in held or is_expression(held[name]):
            made.append(saved)
        elif name not in values or not is_same(values[name], held[name]):
            new = as_stored(saved, held[name])
            _note(change, saved, values.get(name, unknown), new)
            values[name] = new
    fetched = fetch(instance, using, made) if may_query else {}
    for saved in made:
        name = saved.attname
        old = values.pop(name, unknown)
        if name in fetched:
            values[name] = fetched[name]
            _note(change, saved, old, fetched[name])
    for key in instance._meta.pk_fields:
        values[key.attname] = held.get(key.attname)
    span = None if change.transaction is None else change.transaction.span
    remember(instance, using, values, span, is_raw=change.is_raw)


def _note(change: Change, saved: Any, old: Any, new: Any) -> None:
    if not is_same(old, new):
        change.fields[saved.name] = (old, new)
