"""What a field's value is once it is stored, and whether two values are the same then."""

from __future__ import annotations

import copy
import json
from datetime import date, datetime
from decimal import Decimal
from functools import cache
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import models
from django.db.backends.utils import format_number
from django.utils import timezone

# Most values; to look for an attribute that they have not is slow.
_PLAIN = frozenset({str, int, bool, float, Decimal, datetime, date, UUID, type(None)})
# Values of Django's own fields that can be changed in place.
_MUTABLE_FIELDS = (models.JSONField,)
# What they hold is what the field holds that they refer to.
_RELATIONS = (models.ForeignKey, models.OneToOneField)
# Values that fields store and load as they are: most of those that are saved.
_KEPT = {
    models.CharField: str,
    models.TextField: str,
    models.IntegerField: int,
    models.BooleanField: bool,
}


def is_expression(value: object) -> bool:
    """Tell whether the database makes the value: F("count") + 1, Now(), a db_default."""
    return type(value) not in _PLAIN and hasattr(value, "resolve_expression")


def may_be_mutable(field: Any) -> bool:
    """Tell whether a field's values may be changed in place, so that they must be copied."""
    kind: Any = type(field)
    return not _is_djangos(kind) or isinstance(field, _MUTABLE_FIELDS)


@cache
def _is_djangos(kind: type) -> bool:
    return kind.__module__.startswith("django.db.models.fields")


@cache
def _kept_type(kind: type) -> type | None:
    """Return the type whose values a class of fields keeps as they are, None for no such type."""
    if not _is_djangos(kind):
        return None
    return next((kept for base, kept in _KEPT.items() if issubclass(kind, base)), None)


def is_same(old: Any, new: Any) -> bool:
    """Tell whether two values are equal; what cannot be compared is not."""
    try:
        return bool(old == new)
    except Exception:  # noqa: BLE001
        # Of the project's own class.
        return False


def as_stored(field: Any, value: Any) -> Any:
    """
    Return a value as the field would load it once it is saved, for the project to change no more.

    "5" of a decimal field is Decimal("5.00"), a file is its name, a tuple in JSON a list.
    A value that the field cannot read stays what it is.
    """
    try:
        while type(field) in _RELATIONS:
            field = field.target_field
        kind: Any = type(field)
        if type(value) is _kept_type(kind):
            return value
        if isinstance(field, models.FileField):
            return str(value or "")
        if value is None:
            return None
        if isinstance(field, models.JSONField):
            text = json.dumps(value, cls=field.encoder)
            return json.loads(text, cls=field.decoder)
        value = _python_value(field, value)
        return copy.deepcopy(value) if may_be_mutable(field) else value
    except Exception:  # noqa: BLE001
        # The field or the value is the project's own.
        return value


def _python_value(field: Any, value: Any) -> Any:
    if isinstance(field, models.BinaryField):
        return bytes(value)
    value = field.to_python(value)
    if isinstance(field, models.DecimalField) and isinstance(value, Decimal):
        text = format_number(value, field.max_digits, field.decimal_places)
        return value if text is None else Decimal(text)
    if isinstance(value, datetime) and settings.USE_TZ and timezone.is_naive(value):
        # As Django does when it saves, after a warning.
        return timezone.make_aware(value, timezone.get_default_timezone())
    return list(value) if isinstance(value, tuple) else value
