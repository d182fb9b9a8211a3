"""``manage.py signalscope deliveries``: what is promised, what became of it, and what to do."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Callable
from datetime import datetime
from functools import partial
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError
from django.db import Error, connections
from django.utils import timezone

from signalscope.formatting import counted
from signalscope.management import options as parse
from signalscope.management.advice import about_error
from signalscope.management.tables import FORMATS, WIDTH, Column, cut_end, encodable
from signalscope.models import Delivery
from signalscope.models.delivery_queries import DeliveryQuerySet
from signalscope.outbox.acts import cancel, retry
from signalscope.outbox.databases import default_database

HELP = "Print stored deliveries, newest first; let some be tried again, or never be run."
LIMIT = 100
State = Delivery.State
_FIELDS = (
    *("key", "state", "receiver", "signal", "sender", "queue", "order_key", "attempts"),
    *("max_attempts", "lapse_count", "created_at", "due_at", "finished_at", "claimed_by"),
    "last_error",
)
# None of these has a default of its own, so that it is known whether it was given.
_FOR_THE_LIST = ("state", "limit", "format")
_MOMENTS = ("created_at", "due_at", "finished_at")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("--state", choices=State.values, help="only deliveries in this state")
    add(
        "--limit",
        type=parse.positive,
        metavar="N",
        help=f"only the newest N (default: {LIMIT})",
    )
    add("--format", choices=tuple(FORMATS), help="default: table")
    add("--retry", nargs="*", metavar="KEY", help="run these at once that have not been done")
    add("--cancel", nargs="*", metavar="KEY", help="never run these that have not been done")
    add(
        "--all-failed",
        action="store_true",
        help="with --retry or --cancel: all that have failed, in the place of keys",
    )
    add("--database", choices=sorted(connections), help="default: where the router has deliveries")


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    """Print deliveries, or do something about some."""
    using = options["database"] or default_database()
    rows = Delivery.objects.using(using)
    acts: dict[str, Callable[[DeliveryQuerySet], int]] = {"retry": retry, "cancel": cancel}
    given = [name for name in acts if options[name] is not None]
    if len(given) > 1:
        raise CommandError("--retry and --cancel cannot be given together.")
    if options["all_failed"] and not given:
        raise CommandError("--all-failed means nothing without --retry or --cancel.")
    ignored = [f"--{name}" for name in _FOR_THE_LIST if options[name] is not None]
    if given and ignored:
        raise CommandError(
            f"{' and '.join(ignored)} cannot be given with --{given[0]}: give the keys of "
            "deliveries, as the list prints them, or --all-failed."
        )
    try:
        if given:
            name = given[0]
            keys = _keys(options[name], is_all=options["all_failed"])
            chosen = rows.filter(key__in=keys) if keys else rows.filter(state=State.FAILED)
            _tell(command, name, acts[name](chosen), len(keys))
        else:
            _print(command, rows, options)
    except Error as error:
        raise CommandError(about_error(using, error, Delivery)) from error


def _keys(given: list[str], *, is_all: bool) -> list[UUID]:
    """Return the keys of deliveries, each once; none where all that have failed are meant."""
    if is_all == bool(given):
        raise CommandError("Give the keys of deliveries, or --all-failed in their place.")
    try:
        return list(dict.fromkeys(UUID(key) for key in given))
    except ValueError as error:
        raise CommandError(
            f"{', '.join(given)}: not all of these are keys; give them as the list prints them."
        ) from error


def _tell(command: BaseCommand, name: str, count: int, key_count: int) -> None:
    done = {"retry": "to be run at once", "cancel": "cancelled"}[name]
    command.stdout.write(f"{counted(count, 'delivery is', 'deliveries are')} {done}.")
    if count < key_count:
        left = counted(key_count - count, "is", "are")
        command.stdout.write(f"{left} not: unknown here, running, or done already.")


def _print(command: BaseCommand, rows: DeliveryQuerySet, options: dict[str, Any]) -> None:
    name = options["format"] or "table"
    limit = options["limit"] or LIMIT
    if (state := options["state"]) is not None:
        rows = rows.filter(state=state)
    found = [_row(row) for row in rows.order_by("-pk").values(*_FIELDS)[:limit]]
    if found or name != "table":
        columns = _TABLE if name in ("table", "md") else [Column(key, key) for key in _FIELDS]
        text = FORMATS[name](columns, found)
        command.stdout.write(encodable(text, command.stdout))
    else:
        command.stdout.write(
            "No delivery is stored." if state is None else f"No delivery is {state}."
        )


def _row(row: dict[str, Any]) -> dict[str, Any]:
    created_at: datetime = row["created_at"]
    if timezone.is_aware(created_at):
        created_at = timezone.localtime(created_at)
    moments = {name: row[name] and row[name].isoformat() for name in _MOMENTS}
    return {
        **row,
        **moments,
        "key": str(row["key"]),
        "time": f"{created_at:%m-%d %H:%M:%S}",
        "tries": f"{row['attempts']}/{row['max_attempts']}",
        "name": row["receiver"] or row["signal"],
    }


_TABLE = [
    Column("time", "created"),
    Column("key", "key"),
    Column("state", "state"),
    Column("tries", "attempts"),
    Column("lapse_count", "lapses", is_number=True),
    Column("name", "receiver", is_below=True),
    Column("last_error", "last error", partial(cut_end, width=WIDTH - 2), is_below=True),
]
