"""Which fields of models are masked wherever their values are shown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from django.db import models

from signalscope.activity.values import is_secret
from signalscope.core.names import matches


def is_masked(model: type[models.Model], name: str, masks: Sequence[str]) -> bool:
    """
    Tell whether a field is masked: for its own name, or since the MASK setting says so.

    masks: globs over "field" and "app.Model.field", of the concrete model or one that it
    inherits from.
    """
    return is_secret(name) or any(matches(masks, f"{label}.{name}") for label in _labels(model))


def _labels(model: type[models.Model]) -> list[str]:
    meta: Any = model._meta.concrete_model._meta  # type: ignore[union-attr]
    return [meta.label, *(parent._meta.label for parent in meta.get_parent_list())]
