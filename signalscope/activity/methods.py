"""Puts a method of signalscope's before a model's own, and takes it off again."""

from __future__ import annotations

import functools
from collections.abc import Callable
from types import MethodType
from typing import Any

from django.db import models

# Takes the method that was there, with the instance or the class as its first argument, and
# returns what to put before it.
Make = Callable[[Callable[..., Any]], Callable[..., Any]]


class MethodPatch:
    """
    A hold on one method of one model class, which its subclasses inherit.

    What is put there calls what the class had, its own or an inherited one, and looks like it:
    Django reads the signature of from_db(), and templates heed alters_data.
    """

    def __init__(self, model: type[models.Model], name: str, make: Make) -> None:
        self._model = model
        self._name = name
        self._own = model.__dict__.get(name)
        found = getattr(model, name)
        is_classmethod = isinstance(found, MethodType)
        function: Callable[..., Any] = found.__func__ if is_classmethod else found
        ours = functools.wraps(function)(make(self._inherited if self._own is None else function))
        self._ours: Any = classmethod(ours) if is_classmethod else ours
        setattr(model, name, self._ours)

    def take_off(self) -> None:
        """Leave the class as it was found, unless somebody else has replaced the method since."""
        if self._model.__dict__.get(self._name) is not self._ours:
            return
        if self._own is None:
            delattr(self._model, self._name)
        else:
            setattr(self._model, self._name, self._own)

    def _inherited(self, first: Any, *args: Any, **kwargs: Any) -> Any:
        # Looked up at each call, since a base class may be patched later than this one.
        return getattr(super(self._model, first), self._name)(*args, **kwargs)
