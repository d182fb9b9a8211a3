"""Model instances by key, database and a snapshot of their fields, and back."""

from __future__ import annotations

from typing import Any, TypeGuard

from django.apps import apps
from django.core.exceptions import ValidationError
from django.db import InterfaceError, OperationalError, connections, router
from django.db.models import Field, Model
from django.db.models.fields.files import FieldFile

from signalscope.delivery.values import CannotPack, Pack
from signalscope.exceptions import UnreadablePayload

# Instances that were read for one payload, by model, database and packed key.
Found = dict[tuple[str, str, str], Model]


def is_model(found: type) -> TypeGuard[type[Model]]:
    """Tell whether a class is a model of an installed app."""
    # Model itself has no _meta.
    meta = getattr(found, "_meta", None) if issubclass(found, Model) else None
    try:
        return meta is not None and apps.get_model(meta.label) is found
    except LookupError:
        return False


def pack_instance(instance: Model, using: str | None, pack: Pack) -> dict[str, Any]:
    """
    Return an instance's JSON.

    using: the database of the dispatch, if it names one.
    Raises CannotPack.
    """
    model = type(instance)
    if not is_model(model):
        raise CannotPack(instance, "give an instance of a model of an installed app")
    fields = {}
    # What is not loaded is not looked up for this.
    for field in model._meta.concrete_fields:
        if field.attname in instance.__dict__:
            packed = _pack_field(field, instance, pack)
            if packed is not _LEFT_OUT:
                fields[field.attname] = packed
    return {
        "model": model._meta.label,
        "using": _find_database(instance, using),
        "key": pack(instance.pk) if _is_key_set(instance) else None,
        "is_new": instance._state.adding,
        "fields": fields,
    }


def unpack_instance(body: Any, unpack: Pack, found: Found) -> Model:
    """
    Return the row as it is now; where it is gone, the instance as the snapshot has it.

    Raises UnreadablePayload, and the database's errors.
    """
    model = find_model(body["model"])
    using = body["using"]
    if using not in connections:
        raise UnreadablePayload(f"there is no database {using!r} in DATABASES")
    place = body["model"], using, repr(body["key"])
    if place in found and body["key"] is not None:
        return found[place]
    instance = None if body["key"] is None else _read(model, using, unpack(body["key"]))
    if instance is None:
        instance = _rebuild(model, using, body, unpack)
    found[place] = instance
    return instance


def find_model(label: str) -> type[Model]:
    """Return a model by its label; raises UnreadablePayload."""
    try:
        return apps.get_model(label)
    except LookupError as error:
        raise UnreadablePayload(f"there is no model {label!r}: {error}") from error


def _find_database(instance: Model, using: str | None) -> str:
    if using is not None and instance._state.db in (None, using):
        return using
    # It may have been read from a replica, which can be behind.
    return router.db_for_write(type(instance), instance=instance)


def _is_key_set(instance: Model) -> bool:
    key = instance.pk
    # A composite key is a tuple of its parts.
    return None not in key if isinstance(key, tuple) else key is not None


def _read(model: type[Model], using: str, key: Any) -> Model | None:
    rows = model._base_manager.using(using)
    try:
        try:
            return rows.filter(pk=key).first()
        except (InterfaceError, OperationalError):
            if not _has_closed(using):
                raise
            return rows.filter(pk=key).first()
    except (TypeError, ValueError, ValidationError) as error:
        raise UnreadablePayload(f"{key!r} is no key of {model._meta.label}: {error}") from error


def _has_closed(using: str) -> bool:
    """Close a connection that is of no use any more, as the database closes what idles."""
    connection = connections[using]
    is_open = connection.connection is not None
    if not is_open or connection.in_atomic_block or not connection.get_autocommit():
        return False
    if connection.is_usable():
        return False
    connection.close()
    return True


def _rebuild(model: type[Model], using: str, body: Any, unpack: Pack) -> Model:
    fields = {field.attname: field for field in model._meta.concrete_fields}
    values = {}
    for name, packed in body["fields"].items():
        if name not in fields:
            raise UnreadablePayload(f"{model._meta.label} has no field {name!r} any more")
        if type(packed) is dict and "field" in packed:
            values[name] = fields[name].to_python(packed["field"])
        else:
            values[name] = unpack(packed)
    names = [name for name in fields if name in values]
    instance = model.from_db(using, names, [values[name] for name in names])
    instance._state.adding = body["is_new"]
    return instance


_LEFT_OUT = object()


def _pack_field(field: Field[Any, Any], instance: Model, pack: Pack) -> Any:
    """Return a field's JSON; as serializers have it where its value is of no plain type."""
    value = field.value_from_object(instance)
    if isinstance(value, FieldFile):
        value = value.name
    if hasattr(value, "resolve_expression"):
        # Only the database knows what F("count") + 1 comes to.
        return _LEFT_OUT
    try:
        return pack(value)
    except CannotPack as cannot:
        try:
            return {"field": field.value_to_string(instance)}
        except Exception as error:
            raise cannot from error
