"""
Plain values as JSON has them, and back.

Text, bool, None, lists and integers up to 2 ** 53 are themselves; everything else is an object
with one key that says what it is: {"decimal": "1.50"}. Databases that store JSON in a form of
their own change floats, the order of keys, and some characters, so these are told apart as well.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, timezone, tzinfo
from decimal import Decimal
from enum import Enum, Flag
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

from django.utils.functional import Promise
from django.utils.safestring import SafeString

from signalscope.delivery.references import refer, resolve
from signalscope.exceptions import UnreadablePayload

# Deeper values are refused, and so are those that contain themselves.
MAX_DEPTH = 50
# Integers beyond this are not exact in every JSON parser.
MAX_INTEGER = 2**53
# Not in PostgreSQL's JSON: NUL and lone surrogates.
_RARE = re.compile("[\0\ud800-\udfff]")

Pack = Callable[[Any], Any]


class CannotPack(Exception):  # noqa: N818
    """Part of an argument cannot be sent to another process."""

    def __init__(self, value: object, advice: str = "") -> None:
        super().__init__(value)
        self.value = value
        self.advice = advice


def pack_plain(value: Any, pack: Pack) -> Any:
    """
    Return a plain value's JSON.

    pack: called with each value in it.
    Raises CannotPack.
    """
    kind = type(value)
    if kind is str:
        return _pack_text(value)
    if value is None or kind is bool or (kind is int and -MAX_INTEGER <= value <= MAX_INTEGER):
        return value
    if kind is list:
        return [pack(one) for one in value]
    if kind is dict:
        return {"dict": [[pack(key), pack(one)] for key, one in value.items()]}
    if kind in _COLLECTIONS:
        return {kind.__name__: [pack(one) for one in value]}
    if isinstance(value, Enum):
        return _pack_enum(value, pack)
    if isinstance(value, Promise):
        # In the language of whoever sends it.
        return _pack_text(str(value))
    # Libraries that stop the clock in tests put classes of their own there.
    if isinstance(value, datetime):
        kind = datetime
    elif isinstance(value, date):
        kind = date
    if kind in _SCALARS:
        tag, write, _ = _SCALARS[kind]
        return {tag: write(value)}
    raise CannotPack(value)


def unpack_plain(tag: str, body: Any, unpack: Pack) -> Any:
    """
    Return the value that pack_plain() made an object of.

    Raises UnreadablePayload, and what Python raises for a body that is not as it should be.
    """
    if tag == "dict":
        return {unpack(key): unpack(one) for key, one in body}
    if tag in _COLLECTION_OF:
        return _COLLECTION_OF[tag]([unpack(one) for one in body])
    if tag == "enum":
        return _unpack_enum(*body)
    if tag == "flag":
        reference, value = body
        return _unpack_flag(reference, unpack(value))
    if tag not in _READERS:
        raise UnreadablePayload(f"{tag!r} is no kind of value that is known here")
    return _READERS[tag](body)


def _pack_text(value: str) -> Any:
    if _RARE.search(value):
        return {"characters": [ord(one) for one in value]}
    return value


def _read_text(body: Any) -> str:
    return "".join([chr(one) for one in body])


def _read_bytes(body: Any) -> bytes:
    return base64.b64decode(body, validate=True)


def _read_safe(body: Any) -> SafeString:
    return SafeString(body if isinstance(body, str) else _read_text(body["characters"]))


def _pack_enum(value: Enum, pack: Pack) -> Any:
    reference = refer(type(value))
    if reference is None:
        raise CannotPack(value, "define its class at the top level of a module")
    if isinstance(value, Flag):
        return {"flag": [reference, pack(value.value)]}
    return {"enum": [reference, value.name]}


def _unpack_enum(reference: str, name: str) -> Enum:
    # No call of the class, which may run a _missing_() of its own.
    return _enum_class(reference, Enum).__members__[name]  # type: ignore[no-any-return]


def _unpack_flag(reference: str, value: Any) -> Flag:
    if type(value) is not int:
        raise UnreadablePayload(f"{value!r} is no value of a flag")
    return _enum_class(reference, Flag)(value)  # type: ignore[no-any-return]


def _enum_class(reference: str, kind: type[Enum]) -> Any:
    found = resolve(reference)
    if not (isinstance(found, type) and issubclass(found, kind)):
        raise UnreadablePayload(f"{reference!r} is no {kind.__name__}")
    return found


def _write_moment(value: datetime | time) -> list[Any]:
    return [value.replace(tzinfo=None).isoformat(), value.fold, _write_zone(value.tzinfo)]


def _read_datetime(body: Any) -> datetime:
    text, fold, zone = body
    return datetime.fromisoformat(text).replace(fold=fold, tzinfo=_read_zone(zone))


def _read_time(body: Any) -> time:
    text, fold, zone = body
    return time.fromisoformat(text).replace(fold=fold, tzinfo=_read_zone(zone))


def _write_zone(zone: tzinfo | None) -> Any:
    if zone is None:
        return None
    if isinstance(zone, ZoneInfo) and zone.key:
        return zone.key
    if zone is UTC:
        return []
    if type(zone) is timezone:
        offset, name = zone.utcoffset(None), zone.tzname(None)
        is_named = name != timezone(offset).tzname(None)
        return [offset // _MICROSECOND, name] if is_named else [offset // _MICROSECOND]
    raise CannotPack(zone, "use zoneinfo.ZoneInfo or datetime.timezone for the time zone")


def _read_zone(zone: Any) -> tzinfo | None:
    if zone is None:
        return None
    if isinstance(zone, str):
        return ZoneInfo(zone)
    if not zone:
        return UTC
    offset_us, *name = zone
    return timezone(offset_us * _MICROSECOND, *name)


_MICROSECOND = timedelta(microseconds=1)
_COLLECTIONS = (tuple, set, frozenset)
_COLLECTION_OF: dict[str, Callable[[Any], Any]] = {kind.__name__: kind for kind in _COLLECTIONS}

# The tag of a type, how its values become JSON, and how they come back.
_SCALARS: dict[type, tuple[str, Callable[[Any], Any], Callable[[Any], Any]]] = {
    # In base 16, which has no limit on the number of digits.
    int: ("int", hex, lambda body: int(body, 16)),
    float: ("float", repr, float),
    Decimal: ("decimal", str, Decimal),
    UUID: ("uuid", str, UUID),
    bytes: ("bytes", lambda value: base64.b64encode(value).decode("ascii"), _read_bytes),
    SafeString: ("safe", lambda value: _pack_text(str(value)), _read_safe),
    date: ("date", date.isoformat, date.fromisoformat),
    datetime: ("datetime", _write_moment, _read_datetime),
    time: ("time", _write_moment, _read_time),
    timedelta: (
        "timedelta",
        lambda value: [value.days, value.seconds, value.microseconds],
        lambda body: timedelta(*body),
    ),
}
_READERS = {tag: read for tag, _, read in _SCALARS.values()} | {"characters": _read_text}
