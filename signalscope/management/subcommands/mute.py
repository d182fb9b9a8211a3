"""``manage.py signalscope mute``: sets a rule by which receivers are not called."""

from __future__ import annotations

from argparse import ArgumentParser
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import Error
from django.utils import timezone

from signalscope import wiring
from signalscope.activity.operations import os_user
from signalscope.conf import get_conf
from signalscope.context import SignalContext
from signalscope.management import options as parse
from signalscope.management.advice import about_error
from signalscope.management.rule_views import reach_columns, reach_rows, spoken_end
from signalscope.management.tables import as_table, encodable, printable, wrap
from signalscope.models import ControlRule
from signalscope.models.rule import as_rule
from signalscope.stats.reach import Reached, reach

HELP = "Let receivers not be called, in every process, until a moment."
DEFAULT = timedelta(hours=1)
GLOBS = ("signal", "sender", "receiver", "dispatch_uid")


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the options."""
    add = parser.add_argument
    for name in GLOBS:
        add(
            f"--{name.replace('_', '-')}",
            type=parse.short_text,
            metavar="GLOB",
            help=f"only where the {name}, or its last part, matches; all that are given must",
        )
    add("--reason", type=parse.short_text, metavar="TEXT", help="why; it is shown to others")
    end = parser.add_mutually_exclusive_group()
    end.add_argument(
        "--for",
        dest="length",
        type=parse.period,
        default=DEFAULT,
        metavar="PERIOD",
        help="how long: 90s, 15m, 8h, 7d (default: 1h)",
    )
    end.add_argument(
        "--until",
        type=parse.later,
        metavar="DATE",
        help="until when instead: 2026-01-31, 2026-01-31T12:00",
    )
    end.add_argument("--for-good", action="store_true", help="until somebody ends it")
    add("--force", action="store_true", help="receivers of Django's and signalscope's, too")
    add("--by", type=parse.short_text, metavar="NAME", help="who sets it (default: the OS user)")
    add("--dry-run", action="store_true", help="only say which receivers match")


def run(command: BaseCommand, options: dict[str, Any]) -> None:
    """Say which receivers match, and set the rule."""
    using = get_conf().database
    rule = _rule(options)
    try:
        found = reach(as_rule(rule), using=using)
        _write(command, _about(found))
        if found and all(reached.is_spared for reached in found):
            raise CommandError(
                "Only receivers of Django's or signalscope's match; a rule mutes them with --force."
            )
        if options["dry_run"]:
            return
        with SignalContext.use(user=rule.set_by):
            rule.save(using=using)
    except Error as error:
        raise CommandError(about_error(using, error)) from error
    _write(
        command,
        f"Set rule {rule.pk}, {spoken_end(rule)}. Each process follows within "
        f"{get_conf().rules_refresh_s:g} s, one that is idle as it goes on. "
        f"To end it before: manage.py signalscope unmute {rule.pk}",
    )
    if why_off := wiring.why_off():
        command.stderr.write(wrap(f"In this process it means nothing: {why_off}"))


def _rule(options: dict[str, Any]) -> ControlRule:
    globs = {name: options[name] or "" for name in GLOBS}
    if not any(globs.values()):
        raise CommandError(
            "Say what to mute: give --signal, --sender, --receiver or --dispatch-uid. "
            "All receivers are: --receiver '*'."
        )
    if not (options["reason"] or options["dry_run"]):
        raise CommandError("Say why: give --reason.")
    return ControlRule(
        **globs,
        until=_end(options),
        reason=options["reason"] or "",
        set_by=options["by"] or os_user(),
        is_forced=options["force"],
    )


def _end(options: dict[str, Any]) -> datetime | None:
    if options["for_good"]:
        return None
    until: datetime = options["until"] or timezone.now() + options["length"]
    until = until.replace(microsecond=0)
    is_naive = timezone.is_naive(until)
    return timezone.make_naive(until) if not (settings.USE_TZ or is_naive) else until


def _about(found: Sequence[Reached]) -> str:
    if not found:
        return (
            "No receiver that is connected in this process, or was called in the last hour, "
            "matches. A rule may be meant for one of another process, or for one to come."
        )
    return as_table(reach_columns(found), reach_rows(found))


def _write(command: BaseCommand, text: str) -> None:
    lines = text.split("\n") if "\n" in text else wrap(text).split("\n")
    text = "\n".join([printable(line) for line in lines])
    command.stdout.write(encodable(text, command.stdout))
