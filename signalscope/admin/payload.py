"""The arguments in a delivery's payload, as its page shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from signalscope.activity.values import MASKED, json_value
from signalscope.admin.values import Value, named_values
from signalscope.core.names import matches


def arguments(payload: Any, masks: Sequence[str]) -> list[tuple[str, Value]]:
    """
    Return the arguments of a dispatch by name; secret ones are masked, whatever the payload is.

    masks: globs over "field" and "app.Model.field" whose values are not shown.
    """
    named = payload.get("named") if isinstance(payload, Mapping) else None
    if not isinstance(named, Mapping):
        named = {"payload": payload}
    # Masks the values of names such as token.
    return named_values(json_value({name: _shape(value, masks) for name, value in named.items()}))


def _shape(packed: Any, masks: Sequence[str]) -> Any:
    """Return a packed value without the words that say what it is."""
    if isinstance(packed, list):
        return [_shape(part, masks) for part in packed]
    if not isinstance(packed, Mapping):
        return packed
    if len(packed) != 1:
        return {name: _shape(value, masks) for name, value in packed.items()}
    ((tag, body),) = packed.items()
    if tag == "instance" and isinstance(body, Mapping):
        return _shape_instance(body, masks)
    if tag == "dict" and isinstance(body, list) and all(_is_pair(pair) for pair in body):
        return {str(_shape(key, masks)): _shape(value, masks) for key, value in body}
    return _shape(body, masks)


def _shape_instance(body: Mapping[str, Any], masks: Sequence[str]) -> dict[str, Any]:
    label, fields = str(body.get("model")), body.get("fields")
    shown: dict[str, Any] = {"model": label, "pk": _shape(body.get("key"), masks)}
    if isinstance(fields, Mapping):
        for name, value in fields.items():
            is_masked = matches(masks, f"{label}.{name}")
            shown[name] = MASKED if is_masked else _shape(value, masks)
    return shown


def _is_pair(value: object) -> bool:
    return isinstance(value, list) and len(value) == 2
