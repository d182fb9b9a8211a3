"""Numbers and names as people read them: shared by the admin, the panel and the command line."""

from __future__ import annotations

from collections.abc import Iterable


def duration(ns: float) -> str:
    """Return a duration with three digits and its unit: "870 ns", "12.3 µs", "4.21 ms"."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if ns >= size * 0.9995:
            value = ns / size
            digits = 2 if value < 9.995 else 1 if value < 99.95 else 0
            return f"{value:.{digits}f} {unit}"
    return f"{ns:.0f} ns"


def milliseconds(ns: float) -> float:
    """Return a duration in ms, rounded to the µs."""
    return round(ns / 1e6, 3)


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
