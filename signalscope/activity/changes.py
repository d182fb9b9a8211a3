"""Tells what a save has changed: old and new value of each field, computed once for all."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any

from django.db import DatabaseError, models

from signalscope.activity.loaded import Memory, known_values, remember
from signalscope.activity.methods import MethodPatch
from signalscope.activity.saving import (
    fetch,
    fetch_before,
    fetch_missing,
    own_transaction,
    saved_fields,
)
from signalscope.activity.spans import running_span
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
    fields: (old, new) by the name of each field that was saved and is another one now, as the
    field loads them: UNKNOWN where that is not known, None for old where the object is new.
    Neither is for anybody to change.
    """

    instance: models.Model
    model: type[models.Model]
    using: str
    is_created: bool
    is_raw: bool
    fields: dict[str, tuple[Any, Any]]


Listener = Callable[[Change], None]


@dataclass(frozen=True, slots=True)
class _Wish:
    """What a listener wants to hear."""

    needs_old: bool
    raw: bool


@dataclass(slots=True)
class _Watched:
    """A model that somebody listens to: who, and what was done to it for that."""

    memory: Memory
    patches: list[MethodPatch] = field(default_factory=list)
    wishes: dict[Listener, _Wish] = field(default_factory=dict)


_watched: dict[type[models.Model], _Watched] = {}
# Of _save_table(), which save_base() calls once its receivers of pre_save have run.
_ARGUMENTS = ("raw", "cls", "force_insert", "force_update", "using", "update_fields")


def watch(
    model: type[models.Model], listener: Listener, *, needs_old: bool, raw: bool = False
) -> None:
    """
    Call the listener for each save of the model and its subclasses that changes something.

    needs_old: values that nobody knows are looked up, and row and listener are in a transaction;
    without it there is never a query. raw: saves of fixtures count, too; with needs_old only.
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
    watched.wishes[listener] = _Wish(needs_old, raw)
    _wishes.cache_clear()


def unwatch(model: type[models.Model], listener: Listener) -> None:
    """Call the listener no more; with the last one the model is left as it was found."""
    watched = _watched[model]
    del watched.wishes[listener]
    if not watched.wishes:
        for patch in watched.patches:
            patch.take_off()
        watched.memory.end()
        del _watched[model]
    _wishes.cache_clear()


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


def _make_save_base(save: Callable[..., Any]) -> Callable[..., Any]:
    def save_base(self: models.Model, *args: Any, **kwargs: Any) -> Any:
        if any(wish.needs_old for wish in _wishes(type(self)).values()):
            # Now, since the tables of parents are written before the model's own.
            fetch_before(self, *args, **kwargs)
        return save(self, *args, **kwargs)

    return save_base


def _make_save_table(watched: _Watched, save: Callable[..., Any]) -> Callable[..., Any]:
    """
    Return what to put before a watched model's method that writes the row.

    Not a receiver of post_save: the transaction would have to hold the project's receivers, too,
    and a database error that one of them catches would undo the save.
    """

    def save_table(self: models.Model, *args: Any, **kwargs: Any) -> Any:
        given = dict(zip(_ARGUMENTS, args, strict=False)) | kwargs
        nearest = next((_watched[base] for base in type(self).__mro__ if base in _watched), None)
        # The tables of parents come before, and a parent may be watched, too. What could not be
        # taken off, since somebody else replaced it, is nobody's.
        if given.get("cls") is not self._meta.concrete_model or nearest is not watched:
            return save(self, *args, **kwargs)
        raw, using = given.get("raw", False), given["using"]
        update_fields = given.get("update_fields")
        wishes = _wishes(type(self))
        heard = [listener for listener, wish in wishes.items() if wish.raw or not raw]
        needs_old = any(wishes[listener].needs_old for listener in heard)
        with own_transaction(using) if needs_old else nullcontext():
            if raw and needs_old:
                # A fixture does not come by the model's save_base().
                fetch_missing(self, using, is_raw=True, update_fields=update_fields)
            is_updated = save(self, *args, **kwargs)
            model: Any = self._meta.concrete_model
            change = Change(self, model, using, not is_updated, raw, {})
            if _find(change, update_fields, may_query=needs_old):
                for listener in heard:
                    listener(change)
        return is_updated

    return save_table


def _find(change: Change, update_fields: Collection[str] | None, *, may_query: bool) -> bool:
    """Fill in what has changed, and tell whether there is anything to hear of."""
    try:
        fields = saved_fields(change.instance, is_raw=change.is_raw, update_fields=update_fields)
        _find_changes(change, fields, may_query=may_query)
    except DatabaseError:
        # A transaction that a failed statement has broken is no place to go on.
        raise
    except Exception as error:  # noqa: BLE001
        fault("finding what a save has changed", error)
        return False
    return change.is_created or bool(change.fields)


def _find_changes(change: Change, fields: list[Any], *, may_query: bool) -> None:
    """
    Fill in what has changed, and remember what the database holds from now on.

    fields: those that were saved. may_query: whether to look up what the database has made.
    """
    instance, using = change.instance, change.using
    held = instance.__dict__
    known = {} if change.is_created else known_values(instance, using)
    values = dict(known)
    # Django leaves the expression, or defers the field, where the database cannot return it.
    # By name: to compare fields is slow.
    made = {f.attname: f for f in fields if f.attname not in held or is_expression(held[f.attname])}
    fetched = fetch(instance, using, [*made.values()]) if may_query else {}
    for saved in fields:
        name = saved.attname
        old = known.get(name, UNKNOWN)
        if name in made:
            if name not in fetched:
                values.pop(name, None)
                continue
            new = fetched[name]
        elif is_same(old, held[name]):
            continue
        else:
            new = as_stored(saved, held[name])
        values[name] = new
        old = None if change.is_created else old
        if not is_same(old, new):
            change.fields[saved.name] = (old, new)
    for key in instance._meta.pk_fields:
        values[key.attname] = held.get(key.attname)
    remember(instance, using, values, running_span(using), is_raw=change.is_raw)
