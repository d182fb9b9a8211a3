"""Copies of the arguments of a dispatch, for whoever looks at them later."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from django.db.models import Model


def copy_arguments(named: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return the arguments of a dispatch as they are now, whatever becomes of them.

    Copied are models' instances, which lose their key as they are deleted, and lists, tuples,
    sets and dicts with what is in them. Anything else is passed on, also what instances refer to.
    """
    copies: dict[int, Any] = {}
    return {name: _copy(value, copies) for name, value in named.items()}


def _copy(value: Any, copies: dict[int, Any]) -> Any:
    """Return a copy; copies: those that there are, by the id of what they are of."""
    if id(value) in copies:
        return copies[id(value)]
    kind = type(value)
    if isinstance(value, Model):
        # copy.copy() would look up the class by its label, and models of migrations have none.
        copies[id(value)] = copied = Model.__new__(kind)
        for name, held in value.__dict__.items():
            copied.__dict__[name] = held if isinstance(held, Model) else _copy(held, copies)
        copied._state = copy.copy(value._state)
        copied._state.fields_cache = dict(value._state.fields_cache)
        return copied
    if kind is dict:
        copies[id(value)] = copied = {}
        copied.update({key: _copy(held, copies) for key, held in value.items()})
        return copied
    if kind is list:
        copies[id(value)] = copied = []
        copied.extend([_copy(held, copies) for held in value])
        return copied
    if kind is tuple:
        return tuple([_copy(held, copies) for held in value])
    return set(value) if kind is set else value
