"""Values of fields as a person would write them, and what of them is masked."""

from __future__ import annotations

import json
import math
import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import Any
from uuid import UUID

from django.core.files import File
from django.db import models
from django.utils import timezone

from signalscope.activity.queries import refused_queries
from signalscope.core.names import class_label

MASKED = "********"
MAX_LABEL_LENGTH = 255
MAX_TEXT_LENGTH = 500
# Of lists and dicts, all levels together, and how deep they may be nested.
MAX_PARTS = 200
MAX_DEPTH = 6
# JavaScript, and with it the browser, has no whole numbers beyond.
_MAX_NUMBER = 2**53

# The words of a name: of card_number, cardNumber, CARD_NUMBER and HTTPToken.
_WORDS = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_SECRET_WORDS = frozenset(
    {
        *("apikey", "authorization", "card", "cards", "credential", "credentials", "creditcard"),
        *("cvc", "cvv", "iban", "key", "keys", "otp", "passcode", "passphrase", "passwd"),
        *("password", "passwords", "pin", "pwd", "secret", "secrets", "ssn", "token", "tokens"),
    }
)


def object_key(obj: models.Model) -> str:
    """Return an object's primary key as entries have it: text; a composite one as JSON."""
    pk = obj.pk
    if isinstance(pk, tuple):
        return json.dumps([json_value(part) for part in pk])
    return "" if pk is None else str(pk)


def object_label(obj: models.Model) -> str:
    """
    Return what an object calls itself, at most 255 characters.

    Its str() may run no query; where it tries to, or fails, it is "order 3".
    """
    try:
        if type(obj).__str__ is models.Model.__str__:
            # Django's own asks for the key only, and this is asked for every entry.
            return _cut(str(obj), MAX_LABEL_LENGTH)
        with refused_queries():
            return _cut(str(obj), MAX_LABEL_LENGTH)
    except Exception:  # noqa: BLE001
        return _cut(f"{obj._meta.verbose_name} {object_key(obj)}", MAX_LABEL_LENGTH)


def is_secret(name: str) -> bool:
    """Tell whether a whole word of a name says that its value is nobody's business."""
    return any(word.lower() in _SECRET_WORDS for word in _WORDS.findall(name))


def field_value(field: Any, value: Any, instance: models.Model | None = None) -> Any:
    """
    Return a field's value as JSON has it, as a person would write it; it costs no query.

    A choice is its label. A foreign key is "label (key)" where the instance has the related
    object at hand, else the key. The rest is as in json_value().
    """
    if value is None:
        return None
    try:
        if field.choices:
            return json_value(_choice(field, value))
        if field.is_relation and instance is not None:
            related = instance._state.fields_cache.get(field.cache_name)
            # Its key is not asked for where it was not loaded.
            if related is not None and related.__dict__[field.target_field.attname] == value:
                return _labelled(related, value)
    except Exception:  # noqa: BLE001, S110
        # Choices may come from a query, and a comparison may be anybody's.
        pass
    return json_value(value)


def _choice(field: Any, value: Any) -> Any:
    with refused_queries():
        return next((label for key, label in field.flatchoices if key == value), value)


def _labelled(obj: models.Model, key: object) -> str:
    return f"{object_label(obj)} ({key})"


def json_value(value: Any) -> Any:
    """
    Return any value as JSON has it, and as a person would write it; it costs no query.

    None, bool and numbers stay; the rest is text of at most 500 characters. Lists and dicts are
    kept up to 200 parts, and in dicts the values of secret names are masked.
    """
    # Most values, which have no parts to count.
    if type(value) is str:
        return _cut(value)
    if type(value) is int and abs(value) <= _MAX_NUMBER:
        return value
    return _Shaper().shape(value, 0)


class _Shaper:
    """Makes one value JSON, and counts its parts."""

    def __init__(self) -> None:
        self._left_count = MAX_PARTS

    def shape(self, value: Any, depth: int) -> Any:
        """Return it as JSON has it; depth: how many lists and dicts it is in."""
        # Not isinstance(), here and below: a lazy object would be looked up.
        kind = type(value)
        try:
            if issubclass(kind, Enum):
                return self.shape(getattr(value, "label", value.name), depth)
            if issubclass(kind, dict):
                return self._shape_mapping(value, depth)
            if issubclass(kind, list | tuple):
                return self._shape_parts(value, depth)
            if issubclass(kind, set | frozenset):
                return sorted(self._shape_parts(value, depth), key=str)
            return _plain(value, kind)
        except Exception:  # noqa: BLE001
            return f"<{class_label(kind)}>"

    def _has_room(self, depth: int) -> bool:
        self._left_count -= 1
        return self._left_count >= 0 and depth < MAX_DEPTH

    def _shape_mapping(self, value: dict[Any, Any], depth: int) -> dict[str, Any]:
        shaped: dict[str, Any] = {}
        for key, part in value.items():
            if not self._has_room(depth):
                shaped["…"] = "…"
                break
            name = str(_plain(key, type(key)))
            shaped[name] = MASKED if is_secret(name) else self.shape(part, depth + 1)
        return shaped

    def _shape_parts(self, value: Any, depth: int) -> list[Any]:
        shaped = []
        for part in value:
            if not self._has_room(depth):
                shaped.append("…")
                break
            shaped.append(self.shape(part, depth + 1))
        return shaped


def _plain(value: Any, kind: type) -> Any:
    """Return a value that has no parts as JSON has it."""
    if value is None or issubclass(kind, bool):
        return value
    if issubclass(kind, str):
        return _cut(value)
    if issubclass(kind, int):
        return int(value) if -_MAX_NUMBER <= value <= _MAX_NUMBER else _cut(str(value))
    if issubclass(kind, float):
        return float(value) if math.isfinite(value) else str(value)
    if issubclass(kind, datetime):
        return _moment(value)
    if issubclass(kind, date | time):
        return value.isoformat()
    if issubclass(kind, Decimal | UUID | timedelta | IPv4Address | IPv6Address):
        return _cut(str(value))
    if issubclass(kind, bytes | bytearray):
        return f"<{len(value)} bytes>"
    if issubclass(kind, memoryview):
        return f"<{value.nbytes} bytes>"
    if issubclass(kind, File):
        return _cut(value.name or "")
    if issubclass(kind, models.Model):
        return _labelled(value, object_key(value))
    # An expression, a lazy text, a class of the project's: all of these know what they are.
    with refused_queries():
        return _cut(str(value))


def _moment(value: datetime) -> str:
    if timezone.is_aware(value):
        try:
            value = timezone.localtime(value)
        except OverflowError:
            # The first and the last moment that there is; another zone's calendar has ended.
            pass
    return value.isoformat(sep=" ")


def _cut(text: str, max_length: int = MAX_TEXT_LENGTH) -> str:
    """Return a text with "…" in place of what is too long."""
    # A subclass may be anybody's.
    text = str.__str__(text)
    return text if len(text) <= max_length else f"{text[: max_length - 1]}…"
