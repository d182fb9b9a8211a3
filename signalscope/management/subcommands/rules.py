"""``manage.py signalscope rules``: which receivers are not called, until when and why."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import Error

from signalscope.conf import get_conf
from signalscope.management.advice import about_error
from signalscope.management.rule_views import spoken_end
from signalscope.management.tables import FORMATS, Column, Row, encodable, wrap
from signalscope.models import ControlRule

HELP = "Print the rules that are in force, newest first."
_KEYS = tuple(field.attname for field in ControlRule._meta.concrete_fields)


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    parser.add_argument("--all", action="store_true", help="those that have ended, too")
    parser.add_argument("--format", choices=tuple(FORMATS), default="table", help="default: table")


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    """Print the rules."""
    using = get_conf().database
    rules = ControlRule.objects.using(using)
    try:
        found = list(rules if options["all"] else rules.in_force())
    except Error as error:
        raise CommandError(about_error(using, error)) from error
    name = options["format"]
    if found or name != "table":
        text = FORMATS[name](_columns(name), [_row(rule) for rule in found])
        command.stdout.write(encodable(text, command.stdout))
    if not found:
        stream = command.stdout if name == "table" else command.stderr
        what = "No rule was ever set." if options["all"] else "No rule is in force."
        stream.write(wrap(f"{what} To set one: manage.py signalscope mute"))


def _columns(name: str) -> list[Column]:
    if name in ("json", "csv"):
        return [Column(key, key) for key in (*_KEYS, "has_ended")]
    return [
        Column("id", "rule", is_number=True),
        Column("what", "what"),
        Column("end", "until"),
        Column("set_by", "set by"),
        Column("reason", "reason", is_below=name == "table"),
    ]


def _row(rule: ControlRule) -> Row:
    end = spoken_end(rule).removeprefix("until ")
    return {
        **{key: getattr(rule, key) for key in _KEYS},
        "until": None if rule.until is None else rule.until.isoformat(),
        "created_at": rule.created_at.isoformat(),
        "has_ended": rule.has_ended,
        "what": str(rule),
        "end": f"ended {end}" if rule.has_ended else end,
    }
