"""Says how stored deliveries are, and what to do about them."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from django.db import Error

from signalscope.formatting import duration
from signalscope.management.advice import about_error
from signalscope.management.tables import wrap
from signalscope.models import Delivery
from signalscope.outbox.databases import default_database
from signalscope.stats.deliveries import COUNT_LIMIT, deliveries

# What waits longer than that has no worker, or too few.
OVERDUE_S = 60.0


def deliveries_as_json(database: str | None) -> dict[str, Any]:
    """Return how they are as JSON has it; database: None for the project's own."""
    try:
        return {"deliveries": asdict(deliveries(database or default_database()))}
    except Error:
        return {"deliveries": None}


def about_deliveries(database: str | None) -> str:
    """Return how they are as people read it; database: None for the project's own."""
    using = database or default_database()
    try:
        found = deliveries(using)
    except Error as error:
        return wrap(f"Deliveries: {about_error(using, error, Delivery)}")
    counts = (
        f"{found.pending_count} pending, {found.running_count} running, {found.failed_count} failed"
    )
    lines = [f"Deliveries in {using}: {counts}."]
    if found.overdue_s > OVERDUE_S:
        lines.append(
            f"The oldest could have been run {duration(found.overdue_s * 1e9)} ago: is "
            '"manage.py signalscope deliver" running?'
        )
    if found.failed_count:
        lines.append("See why: manage.py signalscope deliveries --state failed")
    if found.lapsed_count:
        lines.append(
            f"Of the newest {COUNT_LIMIT:,}, {found.lapsed_count} may have been run twice: their "
            "worker died, or took longer than its lease."
        )
    return "\n".join([wrap(line) for line in lines])
