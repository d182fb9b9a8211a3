"""The arguments in a delivery's payload, as its page shows them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.apps import apps

from signalscope.activity.masks import is_masked
from signalscope.activity.tracking import tracker
from signalscope.activity.values import MASKED, json_value
from signalscope.admin.values import Value, named_values
from signalscope.core.names import matches


def arguments(payload: Any, masks: Sequence[str]) -> list[tuple[str, Value]]:
    """
    Return the arguments of a dispatch by name; secret ones are masked, whatever the payload is.

    masks: globs over "field" and "app.Model.field" whose values are not shown; nor are those of
    arguments, and of keys in dicts, that are called like the field.
    """
    named = payload.get("named") if isinstance(payload, Mapping) else None
    if not isinstance(named, Mapping):
        named = {"payload": payload}
    # Masks the values of names such as token.
    return named_values(json_value(_shape_named(named.items(), masks)))


def _shape_named(named: Iterable[tuple[Any, Any]], masks: Sequence[str]) -> dict[str, Any]:
    texts = {str(name): value for name, value in named}
    return {n: MASKED if matches(masks, n) else _shape(v, masks) for n, v in texts.items()}


def _shape(packed: Any, masks: Sequence[str]) -> Any:
    """Return a packed value without the words that say what it is."""
    if isinstance(packed, list):
        return [_shape(part, masks) for part in packed]
    if not isinstance(packed, Mapping):
        return packed
    if len(packed) != 1:
        return _shape_named(packed.items(), masks)
    ((tag, body),) = packed.items()
    if tag == "instance" and isinstance(body, Mapping):
        return _shape_instance(body, masks)
    if tag == "dict" and isinstance(body, list) and all(_is_pair(pair) for pair in body):
        return _shape_named([(_shape(key, masks), value) for key, value in body], masks)
    return _shape(body, masks)


def _shape_instance(body: Mapping[str, Any], masks: Sequence[str]) -> dict[str, Any]:
    label, fields = str(body.get("model")), body.get("fields")
    model = _find_model(label)
    names = {} if model is None else {f.attname: f.name for f in model._meta.concrete_fields}
    keys = set() if model is None else {field.attname for field in model._meta.pk_fields}

    def show(value: Any, *attnames: str) -> Any:
        called = [names.get(name, name.removesuffix("_id")) for name in attnames]
        is_hidden = any(_is_masked(model, label, name, masks) for name in (*attnames, *called))
        return MASKED if is_hidden else _shape(value, masks)

    shown = {"model": label, "pk": show(body.get("key"), *keys)}
    if isinstance(fields, Mapping):
        shown |= {str(name): show(value, str(name)) for name, value in fields.items()}
    return shown


def _find_model(label: str) -> Any:
    """Return a model; None where it is gone."""
    try:
        return apps.get_model(label)
    except (LookupError, ValueError):
        return None


def _is_masked(model: Any, label: str, name: str, masks: Sequence[str]) -> bool:
    """Tell whether the activity log would not show a field, either."""
    # MASK may name a proxy, or a model that is gone.
    if matches(masks, f"{label}.{name}"):
        return True
    if model is None:
        return False
    tracked = tracker.find(model)
    return is_masked(model, name, masks) or (tracked is not None and name in tracked.masked)


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2
