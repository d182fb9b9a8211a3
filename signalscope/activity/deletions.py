"""Tells which rows of parent models go with the row of a multi-table child."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from weakref import ref

from django.db import models

_Row = tuple[type[models.Model], Any]


class Covered:
    """
    Rows that need no entry, since the entry of a child's deletion has their values.

    Django sends the signals of a deletion for each row: for all before, then for all after. What
    belongs together has one origin, the instance or queryset that delete() was called on.
    """

    def __init__(self) -> None:
        # By the id of the origin, as long as it lives.
        self._rows: dict[int, tuple[ref[Any], set[_Row]]] = {}

    def add_parents(
        self,
        instance: models.Model,
        origin: object,
        is_tracked: Callable[[type[models.Model]], object],
    ) -> None:
        """Cover the rows of an instance in the tables of its tracked parents."""
        rows = {
            (parent, getattr(instance, str(parent._meta.pk.attname)))
            for parent in instance._meta.get_parent_list()
            # A proxy's parent is the model that it stands for.
            if parent is not instance._meta.concrete_model and is_tracked(parent)
        }
        if rows and origin is not None:
            key = id(origin)
            known = self._rows.get(key)
            if known is None:
                reference = ref(origin, lambda _: self._rows.pop(key, None))
                known = self._rows[key] = (reference, set())
            known[1].update(rows)

    def has(self, instance: models.Model, origin: object) -> bool:
        """Tell whether the instance's row goes with a child's."""
        _, rows = self._rows.get(id(origin), (None, ()))
        return _row(instance) in rows

    def take(self, instance: models.Model, origin: object) -> bool:
        """Tell whether the instance's row went with a child's, once."""
        if not self.has(instance, origin):
            return False
        _, rows = self._rows[id(origin)]
        rows.remove(_row(instance))
        if not rows:
            del self._rows[id(origin)]
        return True


def _row(instance: models.Model) -> _Row:
    concrete = instance._meta.concrete_model
    assert concrete is not None
    return concrete, instance.pk
