"""Reads the values of command line options; each error says what was given and what is allowed."""

from __future__ import annotations

import math
import re
from argparse import ArgumentTypeError
from datetime import timedelta

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_PERIOD = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
# What is longer reaches back before anything was recorded.
_LONGEST = timedelta(days=36_500)


def period(text: str) -> timedelta:
    """
    Return the length of time that a text such as "90s", "30m", "24h", "7d" or "2w" names.

    Raises ArgumentTypeError for any other text, for none at all and for more than a century.
    """
    found = _PERIOD.fullmatch(text)
    if found is None or int(found[1]) == 0:
        raise ArgumentTypeError(
            f"{text!r} is no period; give a whole number above 0 and a unit, one of s, m, h, d "
            "and w, such as 90s, 30m, 24h, 7d or 2w"
        )
    try:
        length = timedelta(**{_UNITS[found[2]]: int(found[1])})
    except OverflowError:
        length = timedelta.max
    if length > _LONGEST:
        raise ArgumentTypeError(f"{text!r} is too long; give a century at most, such as 5200w")
    return length


def positive(text: str) -> int:
    """Return a whole number above 0; raises ArgumentTypeError for any other text."""
    try:
        number = int(text)
    except ValueError:
        number = 0
    if number <= 0:
        raise ArgumentTypeError(f"{text!r} is not allowed; give a whole number above 0")
    return number


def milliseconds(text: str) -> float:
    """Return a number of milliseconds, 0 or more; raises ArgumentTypeError for any other text."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise ArgumentTypeError(f"{text!r} is not allowed; give milliseconds, 0 or more")
    return number
