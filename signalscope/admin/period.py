"""The period that a page of statistics is about."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from django.http import HttpRequest
from django.utils.functional import Promise
from django.utils.http import urlencode

from signalscope.admin.filters import PERIODS
from signalscope.conf import get_conf

DEFAULT = "24h"


@dataclass(frozen=True, slots=True)
class Choice:
    """One of the periods to choose from, with its address."""

    label: Promise
    url: str
    is_chosen: bool


def chosen(request: HttpRequest) -> tuple[datetime, str]:
    """
    Return when the chosen period began, and its name; the last 24 hours for any other.

    The moment is rounded to what is kept at its age.
    """
    name = request.GET.get("since", DEFAULT)
    if name not in PERIODS:
        name = DEFAULT
    since = datetime.now(UTC) - PERIODS[name][0]
    return get_conf().retention.rounded(since), name


def choices(name: str, **query: str) -> list[Choice]:
    """Return the periods, with addresses that keep the rest of the query."""
    return [
        Choice(label, f"?{urlencode({**query, 'since': key})}", key == name)
        for key, (_length, label) in PERIODS.items()
    ]
