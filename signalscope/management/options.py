"""Reads the values of command line options; each error says what was given and what is allowed."""

from __future__ import annotations

import math
import re
from argparse import ArgumentParser, ArgumentTypeError
from datetime import UTC, datetime, timedelta
from difflib import get_close_matches

from django.apps import apps
from django.db import connections, models
from django.utils import timezone
from django.utils.dateparse import parse_date, parse_datetime

_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
_PERIOD = re.compile(r"(\d{1,9})([smhdw])", re.ASCII)
# What is longer reaches back before anything was recorded.
_LONGEST = timedelta(days=36_500)
_LONGEST_PAUSE_S = 3600
# Of a text that goes into a table.
MAX_LENGTH = 255


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


def seconds(text: str) -> float:
    """Return a number of seconds, 0 or more; raises ArgumentTypeError for any other text."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not (math.isfinite(number) and number >= 0):
        raise ArgumentTypeError(f"{text!r} is not allowed; give seconds, 0 or more")
    return number


def pause(text: str) -> float:
    """
    Return a number of seconds to wait, above 0 and up to an hour.

    Raises ArgumentTypeError for any other text: none at all would keep the database busy.
    """
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    # nan is neither.
    if not 0 < number <= _LONGEST_PAUSE_S:
        raise ArgumentTypeError(
            f"{text!r} is not allowed; give seconds, above 0 and at most {_LONGEST_PAUSE_S}"
        )
    return number


def moment(text: str) -> datetime:
    """
    Return the aware moment that an age ("30d") or a date ("2026-01-31", "2026-01-31T12:00") names.

    A date without a time zone is in the project's. Raises ArgumentTypeError for any other text
    and for what is still to come.
    """
    now = datetime.now(UTC)
    if _PERIOD.fullmatch(text):
        return now - period(text)
    found = _date(text)
    if found is None:
        raise ArgumentTypeError(
            f"{text!r} is neither an age nor a date; give one such as 12h, 30d, 2026-01-31 or "
            "2026-01-31T12:00"
        )
    if found > now:
        raise ArgumentTypeError(f"{text!r} is still to come; give a moment in the past")
    return found


def later(text: str) -> datetime:
    """
    Return the aware moment that a date ("2026-01-31", "2026-01-31T12:00") names.

    A date without a time zone is in the project's. Raises ArgumentTypeError for any other text
    and for what is over.
    """
    found = _date(text)
    if found is None:
        raise ArgumentTypeError(
            f"{text!r} is no date; give one such as 2026-01-31 or 2026-01-31T12:00"
        )
    if found <= datetime.now(UTC):
        raise ArgumentTypeError(f"{text!r} is over; give a moment that is still to come")
    return found


def _date(text: str) -> datetime | None:
    """Return the aware moment that a date names, None where it is no date."""
    try:
        found = parse_datetime(text)
        if found is None and (day := parse_date(text)) is not None:
            found = datetime(day.year, day.month, day.day)  # noqa: DTZ001
        if found is not None and found.tzinfo is None:
            found = timezone.make_aware(found)
        if found is not None:
            # Moments at the ends of the calendar have none in UTC.
            found.timestamp()
    except (ValueError, OverflowError):
        return None
    return found


def short_text(text: str) -> str:
    """
    Return a text without spaces around it.

    Raises ArgumentTypeError for an empty one, for more than 255 characters, and for what no
    database takes.
    """
    text = text.strip()
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise ArgumentTypeError(f"{text!r} is no text") from error
    if not 0 < len(text) <= MAX_LENGTH or "\0" in text:
        raise ArgumentTypeError(
            f"{text[:60]!r} is not allowed; give a text of at most {MAX_LENGTH} characters"
        )
    return text


def model(text: str) -> type[models.Model]:
    """
    Return the model that a label such as "shop.Order" names, in whatever case.

    Raises ArgumentTypeError for any other text; the error names those that read alike.
    """
    labels = {found._meta.label_lower: found for found in apps.get_models()}
    if text.lower() in labels:
        return labels[text.lower()]
    near = get_close_matches(text.lower(), labels, n=3, cutoff=0.5) or sorted(labels)[:3]
    raise ArgumentTypeError(
        f"{text!r} is no model; give app.Model of an installed app, such as "
        f"{', '.join(labels[label]._meta.label for label in near)}"
    )


def add_database(parser: ArgumentParser) -> None:
    """Declare the option that names another database."""
    parser.add_argument(
        "--database", choices=sorted(connections), help="default: SIGNALSCOPE['DATABASE']"
    )
