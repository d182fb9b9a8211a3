"""
Signals for what is created, updated and deleted in bulk, and the queryset that sends them.

Django sends none for bulk_create(), bulk_update() and QuerySet.update(). Models whose manager is
a BulkSignalManager do: one before and one after each of these and delete(). They are sent by
send(), in the caller's transaction, outside of the one that Django may open for its statements.
What a receiver of a pre_ signal raises stops the operation; what one of the others raises undoes
nothing by itself. What Django refuses, whatever the rows, it refuses before any is sent. Where
nobody listens, nothing is done that Django would not do.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any, TypeVar

from asgiref.sync import sync_to_async
from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.models.signals import ModelSignal, post_save, pre_save

# Instances are about to be created, and were, by bulk_create(). They have keys where the database
# returns them; those that ignore_conflicts left out are not told apart.
#
# sender: the model.
# instances: what bulk_create() was given, a list that is not empty.
# batch_size, ignore_conflicts, update_conflicts, update_fields, unique_fields: its arguments.
# using: the alias of the database.
pre_bulk_created = ModelSignal(use_caching=True)
bulk_created = ModelSignal(use_caching=True)

# Rows are about to be updated, and were, by bulk_update() or by update() of a queryset.
#
# sender: the model.
# instances: what bulk_update() was given, a list that is not empty; None for update().
# queryset: a copy of the one whose update() was called; None for bulk_update(). Once the rows
# are updated it may match other ones.
# fields: the names of the fields, a list.
# values: what update() was given, by the field's name; None for bulk_update().
# keys: the primary keys of the instances, or those that the queryset matched just before
# update(keys=True), a list; else None.
# using: the alias of the database.
# row_count: what the method returns; of bulk_updated only.
pre_bulk_updated = ModelSignal(use_caching=True)
bulk_updated = ModelSignal(use_caching=True)

# The rows of a queryset are about to be deleted, and were, by its delete(). Not sent for rows
# that go with those of another model, nor for Model.delete().
#
# sender: the model.
# queryset: a copy of the one whose delete() was called.
# keys: the primary keys that it matched just before delete(keys=True), a list; else None.
# using: the alias of the database.
# deleted: what the method returns, the rows in all and by model; of bulk_deleted only.
pre_bulk_deleted = ModelSignal(use_caching=True)
bulk_deleted = ModelSignal(use_caching=True)

# What update() takes beside fields.
_OPTIONS = ("send_signals", "per_instance", "keys")

_Model_co = TypeVar("_Model_co", bound=models.Model, covariant=True)


class BulkSignalQuerySet(models.QuerySet[_Model_co]):
    """
    A queryset whose bulk methods send signals.

    They take and return what Django's own do, and take a few options, by name:
    send_signals: False sends none at all.
    per_instance: send pre_save and post_save as well, for each instance; bulk_create() raises
    ValueError for it with ignore_conflicts or update_conflicts; update() loads the instances,
    before and after, by three queries.
    keys: of update() and delete(), look up the keys of the rows before, by one query.
    Where the model has a field with the name of an option, update() takes it for the field.
    """

    # True in the copies whose update() Django's bulk_update() calls.
    _is_quiet = False

    def bulk_create(
        self,
        objs: Iterable[_Model_co],
        *args: Any,
        send_signals: bool = True,
        per_instance: bool = False,
        **kwargs: Any,
    ) -> list[_Model_co]:
        create = super().bulk_create
        signals = (pre_bulk_created, bulk_created)
        if not (send_signals and (per_instance or self._is_heard(*signals))):
            return create(objs, *args, **kwargs)
        # Django returns what is empty as it is.
        instances = list(objs or ())
        if not instances:
            return create(objs, *args, **kwargs)
        _let_refuse(self.none(), "bulk_create", _Unread(), *args, **kwargs)
        named = _arguments(create, instances, *args, **kwargs)
        if per_instance and (named.get("ignore_conflicts") or named.get("update_conflicts")):
            raise ValueError(
                "per_instance=True cannot be used with ignore_conflicts or update_conflicts: it "
                "is not known which of the instances are created. Listen to bulk_created instead."
            )
        # Another queryset's method, next in line, may call it differently.
        named.pop("objs", None)
        named.update(instances=instances, using=self._alias)
        load = (lambda: instances) if per_instance else None
        with self._sent(*signals, named, load=load, created=True):
            return create(instances, *args, **kwargs)

    async def abulk_create(self, *args: Any, **kwargs: Any) -> list[_Model_co]:
        return await sync_to_async(self.bulk_create)(*args, **kwargs)

    def bulk_update(
        self,
        objs: Iterable[_Model_co],
        fields: Iterable[str],
        *args: Any,
        send_signals: bool = True,
        per_instance: bool = False,
        **kwargs: Any,
    ) -> int:
        quiet = self.all()
        quiet._is_quiet = True
        update = super(BulkSignalQuerySet, quiet).bulk_update
        signals = (pre_bulk_updated, bulk_updated)
        if not (send_signals and (per_instance or self._is_heard(*signals))):
            return update(objs, fields, *args, **kwargs)
        instances, names = list(objs), list(fields)
        if not instances:
            return update(instances, names, *args, **kwargs)
        # Those without a key are refused; with none of them, nothing is updated.
        keyless: list[Any] = [each for each in instances if not each._is_pk_set()]  # type: ignore[attr-defined]
        _let_refuse(self.none(), "bulk_update", keyless, names, *args, **kwargs)
        named: dict[str, Any] = {
            "instances": instances,
            "queryset": None,
            "fields": names,
            "values": None,
            "keys": [instance.pk for instance in instances],
            "using": self._alias,
        }
        load = (lambda: instances) if per_instance else None
        with self._sent(*signals, named, load=load, update_fields=frozenset(names)):
            named["row_count"] = row_count = update(instances, names, *args, **kwargs)
        return row_count

    async def abulk_update(self, *args: Any, **kwargs: Any) -> int:
        return await sync_to_async(self.bulk_update)(*args, **kwargs)

    # Django's aupdate() passes on all that it is given.
    def update(self, **kwargs: Any) -> int:
        options = {
            name: kwargs.pop(name)
            for name in _OPTIONS
            if name in kwargs and not self._has_field(name)
        }
        signals = (pre_bulk_updated, bulk_updated)
        per_instance = options.get("per_instance") and self._is_heard(pre_save, post_save)
        if not (options.get("send_signals", True) and (per_instance or self._is_heard(*signals))):
            return super().update(**kwargs)
        _let_refuse(self.none(), "update", **kwargs)
        keys = self._keys() if per_instance or options.get("keys") else None
        named: dict[str, Any] = {
            "instances": None,
            "queryset": self.all(),
            "fields": list(kwargs),
            "values": dict(kwargs),
            "keys": keys,
            "using": self._alias,
        }
        load = partial(self._load, keys) if per_instance and keys else None
        with self._sent(*signals, named, load=load, update_fields=frozenset(kwargs)):
            row_count = super().update(**kwargs)
            # Anew, since a receiver may have evaluated the other one.
            named.update(queryset=self.all(), row_count=row_count)
        return row_count

    def delete(
        self, *args: Any, send_signals: bool = True, keys: bool = False, **kwargs: Any
    ) -> tuple[int, dict[str, int]]:
        signals = (pre_bulk_deleted, bulk_deleted)
        if not (send_signals and self._is_heard(*signals)):
            return super().delete(*args, **kwargs)
        empty = self.none()
        # delete() checks, and then copies the queryset; going on would open a transaction.
        empty._chain = _begin  # type: ignore[attr-defined]
        _let_refuse(empty, "delete", *args, **kwargs)
        named: dict[str, Any] = {
            "queryset": self.all(),
            "keys": self._keys() if keys else None,
            "using": self._alias,
        }
        with self._sent(*signals, named):
            deleted = super().delete(*args, **kwargs)
            named.update(queryset=self.all(), deleted=deleted)
        return deleted

    async def adelete(self, *args: Any, **kwargs: Any) -> tuple[int, dict[str, int]]:
        return await sync_to_async(self.delete)(*args, **kwargs)

    # Not for managers, as in Django; alters_data is inherited.
    delete.queryset_only = True  # type: ignore[attr-defined]
    adelete.queryset_only = True  # type: ignore[attr-defined]

    @property
    def _alias(self) -> str:
        """The database that is written to, as Django finds it."""
        copy = self.all()
        copy._for_write = True  # type: ignore[attr-defined]
        return copy.db

    def _is_heard(self, *signals: ModelSignal) -> bool:
        return not self._is_quiet and any(signal.has_listeners(self.model) for signal in signals)

    def _has_field(self, name: str) -> bool:
        try:
            self.model._meta.get_field(name)
        except FieldDoesNotExist:
            return False
        return True

    def _keys(self) -> list[Any]:
        # A join may find a row several times.
        found = self.using(self._alias).values_list("pk", flat=True)
        return list(dict.fromkeys(found))

    def _load(self, keys: Iterable[Any]) -> list[models.Model]:
        found = self.model._base_manager.using(self._alias).in_bulk(keys)
        return [found[key] for key in keys if key in found]

    @contextmanager
    def _sent(
        self,
        before: ModelSignal,
        after: ModelSignal,
        named: dict[str, Any],
        *,
        load: Callable[[], Iterable[models.Model]] | None = None,
        created: bool = False,
        update_fields: frozenset[str] | None = None,
    ) -> Iterator[None]:
        """
        Send a signal before the block, and one after it unless it raises.

        named: their arguments; the block may add some. load: returns the instances of which
        pre_save and post_save are sent, too, next to the block.
        """
        saved = {"raw": False, "using": named["using"], "update_fields": update_fields}
        before.send(self.model, **named)
        for instance in load() if load else ():
            pre_save.send(self.model, instance=instance, **saved)
        yield
        for instance in load() if load else ():
            post_save.send(self.model, instance=instance, created=created, **saved)
        after.send(self.model, **named)

    def _clone(self) -> Any:
        clone = super()._clone()  # type: ignore[misc]
        clone._is_quiet = self._is_quiet
        return clone


class BulkSignalManager(models.Manager.from_queryset(BulkSignalQuerySet)):  # type: ignore[misc]
    """A manager with BulkSignalQuerySet; its from_queryset() takes subclasses of that."""

    @classmethod
    def from_queryset(
        cls, queryset_class: type[models.QuerySet[Any]], class_name: str | None = None
    ) -> Any:
        if not issubclass(queryset_class, BulkSignalQuerySet):
            raise TypeError(
                f"{queryset_class.__qualname__} is no BulkSignalQuerySet, so it would send no "
                "signals; let it inherit from signalscope.bulk.BulkSignalQuerySet."
            )
        return super().from_queryset(queryset_class, class_name)


def _arguments(method: Callable[..., Any], *args: Any, **kwargs: Any) -> dict[str, Any]:
    """Return the arguments of a call by name, as the Django at hand names them."""
    bound = inspect.signature(method).bind(*args, **kwargs)
    bound.apply_defaults()
    return dict(bound.arguments)


class _Begun(Exception):
    """Django has refused nothing, and begins."""


def _begin(*_args: Any) -> Any:
    raise _Begun


class _Unread:
    """Instances for bulk_create(), which reads them when all else is found to be right."""

    __iter__ = _begin


def _let_refuse(empty: BulkSignalQuerySet[Any], name: str, /, *args: Any, **kwargs: Any) -> None:
    """
    Let Django raise what it raises for a call, whatever the rows; nothing is stored or queried.

    empty: a queryset without rows; name: of the method; then its arguments.
    Another library's method, next in line, is not called for that: it may do more than Django's.
    """
    method = getattr(super(BulkSignalQuerySet, empty), name)
    if method.__func__ is getattr(models.QuerySet, name):
        with suppress(_Begun):
            method(*args, **kwargs)
