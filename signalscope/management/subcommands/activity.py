"""``manage.py signalscope activity``: who did what, oldest first, and what is being done."""

from __future__ import annotations

import json
import os
import time
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error
from django.db.models import Q
from django.utils import timezone

from signalscope.conf import get_conf
from signalscope.formatting import changes_line, values_line
from signalscope.management import options as parse
from signalscope.management.advice import about_error
from signalscope.management.follow import Follower
from signalscope.management.tables import FORMATS, WIDTH, Column, Row, cut_end, encodable, wrap
from signalscope.models import ActivityLog
from signalscope.models.activity_queries import ActivityLogQuerySet

HELP = "Print the activity log: who did what, to which object, oldest first."
LIMIT = 100
POLL_S = 1.0
_FILTERS = ("user", "model", "object", "action", "since")
_KEYS = tuple(field.attname for field in ActivityLog._meta.concrete_fields)
# Of a table whose rows are to come; together with the gaps they fill a line.
_WIDTHS = {"time": 19, "who": 14, "action": 19, "object": 25}
# How many lines stand above the first row.
_HEAD = {"table": 3, "csv": 1, "md": 2}


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    add("--user", metavar="USER", help="only what a user did, by key or by name")
    add("--model", type=parse.model, metavar="APP.MODEL", help="only to objects of this model")
    add("--object", metavar="KEY", help="only to objects with this primary key")
    add("--action", metavar="ACTION", help="only this: updated, login_failed, exported report")
    add(
        "--since",
        type=parse.moment,
        metavar="AGE|DATE",
        help="how far to look back: 30m, 12h, 7d, 2026-01-31, 2026-01-31T12:00",
    )
    add(
        "--limit",
        type=parse.positive,
        default=LIMIT,
        metavar="N",
        help="only the newest N (default: %(default)s)",
    )
    add("--format", choices=tuple(FORMATS), default="table", help="default: table")
    add("--follow", action="store_true", help="go on with what comes, until Ctrl-C")
    parse.add_database(parser)


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    """Print the entries that match; with --follow, until Ctrl-C or until nobody reads on."""
    using = options["database"] or get_conf().database
    rows = _matching(options, using)
    try:
        with _until_nobody_reads(command):
            if options["follow"]:
                _follow(command, rows, options)
            else:
                # The writer's entries get their keys some seconds after those of tracked models.
                newest = sorted(rows.order_by("-pk")[: options["limit"]], key=_age)
                _print_all(command, newest, options)
    except Error as error:
        raise CommandError(about_error(using, error)) from error


def _age(entry: ActivityLog) -> tuple[datetime, int]:
    return entry.at, entry.pk


def _matching(options: dict[str, Any], using: str) -> ActivityLogQuerySet:
    rows = ActivityLog.objects.using(using)
    if (user := options["user"]) is not None:
        rows = rows.filter(Q(actor_key=user) | Q(actor_label=user))
    if (model := options["model"]) is not None:
        # A proxy's entries are those of the model behind it.
        rows = rows.filter(object_type=model._meta.concrete_model._meta.label)
    if (key := options["object"]) is not None:
        rows = rows.filter(object_key=key)
    if (action := options["action"]) is not None:
        rows = rows.filter(action=action)
    if (since := options["since"]) is not None:
        rows = rows.filter(at__gte=since if settings.USE_TZ else timezone.make_naive(since))
    return rows


def _print_all(command: BaseCommand, entries: list[ActivityLog], options: dict[str, Any]) -> None:
    name = options["format"]
    if entries or name != "table":
        _write(command, FORMATS[name](_columns(name), _rows(name, entries)))
    if not entries:
        stream = command.stdout if name == "table" else command.stderr
        stream.write(wrap(_why_empty(options)))


def _follow(command: BaseCommand, rows: ActivityLogQuerySet, options: dict[str, Any]) -> None:
    follower = Follower(rows)
    name = options["format"]
    try:
        if name != "json":
            _write(command, _head(name))
        entries = follower.begin(options["limit"])
        while True:
            if entries:
                _write(command, _lines(name, entries))
            time.sleep(POLL_S)
            entries = follower.new()
    except KeyboardInterrupt:
        return


def _head(name: str) -> str:
    """Return what stands above the first row, as long as rows are to come."""
    return FORMATS[name](_columns(name, is_fixed=True), [])


def _lines(name: str, entries: list[ActivityLog]) -> str:
    """Return entries without what stands above the first one; of JSON, one object a line."""
    rows = _rows(name, entries)
    if name == "json":
        return "\n".join(json.dumps({key: row[key] for key in _KEYS}) for row in rows)
    text = FORMATS[name](_columns(name, is_fixed=True), rows)
    return text.split("\n", _HEAD[name])[_HEAD[name]]


def _columns(name: str, *, is_fixed: bool = False) -> Sequence[Column]:
    """
    Return the columns of a format.

    is_fixed: whether those of a table are as wide as they may be, for rows that are to come.
    """
    if name in ("json", "csv"):
        return [Column(key, key) for key in _KEYS]
    if not is_fixed:
        columns = [Column(key, key) for key in _WIDTHS]
    else:
        columns = [
            Column(key, f"{key:<{width}}", partial(cut_end, width=width))
            for key, width in _WIDTHS.items()
        ]
    if name == "md":
        return [*columns, Column("line", "changes")]
    return [*columns, Column("line", "changes", partial(cut_end, width=WIDTH - 2), is_below=True)]


def _rows(name: str, entries: list[ActivityLog]) -> list[Row]:
    return [{**_fields(entry, name), **_texts(entry)} for entry in entries]


def _fields(entry: ActivityLog, name: str) -> dict[str, Any]:
    fields = {key: getattr(entry, key) for key in _KEYS}
    fields["at"] = entry.at.isoformat()
    if name == "csv":
        for key in ("changes", "details"):
            fields[key] = json.dumps(fields[key], ensure_ascii=False)
    return fields


def _texts(entry: ActivityLog) -> dict[str, str]:
    """Return what a person reads of an entry; times in the project's time zone."""
    at = timezone.localtime(entry.at) if timezone.is_aware(entry.at) else entry.at
    return {
        "time": f"{at:%Y-%m-%d %H:%M:%S}",
        "who": entry.actor_label or entry.actor_key or "-",
        "action": entry.action,
        "object": f"{entry.object_type} {entry.object_label or entry.object_key}".strip(),
        "line": changes_line(entry.changes) or values_line(entry.details),
    }


def _why_empty(options: dict[str, Any]) -> str:
    if given := [f"--{name}" for name in _FILTERS if options[name] is not None]:
        return f"No entry matches {' and '.join(given)}; without that, there may be some."
    return (
        "Nothing is logged yet. Logins, changed passwords and permissions, migrations and "
        "commands are logged by themselves; what happens to a model is once "
        'signalscope.track() or SIGNALSCOPE["TRACK"] names it.'
    )


def _write(command: BaseCommand, text: str) -> None:
    command.stdout.write(encodable(text, command.stdout))
    # Whoever follows sees it at once, also through a pipe.
    command.stdout.flush()


@contextmanager
def _until_nobody_reads(command: BaseCommand) -> Iterator[None]:
    """End a block quietly where the program behind a pipe has ended."""
    try:
        yield
    except BrokenPipeError:
        # Python flushes the stream once more as it exits.
        os.dup2(os.open(os.devnull, os.O_WRONLY), command.stdout.fileno())
