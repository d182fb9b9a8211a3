"""Numbers and names as people read them: shared by the admin, the panel and the command line."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from django.template.defaultfilters import filesizeformat


def duration(ns: float) -> str:
    """Return a duration with three digits and its unit: "870 ns", "12.3 µs", "4.21 ms"."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= size * 0.9995:
            value = ns / size
            digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
            return f"{value:.{digits}f} {unit}"
    return f"{ns:.0f} ns"


def percent(share: float) -> str:
    """Return a share from 0 to 1 with two digits where it is small: "0.81 %", "12 %"."""
    value = share * 100
    if 0 < value < 0.01:
        return "<0.01 %"
    return f"{value:.2g} %" if value < 9.95 else f"{value:.0f} %"


def size(byte_count: int) -> str:
    """Return bytes with a unit, as Django does, with a plain space: "1.2 MB"."""
    return filesizeformat(byte_count).replace("\N{NO-BREAK SPACE}", " ")


def milliseconds(ns: float) -> float:
    """Return a duration in ms, rounded to the µs."""
    return round(ns / 1e6, 3)


def before_and_after(change: Any) -> tuple[Any, Any]:
    """Return both values of one of an entry's changes; what is no pair has no value before."""
    return (
        (change[0], change[1]) if isinstance(change, list) and len(change) == 2 else (None, change)
    )


def value_line(value: Any) -> str:
    """Return a JSON value on one line: "-" for none and for an empty one, a list with commas."""
    if value is None:
        return "-"
    if isinstance(value, str):
        return " ".join(value.split()) or "-"
    if isinstance(value, list):
        return ", ".join(map(value_line, value)) or "-"
    return json.dumps(value, ensure_ascii=False)


def values_line(values: Mapping[str, Any]) -> str:
    """Return named JSON values on one line, by name: "reason: nightly import, rows: 3"."""
    return ", ".join(f"{name}: {value_line(value)}" for name, value in sorted(values.items()))


def changes_line(changes: Mapping[str, Any]) -> str:
    """Return an entry's changes on one line, by field: "status: placed → paid, total: 7.90"."""
    parts = []
    for name, change in sorted(changes.items()):
        before, after = before_and_after(change)
        arrow = "" if before is None else f"{value_line(before)} → "
        parts.append(f"{name}: {arrow}{value_line(after)}")
    return ", ".join(parts)


def counted(count: int, singular: str, plural: str) -> str:
    """Return "1 call", "2 calls"."""
    return f"{count} {singular if count == 1 else plural}"


def short_names(names: Iterable[str]) -> dict[str, str]:
    """
    Return for each dotted name its last parts, as few as tell it from the others.

    The dot in "shop.Order" of two models named Order stays, so that the short ones stay unique.
    """
    labels = set(names)
    unique = {_inner(name) for name in labels}
    short = {}
    for name in unique:
        parts = name.split(".")
        for length in range(1, len(parts) + 1):
            ending = ".".join(parts[-length:])
            others = sum(
                other == ending or other.endswith(f".{ending}") for other in unique if other != name
            )
            if not others:
                break
        short[name] = ending
    return {name: name.replace(_inner(name), short[_inner(name)]) for name in labels}


def _inner(name: str) -> str:
    """Return what a partial's label names, and any other name as it is."""
    return name.removeprefix("partial(").removesuffix(")") if name.endswith(")") else name
